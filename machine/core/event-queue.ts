/**
 * Events in simulated time: a binary heap ordered by tick, then by order of insertion, so that
 * equal times always fire in the same order. Events are cancelled by their handle.
 */
import { assert } from './assert.ts';
import type { Ticks } from './units.ts';

export interface ScheduledEvent {
  readonly tick: Ticks;
  readonly order: number;
  readonly fire: (tick: Ticks) => void;
  cancelled: boolean;
}

const earlier = (a: ScheduledEvent, b: ScheduledEvent): boolean =>
  a.tick < b.tick || (a.tick === b.tick && a.order < b.order);

export class EventQueue {
  private readonly heap: ScheduledEvent[] = [];
  private order = 0;

  /** Tick of the first pending event, or Infinity. */
  get nextTick(): Ticks {
    this.dropCancelled();
    return this.heap.length === 0 ? Infinity : this.heap[0].tick;
  }

  schedule(tick: Ticks, fire: (tick: Ticks) => void): ScheduledEvent {
    assert(Number.isInteger(tick), 'an event is due at an integer tick');
    const event = { tick, order: this.order++, fire, cancelled: false };
    const { heap } = this;
    let child = heap.push(event) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!earlier(event, heap[parent])) break;
      heap[child] = heap[parent];
      child = parent;
    }
    heap[child] = event;
    return event;
  }

  cancel(event: ScheduledEvent): void {
    event.cancelled = true;
  }

  /** Fires every event that is due at `now`, those that they schedule included. */
  fireDue(now: Ticks): void {
    while (this.nextTick <= now) {
      const event = this.pop();
      event.fire(event.tick);
    }
  }

  /** Whether no event but `event` is pending. */
  holdsOnly(event: ScheduledEvent | null): boolean {
    return this.heap.every((each) => each.cancelled || each === event);
  }

  private dropCancelled(): void {
    while (this.heap.length > 0 && this.heap[0].cancelled) this.pop();
  }

  private pop(): ScheduledEvent {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    assert(last !== undefined, 'the event queue is not empty');
    if (heap.length === 0) return first;
    let parent = 0;
    for (;;) {
      let child = parent * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && earlier(heap[child + 1], heap[child])) child++;
      if (!earlier(heap[child], last)) break;
      heap[parent] = heap[child];
      parent = child;
    }
    heap[parent] = last;
    return first;
  }
}
