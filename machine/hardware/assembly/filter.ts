/**
 * The inline filters: which entries exist, and dropping them when what they promise ends.
 * AssemblyScript. docs/memory-model.md says why an entry is exact.
 */
import { Cpu, Filter } from '../layout';
import { Back, Model } from '../memory/model-layout';

/** A user filter and its kernel twin are this far apart. */
const KERNEL_SIDE: usize = Cpu.FILTER_KERNEL_READ - Cpu.FILTER_READ;
const FILTER_BYTES: usize = Filter.ENTRIES * Filter.ENTRY_BYTES;
const BITMAP_WORDS: usize = Filter.ENTRIES >> 6;
/** No virtual line: lines have 58 bits. */
const EMPTY: i64 = -1;

@inline export function filterSlot(va: i64): usize {
  return (<usize>va >> Filter.INDEX_SHIFT) & Filter.INDEX_MASK;
}

@inline function drop(cpu: usize, filter: usize, slot: usize): void {
  store<i64>(cpu + filter + slot, EMPTY);
}

/** Drops the entries that the back-pointer at `back` names; `fetch` for the instruction filters. */
export function dropBack(cpu: usize, back: usize, fetch: bool): void {
  const both = load<u32>(back);
  if (both == 0xffffffff) return;
  store<u32>(back, 0xffffffff);
  const user = <usize>(both & 0xffff);
  const kernel = <usize>(both >> 16);
  if (user != Back.NONE) dropSlot(cpu, user, fetch);
  if (kernel != Back.NONE) dropSlot(cpu + KERNEL_SIDE, kernel, fetch);
}

/** `side` is the CPU block, plus KERNEL_SIDE for the kernel's filters. */
@inline function dropSlot(side: usize, slot: usize, fetch: bool): void {
  if (fetch) {
    drop(side, Cpu.FILTER_FETCH, slot);
  } else {
    drop(side, Cpu.FILTER_READ, slot);
    drop(side, Cpu.FILTER_WRITE, slot);
  }
}

/** Drops write entries only: the line stays readable but is no longer this CPU's to write. */
export function dropBackWrite(cpu: usize, back: usize): void {
  const user = <usize>load<u16>(back, Back.USER);
  const kernel = <usize>load<u16>(back, Back.KERNEL);
  if (user != Back.NONE) drop(cpu, Cpu.FILTER_WRITE, user);
  if (kernel != Back.NONE) drop(cpu + KERNEL_SIDE, Cpu.FILTER_WRITE, kernel);
}

/**
 * Enters the line of `va`. `delta` is host minus virtual address; `back` is the back-pointer of the
 * way that holds the line. The line's older entries elsewhere go, so that one back-pointer covers all.
 */
@inline export function install(
  cpu: usize, filter: usize, kernel: bool, va: i64, delta: i32, back: usize, fetch: bool,
): void {
  const slot = filterSlot(va);
  const side = kernel ? cpu + KERNEL_SIDE : cpu;
  const pointer = kernel ? back + Back.KERNEL : back + Back.USER;
  const old = <usize>load<u16>(pointer);
  if (old != slot) {
    if (old != Back.NONE) dropSlot(side, old, fetch);
    store<u16>(pointer, <u16>slot);
  }
  const entry = side + filter + slot;
  store<i64>(entry, va >>> Filter.LINE_SHIFT);
  store<i32>(entry, delta, 8);
  const used = slotsUsed(cpu, kernel) + (slot >> 10 << 3);
  store<i64>(used, load<i64>(used) | (<i64>1 << <i64>((slot >> 4) & 63)));
}

/** Address of the bitmap of slots entered on that side. */
@inline function slotsUsed(cpu: usize, kernel: bool): usize {
  return cpu + (kernel ? Model.KERNEL_SLOTS : Model.USER_SLOTS);
}

/** True if the filters of that side hold translations of the current address space and may be filled. */
@inline export function mayInstall(cpu: usize, kernel: bool): bool {
  const owner = kernel
    ? load<i32>(cpu, Model.KERNEL_FILTER_PCID)
    : load<i32>(cpu, Model.USER_FILTER_PCID);
  return load<i32>(cpu, Model.FILTER) != 0 && owner == load<i32>(cpu, Cpu.PCID);
}

/** Drops the entry of one slot in the filters of a TLB, both sides, if it lies in page `vpn >> shift`. */
@inline function dropIfInPage(cpu: usize, filter: usize, slot: usize, page: i64, shift: i64): void {
  const user = cpu + filter + slot;
  if (((load<i64>(user) & LINE_VPN_MASK) >>> shift) == page) store<i64>(user, EMPTY);
  const kernel = user + KERNEL_SIDE;
  if (((load<i64>(kernel) & LINE_VPN_MASK) >>> shift) == page) store<i64>(kernel, EMPTY);
}

/** A line number keeps 42 bits of a 48-bit address. */
const LINE_VPN_MASK: i64 = 0x3ffffffffff;

/** The bit of a TLB entry's mask that stands for the filter entry of `va`. */
@inline export function maskBit(va: i64, large: bool): i64 {
  return <i64>1 << (large ? (va >> 9) & 63 : (va >> 6) & 63);
}

/**
 * Drops every filter entry of a page. In `mask`, bit i stands for line i of a 4 KiB page, and for
 * the eight neighbouring filter entries from 8 i on for a larger one.
 */
export function dropPage(cpu: usize, vpn: i64, size: i32, mask: i64, fetch: bool): void {
  const large = size != 0;
  const shift = 6 + 9 * <i64>size;
  const page = vpn >> (9 * <i64>size);
  const base: usize = large ? 0 : (<usize>vpn & 7) << 10;
  while (mask != 0) {
    const bit = <usize>ctz(mask);
    mask &= mask - 1;
    let slot = large ? bit << 7 : base + (bit << 4);
    const end = large ? slot + 128 : slot + 16;
    for (; slot < end; slot += 16) {
      if (fetch) {
        dropIfInPage(cpu, Cpu.FILTER_FETCH, slot, page, shift);
      } else {
        dropIfInPage(cpu, Cpu.FILTER_READ, slot, page, shift);
        dropIfInPage(cpu, Cpu.FILTER_WRITE, slot, page, shift);
      }
    }
  }
}

/** Empties the user's (kernel's) three filters; a switch of address space, so only slots in use. */
export function clearFilters(cpu: usize, kernel: bool): void {
  const side = kernel ? cpu + KERNEL_SIDE : cpu;
  const bitmap = slotsUsed(cpu, kernel);
  for (let word: usize = 0; word < BITMAP_WORDS; word++) {
    let slots = load<i64>(bitmap + (word << 3));
    store<i64>(bitmap + (word << 3), 0);
    while (slots != 0) {
      const slot = (word << 10) + (<usize>ctz(slots) << 4);
      slots &= slots - 1;
      drop(side, Cpu.FILTER_READ, slot);
      drop(side, Cpu.FILTER_WRITE, slot);
      drop(side, Cpu.FILTER_FETCH, slot);
    }
  }
}

/** Drops the write entries, on this CPU, whose host addresses lie in the page at `hostPage`. */
export function dropWritesToPage(cpu: usize, hostPage: usize): void {
  for (let slot: usize = 0; slot < FILTER_BYTES; slot += Filter.ENTRY_BYTES) {
    for (let side = cpu; side <= cpu + KERNEL_SIDE; side += KERNEL_SIDE) {
      const entry = side + Cpu.FILTER_WRITE + slot;
      const line = load<i64>(entry);
      if (line == EMPTY) continue;
      const host = (<u32>(line << Filter.LINE_SHIFT)) + load<u32>(entry, 8);
      if ((host & ~0xfff) == hostPage) store<i64>(entry, EMPTY);
    }
  }
}
