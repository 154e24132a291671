/**
 * The branch predictor of the core against a plain model of the same rules, on random streams of
 * branches; and what such a predictor must and cannot learn.
 */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../../machine/core/random.ts';
import {
  branchKey,
  branchMisses,
  setUpPredictor,
} from '../../../../machine/hardware/cpu/predictor.ts';
import { GuestMachine } from '../jit/rig.ts';

const SPEC = {
  historyEntries: 1 << 10,
  targetEntries: 1 << 4,
  returnStackEntries: 8,
  refillTicks: 0,
};
const MIX = 0x9e3779b97f4a7c15n;
const MASK_64 = (1n << 64n) - 1n;
const REFILL = 640;

interface LearningCore {
  learnBranch(
    cpu: number,
    key: bigint,
    taken: number,
    history: bigint,
    record: number,
    resolve: number,
  ): number;
  learnTarget(
    cpu: number,
    key: bigint,
    target: bigint,
    history: bigint,
    record: number,
    resolve: number,
  ): number;
}

/** The predictor of the core with an empty history. */
class Subject {
  private readonly machine = new GuestMachine({ filter: true });
  private readonly core: LearningCore;
  private readonly record: number;
  history = 0n;

  constructor() {
    const { linear, hierarchy } = this.machine;
    this.core = hierarchy.core as unknown as LearningCore;
    this.record = linear.arena.allocate(128, 128);
    setUpPredictor(linear, 0, { ...SPEC, refillTicks: REFILL });
  }

  get misses(): number {
    return branchMisses(this.machine.linear, 0);
  }

  branch(address: bigint, taken: boolean, resolve = 0): number {
    const key = BigInt.asIntN(64, branchKey(address));
    const bit = taken ? 1 : 0;
    const { machine, record, history } = this;
    const past = BigInt.asIntN(64, history);
    const ticks = this.core.learnBranch(machine.cpu, key, bit, past, record, resolve);
    this.history = ((history << 1n) | BigInt(bit)) & MASK_64;
    return ticks;
  }

  indirect(address: bigint, target: bigint): number {
    const key = BigInt.asIntN(64, branchKey(address));
    const { machine, record, history } = this;
    const past = BigInt.asIntN(64, history);
    const ticks = this.core.learnTarget(machine.cpu, key, target, past, record, 0);
    this.history = ((history << 4n) ^ (target >> 3n)) & MASK_64;
    return ticks;
  }
}

/** A table entry of the plain model: which branch and history it is for, and a counter 0..3. */
interface Known {
  tag: bigint;
  counter: number;
}

const step = (counter: number, taken: boolean): number =>
  taken ? Math.min(3, counter + 1) : Math.max(0, counter - 1);

/** The same rules with maps for tables. */
class PlainPredictor {
  private readonly counters = new Map<bigint, { counter: number; unsure: boolean }>();
  private readonly short = new Map<bigint, Known>();
  private readonly long = new Map<bigint, Known>();
  history = 0n;

  /** Whether the branch was predicted wrongly. */
  branch(address: bigint, taken: boolean): boolean {
    const key = (address * MIX) & MASK_64;
    const slot = key >> 51n;
    const own = this.counters.get(slot) ?? { counter: 1, unsure: false };
    this.counters.set(slot, own);
    const wrong = own.unsure ? this.withHistory(key, own, taken) : this.alone(own, taken);
    this.history = ((this.history << 1n) | (taken ? 1n : 0n)) & MASK_64;
    return wrong;
  }

  private alone(own: { counter: number; unsure: boolean }, taken: boolean): boolean {
    const wrong = own.counter >= 2 !== taken;
    const uniform = this.history === 0n || this.history === MASK_64;
    if (wrong && (own.counter === 0 || own.counter === 3) && !uniform) own.unsure = true;
    own.counter = step(own.counter, taken);
    return wrong;
  }

  private withHistory(key: bigint, own: { counter: number }, taken: boolean): boolean {
    const long = this.find(this.long, this.history, key, 10n);
    if (long.known?.tag === long.tag) {
      const wrong = long.known.counter >= 2 !== taken;
      long.known.counter = step(long.known.counter, taken);
      return wrong;
    }
    const short = this.find(this.short, this.history & 0xfffn, key, 13n);
    const known = short.known?.tag === short.tag ? short.known : undefined;
    const wrong = (known ?? own).counter >= 2 !== taken;
    own.counter = step(own.counter, taken);
    if (known !== undefined) known.counter = step(known.counter, taken);
    else if (wrong) this.short.set(short.index, { tag: short.tag, counter: taken ? 2 : 1 });
    const sure = long.known?.counter === 0 || long.known?.counter === 3;
    if (long.known !== undefined && sure) long.known.counter = long.known.counter === 0 ? 1 : 2;
    else {
      const counter = wrong ? (taken ? 2 : 1) : taken ? 3 : 0;
      this.long.set(long.index, { tag: long.tag, counter });
    }
    return wrong;
  }

  private find(
    table: Map<bigint, Known>,
    history: bigint,
    key: bigint,
    bits: bigint,
  ): { index: bigint; tag: bigint; known: Known | undefined } {
    const place = (((history ^ key) * MIX) & MASK_64) >> (64n - bits - 13n);
    const index = place >> 13n;
    return { index, tag: place & 0x1fffn, known: table.get(index) };
  }
}

describe('conditional branches', () => {
  it('are predicted as the plain model does, over random programs', () => {
    const random = new Random(3, 'branches');
    for (let round = 0; round < 8; round++) {
      const subject = new Subject();
      const plain = new PlainPredictor();
      let misses = 0;
      const kinds = Array.from({ length: 1 + random.below(12) }, () => random.below(5));
      for (let n = 0; n < 3000; n++) {
        const which = random.below(3) === 0 ? random.below(kinds.length) : n % kinds.length;
        const address = 0x401000n + BigInt(which * 17);
        const noise = random.below(100);
        const taken = [noise < 50, noise < 98, n % 7 !== 0, (n >> 3) % 2 === 0, false][
          kinds[which]
        ];
        const wrong = plain.branch(address, taken);
        if (wrong) misses++;
        expect(subject.branch(address, taken, which)).toBe(wrong ? REFILL + which : 0);
        expect(subject.history).toBe(plain.history);
      }
      expect(subject.misses).toBe(misses);
    }
  });

  const missesIn = (length: number, outcome: (n: number) => boolean): number => {
    const subject = new Subject();
    let before = 0;
    for (let n = 0; n < length; n++) {
      if (n === length / 2) before = subject.misses;
      subject.branch(0x1000n, outcome(n));
    }
    return subject.misses - before;
  };

  it('that follow a pattern are learnt', () => {
    expect(missesIn(4000, (n) => n % 10 !== 9)).toBe(0);
    expect(missesIn(4000, (n) => [1, 1, 0, 1, 0, 0, 0, 1, 1, 1][n % 10] === 1)).toBe(0);
  });

  it('at the end of a loop longer than any history are missed once a loop', () => {
    const misses = missesIn(20_000, (n) => n % 1000 !== 999);
    expect(misses).toBe(10);
  });

  it('that nothing tells are missed half of the time', () => {
    const random = new Random(1, 'branches');
    const misses = missesIn(20_000, () => random.below(2) === 1);
    expect(misses).toBeGreaterThan(4500);
    expect(misses).toBeLessThan(5500);
  });
});

describe('indirect branches', () => {
  it('with one target are missed once', () => {
    const subject = new Subject();
    for (let n = 0; n < 10; n++) subject.indirect(0x1000n, 0x2000n);
    expect(subject.misses).toBe(1);
  });

  it('that alternate are learnt from the history', () => {
    const subject = new Subject();
    for (let n = 0; n < 100; n++) subject.indirect(0x1000n, n % 2 === 0 ? 0x2000n : 0x3010n);
    const before = subject.misses;
    for (let n = 0; n < 100; n++) subject.indirect(0x1000n, n % 2 === 0 ? 0x2000n : 0x3010n);
    expect(subject.misses - before).toBe(0);
  });

  it('with four random targets are missed three times in four', () => {
    const random = new Random(5, 'branches');
    const subject = new Subject();
    for (let n = 0; n < 8000; n++)
      subject.indirect(0x1000n, 0x2000n + 16n * BigInt(random.below(4)));
    expect(subject.misses / 8000).toBeGreaterThan(0.7);
    expect(subject.misses / 8000).toBeLessThan(0.8);
  });
});
