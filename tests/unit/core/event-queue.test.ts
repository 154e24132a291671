import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../../../machine/core/event-queue.ts';

describe('EventQueue', () => {
  it('fires in order of time, then of insertion, and leaves out what was cancelled', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(50), fc.boolean())), (events) => {
        const queue = new EventQueue();
        const fired: [number, number][] = [];
        events.forEach(([tick, keep], order) => {
          const event = queue.schedule(tick, () => fired.push([tick, order]));
          if (!keep) queue.cancel(event);
        });
        queue.fireDue(1000);
        const wanted = events
          .map(([tick, keep], order) => ({ tick, keep, order }))
          .filter(({ keep }) => keep)
          .sort((a, b) => a.tick - b.tick || a.order - b.order)
          .map(({ tick, order }) => [tick, order]);
        expect(fired).toEqual(wanted);
        expect(queue.nextTick).toBe(Infinity);
      }),
    );
  });

  it('fires what an event schedules for the same moment, and nothing later', () => {
    const queue = new EventQueue();
    const seen: string[] = [];
    queue.schedule(5, (tick) => {
      seen.push('first');
      queue.schedule(tick, () => seen.push('second'));
      queue.schedule(tick + 1, () => seen.push('third'));
    });
    queue.fireDue(5);
    expect(seen).toEqual(['first', 'second']);
    expect(queue.nextTick).toBe(6);
  });
});
