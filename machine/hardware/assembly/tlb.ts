/**
 * TLBs: two first-level ones (FIFO, any geometry up to fully associative) over one second level
 * (LRU). All hold 4 KiB, 2 MiB and 1 GiB pages, tagged by PCID or global. AssemblyScript.
 * Omits: separate arrays by page size; speculative fills.
 */
import { Cpu, Stall } from '../layout';
import { Model, ModelLimit, PageSize, TlbData, TlbField, TlbFlush, TlbTag } from '../memory/model-layout';
import { HardwareEvent, PageOutcome, ServedBy } from '../memory/event-layout';
import { wanted } from './events';
import { dropPage } from './filter';
import { count, noteServed, post, queue, tickNow } from './stall';
import { needSource, walk, walkData, walkSize } from './walk';
import { dropTables } from './walk-cache';

const VPN_MASK: i64 = (1 << TlbTag.VPN_BITS) - 1;
const FRAME_MASK: i64 = 0x000ffffffffff000;
const VALID: i64 = 1 << TlbTag.VALID_SHIFT;
const STLB_ENTRY_BYTES: usize = 16;
/** Kinds of entry: page size * 2 + global. */
const KINDS: i32 = PageSize.COUNT * 2;

/** What an access needs; flags are those of TlbData plus this one for instruction fetch. */
export const NEED_EXECUTE: i64 = 1;

@inline function pageVpn(va: i64, size: i32): i64 {
  const bits = 9 * <i64>size;
  return (((va >>> 12) & VPN_MASK) >> bits) << bits;
}

@inline function tagOf(vpn: i64, size: i32, pcid: i64): i64 {
  return vpn | (pcid << TlbTag.PCID_SHIFT) | (<i64>size << TlbTag.SIZE_SHIFT) | VALID;
}

@inline function tagVpn(tag: i64): i64 {
  return tag & VPN_MASK;
}

@inline function tagSize(tag: i64): i32 {
  return <i32>(tag >> TlbTag.SIZE_SHIFT) & 3;
}

@inline function tagPcid(tag: i64): i64 {
  return (tag >> TlbTag.PCID_SHIFT) & 0x1fff;
}

@inline function kindCount(tlb: usize, tag: i64): usize {
  const global = tagPcid(tag) == TlbTag.GLOBAL ? 1 : 0;
  return tlb + TlbField.KINDS + (<usize>(tagSize(tag) * 2 + global) << 2);
}

@inline function setOf(tlb: usize, vpn: i64, size: i32): usize {
  return <usize>((vpn >> (9 * <i64>size)) & <i64>load<u32>(tlb, TlbField.SET_MASK));
}

/** The tag that a translation of `va` of this kind has in the current address space. */
@inline function wantedTag(cpu: usize, va: i64, kind: i32): i64 {
  const size = kind >> 1;
  const pcid = (kind & 1) != 0 ? <i64>TlbTag.GLOBAL : <i64>load<u32>(cpu, Cpu.PCID);
  return tagOf(pageVpn(va, size), size, pcid);
}

/** True if the entry with these flags may serve the access at once; dirty is needed to write. */
@inline export function allows(data: i64, need: i64): bool {
  const flags = need & ~NEED_EXECUTE;
  if ((data & flags) != flags) return false;
  return (need & NEED_EXECUTE) == 0 || data >= 0;
}

@inline export function entryData(tlb: usize, entry: i32): i64 {
  return load<i64>(<usize>load<u32>(tlb, TlbField.DATA) + (<usize>entry << 3));
}

/** PageSize of an entry. */
@inline export function entrySize(tlb: usize, entry: i32): i32 {
  return tagSize(load<i64>(<usize>load<u32>(tlb, TlbField.TAGS) + (<usize>entry << 3)));
}

/** Notes that the filters hold a line of the entry's page; `bit` is filter.maskBit of the line. */
@inline export function noteFilterLine(tlb: usize, entry: i32, bit: i64): void {
  const mask = <usize>load<u32>(tlb, TlbField.MASKS) + (<usize>entry << 3);
  store<i64>(mask, load<i64>(mask) | bit);
}

// First level ----------------------------------------------------------------------------------

@inline function hintOf(tlb: usize, tag: i64): usize {
  const hash = (tagVpn(tag) >> (9 * <i64>tagSize(tag))) & (ModelLimit.TLB_HINTS - 1);
  return <usize>load<u32>(tlb, TlbField.HINTS) + (<usize>hash << 2);
}

function findTag(tlb: usize, tag: i64): i32 {
  const tags = <usize>load<u32>(tlb, TlbField.TAGS);
  const hint = hintOf(tlb, tag);
  const guess = load<i32>(hint);
  if (load<i64>(tags + (<usize>guess << 3)) == tag) return guess;
  const ways = load<i32>(tlb, TlbField.WAYS);
  const first = <i32>setOf(tlb, tagVpn(tag), tagSize(tag)) * ways;
  for (let entry = first; entry < first + ways; entry++) {
    if (load<i64>(tags + (<usize>entry << 3)) == tag) {
      store<i32>(hint, entry);
      return entry;
    }
  }
  return -1;
}

/** The first-level entry that translates `va`, or -1. Changes no state. */
@inline function findEntry(cpu: usize, tlb: usize, va: i64): i32 {
  for (let kind = 0; kind < KINDS; kind++) {
    if (load<i32>(tlb + (<usize>kind << 2), TlbField.KINDS) == 0) continue;
    const entry = findTag(tlb, wantedTag(cpu, va, kind));
    if (entry >= 0) return entry;
  }
  return -1;
}

function dropEntryLines(cpu: usize, tlb: usize, entry: i32, tag: i64): void {
  const mask = <usize>load<u32>(tlb, TlbField.MASKS) + (<usize>entry << 3);
  const lines = load<i64>(mask);
  if (lines == 0) return;
  store<i64>(mask, 0);
  dropPage(cpu, tagVpn(tag), tagSize(tag), lines, tlb == cpu + Model.ITLB);
}

function clearEntry(cpu: usize, tlb: usize, entry: i32): void {
  const at = <usize>load<u32>(tlb, TlbField.TAGS) + (<usize>entry << 3);
  const tag = load<i64>(at);
  if (tag == 0) return;
  dropEntryLines(cpu, tlb, entry, tag);
  const kind = kindCount(tlb, tag);
  store<i32>(kind, load<i32>(kind) - 1);
  store<i64>(at, 0);
}

/** Puts a translation in, over the oldest of its set. Returns the entry. */
function fillEntry(cpu: usize, tlb: usize, tag: i64, data: i64): i32 {
  const ways = load<i32>(tlb, TlbField.WAYS);
  const set = setOf(tlb, tagVpn(tag), tagSize(tag));
  const next = <usize>load<u32>(tlb, TlbField.NEXT) + (set << 2);
  const way = load<i32>(next);
  store<i32>(next, way + 1 == ways ? 0 : way + 1);
  const entry = <i32>set * ways + way;
  clearEntry(cpu, tlb, entry);
  store<i64>(<usize>load<u32>(tlb, TlbField.TAGS) + (<usize>entry << 3), tag);
  store<i64>(<usize>load<u32>(tlb, TlbField.DATA) + (<usize>entry << 3), data);
  const kind = kindCount(tlb, tag);
  store<i32>(kind, load<i32>(kind) + 1);
  store<i32>(hintOf(tlb, tag), entry);
  return entry;
}

// Second level ---------------------------------------------------------------------------------

@inline function stlbRow(stlb: usize, tag: i64): usize {
  const set = setOf(stlb, tagVpn(tag), tagSize(tag));
  return <usize>load<u32>(stlb, TlbField.TAGS) + set * <usize>load<u32>(stlb, TlbField.WAYS) * STLB_ENTRY_BYTES;
}

/** Moves entries [0, at) of the row one place back and puts this one first. */
@inline function stlbFront(row: usize, at: usize, tag: i64, data: i64): void {
  for (; at > row; at -= STLB_ENTRY_BYTES) v128.store(at, v128.load(at - STLB_ENTRY_BYTES));
  store<i64>(row, tag);
  store<i64>(row, data, 8);
}

/** Address of the entry with this tag, or 0. */
@inline function stlbFind(stlb: usize, row: usize, tag: i64): usize {
  const end = row + <usize>load<u32>(stlb, TlbField.WAYS) * STLB_ENTRY_BYTES;
  for (let at = row; at < end; at += STLB_ENTRY_BYTES) {
    if (load<i64>(at) == tag) return at;
  }
  return 0;
}

/** Tag of the second-level entry that translates `va`, now the latest used of its row; or 0. */
function stlbLookup(cpu: usize, stlb: usize, va: i64): i64 {
  for (let kind = 0; kind < KINDS; kind++) {
    if (load<i32>(stlb + (<usize>kind << 2), TlbField.KINDS) == 0) continue;
    const tag = wantedTag(cpu, va, kind);
    const row = stlbRow(stlb, tag);
    const at = stlbFind(stlb, row, tag);
    if (at != 0) {
      stlbFront(row, at, tag, load<i64>(at, 8));
      return tag;
    }
  }
  return 0;
}

/** Marks the row of a tag in the bitmap of rows that may hold entries. */
@inline function noteRow(stlb: usize, tag: i64): void {
  const set = setOf(stlb, tagVpn(tag), tagSize(tag));
  const word = <usize>load<u32>(stlb, TlbField.MASKS) + ((set >> 6) << 3);
  store<i64>(word, load<i64>(word) | (<i64>1 << <i64>(set & 63)));
}

/** Enters or refreshes a translation: over its own tag, an empty entry, or the least recently used. */
function stlbInsert(stlb: usize, tag: i64, data: i64): void {
  const row = stlbRow(stlb, tag);
  let at = stlbFind(stlb, row, tag);
  if (at == 0) {
    const taken = load<u8>(<usize>load<u32>(stlb, TlbField.TAKEN) + setOf(stlb, tagVpn(tag), tagSize(tag)));
    const last = row + <usize>(load<u32>(stlb, TlbField.WAYS) - 1 - taken) * STLB_ENTRY_BYTES;
    for (at = row; at < last && load<i64>(at) != 0; ) at += STLB_ENTRY_BYTES;
    stlbClear(stlb, at);
    const kind = kindCount(stlb, tag);
    store<i32>(kind, load<i32>(kind) + 1);
    noteRow(stlb, tag);
  }
  stlbFront(row, at, tag, data);
}

@inline function stlbClear(stlb: usize, at: usize): void {
  const tag = load<i64>(at);
  if (tag == 0) return;
  const kind = kindCount(stlb, tag);
  store<i32>(kind, load<i32>(kind) - 1);
  store<i64>(at, 0);
}

// Translation ----------------------------------------------------------------------------------

/**
 * Translates `va` for an access through the first-level TLB `tlb` (Model.ITLB or DTLB of the CPU),
 * posting what it costs. Returns its entry, or -1 after a page fault (walk.faultCode). An entry that
 * forbids the access, or that is clean when the access writes, is never trusted: the tables are
 * walked again, so a fault always tells what the tables say.
 */
export function translateTimed(cpu: usize, tlb: usize, va: i64, need: i64): i32 {
  const entry = findEntry(cpu, tlb, va);
  if (entry >= 0 && allows(entryData(tlb, entry), need)) return entry;
  if (entry >= 0 || !wanted(HardwareEvent.TLB_MISS)) return translateMiss(cpu, tlb, va, need, entry);
  const missed = tickNow();
  const hits = load<i64>(cpu + Model.STLB, TlbField.HITS);
  const found = translateMiss(cpu, tlb, va, need, entry);
  const page: i32 = found < 0 ? PageOutcome.NONE : entrySize(tlb, found);
  const physical = found < 0 ? 0 : entryData(tlb, found) & FRAME_MASK;
  const served: i32 = load<i64>(cpu + Model.STLB, TlbField.HITS) == hits ? ServedBy.WALK : ServedBy.STLB;
  noteServed(HardwareEvent.TLB_MISS, needSource(need), missed, physical, page, served);
  return found;
}

/** The same after the first level had no entry (`entry` is -1), or one that does not allow it. */
function translateMiss(cpu: usize, tlb: usize, va: i64, need: i64, entry: i32): i32 {
  const stlb = cpu + Model.STLB;
  if (entry < 0) {
    count(tlb + TlbField.MISSES);
    const tag = stlbLookup(cpu, stlb, va);
    if (tag != 0) {
      count(stlb + TlbField.HITS);
      queue(cpu + Model.STLB_SERVER, Stall.DTLB);
      post(Stall.DTLB, load<i32>(stlb, TlbField.TICKS));
      const data = load<i64>(stlbRow(stlb, tag), 8);
      if (allows(data, need)) return fillEntry(cpu, tlb, tag, data);
    } else {
      count(stlb + TlbField.MISSES);
    }
  }
  if (!walk(cpu, va, need)) {
    invalidateAddress(cpu, va, <i64>load<u32>(cpu, Cpu.PCID));
    return -1;
  }
  const pcid = (walkData & TlbData.GLOBAL) != 0 ? <i64>TlbTag.GLOBAL : <i64>load<u32>(cpu, Cpu.PCID);
  const tag = tagOf(pageVpn(va, walkSize), walkSize, pcid);
  if ((walkData & TlbData.FRACTURED) != 0) store<i32>(cpu, 1, Model.FRACTURED);
  stlbInsert(stlb, tag, walkData);
  return entry < 0 ? fillEntry(cpu, tlb, tag, walkData) : replaceEntry(cpu, tlb, entry, tag, walkData);
}

/** A first-level entry that did not allow the access is renewed in its place, or replaced. */
function replaceEntry(cpu: usize, tlb: usize, entry: i32, tag: i64, data: i64): i32 {
  const old = load<i64>(<usize>load<u32>(tlb, TlbField.TAGS) + (<usize>entry << 3));
  if (old != tag) {
    clearEntry(cpu, tlb, entry);
    return fillEntry(cpu, tlb, tag, data);
  }
  dropEntryLines(cpu, tlb, entry, old);
  store<i64>(<usize>load<u32>(tlb, TlbField.DATA) + (<usize>entry << 3), data);
  return entry;
}

// Invalidation ---------------------------------------------------------------------------------

/** Drops the translations of `va` in address space `pcid`, and global ones. */
export function invalidateAddress(cpu: usize, va: i64, pcid: i64): void {
  dropTables(cpu);
  if (load<i32>(cpu, Model.FRACTURED) != 0) invalidatePieces(cpu, va, pcid);
  for (let kind = 0; kind < KINDS; kind++) {
    const size = kind >> 1;
    const tag = tagOf(pageVpn(va, size), size, (kind & 1) != 0 ? <i64>TlbTag.GLOBAL : pcid);
    let entry = findTag(cpu + Model.ITLB, tag);
    if (entry >= 0) clearEntry(cpu, cpu + Model.ITLB, entry);
    entry = findTag(cpu + Model.DTLB, tag);
    if (entry >= 0) clearEntry(cpu, cpu + Model.DTLB, entry);
    const stlb = cpu + Model.STLB;
    const at = stlbFind(stlb, stlbRow(stlb, tag), tag);
    if (at != 0) stlbClear(stlb, at);
  }
}

@inline function isPiece(tag: i64, data: i64): bool {
  return tag != 0 && (data & TlbData.FRACTURED) != 0;
}

/** Whether an entry is a piece of the 2 MiB region of `va`. */
@inline function isPieceOf(tag: i64, data: i64, va: i64, pcid: i64): bool {
  if (!isPiece(tag, data) || tagVpn(tag) >> 9 != ((va >>> 12) & VPN_MASK) >> 9) return false;
  return tagPcid(tag) == pcid || tagPcid(tag) == TlbTag.GLOBAL;
}

/** Drops the pieces of a large page at `va`. A large page of 1 GiB is invalidated in 2 MiB steps. */
function invalidatePieces(cpu: usize, va: i64, pcid: i64): void {
  let left = invalidatePiecesIn(cpu, cpu + Model.ITLB, va, pcid);
  left = invalidatePiecesIn(cpu, cpu + Model.DTLB, va, pcid) || left;
  const stlb = cpu + Model.STLB;
  const first: usize = load<u32>(stlb, TlbField.TAGS);
  const end = first + <usize>load<u32>(stlb, TlbField.ENTRIES) * STLB_ENTRY_BYTES;
  for (let at = first; at < end; at += STLB_ENTRY_BYTES) {
    const tag = load<i64>(at);
    const data = load<i64>(at, 8);
    if (isPieceOf(tag, data, va, pcid)) stlbClear(stlb, at);
    else left = left || isPiece(tag, data);
  }
  store<i32>(cpu, left ? 1 : 0, Model.FRACTURED);
}

/** The same in a first-level TLB; returns whether other pieces are left. */
function invalidatePiecesIn(cpu: usize, tlb: usize, va: i64, pcid: i64): bool {
  const entries = load<i32>(tlb, TlbField.ENTRIES);
  let left = false;
  for (let entry = 0; entry < entries; entry++) {
    const tag = load<i64>(<usize>load<u32>(tlb, TlbField.TAGS) + (<usize>entry << 3));
    const data = entryData(tlb, entry);
    if (isPieceOf(tag, data, va, pcid)) clearEntry(cpu, tlb, entry);
    else left = left || isPiece(tag, data);
  }
  return left;
}

@inline function flushed(tag: i64, kind: i32, pcid: i64): bool {
  if (tag == 0) return false;
  if (kind == TlbFlush.ALL) return true;
  return kind == TlbFlush.NON_GLOBAL ? tagPcid(tag) != TlbTag.GLOBAL : tagPcid(tag) == pcid;
}

function flushFirstLevel(cpu: usize, tlb: usize, kind: i32, pcid: i64): void {
  const tags = <usize>load<u32>(tlb, TlbField.TAGS);
  const entries = load<i32>(tlb, TlbField.ENTRIES);
  for (let entry = 0; entry < entries; entry++) {
    if (flushed(load<i64>(tags + (<usize>entry << 3)), kind, pcid)) clearEntry(cpu, tlb, entry);
  }
}

/** Empties the TLBs of a CPU as TlbFlush `kind` says; `pcid` matters to TlbFlush.PCID only. */
export function flushTlb(cpu: usize, kind: i32, pcid: i32): void {
  dropTables(cpu);
  flushFirstLevel(cpu, cpu + Model.ITLB, kind, <i64>pcid);
  flushFirstLevel(cpu, cpu + Model.DTLB, kind, <i64>pcid);
  flushSecondLevel(cpu + Model.STLB, kind, <i64>pcid);
}

/** Kernels flush far more often than they fill every row: rows known to be empty are passed over. */
function flushSecondLevel(stlb: usize, kind: i32, pcid: i64): void {
  const rowBytes = <usize>load<u32>(stlb, TlbField.WAYS) * STLB_ENTRY_BYTES;
  const words = <usize>(load<u32>(stlb, TlbField.SET_MASK) >> 6) + 1;
  for (let word: usize = 0; word < words; word++) {
    const bitmap = <usize>load<u32>(stlb, TlbField.MASKS) + (word << 3);
    let rows = load<i64>(bitmap);
    while (rows != 0) {
      const bit = ctz(rows);
      rows &= rows - 1;
      const row = <usize>load<u32>(stlb, TlbField.TAGS) + ((word << 6) + <usize>bit) * rowBytes;
      let left = false;
      for (let at = row; at < row + rowBytes; at += STLB_ENTRY_BYTES) {
        const tag = load<i64>(at);
        if (flushed(tag, kind, pcid)) stlbClear(stlb, at);
        else left = left || tag != 0;
      }
      if (!left) store<i64>(bitmap, load<i64>(bitmap) & ~(<i64>1 << bit));
    }
  }
}
