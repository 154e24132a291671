/** Whole programs on the processor: no observable difference between tiers, filters and slices. */
import { describe, expect, it } from 'vitest';
import { ExitReason } from '../../../../machine/hardware/layout.ts';
import { LOOPS } from '../../../bench/loops.ts';
import { ProcessorRig } from './processor-rig.ts';
import type { ExecutorTier } from '../../../../machine/hardware/cpu/dispatch.ts';

const HEAP_BYTES = 0x40000;
const LIMIT = 1e9;
const VARIANTS: readonly { tier: ExecutorTier; filter: boolean }[] = [
  { tier: 'translator', filter: true },
  { tier: 'auto', filter: true },
  { tier: 'auto', filter: false },
];

const small = LOOPS.filter(({ name }) => name !== 'chase');

describe.each(small)('loop $name', (loop) => {
  const run = (tier: ExecutorTier, filter: boolean): unknown => {
    const rig = new ProcessorRig({ tier, filter, heapBytes: HEAP_BYTES });
    rig.load((asm) => {
      loop.emit(asm, 1);
    });
    loop.fill(rig.heap(HEAP_BYTES));
    return rig.observe(rig.processor.run(0, LIMIT));
  };

  it('ends the same in every tier, with the filter and without, and the books balance', () => {
    const expected = run('interpreter', true);
    expect(expected).toMatchObject({ reason: ExitReason.MARKER, residuals: [0] });
    for (const { tier, filter } of VARIANTS) expect(run(tier, filter)).toEqual(expected);
  });
});

describe('little room for code', () => {
  it('drops everything now and then, and nothing shows', () => {
    const run = (tier: ExecutorTier, codeBytes: number): unknown => {
      const rig = new ProcessorRig({ tier, codeBytes, heapBytes: HEAP_BYTES });
      const matmul = LOOPS.find(({ name }) => name === 'matmul');
      rig.load((asm) => matmul?.emit(asm, 1));
      matmul?.fill(rig.heap(HEAP_BYTES));
      return rig.observe(rig.processor.run(0, LIMIT));
    };
    const expected = run('interpreter', 1 << 20);
    // The largest block takes a little less than half of this, so that few fit together.
    for (const tier of ['interpreter', 'translator', 'auto'] as const) {
      expect(run(tier, 2400)).toEqual(expected);
    }
  });
});

describe('budget', () => {
  /** RIP and clock at each budget exit. */
  const stops = (tier: ExecutorTier, quantum: number): unknown[] => {
    const rig = new ProcessorRig({ tier });
    const fib = LOOPS.find(({ name }) => name === 'fib');
    rig.load((asm) => fib?.emit(asm, 1));
    const seen: unknown[] = [];
    let reason: ExitReason = ExitReason.BUDGET;
    while (reason === ExitReason.BUDGET && seen.length < 600) {
      reason = rig.processor.run(0, rig.state.clock + quantum);
      seen.push([reason, rig.state.rip, rig.state.clock]);
    }
    return [...seen, rig.observe(reason)];
  };

  it.each([640, 7777, 200_000])('of %i ticks ends at the same blocks in every tier', (quantum) => {
    const expected = stops('interpreter', quantum);
    expect(stops('translator', quantum)).toEqual(expected);
    expect(stops('auto', quantum)).toEqual(expected);
  });

  it('that is used up already runs nothing', () => {
    const rig = new ProcessorRig({ tier: 'auto' });
    rig.load((asm) => asm.ud2());
    rig.state.clock = 100;
    expect(rig.processor.run(0, 99)).toBe(ExitReason.BUDGET);
    expect(rig.state.clock).toBe(100);
  });
});
