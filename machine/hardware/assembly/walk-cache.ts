/**
 * Paging-structure caches, and the host's side of nested paging. AssemblyScript; ours.
 *
 * All are direct-mapped tables of { key, data }. A paging-structure cache maps an address to the
 * table of the next level, with the permissions so far; an entry is there only when its accessed
 * bit is set. Under nested paging each guest-physical page that a walk uses needs its host frame:
 * from the nested TLB, or from the host's last two levels, whose entries are lines beyond guest
 * memory. Omits: the host's upper two levels (a few lines that never leave its caches).
 */
import { Cpu, Region } from '../layout';
import { Model, Shared, SmallCache } from '../memory/model-layout';
import { accessL1 } from './cache';

const PCID_SHIFT: i64 = 40;
const VALID: i64 = 1 << 60;
/** Host table entries in a line. */
const ENTRIES_SHIFT: i64 = 3;
const REGION_SHIFT: i64 = 9;

/** Data of the entry that cachedTable() found. */
export let cachedData: i64 = 0;

@inline function entryOf(cache: usize, number: i64): usize {
  const index = <u32>number & load<u32>(cache, SmallCache.MASK);
  return <usize>load<u32>(cache, SmallCache.TABLE) + <usize>index * SmallCache.ENTRY_BYTES;
}

@inline function keyOf(cpu: usize, number: i64): i64 {
  return VALID | (<i64>load<u32>(cpu, Cpu.PCID) << PCID_SHIFT) | number;
}

/** Number of the region of `va` that one entry of `level` covers. */
@inline function regionOf(va: i64, level: i32): i64 {
  return (va & 0x1ffffffffffffff) >> (12 + 9 * <i64>level);
}

@inline function walkCache(cpu: usize, level: i32): usize {
  return cpu + Model.WALK_CACHES + <usize>(level - 1) * SmallCache.BYTES;
}

/** The lowest level whose entry for `va` is cached (1, 2, 3), with cachedData; 4 if none is. */
export function cachedLevel(cpu: usize, va: i64): i32 {
  for (let level = 1; level <= 3; level++) {
    const cache = walkCache(cpu, level);
    if (load<u32>(cache, SmallCache.TABLE) == 0) return 4;
    const region = regionOf(va, level);
    const entry = entryOf(cache, region);
    if (load<i64>(entry) == keyOf(cpu, region)) {
      cachedData = load<i64>(entry, 8);
      return level;
    }
  }
  return 4;
}

/** Keeps what an entry of `level` leads to. */
export function cacheTable(cpu: usize, va: i64, level: i32, data: i64): void {
  const cache = walkCache(cpu, level);
  if (load<u32>(cache, SmallCache.TABLE) == 0) return;
  const region = regionOf(va, level);
  const entry = entryOf(cache, region);
  store<i64>(entry, keyOf(cpu, region));
  store<i64>(entry, data, 8);
}

/** Empties the paging-structure caches: INVLPG and every flush do. */
export function dropTables(cpu: usize): void {
  for (let level = 1; level <= 3; level++) {
    const cache = walkCache(cpu, level);
    const table: usize = load<u32>(cache, SmallCache.TABLE);
    if (table == 0) return;
    memory.fill(table, 0, (<usize>load<u32>(cache, SmallCache.MASK) + 1) * SmallCache.ENTRY_BYTES);
  }
}

@inline export function isNested(cpu: usize): bool {
  return load<u32>(cpu, Model.NESTED_TLB + SmallCache.TABLE) != 0;
}

/** The walk needs the host frame of a guest frame; posts what finding it costs. */
export function nestedFrame(cpu: usize, frame: i64): void {
  const known = entryOf(cpu + Model.NESTED_TLB, frame);
  if (load<i64>(known) == (VALID | frame)) return;
  store<i64>(known, VALID | frame);
  const leaves = <i64>load<u32>(Region.HEADER, Shared.GUEST_LINES);
  // A guest line holds 64 bytes, a line of host entries stands for eight guest frames.
  const directory = leaves + (leaves >> (6 + ENTRIES_SHIFT)) + 1;
  const region = frame >> REGION_SHIFT;
  const upper = entryOf(cpu + Model.NESTED_PDES, region);
  if (load<i64>(upper) != (VALID | region)) {
    store<i64>(upper, VALID | region);
    accessL1(cpu, cpu + Model.L1D, <u32>(directory + (region >> ENTRIES_SHIFT)), false);
  }
  accessL1(cpu, cpu + Model.L1D, <u32>(leaves + (frame >> ENTRIES_SHIFT)), false);
}
