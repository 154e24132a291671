/** Several CPUs: nothing is lost, every run is the same, and the quantum hardly shows. */
import { describe, expect, it } from 'vitest';
import { ZEN4_VM } from '../../../../machine/board/zen4-vm.ts';
import { COUNTERS, exchange, messages, neighbours, patching, type Program } from './programs.ts';
import { SmpRig, type SmpOptions } from './smp-rig.ts';

function build(options: SmpOptions, program: Program, rounds: number): SmpRig {
  return new SmpRig(options, (asm) => {
    program(asm, rounds);
  });
}

/** Cycles until the last CPU is done. */
function cycles(options: SmpOptions, program: Program, rounds: number): number {
  return Math.max(...build(options, program, rounds).run()) / 64;
}

describe('contended counters', () => {
  it.each(Object.entries(COUNTERS))('%s loses no increment', (_, program) => {
    for (const cpus of [2, 5]) {
      const smp = build({ cpus, quantumCycles: 2000 }, program, 100);
      smp.run();
      expect(smp.word(0)).toBe(BigInt(100 * cpus));
    }
  });

  it.each(Object.entries(COUNTERS))('%s: each tier, filter or not, the same', (_, program) => {
    const seen = (options: Partial<SmpOptions>): unknown =>
      build({ cpus: 3, quantumCycles: 1500, ...options }, program, 60).observe();
    const expected = seen({ tier: 'interpreter' });
    expect(expected).toMatchObject({ residuals: [0, 0, 0] });
    expect(seen({ tier: 'auto' })).toEqual(expected);
    expect(seen({ tier: 'translator' })).toEqual(expected);
    expect(seen({ tier: 'translator', filter: false })).toEqual(expected);
  });
});

describe('the quantum', () => {
  const QUANTA = [500, 2000, 10_000, 50_000];
  const { 'lock cmpxchg': retries, ...steady } = COUNTERS;
  const programs = [
    ...Object.entries(steady).map(([name, program]) => {
      const rounds = name.startsWith('lock') ? 6000 : 250;
      return { name, program, rounds };
    }),
    { name: 'messages with pause', program: messages(true), rounds: 200 },
    { name: 'messages without pause', program: messages(false), rounds: 200 },
  ];
  /** docs/translator.md states this bound. */
  it.each(programs)('changes how long $name takes by little', ({ program, rounds }) => {
    for (const cpus of [2, 3]) {
      const [exact, ...others] = QUANTA.map((quantumCycles) => ({
        quantumCycles,
        time: cycles({ cpus, quantumCycles }, program, rounds),
      }));
      for (const { quantumCycles, time } of others) {
        const bound = 0.15 * exact.time + cpus * quantumCycles;
        expect(Math.abs(time - exact.time)).toBeLessThan(bound);
      }
    }
  });

  it('does not decide what a retry loop counts, only how often it retries', () => {
    for (const quantumCycles of QUANTA) {
      const smp = build({ cpus: 3, quantumCycles }, retries, 1000);
      smp.run();
      expect(smp.word(0)).toBe(3000n);
    }
  });
});

describe('every run is the same', () => {
  it.each([1, 2, 3, 5, 8])('on %i CPUs', (cpus) => {
    const run = (): unknown => {
      const starts = Array.from({ length: cpus }, (_, cpu) => (cpu * 7919) % 1000);
      const program = COUNTERS['spinlock with pause'];
      return build({ cpus, quantumCycles: 1000, starts }, program, 40).observe();
    };
    expect(run()).toEqual(run());
  });
});

describe('lines', () => {
  it('that several CPUs write are slow, neighbouring ones are not', () => {
    const apart = cycles({ cpus: 4, quantumCycles: 1000 }, neighbours(64), 2000);
    const alone = cycles({ cpus: 1, quantumCycles: 1000 }, neighbours(64), 2000);
    const together = cycles({ cpus: 4, quantumCycles: 1000 }, neighbours(8), 2000);
    expect(apart).toBeLessThan(1.3 * alone);
    expect(together).toBeGreaterThan(2 * alone);
  });

  it('take as long there and back as on the reference host', () => {
    const trips = 3000;
    const time = cycles({ cpus: 2, quantumCycles: 1000 }, exchange, trips);
    // cacheline_pingpong_roundtrip: 366 TSC.
    const { coreMHz, tscMHz } = ZEN4_VM.core;
    expect((time / trips / coreMHz) * tscMHz).toBeGreaterThan(0.85 * 366);
    expect((time / trips / coreMHz) * tscMHz).toBeLessThan(1.15 * 366);
  });
});

describe('code that another CPU writes', () => {
  it('is executed as written, in every tier', () => {
    for (const tier of ['interpreter', 'translator', 'auto'] as const) {
      const smp = new SmpRig({ cpus: 2, quantumCycles: 1000, tier }, patching);
      smp.run();
      // CPU 1 leaves its loop only through the code that CPU 0 has written.
      expect(smp.states[1].register(0)).toBe(77n);
    }
  });
});
