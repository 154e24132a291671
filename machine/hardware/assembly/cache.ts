/**
 * Caches of one CPU (L1I, L1D, L2) and the last level that all share. AssemblyScript.
 *
 * First level: FIFO, so that a hit changes no state. L2 and last level: LRU, rows kept in order of
 * last use. Write-back, write-allocate, neither inclusive nor exclusive. A miss first brings the
 * line in from below, then writes its dirty victim back.
 * Coherence between CPUs is in coherence.ts.
 * Omits: bandwidth and queueing, prefetchers, eviction of L1I lines by the same CPU's stores.
 */
import { Region, Stall } from '../layout';
import { CacheField, CacheTag, Model, Shared } from '../memory/model-layout';
import { ABSENT, CLEAN, DIRTY, claim, enterDirectory, leaveOwned, own, several, snoop, transfer } from './coherence';
import { dropBack } from './filter';
import { count, post } from './stall';

const LLC: usize = Region.HEADER + Shared.LLC;
const SHARED: usize = Region.HEADER;

/** Where `accessL1` found or put the line: address of its back-pointer. */
export let lastBack: usize = 0;

@inline export function rowOf(cache: usize, line: u32): usize {
  return <usize>load<u32>(cache, CacheField.TAGS) +
    <usize>(line & load<u32>(cache, CacheField.SET_MASK)) * load<u32>(cache, CacheField.ROW_BYTES);
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

/** Puts a tag first in an LRU row, over an empty way if there is one. Returns the tag it displaced. */
function insert(cache: usize, row: usize, tag: u32): u32 {
  const last = <i32>(load<u32>(cache, CacheField.WAYS) - 1) << 2;
  let offset = 0;
  while (offset < last && load<i32>(row + offset) != CacheTag.INVALID) offset += 4;
  const victim = load<u32>(row + offset);
  moveToFront(row, offset, tag);
  return victim;
}

/** A dirty line arrives from an L2, or from a CPU that had to give it up. */
export function writeBackToLlc(line: u32): void {
  const row = rowOf(LLC, line);
  const at = find(row, load<i32>(LLC, CacheField.ROW_BYTES), line);
  const tag = (line << 1) | CacheTag.DIRTY;
  if (at >= 0) moveToFront(row, at, tag);
  else evictFromLlc(insert(LLC, row, tag));
}

@inline function evictFromLlc(victim: u32): void {
  if (victim == CacheTag.INVALID || (victim & CacheTag.DIRTY) == 0) return;
  count(LLC + CacheField.WRITEBACKS);
  count(SHARED + Shared.DRAM_WRITES);
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
  writeBackToLlc(victim >> 1);
  if (several()) leaveOwned(cpu, victim >> 1);
}

// Lookups --------------------------------------------------------------------------------------

/** Gets a line for an L2 that lacks it: from another CPU, the last level or DRAM. */
function fetchLine(cpu: usize, line: u32, write: bool): void {
  let remote = ABSENT;
  if (several()) {
    remote = snoop(cpu, line, write);
    if (remote == DIRTY || (write && remote != ABSENT)) {
      transfer(cpu);
      return;
    }
  }
  const row = rowOf(LLC, line);
  const at = find(row, load<i32>(LLC, CacheField.ROW_BYTES), line);
  if (at >= 0) {
    count(LLC + CacheField.HITS);
    moveToFront(row, at, load<u32>(row + at));
    post(Stall.LLC, load<i32>(LLC, CacheField.TICKS));
    return;
  }
  count(LLC + CacheField.MISSES);
  if (remote == CLEAN) {
    transfer(cpu);
  } else {
    count(cpu + Model.DRAM_READS);
    post(Stall.DRAM, load<i32>(SHARED, Shared.DRAM_TICKS));
  }
  evictFromLlc(insert(LLC, row, line << 1));
}

/** Serves a first-level miss. */
function accessL2(cpu: usize, line: u32, write: bool): void {
  const l2 = cpu + Model.L2;
  const row = rowOf(l2, line);
  const at = find(row, load<i32>(l2, CacheField.ROW_BYTES), line);
  if (at >= 0) {
    count(l2 + CacheField.HITS);
    moveToFront(row, at, load<u32>(row + at));
    post(Stall.L2, load<i32>(l2, CacheField.TICKS));
    if (write && several()) claim(cpu, line);
  } else {
    count(l2 + CacheField.MISSES);
    fetchLine(cpu, line, write);
    evictFromL2(cpu, insert(l2, row, line << 1));
  }
  if (several()) enterDirectory(cpu, line);
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
        if (several()) {
          claim(cpu, line);
          own(line);
        }
        store<u32>(row + at, tag | CacheTag.DIRTY);
      }
    }
    return;
  }
  count(cache + CacheField.MISSES);
  accessL2(cpu, line, write);
  if (write && several()) own(line);
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
