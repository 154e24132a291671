/**
 * Repeated string instructions. They restart: on a fault the registers say what is left to do.
 * Forward moves and stores go one cache line at a time, which touches the same lines in the same
 * order as element by element. No exit inside for the budget: the clock is exact afterwards.
 */
import { StringOp } from '../cpu/ir';
import { AccessHint, AccessKind, Flow, Source } from '../memory/overlap-layout';
import { setWholeLine } from './cache';
import { setFlagsCompare } from './flags';
import { readable, writable, written } from './guest-memory';
import { BlockRecord, Cpu, Stall } from '../layout';

const RAX: usize = Cpu.GPR;
const RCX: usize = Cpu.GPR + 8;
const RSI: usize = Cpu.GPR + 48;
const RDI: usize = Cpu.GPR + 56;
const LINE_MASK: u64 = 63;
/** Instructions that moving a line is worth in the reorder buffer. */
const LINES_IN_FLIGHT: i32 = 80;

/** Forward moves and stores are streams: nothing waits for their addresses. */
const FLOW: usize = memory.data(<i32>Flow.RESULTS, 8);
const LOAD_HINT: usize = memory.data(<i32>AccessHint.BYTES, 8);
const STORE_HINT: usize = memory.data(<i32>AccessHint.BYTES, 8);

function describeStreams(byteTicks: i32): void {
  for (let kind = 0; kind < 2; kind++) {
    const hint = kind == AccessKind.LOAD ? LOAD_HINT : STORE_HINT;
    store<i32>(hint, kind, AccessHint.KIND);
    store<i32>(hint, Source.NONE, AccessHint.SOURCE);
    store<i32>(hint, LINES_IN_FLIGHT * 64 * byteTicks, AccessHint.WINDOW);
    store<u32>(hint, <u32>FLOW, AccessHint.FLOW);
  }
}

/** Write access that covers `size` bytes; a whole line need not be read first. */
@inline function overwritten(cpu: usize, va: u64, size: i32, record: usize, backwards: bool): usize {
  if (backwards) return writable(cpu, va, size, record);
  setWholeLine(size == 64 && (va & LINE_MASK) == 0);
  const to = writable(cpu, va, size, record, STORE_HINT);
  setWholeLine(false);
  return to;
}

@inline function loadElement(host: usize, width: u32): u64 {
  if (width == 0) return load<u8>(host);
  if (width == 1) return load<u16>(host);
  return width == 2 ? <u64>load<u32>(host) : load<u64>(host);
}

@inline function storeElement(host: usize, width: u32, value: u64): void {
  if (width == 0) store<u8>(host, <u8>value);
  else if (width == 1) store<u16>(host, <u16>value);
  else if (width == 2) store<u32>(host, <u32>value);
  else store<u64>(host, value);
}

/** Elements at `va` that lie wholly in its line; at least 1. */
@inline function inLine(va: u64, width: u32): u64 {
  return max<u64>((64 - (va & LINE_MASK)) >> width, 1);
}

@inline function advance(cpu: usize, register: usize, bytes: i64): void {
  store<i64>(cpu + register, load<i64>(cpu + register) + bytes);
}

@inline function countDown(cpu: usize, elements: u64): void {
  store<u64>(cpu, load<u64>(cpu, Cpu.GPR + 8) - elements, Cpu.GPR + 8);
}

/** Copies `elements` upwards one by one, so that an overlap propagates as the processor's does. */
function copyUp(to: usize, from: usize, elements: u32, width: u32): void {
  for (let n: u32 = 0; n < elements; n++) {
    storeElement(to, width, loadElement(from, width));
    to += 1 << width;
    from += 1 << width;
  }
}

/** Up to a line of rep movs. Returns elements moved, 0 after a fault. */
function moveSome(cpu: usize, width: u32, record: usize, backwards: bool): u32 {
  const source = load<u64>(cpu + RSI);
  const destination = load<u64>(cpu + RDI);
  let elements: u64 = 1;
  if (!backwards) {
    elements = min<u64>(min<u64>(inLine(source, width), inLine(destination, width)), load<u64>(cpu + RCX));
  }
  const size = <i32>elements << width;
  const from = readable(cpu, source, size, record, backwards ? 0 : LOAD_HINT);
  if (from == 0) return 0;
  // A single element may be in the bounce buffer, which the write needs too.
  const first = loadElement(from, width);
  const to = overwritten(cpu, destination, size, record, backwards);
  if (to == 0) return 0;
  if (elements == 1) storeElement(to, width, first);
  else if (destination - source < <u64>size) copyUp(to, from, <u32>elements, width);
  else memory.copy(to, from, size);
  written(cpu);
  const step = backwards ? -(<i64>size) : <i64>size;
  advance(cpu, RSI, step);
  advance(cpu, RDI, step);
  return <u32>elements;
}

function storeSome(cpu: usize, width: u32, record: usize, backwards: bool): u32 {
  const destination = load<u64>(cpu + RDI);
  const elements = backwards ? 1 : min<u64>(inLine(destination, width), load<u64>(cpu + RCX));
  const size = <i32>elements << width;
  const to = overwritten(cpu, destination, size, record, backwards);
  if (to == 0) return 0;
  const value = load<u64>(cpu + RAX);
  for (let n: usize = 0; n < <usize>size; n += 1 << width) storeElement(to + n, width, value);
  written(cpu);
  advance(cpu, RDI, backwards ? -(<i64>size) : <i64>size);
  return <u32>elements;
}

function loadOne(cpu: usize, width: u32, record: usize, backwards: bool): u32 {
  const from = readable(cpu, load<u64>(cpu + RSI), 1 << width, record);
  if (from == 0) return 0;
  const value = loadElement(from, width);
  if (width >= 2) store<u64>(cpu + RAX, value);
  else storeElement(cpu + RAX, width, value);
  advance(cpu, RSI, backwards ? -(<i64>1 << width) : <i64>1 << width);
  return 1;
}

/** Operands of the last completed comparison. */
let left: u64 = 0;
let right: u64 = 0;

function compareOne(cpu: usize, width: u32, record: usize, backwards: bool, scan: bool): u32 {
  const step: i64 = backwards ? -(<i64>1 << width) : <i64>1 << width;
  let first = load<u64>(cpu + RAX) & (u64.MAX_VALUE >> (64 - (8 << width)));
  if (!scan) {
    const from = readable(cpu, load<u64>(cpu + RSI), 1 << width, record);
    if (from == 0) return 0;
    first = loadElement(from, width);
  }
  const other = readable(cpu, load<u64>(cpu + RDI), 1 << width, record);
  if (other == 0) return 0;
  left = first;
  right = loadElement(other, width);
  if (!scan) advance(cpu, RSI, step);
  advance(cpu, RDI, step);
  return 1;
}

@inline function some(cpu: usize, operation: u32, width: u32, record: usize, backwards: bool): u32 {
  if (operation == StringOp.MOVS) return moveSome(cpu, width, record, backwards);
  if (operation == StringOp.STOS) return storeSome(cpu, width, record, backwards);
  if (operation == StringOp.LODS) return loadOne(cpu, width, record, backwards);
  return compareOne(cpu, width, record, backwards, operation == StringOp.SCAS);
}

/** Books what `iterations` cost beyond the instruction itself, as they go by: misses overlap them. */
function book(cpu: usize, record: usize, operation: u32, width: u32, iterations: u64, backwards: bool): void {
  const byteTicks = <u64>load<u32>(cpu, Cpu.REP_BYTE_TICKS);
  const fast = byteTicks != 0 && !backwards && operation <= <u32>StringOp.STOS;
  const ticks = fast
    ? (iterations << width) * byteTicks
    : iterations * <u64>load<u32>(cpu, Cpu.REP_ELEMENT_TICKS);
  const cell = record + BlockRecord.STALLS + 8 * Stall.DATA_DEPENDENT;
  store<u64>(cell, load<u64>(cell) + ticks);
  store<u64>(record, load<u64>(record, BlockRecord.REP_ITERATIONS) + iterations, BlockRecord.REP_ITERATIONS);
  store<u64>(cpu, load<u64>(cpu, Cpu.LEFT) - ticks, Cpu.LEFT);
}

/** form = StringOp + 8 * log2 width + 32 * (1 rep or repe, 2 repne). Returns 0 after a fault. */
export function repString(cpu: usize, form: i64): i64 {
  const operation = <u32>form & 7;
  const width = (<u32>form >> 3) & 3;
  const wanted = <u32>form >> 5 == 1;
  const compares = operation >= <u32>StringOp.CMPS;
  const backwards = load<u32>(cpu, Cpu.DF) != 0;
  const record: usize = load<u32>(cpu, Cpu.EXIT_RECORD);
  describeStreams(load<i32>(cpu, Cpu.REP_BYTE_TICKS));
  let iterations: u64 = 0;
  let done: i64 = 1;
  while (load<u64>(cpu + RCX) != 0) {
    const elements = some(cpu, operation, width, record, backwards);
    if (elements == 0) {
      done = 0;
      break;
    }
    countDown(cpu, elements);
    iterations += elements;
    book(cpu, record, operation, width, elements, backwards);
    if (compares && (left == right) != wanted) break;
  }
  if (done != 0 && compares && iterations != 0) setFlagsCompare(cpu, left, right, width);
  return done;
}
