/**
 * Caches of one CPU (L1I, L1D, L2) and the last level that all share. AssemblyScript.
 *
 * First level: FIFO, so that a hit changes no state. L2 and last level: LRU, rows kept in order of
 * last use. Write-back, write-allocate, neither inclusive nor exclusive. A miss first brings the
 * line in from below, then writes its dirty victim back.
 * Coherence between CPUs is in coherence.ts.
 * Omits: eviction of L1I lines by the same CPU's stores.
 */
import { Region, Stall } from '../layout';
import { CacheField, CacheTag, LlcStamp, Model, Server, Shared } from '../memory/model-layout';
import { ABSENT, CLEAN, DIRTY, claim, enterAlone, enterDirectory, isShared, leaveOwned, own, snoop, transfer } from './coherence';
import { HardwareEvent, PageOutcome, ServedBy } from '../memory/event-layout';
import { wanted } from './events';
import { dropBack } from './filter';
import { awaitFlight, prefetchAfter } from './prefetch';
import { count, holdBuffer, isData, noteServed, post, queue, sourceOf, tickNow } from './stall';
import { reserve } from './server';

const LLC: usize = Region.HEADER + Shared.LLC;
const SHARED: usize = Region.HEADER;

/** Where `accessL1` found or put the line: address of its back-pointer. */
export let lastBack: usize = 0;

/** Where the line of the last first-level miss came from, ServedBy. */
let servedBy: i32 = 0;

@inline export function rowOf(cache: usize, line: u32): usize {
  return <usize>load<u32>(cache, CacheField.TAGS) +
    <usize>(setLine(cache, line) & load<u32>(cache, CacheField.SET_MASK)) * load<u32>(cache, CacheField.ROW_BYTES);
}

/**
 * The number that decides the set of a line. A first-level set follows from the place in the page;
 * where the host scatters its pages, the sets below follow from a frame that the guest cannot know.
 */
@inline function setLine(cache: usize, line: u32): u32 {
  if (load<u32>(SHARED, Shared.SCATTERED) == 0 || load<u32>(cache, CacheField.BACK) != 0) return line;
  return (line & 63) | (mix(line >> 6) << 6);
}

/** A number without order made of another one. */
@inline function mix(number: u32): u32 {
  let hash = number;
  hash = (hash ^ (hash >> 16)) * 0x85ebca6b;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35;
  return hash ^ (hash >> 16);
}

/** Byte offset of the line's tag in its row, or -1. */
@inline export function find(row: usize, rowBytes: i32, line: u32): i32 {
  const dirty = i32x4.splat(CacheTag.DIRTY);
  const key = i32x4.splat((line << 1) | CacheTag.DIRTY);
  for (let i = 0; i < rowBytes; i += 16) {
    const equal = i32x4.bitmask(i32x4.eq(v128.or(v128.load(row + i), dirty), key));
    if (equal != 0) return i + (ctz(equal) << 2);
  }
  return -1;
}

/** Moves tags [0, offset) one place back and puts `tag` first. */
@inline function moveToFront(row: usize, offset: i32, tag: u32): void {
  for (let at = row + offset; at > row; at -= 4) store<u32>(at, load<u32>(at - 4));
  store<u32>(row, tag);
}

/** Byte offset in an LRU row of an empty way, or of the least recently used one. */
@inline function freeOrLast(cache: usize, row: usize): i32 {
  const last = <i32>(load<u32>(cache, CacheField.WAYS) - 1) << 2;
  let offset = 0;
  while (offset < last && load<i32>(row + offset) != CacheTag.INVALID) offset += 4;
  return offset;
}

/** Puts a tag first in an LRU row, over an empty way if there is one. Returns the tag it displaced. */
function insert(cache: usize, row: usize, tag: u32): u32 {
  const offset = freeOrLast(cache, row);
  const victim = load<u32>(row + offset);
  moveToFront(row, offset, tag);
  return victim;
}

// Last level -----------------------------------------------------------------------------------

/** Moves a tag to the front of its row with its stamp, which becomes that of now. */
function llcFront(row: usize, offset: i32, tag: u32): void {
  moveToFront(row, offset, tag);
  const stamps: usize = load<u32>(SHARED, Shared.LLC_STAMPS);
  if (stamps == 0) return;
  moveToFront(stamps + (row - load<u32>(LLC, CacheField.TAGS)), offset, stampNow());
}

@inline function stampNow(): u32 {
  return <u32>(tickNow() >> <i64>LlcStamp.SHIFT);
}

/** Puts a tag into a row that lacks it. */
function llcInsert(cpu: usize, row: usize, tag: u32): void {
  const offset = freeOrLast(LLC, row);
  const victim = load<u32>(row + offset);
  llcFront(row, offset, tag);
  if (victim != CacheTag.INVALID && (victim & CacheTag.DIRTY) != 0) writeToDram(cpu);
}

@inline function writeToDram(cpu: usize): void {
  count(LLC + CacheField.WRITEBACKS);
  count(SHARED + Shared.DRAM_WRITES);
  if (load<i32>(cpu, Model.DRAM_WRITE_TICKS) == 0) return;
  reserve(cpu + Model.DRAM_SERVER, load<i32>(cpu, Model.DRAM_WRITE_TICKS), tickNow());
  reserve(SHARED + Shared.DRAM_SERVER, load<i32>(SHARED + Shared.DRAM_SERVER, Server.TICKS), tickNow());
}

/**
 * Finds a line: byte offset in its row, or -1. Where others share the last level, a line that was
 * not used for long has been displaced; how long a line stays is drawn from its number and stamp.
 */
function llcFind(cpu: usize, row: usize, line: u32): i32 {
  const at = find(row, load<i32>(LLC, CacheField.ROW_BYTES), line);
  const stamps: usize = load<u32>(SHARED, Shared.LLC_STAMPS);
  if (at < 0 || stamps == 0) return at;
  const stamp = load<u32>(stamps + (row - load<u32>(LLC, CacheField.TAGS)) + at);
  const hash = mix(line ^ mix(stamp));
  const lifetime = load<i32>(<usize>load<u32>(SHARED, Shared.LLC_LIFETIMES) + <usize>((hash >> 24) << 2));
  if (<i32>(stampNow() - stamp) < lifetime) return at;
  if ((load<u32>(row + at) & CacheTag.DIRTY) != 0) writeToDram(cpu);
  store<i32>(row + at, CacheTag.INVALID);
  return -1;
}

/** A dirty line arrives from an L2, or from a CPU that had to give it up. */
export function writeBackToLlc(cpu: usize, line: u32): void {
  const row = rowOf(LLC, line);
  const at = find(row, load<i32>(LLC, CacheField.ROW_BYTES), line);
  const tag = (line << 1) | CacheTag.DIRTY;
  if (at >= 0) llcFront(row, at, tag);
  else llcInsert(cpu, row, tag);
}

function writeBackToL2(cpu: usize, line: u32): void {
  const l2 = cpu + Model.L2;
  const row = rowOf(l2, line);
  const at = find(row, load<i32>(l2, CacheField.ROW_BYTES), line);
  const tag = (line << 1) | CacheTag.DIRTY;
  if (at >= 0) moveToFront(row, at, tag);
  else evictFromL2(cpu, insert(l2, row, tag));
}

@inline function evictFromL2(cpu: usize, victim: u32): void {
  if (victim == CacheTag.INVALID || (victim & CacheTag.DIRTY) == 0) return;
  count(cpu + Model.L2 + CacheField.WRITEBACKS);
  writeBackToLlc(cpu, victim >> 1);
  if (isShared(victim >> 1)) leaveOwned(cpu, victim >> 1);
}

// Prefetch and whole lines ---------------------------------------------------------------------

/** Set while a store covers its whole line, which then need not be read. */
let whole: bool = false;

export function setWholeLine(on: bool): void {
  whole = on;
}

/** A line that is about to be overwritten whole: the other CPUs lose it, and nobody reads it. */
function claimWhole(cpu: usize, line: u32): bool {
  if (!whole || !isData()) return false;
  if (isShared(line)) claim(cpu, line);
  post(Stall.L2, 0);
  return true;
}

/**
 * Brings a line into the L2 that the prefetcher wants, from tick `now` on. Returns the tick at which
 * it is there, or 0 if it is already or another CPU may hold it. `prefetchCell` says where it came from.
 */
export let prefetchCell: i32 = 0;

export function prefetchLine(cpu: usize, line: u32, now: i64): i64 {
  const l2 = cpu + Model.L2;
  const l2Row = rowOf(l2, line);
  if (find(l2Row, load<i32>(l2, CacheField.ROW_BYTES), line) >= 0) return 0;
  if (isShared(line) && !enterAlone(cpu, line)) return 0;
  const row = rowOf(LLC, line);
  const at = llcFind(cpu, row, line);
  let tick = reserve(cpu + Model.LLC_SERVER, load<i32>(cpu + Model.LLC_SERVER, Server.TICKS), now);
  if (at >= 0) {
    prefetchCell = Stall.LLC;
    tick += <i64>load<i32>(LLC, CacheField.TICKS);
    llcFront(row, at, load<u32>(row + at));
  } else {
    prefetchCell = Stall.DRAM;
    count(cpu + Model.DRAM_READS);
    tick = reserve(cpu + Model.DRAM_SERVER, load<i32>(cpu + Model.DRAM_SERVER, Server.TICKS), tick);
    tick = reserve(SHARED + Shared.DRAM_SERVER, load<i32>(SHARED + Shared.DRAM_SERVER, Server.TICKS), tick);
    tick += <i64>load<i32>(SHARED, Shared.DRAM_TICKS);
    llcInsert(cpu, row, line << 1);
  }
  evictFromL2(cpu, insert(l2, l2Row, line << 1));
  return tick;
}

// Lookups --------------------------------------------------------------------------------------

/** Gets a line for an L2 that lacks it: from another CPU, the last level or DRAM. */
function fetchLine(cpu: usize, line: u32, write: bool): void {
  let remote = ABSENT;
  if (isShared(line)) {
    remote = snoop(cpu, line, write);
    if (remote == DIRTY || (write && remote != ABSENT)) {
      servedBy = ServedBy.OTHER_CPU;
      transfer(cpu);
      return;
    }
  }
  const row = rowOf(LLC, line);
  const at = llcFind(cpu, row, line);
  queue(cpu + Model.LLC_SERVER, Stall.LLC);
  if (at >= 0) {
    count(LLC + CacheField.HITS);
    servedBy = ServedBy.LLC;
    post(Stall.LLC, load<i32>(LLC, CacheField.TICKS));
    llcFront(row, at, load<u32>(row + at));
    return;
  }
  count(LLC + CacheField.MISSES);
  if (remote == CLEAN) {
    servedBy = ServedBy.OTHER_CPU_CLEAN;
    transfer(cpu);
  } else {
    servedBy = ServedBy.DRAM;
    count(cpu + Model.DRAM_READS);
    queue(cpu + Model.DRAM_SERVER, Stall.DRAM);
    queue(SHARED + Shared.DRAM_SERVER, Stall.DRAM);
    post(Stall.DRAM, load<i32>(SHARED, Shared.DRAM_TICKS));
  }
  llcInsert(cpu, row, line << 1);
}

/** Serves a first-level miss. */
function accessL2(cpu: usize, line: u32, write: bool): void {
  const l2 = cpu + Model.L2;
  const row = rowOf(l2, line);
  const at = find(row, load<i32>(l2, CacheField.ROW_BYTES), line);
  if (at >= 0) {
    count(l2 + CacheField.HITS);
    servedBy = ServedBy.L2;
    moveToFront(row, at, load<u32>(row + at));
    queue(cpu + Model.L2_SERVER, Stall.L2);
    post(Stall.L2, load<i32>(l2, CacheField.TICKS));
    awaitFlight(cpu, line);
    if (write && isShared(line)) claim(cpu, line);
  } else {
    count(l2 + CacheField.MISSES);
    queue(cpu + Model.L2_SERVER, Stall.L2);
    if (claimWhole(cpu, line)) servedBy = ServedBy.NONE;
    else fetchLine(cpu, line, write);
    evictFromL2(cpu, insert(l2, row, line << 1));
  }
  if (isShared(line)) enterDirectory(cpu, line);
}

/**
 * One access to a physical line through a first-level cache (Model.L1I or L1D of the CPU). Posts
 * its ticks; afterwards the line is resident, dirty if written, and `lastBack` is its back-pointer.
 */
export function accessL1(cpu: usize, cache: usize, line: u32, write: bool): void {
  const row = rowOf(cache, line);
  const rowBytes = load<i32>(cache, CacheField.ROW_BYTES);
  let at = find(row, rowBytes, line);
  const backRow = <usize>load<u32>(cache, CacheField.BACK) + (row - load<u32>(cache, CacheField.TAGS));
  if (at >= 0) {
    lastBack = backRow + at;
    if (write) {
      const tag = load<u32>(row + at);
      if ((tag & CacheTag.DIRTY) == 0) {
        if (isShared(line)) {
          claim(cpu, line);
          own(line);
        }
        store<u32>(row + at, tag | CacheTag.DIRTY);
      }
    }
    return;
  }
  count(cache + CacheField.MISSES);
  if (cache == cpu + Model.L1D) holdBuffer();
  const missed = tickNow();
  accessL2(cpu, line, write);
  if (write && isShared(line)) own(line);
  if (wanted(HardwareEvent.CACHE_MISS)) {
    const source = sourceOf(cache == cpu + Model.L1I, write);
    noteServed(HardwareEvent.CACHE_MISS, source, missed, <i64>line << 6, PageOutcome.NONE, servedBy);
  }
  if (cache == cpu + Model.L1D) prefetchAfter(cpu, line, missed);
  const next = <usize>load<u32>(cache, CacheField.NEXT) + (<usize>(line & load<u32>(cache, CacheField.SET_MASK)) << 2);
  const way = load<i32>(next);
  store<i32>(next, way + 1 == load<i32>(cache, CacheField.WAYS) ? 0 : way + 1);
  at = way << 2;
  const victim = load<u32>(row + at);
  dropBack(cpu, backRow + at, cache == cpu + Model.L1I);
  store<u32>(row + at, write ? (line << 1) | CacheTag.DIRTY : line << 1);
  lastBack = backRow + at;
  if (victim != CacheTag.INVALID && (victim & CacheTag.DIRTY) != 0) {
    count(cache + CacheField.WRITEBACKS);
    writeBackToL2(cpu, victim >> 1);
  }
}
