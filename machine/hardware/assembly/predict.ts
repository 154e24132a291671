/**
 * Branch prediction: what happens at a branch when the inline test of translated code (or of the
 * interpreter) does not find it predicted for sure. The tables are described in
 * cpu/predictor-layout.ts. Each function that learns returns the ticks lost to a misprediction: the
 * time until the branch is resolved, which the block's dependencies give, plus the refill.
 * AssemblyScript.
 */
import { Counter, Predictor, TargetHistory } from '../cpu/predictor-layout';
import { BlockRecord, Cpu, Stall } from '../layout';
import { BranchKind, HardwareEvent } from '../memory/event-layout';
import { noteBranch, wanted } from './events';

const MIX: u64 = 0x9e3779b97f4a7c15;
const TAG_MASK: u32 = (1 << Predictor.TAG_BITS) - 1;
const TARGET_VARIES: u64 = 1 << 63;
const TARGET_MASK: u64 = (1 << 48) - 1;

/** Index and tag together: the highest `bits` + TAG_BITS bits of the mixed history and key. */
@inline function place(history: u64, key: u64, bits: u32): u32 {
  return <u32>(((history ^ key) * MIX) >> (64 - bits - Predictor.TAG_BITS));
}

@inline function entryOf(place: u32): u32 {
  return Predictor.ENTRY_VALID | ((place & TAG_MASK) << 2);
}

@inline function towards(counter: u32, taken: u32): u32 {
  if (taken != 0) return min<u32>(counter + 1, Counter.TAKEN);
  return counter == 0 ? 0 : counter - 1;
}

/** Books a misprediction; returns its ticks. */
function miss(cpu: usize, record: i32, resolve: i32, kind: i32): i32 {
  const tables: usize = load<u32>(cpu, Cpu.PREDICTOR);
  store<i64>(tables, load<i64>(tables, Predictor.MISSES) + 1, Predictor.MISSES);
  const ticks = resolve + load<i32>(cpu, Cpu.REFILL_TICKS);
  const cell = <usize>record + BlockRecord.STALLS + 8 * Stall.BRANCH;
  store<i64>(cell, load<i64>(cell) + <i64>ticks);
  if (wanted(HardwareEvent.BRANCH_MISS)) noteBranch(cpu, <usize>record, kind, ticks);
  return ticks;
}

/** A return that did not go where the last call came from. */
export function mispredicted(cpu: usize, record: i32, resolve: i32): i32 {
  return miss(cpu, record, resolve, BranchKind.RETURN);
}

/** A branch whose own counter still decides. */
@inline function learnCounter(at: usize, counter: u32, taken: u32, history: u64): bool {
  const wrong = counter >> 1 != taken;
  const sure = counter == Counter.NOT_TAKEN || counter == Counter.TAKEN;
  // After 64 times the same (in a long loop) no history can tell when it ends.
  const telling = history + 1 > 1;
  const unsure: u32 = wrong && sure && telling ? Predictor.COUNTER_UNSURE : 0;
  store<u8>(at, <u8>(towards(counter, taken) | unsure));
  return wrong;
}

/** The table of long histories does not know the branch here: the short one, else the counter. */
function learnShort(tables: usize, at: usize, counter: u32, key: u64, taken: u32, history: u64): bool {
  const found = place(history & Predictor.SHORT_HISTORY_MASK, key, Predictor.SHORT_BITS);
  const entry = tables + Predictor.SHORT + (<usize>(found >> Predictor.TAG_BITS) << 1);
  const tag = entryOf(found);
  const known = <u32>load<u16>(entry);
  store<u8>(at, <u8>(towards(counter & 3, taken) | Predictor.COUNTER_UNSURE));
  if ((known & ~3) == tag) {
    store<u16>(entry, <u16>(tag | towards(known & 3, taken)));
    return (known & 3) >> 1 != taken;
  }
  const wrong = (counter & 3) >> 1 != taken;
  if (wrong) store<u16>(entry, <u16>(tag | (taken != 0 ? Counter.WEAKLY_TAKEN : Counter.WEAKLY_NOT_TAKEN)));
  return wrong;
}

/**
 * Predicts the conditional branch `key` and learns its outcome, 0 or 1. `history` is that before
 * the branch; the caller appends the outcome. `resolve`: ticks until the branch is resolved.
 */
export function learnBranch(
  cpu: usize,
  key: i64,
  outcome: i32,
  past: i64,
  record: i32,
  resolve: i32,
): i32 {
  const tables: usize = load<u32>(cpu, Cpu.PREDICTOR);
  const taken = <u32>outcome;
  const history = <u64>past;
  const at = tables + Predictor.COUNTERS + <usize>(<u64>key >> (64 - Predictor.COUNTERS_BITS));
  const counter = <u32>load<u8>(at);
  let wrong = false;
  if (counter < <u32>Predictor.COUNTER_UNSURE) {
    wrong = learnCounter(at, counter, taken, history);
  } else {
    const found = place(history, key, load<u32>(tables, Predictor.LONG_BITS));
    const entry = tables + Predictor.LONG + (<usize>(found >> Predictor.TAG_BITS) << 1);
    const tag = entryOf(found);
    const known = <u32>load<u16>(entry);
    if ((known & ~3) == tag) {
      wrong = (known & 3) >> 1 != taken;
      store<u16>(entry, <u16>(tag | towards(known & 3, taken)));
    } else {
      wrong = learnShort(tables, at, counter, key, taken, history);
      const sure = (known & 3) == Counter.NOT_TAKEN || (known & 3) == Counter.TAKEN;
      // An entry that was sure is spared once: it becomes weak instead.
      if (known != 0 && sure) store<u16>(entry, <u16>(known ^ 1));
      else if (wrong) store<u16>(entry, <u16>(tag | (taken != 0 ? Counter.WEAKLY_TAKEN : Counter.WEAKLY_NOT_TAKEN)));
      else store<u16>(entry, <u16>(tag | (taken != 0 ? Counter.TAKEN : Counter.NOT_TAKEN)));
    }
  }
  return wrong ? miss(cpu, record, resolve, BranchKind.CONDITIONAL) : 0;
}

/** The same for an indirect jump or call to `target` that did not go where it went last time. */
export function learnTarget(
  cpu: usize,
  key: i64,
  to: i64,
  history: i64,
  record: i32,
  resolve: i32,
): i32 {
  const tables: usize = load<u32>(cpu, Cpu.PREDICTOR);
  const target = <u64>to & TARGET_MASK;
  const at = tables + Predictor.LAST_TARGETS + (<usize>(<u64>key >> (64 - Predictor.LAST_TARGETS_BITS)) << 3);
  const last = load<u64>(at);
  if (last == 0) {
    store<u64>(at, target);
    return miss(cpu, record, resolve, BranchKind.INDIRECT);
  }
  store<u64>(at, target | TARGET_VARIES);
  const found = place(history, key, load<u32>(tables, Predictor.TARGETS_BITS));
  const first = tables + Predictor.LONG + (<usize>2 << load<u32>(tables, Predictor.LONG_BITS));
  const entry = first + (<usize>(found >> Predictor.TAG_BITS) << 3);
  const tag = <u64>(1 + (found & TAG_MASK)) << 48;
  const known = load<u64>(entry);
  const predicted = (known & ~TARGET_MASK) == tag ? known & TARGET_MASK : last & TARGET_MASK;
  store<u64>(entry, tag | target);
  return predicted != target ? miss(cpu, record, resolve, BranchKind.INDIRECT) : 0;
}

@inline function spend(cpu: usize, ticks: i32): void {
  store<i64>(cpu, load<i64>(cpu, Cpu.LEFT) - <i64>ticks, Cpu.LEFT);
}

/** The interpreter's branch: what translated code does inline, and what it calls. */
export function branch(cpu: usize, key: i64, taken: i32, record: i32, resolve: i32): void {
  const tables: usize = load<u32>(cpu, Cpu.PREDICTOR);
  if (tables == 0) return;
  const history = load<i64>(cpu, Cpu.BRANCH_HISTORY);
  const at = tables + Predictor.COUNTERS + <usize>(<u64>key >> (64 - Predictor.COUNTERS_BITS));
  // Sure and right: neither changes anything nor costs.
  if (<i32>load<u8>(at) != (-taken & 3)) {
    spend(cpu, learnBranch(cpu, key, taken, history, record, resolve));
  }
  store<i64>(cpu, (history << 1) | <i64>taken, Cpu.BRANCH_HISTORY);
}

export function indirect(cpu: usize, key: i64, target: i64, record: i32, resolve: i32): void {
  const tables: usize = load<u32>(cpu, Cpu.PREDICTOR);
  if (tables == 0) return;
  const history = load<i64>(cpu, Cpu.BRANCH_HISTORY);
  const at = tables + Predictor.LAST_TARGETS + (<usize>(<u64>key >> (64 - Predictor.LAST_TARGETS_BITS)) << 3);
  if (load<i64>(at) != target) {
    spend(cpu, learnTarget(cpu, key, target, history, record, resolve));
  }
  const mixed = (history << TargetHistory.SHIFT) ^ <i64>(<u64>target >> TargetHistory.TARGET_SHIFT);
  store<i64>(cpu, mixed, Cpu.BRANCH_HISTORY);
}

/** A call pushes the address after it. */
export function pushReturn(cpu: usize, address: i64): void {
  const tables: usize = load<u32>(cpu, Cpu.PREDICTOR);
  if (tables == 0) return;
  const top = (load<i32>(cpu, Cpu.RETURN_TOP) + 8) & load<i32>(tables, Predictor.RETURN_MASK);
  store<i32>(cpu, top, Cpu.RETURN_TOP);
  store<i64>(tables + <usize>top, address, Predictor.RETURN_STACK);
}

/** A return goes where the last call came from, or is mispredicted. */
export function popReturn(cpu: usize, target: i64, record: i32, resolve: i32): void {
  const tables: usize = load<u32>(cpu, Cpu.PREDICTOR);
  if (tables == 0) return;
  const top = load<i32>(cpu, Cpu.RETURN_TOP);
  store<i32>(cpu, (top - 8) & load<i32>(tables, Predictor.RETURN_MASK), Cpu.RETURN_TOP);
  if (load<i64>(tables + <usize>top, Predictor.RETURN_STACK) != target) {
    spend(cpu, mispredicted(cpu, record, resolve));
  }
}
