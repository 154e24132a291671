/**
 * Overlap of misses in an out-of-order core, after the interval model: independent misses within
 * one reorder buffer overlap up to the number of miss buffers, a miss whose address waits for
 * another one begins when that is done, stores wait in a buffer. AssemblyScript.
 * docs/memory-model.md says what the clocks mean. Ours; Karkhanis and Smith gave the idea.
 * Omits: wrong-path accesses, the size of the schedulers, memory disambiguation.
 */
import { Cpu } from '../layout';
import { AccessHint, AccessKind, Flow, FlowResult, FlowTerm, Overlap, Source } from '../memory/overlap-layout';

const LOADS_MASK: i64 = <i64>0xffffffff << <i64>Source.LOADS;
/** Results of a block, before any of them is written. */
const RESULTS: usize = memory.data(<i32>Source.COUNT * 8, 8);
const WINDOW_BYTES: usize = 16;
const ITERATIONS_MAX: i64 = 4;

@inline function ready(cpu: usize, source: usize): usize {
  return cpu + Overlap.READY + (source << 3);
}

/** Address of the window entry that is `back` before the next one to fill. */
@inline function windowEntry(cpu: usize, back: i32): usize {
  const index = (load<i32>(cpu, Overlap.WINDOW_HEAD) - back) & (Overlap.WINDOW_ENTRIES - 1);
  return cpu + Overlap.WINDOW + <usize>index * WINDOW_BYTES;
}

/** Lets the dispatch clock wait for misses that the reorder buffer is full behind at `base`. */
function expire(cpu: usize, base: i64): void {
  let used = load<i32>(cpu, Overlap.WINDOW_USED);
  if (used == 0) return;
  let waited = load<i64>(cpu, Overlap.WAITED);
  while (used != 0) {
    const entry = windowEntry(cpu, used);
    const full = load<i64>(entry);
    if (full > base) break;
    waited = max<i64>(waited, load<i64>(entry, 8) - full);
    used--;
  }
  store<i32>(cpu, used, Overlap.WINDOW_USED);
  store<i64>(cpu, waited, Overlap.WAITED);
}

/** Everything under way is done: the dispatch clock catches up. */
export function drain(cpu: usize): void {
  store<i64>(cpu, load<i64>(cpu, Overlap.CHARGED), Overlap.WAITED);
  store<i32>(cpu, 0, Overlap.WINDOW_USED);
  store<i64>(cpu, 0, Overlap.TAINTED);
  store<i32>(cpu, 0, Cpu.PENDING);
}

/** The latest tick at which one of the terms is there; 0 if none is ahead of the dispatch clock. */
@inline function latest(cpu: usize, tainted: i64, terms: usize, count: u32): i64 {
  let tick: i64 = 0;
  const end = terms + <usize>count * FlowTerm.BYTES;
  for (let term = terms; term < end; term += FlowTerm.BYTES) {
    const source = <usize>load<u16>(term, FlowTerm.SOURCE);
    if (((tainted >> <i64>source) & 1) == 0) continue;
    tick = max<i64>(tick, load<i64>(ready(cpu, source)) + <i64>load<u16>(term, FlowTerm.LATENCY));
  }
  return tick;
}

/** When the access can begin: it is dispatched and its address is known. `begun` is the clock. */
export function issueTick(cpu: usize, hint: usize, begun: i64): i64 {
  const fence = load<i64>(hint, AccessHint.FENCE);
  if (fence != 0 && (load<i64>(cpu, Overlap.TAINTED) & fence) == 0) drain(cpu);
  const base = begun - load<i64>(cpu, Overlap.CHARGED);
  expire(cpu, base);
  const dispatched = base + load<i64>(cpu, Overlap.WAITED);
  if (load<i64>(cpu, Overlap.TAINTED) == 0) return dispatched;
  iterate(cpu, load<u32>(hint, AccessHint.FLOW), base - <i64>load<i32>(hint, AccessHint.OFFSET), dispatched, 0);
  const tainted = load<i64>(cpu, Overlap.TAINTED);
  if (tainted == 0) return dispatched;
  const known = latest(cpu, tainted, load<u32>(hint, AccessHint.TERMS), load<u32>(hint, AccessHint.TERM_COUNT));
  return max<i64>(dispatched, known);
}

/** Address of the next entry of a ring, and `advance` moves on. Fields are as BUFFERS, BUFFER_NEXT. */
@inline function ringEntry(cpu: usize, ring: usize, field: usize): usize {
  return cpu + ring + (<usize>load<u32>(cpu + field, 4) << 3);
}

@inline function ringAdvance(cpu: usize, field: usize): void {
  const next = load<i32>(cpu + field, 4) + 1;
  store<i32>(cpu + field, next == load<i32>(cpu + field) ? 0 : next, 4);
}

/** The tick from `now` on at which a miss buffer is free; complete() takes it. */
@inline export function takeBuffer(cpu: usize, now: i64): i64 {
  return max<i64>(now, load<i64>(ringEntry(cpu, Overlap.BUFFER_RING, Overlap.BUFFERS)));
}

/** The tick from `now` on at which a page walker is free; releaseWalker() takes it. */
export function takeWalker(cpu: usize, now: i64): i64 {
  if (load<i32>(cpu, Overlap.WALKERS) == 0) return now;
  return max<i64>(now, load<i64>(ringEntry(cpu, Overlap.WALKER_RING, Overlap.WALKERS)));
}

export function releaseWalker(cpu: usize, now: i64): void {
  if (load<i32>(cpu, Overlap.WALKERS) == 0) return;
  store<i64>(ringEntry(cpu, Overlap.WALKER_RING, Overlap.WALKERS), now);
  ringAdvance(cpu, Overlap.WALKERS);
}

/** An access that missed is done at tick `done`; returns what the clock is charged. */
export function complete(cpu: usize, hint: usize, begun: i64, done: i64, buffered: bool): i64 {
  if (buffered) {
    store<i64>(ringEntry(cpu, Overlap.BUFFER_RING, Overlap.BUFFERS), done);
    ringAdvance(cpu, Overlap.BUFFERS);
  }
  const stores = load<i32>(hint, AccessHint.KIND) == AccessKind.STORE;
  const charge = stores ? completeStore(cpu, begun, done) : completeLoad(cpu, hint, begun, done);
  store<i64>(cpu, load<i64>(cpu, Overlap.CHARGED) + charge, Overlap.CHARGED);
  return charge;
}

function completeLoad(cpu: usize, hint: usize, begun: i64, done: i64): i64 {
  const base = begun - load<i64>(cpu, Overlap.CHARGED);
  let used = load<i32>(cpu, Overlap.WINDOW_USED);
  if (used == Overlap.WINDOW_ENTRIES) {
    // Every load that missed holds an entry of the load queue: the oldest must go first.
    const oldest = load<i64>(windowEntry(cpu, used), 8);
    store<i64>(cpu, max<i64>(load<i64>(cpu, Overlap.WAITED), oldest - base), Overlap.WAITED);
    used--;
  }
  const entry = windowEntry(cpu, 0);
  store<i64>(entry, base + <i64>load<i32>(hint, AccessHint.WINDOW));
  store<i64>(entry, done, 8);
  store<i32>(cpu, load<i32>(cpu, Overlap.WINDOW_HEAD) + 1, Overlap.WINDOW_HEAD);
  store<i32>(cpu, used + 1, Overlap.WINDOW_USED);
  const source = load<i32>(hint, AccessHint.SOURCE);
  if (source == Source.NONE) return max<i64>(done - begun, 0);
  const flow: usize = load<u32>(hint, AccessHint.FLOW);
  if (load<i32>(flow, Flow.LOOP) != 0) {
    store<u32>(cpu, <u32>flow, Overlap.LOOP_FLOW);
    store<i64>(cpu, base - <i64>load<i32>(hint, AccessHint.OFFSET), Overlap.LOOP_BASE);
  }
  store<i64>(ready(cpu, source), done + <i64>load<i32>(cpu, Overlap.HIT_TICKS));
  store<i64>(cpu, load<i64>(cpu, Overlap.TAINTED) | (<i64>1 << <i64>source), Overlap.TAINTED);
  store<i32>(cpu, 1, Cpu.PENDING);
  return max<i64>(done - begun, 0);
}

/** A store is done when it and those before it are; it stalls when the store buffer is full. */
function completeStore(cpu: usize, begun: i64, done: i64): i64 {
  const free = load<i64>(ringEntry(cpu, Overlap.STORE_RING, Overlap.STORES));
  const stored = max<i64>(done, load<i64>(cpu, Overlap.STORED));
  store<i64>(cpu, stored, Overlap.STORED);
  store<i64>(ringEntry(cpu, Overlap.STORE_RING, Overlap.STORES), stored);
  ringAdvance(cpu, Overlap.STORES);
  const charged = load<i64>(cpu, Overlap.CHARGED);
  const waited = max<i64>(load<i64>(cpu, Overlap.WAITED), free - (begun - charged));
  store<i64>(cpu, waited, Overlap.WAITED);
  return max<i64>(waited - charged, 0);
}

/**
 * A block whose Flow is at `flow` is complete and goes elsewhere while values are on their way;
 * `left` is Cpu.LEFT. Says when its results are there.
 */
export function carry(cpu: usize, flow: usize, left: i64): void {
  const base = load<i64>(cpu, Cpu.LIMIT) - left - load<i64>(cpu, Overlap.CHARGED);
  expire(cpu, base);
  const dispatched = base + load<i64>(cpu, Overlap.WAITED);
  if (load<i32>(flow, Flow.LOOP) != 0) iterate(cpu, flow, base, dispatched, 1);
  else flowThrough(cpu, flow, dispatched);
}

/**
 * Brings READY up to date with the iterations of a loop of one block since its last miss, up to the
 * one that begins at `base`; `unknown` iterations if the values come from elsewhere. Registers
 * hardly move in a circle, so a few iterations stand for any number.
 */
function iterate(cpu: usize, flow: usize, base: i64, dispatched: i64, unknown: i64): void {
  const ticks = <i64>load<i32>(flow, Flow.LOOP);
  if (ticks == 0) return;
  let times = unknown;
  if (load<u32>(cpu, Overlap.LOOP_FLOW) == <u32>flow) times = (base - load<i64>(cpu, Overlap.LOOP_BASE)) / ticks;
  for (let n = min<i64>(times, ITERATIONS_MAX); n > 0; n--) flowThrough(cpu, flow, dispatched);
  store<u32>(cpu, <u32>flow, Overlap.LOOP_FLOW);
  store<i64>(cpu, base, Overlap.LOOP_BASE);
}

/** One execution of a block. */
function flowThrough(cpu: usize, flow: usize, dispatched: i64): void {
  let tainted = load<i64>(cpu, Overlap.TAINTED);
  const count = load<u32>(flow, Flow.COUNT);
  let result = flow + Flow.RESULTS;
  for (let n: usize = 0; n < <usize>count; n++, result += FlowResult.BYTES) {
    const tick = latest(cpu, tainted, load<u32>(result, FlowResult.TERMS), load<u32>(result, FlowResult.TERM_COUNT));
    store<i64>(RESULTS + (n << 3), tick);
  }
  // Loads of this block are behind; what they gave is in the results.
  tainted &= ~LOADS_MASK;
  result = flow + Flow.RESULTS;
  for (let n: usize = 0; n < <usize>count; n++, result += FlowResult.BYTES) {
    const target = <usize>load<u32>(result, FlowResult.TARGET);
    const tick = load<i64>(RESULTS + (n << 3));
    store<i64>(ready(cpu, target), tick);
    if (tick > dispatched) tainted |= <i64>1 << <i64>target;
    else tainted &= ~(<i64>1 << <i64>target);
  }
  for (let left = tainted; left != 0; left &= left - 1) {
    if (load<i64>(ready(cpu, <usize>ctz(left))) <= dispatched) tainted &= ~(left & -left);
  }
  store<i64>(cpu, tainted, Overlap.TAINTED);
  if (tainted == 0) store<i32>(cpu, 0, Cpu.PENDING);
}
