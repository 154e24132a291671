/** Sets up the branch predictor of a CPU, and hashes branch addresses for it. */
import { assert } from '../../core/assert.ts';
import type { Ticks } from '../../core/units.ts';
import { Cpu } from '../layout.ts';
import type { LinearMemory } from '../memory/linear-memory.ts';
import { Counter, Predictor } from './predictor-layout.ts';

export interface PredictorSpec {
  /** Entries of the table with the long history; a power of two. */
  readonly historyEntries: number;
  /** Entries of the table of indirect targets; a power of two. */
  readonly targetEntries: number;
  /** Entries of the return stack; a power of two, at most Predictor.RETURN_STACK_MAX. */
  readonly returnStackEntries: number;
  /** From the resolution of a mispredicted branch to the first instruction after it. */
  readonly refillTicks: Ticks;
}

/** 2^64 / golden ratio, odd: multiplying by it spreads all bits upwards. */
const MIX = 0x9e3779b97f4a7c15n;

/** What the predictor knows the branch at `address` by. */
export function branchKey(address: bigint): bigint {
  return BigInt.asUintN(64, address * MIX);
}

function log2(value: number): number {
  const bits = Math.log2(value);
  assert(Number.isInteger(bits), 'tables of the predictor have power-of-two sizes');
  return bits;
}

export function log2OfHistory(spec: PredictorSpec): number {
  return log2(spec.historyEntries);
}

export function returnMask(spec: PredictorSpec): number {
  return spec.returnStackEntries * 8 - 8;
}

/** Gives `cpu` an untrained predictor; once, before it runs. */
export function setUpPredictor(linear: LinearMemory, cpu: number, spec: PredictorSpec): void {
  const longBits = log2(spec.historyEntries);
  const targetBits = log2(spec.targetEntries);
  assert(longBits >= 10 && longBits <= 20, 'the history table has 2^10 to 2^20 entries');
  assert(spec.returnStackEntries <= Predictor.RETURN_STACK_MAX, 'the return stack fits');
  const bytes = Predictor.LONG + 2 * spec.historyEntries + 8 * spec.targetEntries;
  const at = linear.arena.allocate(bytes, 64);
  const { i32, u8 } = linear;
  u8.fill(0, at, at + bytes);
  const counters = at + Predictor.COUNTERS;
  u8.fill(Counter.WEAKLY_NOT_TAKEN, counters, counters + (1 << Predictor.COUNTERS_BITS));
  i32[(at + Predictor.LONG_BITS) >> 2] = longBits;
  i32[(at + Predictor.TARGETS_BITS) >> 2] = targetBits;
  i32[(at + Predictor.RETURN_MASK) >> 2] = returnMask(spec);
  const block = linear.cpuBlock(cpu);
  i32[(block + Cpu.PREDICTOR) >> 2] = at;
  i32[(block + Cpu.RETURN_TOP) >> 2] = 0;
  i32[(block + Cpu.REFILL_TICKS) >> 2] = spec.refillTicks;
}

/** Branches that `cpu` has mispredicted so far; 0 without a predictor. */
export function branchMisses(linear: LinearMemory, cpu: number): number {
  const at = linear.i32[(linear.cpuBlock(cpu) + Cpu.PREDICTOR) >> 2];
  if (at === 0) return 0;
  const cell = (at + Predictor.MISSES) >> 2;
  return linear.i32[cell + 1] * 2 ** 32 + linear.u32[cell];
}
