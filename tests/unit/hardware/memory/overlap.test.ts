/**
 * The model of overlapping misses against a plain one: lists of what was dispatched and when it was
 * done, searched anew for every access. Accesses and their dependences are random; the latency of
 * each miss is what the blocking model charges for it.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeFlow } from '../../../../machine/hardware/cpu/flow-encoding.ts';
import type { AccessFlow, BlockFlow } from '../../../../machine/hardware/cpu/dependence.ts';
import { Cpu } from '../../../../machine/hardware/layout.ts';
import {
  AccessHint,
  AccessKind,
  Source,
} from '../../../../machine/hardware/memory/overlap-layout.ts';
import type { MemoryGeometry } from '../../../../machine/hardware/memory/model-setup.ts';
import { Rig, SMALL } from './rig.ts';

const PAGE = 0x400000n;
const PAGES = 6;
const LIMIT = 1e12;
const WINDOW = 9000;
const LATENCY = 64;
const OVERLAP = { hitTicks: 256, missBuffers: 4, storeBuffer: 3, walkers: 2 };

interface Step {
  readonly store: boolean;
  readonly line: number;
  /** Base ticks before it. */
  readonly after: number;
  /** Which of the last loads its address waits for; 0: none. */
  readonly waitsFor: number;
}

const step = fc.record({
  store: fc.boolean(),
  line: fc.nat({ max: PAGES * 64 - 1 }),
  after: fc.nat({ max: 3000 }),
  waitsFor: fc.nat({ max: 3 }),
});

/** Loads of one block, in order; access n may wait for one of the three before it. */
function flowOf(steps: readonly Step[]): BlockFlow {
  let loads = 0;
  const accesses = steps.map((s): AccessFlow => {
    const producer = loads - s.waitsFor;
    const waits = s.waitsFor > 0 && producer >= 0;
    const source = Source.LOADS + loads;
    if (!s.store) loads++;
    return {
      kind: s.store ? AccessKind.STORE : AccessKind.LOAD,
      address: PAGE,
      source: s.store ? Source.NONE : source,
      instruction: 0,
      fence: undefined,
      terms: new Map(waits ? [[Source.LOADS + producer, LATENCY]] : []),
    };
  });
  return {
    accesses,
    results: [],
    loops: false,
    endsSerialized: false,
    ticks: 1,
    offsets: new Int32Array(2),
    window: WINDOW,
  };
}

class Machine {
  readonly rig: Rig;
  private readonly block: number;

  constructor(geometry: MemoryGeometry) {
    this.rig = new Rig({ geometry });
    const root = this.rig.table();
    for (let page = 0; page < PAGES; page++) {
      this.rig.map(root, PAGE + BigInt(page * 4096), BigInt(0x100000 + page * 0x1000) | 7n);
    }
    this.rig.hierarchy.setAddressSpace(0, BigInt(root), 0, true);
    this.block = this.rig.linear.cpuBlock(0);
    this.clock = 0;
    // Every translation is there from now on: walks have tests of their own.
    for (let page = 0; page < PAGES; page++) {
      this.access({ store: true, line: page * 64, after: 0, waitsFor: 0 }, 0);
    }
  }

  set clock(ticks: number) {
    const { i64 } = this.rig.linear;
    i64[(this.block + Cpu.LIMIT) >> 3] = BigInt(LIMIT);
    i64[(this.block + Cpu.LEFT) >> 3] = BigInt(LIMIT - ticks);
  }

  /** Ticks that the access is charged. */
  access(s: Step, hint: number): number {
    const { linear, hierarchy, record } = this.rig;
    linear.i32[(this.block + Cpu.HINT) >> 2] = hint;
    const va = PAGE + BigInt(s.line * 64);
    if (s.store) hierarchy.core.write(this.block, va, 8, record);
    else hierarchy.core.read(this.block, va, 8, record);
    return linear.i32[(this.block + Cpu.STALL) >> 2];
  }

  writeHints(flow: BlockFlow): number {
    const at = this.rig.linear.arena.allocate(1 << 16, 8);
    writeFlow(this.rig.linear.data, at, flow);
    return at;
  }
}

/** The time-line of a core, in ticks. `base` advances with the code, dispatch also by waiting. */
class PlainCore {
  private base = 0;
  private waited = 0;
  private charged = 0;
  private readonly loadsInFlight: { base: number; done: number }[] = [];
  private readonly buffers: number[] = [];
  private readonly storesDone: number[] = [];
  private readonly valueAt = new Map<number, number>();
  private loads = 0;

  /** Returns the charge of an access that takes `latency` once it begins; 0 is a hit. */
  access(s: Step, latency: number, usesBuffer: boolean): number {
    this.base += s.after;
    const producer = this.loads - s.waitsFor;
    const load = s.store ? -1 : this.loads++;
    if (latency === 0) return 0;
    // The reorder buffer is full behind a load after WINDOW ticks: dispatch waits until it is done.
    for (const old of this.loadsInFlight.splice(0)) {
      if (old.base + WINDOW > this.base) this.loadsInFlight.push(old);
      else this.waited = Math.max(this.waited, old.done - (old.base + WINDOW));
    }
    const clock = this.base + this.charged;
    let begins = this.base + this.waited;
    if (s.waitsFor > 0 && producer >= 0) {
      begins = Math.max(begins, (this.valueAt.get(producer) ?? -Infinity) + LATENCY);
    }
    if (usesBuffer) begins = Math.max(begins, this.buffers.at(-OVERLAP.missBuffers) ?? 0);
    let done = begins + latency;
    if (usesBuffer) this.buffers.push(done);
    let charge: number;
    if (s.store) {
      const room = this.storesDone.at(-OVERLAP.storeBuffer) ?? 0;
      done = Math.max(done, this.storesDone.at(-1) ?? 0);
      this.storesDone.push(done);
      this.waited = Math.max(this.waited, room - this.base);
      charge = Math.max(0, this.waited - this.charged);
    } else {
      this.loadsInFlight.push({ base: this.base, done });
      this.valueAt.set(load, done + OVERLAP.hitTicks);
      charge = Math.max(0, done - clock);
    }
    this.charged += charge;
    return charge;
  }

  get clock(): number {
    return this.base + this.charged;
  }
}

describe('overlapping misses', () => {
  it('are charged as by a plain time-line', () => {
    let hidden = 0;
    let longer = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 30 }), (steps) => {
        const flow = flowOf(steps);
        const blocking = new Machine(SMALL);
        const machine = new Machine({ ...SMALL, overlap: OVERLAP });
        const hints = machine.writeHints(flow);
        const core = new PlainCore();
        let clock = 0;
        steps.forEach((s, index) => {
          const before = blocking.rig.hierarchy.counters(0);
          const latency = blocking.access(s, 0);
          const after = blocking.rig.hierarchy.counters(0);
          clock += s.after;
          machine.clock = clock;
          const charge = machine.access(s, hints + index * AccessHint.BYTES);
          const expected = core.access(s, latency, after.l1dMisses > before.l1dMisses);
          expect(charge).toBe(expected);
          clock += charge;
          expect(core.clock).toBe(clock);
          if (charge < latency) hidden++;
          if (charge > latency) longer++;
        });
      }),
      { numRuns: 150, seed: 7, endOnFailure: true },
    );
    expect(hidden).toBeGreaterThan(1000);
    expect(longer).toBeGreaterThan(10);
  });

  it('leave what is hit and missed as it is', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 100, maxLength: 300 }), (steps) => {
        const blocking = new Machine(SMALL);
        const machine = new Machine({ ...SMALL, overlap: OVERLAP });
        const hints = machine.writeHints(flowOf(steps.slice(0, 1)));
        for (const s of steps) {
          blocking.access(s, 0);
          machine.access(s, hints);
        }
        expect(machine.rig.hierarchy.counters(0)).toEqual(blocking.rig.hierarchy.counters(0));
      }),
      { numRuns: 20, seed: 8 },
    );
  });
});

describe('a last level that others use', () => {
  /** Last-level hits of a second pass over `lines` lines, `pause` ticks after the first. */
  function hits(pause: number, llcLifetimeTicks?: number): number {
    const lines = 120;
    const machine = new Machine({
      ...SMALL,
      ...(llcLifetimeTicks === undefined ? {} : { llcLifetimeTicks }),
    });
    const pass = (): void => {
      for (let line = 0; line < lines; line++) {
        machine.access({ store: false, line, after: 0, waitsFor: 0 }, 0);
      }
    };
    pass();
    const before = machine.rig.hierarchy.sharedCounters().llcHits;
    machine.clock = pause;
    pass();
    return machine.rig.hierarchy.sharedCounters().llcHits - before;
  }

  it('loses what was not used for long, and little else', () => {
    const alone = hits(1e10);
    expect(alone).toBeGreaterThan(50);
    expect(hits(1e6, 1e9)).toBe(alone);
    expect(hits(1e10, 1e9)).toBe(0);
    const half = hits(0.84e9, 1e9);
    expect(half).toBeGreaterThan(alone * 0.3);
    expect(half).toBeLessThan(alone * 0.7);
  });
});
