/**
 * Coherence between the CPUs' caches, by a directory. AssemblyScript.
 *
 * MESI: a line that is dirty in a CPU's L1D or L2 (modified) is in no other CPU's caches; a clean one
 * may be in several (shared; exclusive is a shared one with one holder, and costs nothing to write).
 * A CPU takes a line in two steps: its request is on the way for Shared.REQUEST_TICKS, during which
 * the holder goes on using the line; the line is on its way for the rest of TRANSFER_TICKS.
 *
 * Order: CPUs run in turn, each a little ahead of the others. User accesses that take a line from
 * another CPU happen in the order of the CPUs' clocks: one whose CPU is ahead is refused, and tried
 * again when the others have caught up. So do all accesses to lines that serve as locks between CPUs
 * (LineState.ORDERED), and the first accesses with `lock` to any line, which find out whether it
 * does, and to lines that they keep taking from each other. Other accesses may be early by as much as their CPU is ahead.
 * Omits: evictions are not announced to the directory; contention of the directory itself.
 */
import { Cpu, ExitReason, Region, Stall } from '../layout';
import { CacheField, CacheTag, LineState, Model, Shared } from '../memory/model-layout';
import { find, rowOf, writeBackToLlc } from './cache';
import { dropBack, dropBackWrite } from './filter';
import { count, endAccess, post, standAlone } from './stall';

const SHARED: usize = Region.HEADER;

export const ABSENT: i32 = 0;
export const CLEAN: i32 = 1;
export const DIRTY: i32 = 2;

/** An access with `lock` is counted when it comes 256 cycles after the last one that was. */
const LOCK_COUNT_TICKS: i64 = 256 * 64;

/** Transfers of the current access whose request has been paid for. */
let requestsPaid: i32 = 0;

@inline export function several(): bool {
  return load<i32>(SHARED, Shared.CPUS) > 1;
}

/** Whether other CPUs may hold the line: the host's tables, beyond guest memory, are only read. */
@inline export function isShared(line: u32): bool {
  return several() && line < load<u32>(SHARED, Shared.GUEST_LINES);
}

@inline function directoryEntry(line: u32): usize {
  return <usize>load<u32>(SHARED, Shared.DIRECTORY) + (<usize>line << 3);
}

@inline function stateOf(line: u32): usize {
  return <usize>load<u32>(SHARED, Shared.LINE_STATES) + (<usize>line << 2);
}

@inline function bitOf(cpu: usize): u64 {
  return <u64>1 << <u64>load<u32>(cpu, Model.NUMBER);
}

@inline function cpuAt(number: u64): usize {
  return Region.CPU_BLOCKS + <usize>number * Region.CPU_BLOCK_BYTES;
}

/** The CPU holds the line from here on. */
@inline export function enterDirectory(cpu: usize, line: u32): void {
  const entry = directoryEntry(line);
  store<u64>(entry, load<u64>(entry) | bitOf(cpu));
}

/** The CPU holds the line from here on, unless another one may have it: returns false then. */
export function enterAlone(cpu: usize, line: u32): bool {
  const entry = directoryEntry(line);
  const bit = bitOf(cpu);
  if ((load<u64>(entry) & ~bit) != 0) return false;
  store<u64>(entry, bit);
  return true;
}

/** The line has become dirty; its CPU is the only holder. */
@inline export function own(line: u32): void {
  const state = stateOf(line);
  store<u32>(state, load<u32>(state) | LineState.OWNED);
}

@inline function disown(line: u32): void {
  const state = stateOf(line);
  store<u32>(state, load<u32>(state) & ~LineState.OWNED);
}

/** A dirty line has left the L2; the L1D may hold a newer dirty copy. */
export function leaveOwned(cpu: usize, line: u32): void {
  const l1d = cpu + Model.L1D;
  const row = rowOf(l1d, line);
  const at = find(row, load<i32>(l1d, CacheField.ROW_BYTES), line);
  if (at < 0 || (load<u32>(row + at) & CacheTag.DIRTY) == 0) disown(line);
}

/** Removes the line from one cache; returns ABSENT, CLEAN or DIRTY as it was. */
function remove(cpu: usize, cache: usize, line: u32): i32 {
  const row = rowOf(cache, line);
  const at = find(row, load<i32>(cache, CacheField.ROW_BYTES), line);
  if (at < 0) return ABSENT;
  const tag = load<u32>(row + at);
  store<i32>(row + at, CacheTag.INVALID);
  count(cache + CacheField.DROPS);
  const back = load<u32>(cache, CacheField.BACK);
  if (back != 0) {
    dropBack(cpu, back + (row + at - load<u32>(cache, CacheField.TAGS)), cache == cpu + Model.L1I);
  }
  return (tag & CacheTag.DIRTY) != 0 ? DIRTY : CLEAN;
}

/** Makes the line clean in one cache; returns what it was. */
function clean(cpu: usize, cache: usize, line: u32): i32 {
  const row = rowOf(cache, line);
  const at = find(row, load<i32>(cache, CacheField.ROW_BYTES), line);
  if (at < 0) return ABSENT;
  const tag = load<u32>(row + at);
  if ((tag & CacheTag.DIRTY) == 0) return CLEAN;
  store<u32>(row + at, tag & ~(<u32>CacheTag.DIRTY));
  const back = load<u32>(cache, CacheField.BACK);
  if (back != 0) dropBackWrite(cpu, back + (row + at - load<u32>(cache, CacheField.TAGS)));
  return DIRTY;
}

@inline function higher(a: i32, b: i32): i32 {
  return a > b ? a : b;
}

/**
 * Looks for the line in the other CPUs' caches: takes it from them for a write, makes it clean for
 * a read (a dirty copy goes to the last level). Returns the highest state found. The directory may
 * name CPUs that have since evicted the line; they are struck off here.
 */
export function snoop(cpu: usize, line: u32, write: bool): i32 {
  const entry = directoryEntry(line);
  let others = load<u64>(entry) & ~bitOf(cpu);
  let found = ABSENT;
  while (others != 0) {
    const number = ctz(others);
    others &= others - 1;
    const other = cpuAt(number);
    let state: i32;
    if (write) {
      state = remove(other, other + Model.L1I, line);
      state = higher(state, remove(other, other + Model.L1D, line));
      state = higher(state, remove(other, other + Model.L2, line));
    } else {
      state = clean(other, other + Model.L1I, line);
      state = higher(state, clean(other, other + Model.L1D, line));
      state = higher(state, clean(other, other + Model.L2, line));
      if (state == DIRTY) writeBackToLlc(cpu, line);
    }
    if (write || state == ABSENT) store<u64>(entry, load<u64>(entry) & ~(<u64>1 << number));
    found = higher(found, state);
  }
  if (found == DIRTY) disown(line);
  if (found == DIRTY || (write && found != ABSENT)) noteSharing(cpu, line);
  return found;
}

/** A write to a line that this CPU holds clean: the other CPUs lose theirs. */
export function claim(cpu: usize, line: u32): void {
  if (snoop(cpu, line, true) != ABSENT) transfer(cpu);
}

export function transfer(cpu: usize): void {
  count(cpu + Model.TRANSFERS);
  let ticks = load<i32>(SHARED, Shared.TRANSFER_TICKS);
  if (requestsPaid > 0) {
    requestsPaid--;
    ticks -= load<i32>(SHARED, Shared.REQUEST_TICKS);
  }
  post(Stall.COHERENCE, ticks);
}

// Order ----------------------------------------------------------------------------------------

@inline function epochOf(cpu: usize): u32 {
  const clock = load<i64>(cpu, Cpu.LIMIT) - load<i64>(cpu, Cpu.LEFT);
  return <u32>(clock >> LineState.EPOCH_SHIFT) & 0xffff;
}

@inline function isRecent(cpu: usize, state: u32): bool {
  return ((epochOf(cpu) - (state >>> LineState.SINCE_SHIFT)) & 0xffff) <= <u32>LineState.ORDERED_EPOCHS;
}

/** The line went from one CPU to another. Once it is ordered, no filter may hold it. */
function noteSharing(cpu: usize, line: u32): void {
  const at = stateOf(line);
  let state = load<u32>(at);
  if (!isRecent(cpu, state)) state &= ~(<u32>LineState.TRANSFERS | LineState.ORDERED);
  if ((state & LineState.TRANSFERS) < <u32>LineState.TRANSFERS_ORDERED) state += LineState.TRANSFER;
  state = (state & 0xffff) | (epochOf(cpu) << LineState.SINCE_SHIFT);
  store<u32>(at, state);
  if ((state & LineState.ORDERED) != 0) return;
  if ((state & LineState.LOCKED) == 0 && (state & LineState.TRANSFERS) < <u32>LineState.TRANSFERS_ORDERED) return;
  store<u32>(at, state | LineState.ORDERED);
  dropFromFilters(line);
}

/**
 * Whether an access with `lock` may happen now. A line that so many accesses in order have left with
 * one CPU is taken to be its own.
 */
export function mayLock(cpu: usize, record: usize, line: u32): bool {
  const at = stateOf(line);
  let state = load<u32>(at);
  if ((state & LineState.LOCKS) < <u32>LineState.LOCKS) {
    const left = load<i64>(cpu, Cpu.LEFT);
    if (left < load<i64>(cpu, Cpu.TURN_LEFT)) return refuse(cpu, record);
    const clock = load<i64>(cpu, Cpu.LIMIT) - left;
    if (clock - load<i64>(cpu, Cpu.LOCK_COUNTED) >= LOCK_COUNT_TICKS) {
      store<i64>(cpu, clock, Cpu.LOCK_COUNTED);
      state += LineState.LOCK;
    }
  }
  state |= LineState.LOCKED;
  const shared = (state & LineState.TRANSFERS) != 0 && (state & LineState.ORDERED) == 0;
  if (shared && isRecent(cpu, state)) {
    state |= LineState.ORDERED;
    dropFromFilters(line);
  }
  store<u32>(at, state);
  return true;
}

/** True for lines that no filter may hold. */
export function isOrdered(cpu: usize, line: u32): bool {
  if (!isShared(line)) return false;
  const at = stateOf(line);
  const state = load<u32>(at);
  if ((state & LineState.ORDERED) == 0) return false;
  if (isRecent(cpu, state)) return true;
  store<u32>(at, state & ~(<u32>LineState.ORDERED | LineState.TRANSFERS));
  return false;
}

/** Drops the filter entries of a line on every CPU that holds it. */
function dropFromFilters(line: u32): void {
  let holders = load<u64>(directoryEntry(line));
  while (holders != 0) {
    const cpu = cpuAt(ctz(holders));
    holders &= holders - 1;
    const l1d = cpu + Model.L1D;
    const row = rowOf(l1d, line);
    const at = find(row, load<i32>(l1d, CacheField.ROW_BYTES), line);
    if (at < 0) continue;
    const back = <usize>load<u32>(l1d, CacheField.BACK) + (row - load<u32>(l1d, CacheField.TAGS)) + at;
    dropBack(cpu, back, false);
  }
}

@inline function holds(cache: usize, line: u32): bool {
  return find(rowOf(cache, line), load<i32>(cache, CacheField.ROW_BYTES), line) >= 0;
}

/** Whether one of `others` really has the line. */
function heldBy(others: u64, line: u32): bool {
  while (others != 0) {
    const other = cpuAt(ctz(others));
    others &= others - 1;
    if (holds(other + Model.L1D, line) || holds(other + Model.L2, line)) return true;
    if (holds(other + Model.L1I, line)) return true;
  }
  return false;
}

/** Whether an access takes the line from another CPU, or ends its right to write there. */
function takes(cpu: usize, line: u32, write: bool): bool {
  const others = load<u64>(directoryEntry(line)) & ~bitOf(cpu);
  if (others == 0) return false;
  if ((load<u32>(stateOf(line)) & LineState.OWNED) != 0) return true;
  return write && heldBy(others, line);
}

/** Begins a user's access: nothing is paid for yet. */
@inline export function beginOrder(): void {
  requestsPaid = 0;
}

/**
 * Whether a user's access to `line` may happen now. If not, it is refused: EXIT_REASON and
 * EXIT_RECORD say so, and what the request costs has been posted.
 */
export function mayAccess(cpu: usize, record: usize, line: u32, write: bool): bool {
  const asked = load<i32>(cpu, Cpu.REQUESTED) == <i32>line + 1;
  const left = load<i64>(cpu, Cpu.LEFT);
  const turn = load<i64>(cpu, Cpu.TURN_LEFT);
  if (!takes(cpu, line, write)) {
    if (asked) store<i32>(cpu, 0, Cpu.REQUESTED);
    return left >= turn || !isOrdered(cpu, line) || refuse(cpu, record);
  }
  if (!asked) {
    const request = load<i32>(SHARED, Shared.REQUEST_TICKS);
    post(Stall.COHERENCE, request);
    if (left - <i64>request < turn) {
      store<i32>(cpu, <i32>line + 1, Cpu.REQUESTED);
      return refuse(cpu, record);
    }
  } else if (left < turn) {
    return refuse(cpu, record);
  }
  store<i32>(cpu, 0, Cpu.REQUESTED);
  requestsPaid++;
  const clock = load<i64>(cpu, Cpu.LIMIT) - left;
  if (clock > load<i64>(SHARED, Shared.COMMUNICATED)) store<i64>(SHARED, clock, Shared.COMMUNICATED);
  return true;
}

function refuse(cpu: usize, record: usize): bool {
  store<i32>(cpu, ExitReason.ORDER, Cpu.EXIT_REASON);
  store<i32>(cpu, <i32>record, Cpu.EXIT_RECORD);
  standAlone();
  endAccess(cpu);
  return false;
}
