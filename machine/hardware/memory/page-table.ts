/** x86-64 page table entries (4-level) and virtual addresses. */

/*
 *  63  62..52   51..12             11..9  8  7   6  5  4   3   2  1  0
 *  NX  ignored  frame (page >> 12) ign.   G  PS  D  A  PCD PWT US RW P
 */
export const PTE_PRESENT = 0x1n;
export const PTE_WRITABLE = 0x2n;
export const PTE_USER = 0x4n;
export const PTE_ACCESSED = 0x20n;
export const PTE_DIRTY = 0x40n;
/** In a page directory (pointer table) entry: maps a 2 MiB (1 GiB) page. */
export const PTE_PAGE_SIZE = 0x80n;
export const PTE_GLOBAL = 0x100n;
export const PTE_NO_EXECUTE = 1n << 63n;
export const PTE_FRAME_MASK = 0x000ffffffffff000n;

export const PAGE_SHIFT = 12;
export const PAGE_BYTES = 4096;
export const PAGE_TABLE_ENTRIES = 512;
/** Levels of tables: 3 is the top one (PML4), 0 holds 4 KiB pages. */
export const PAGE_TABLE_LEVEL_TOP = 3;

/** Index of `va` in the table at `level`. */
export function pageTableIndex(va: bigint, level: number): number {
  return Number((va >> BigInt(PAGE_SHIFT + 9 * level)) & 511n);
}

/** Bytes that one entry at `level` maps. */
export function bytesPerEntry(level: number): bigint {
  return 1n << BigInt(PAGE_SHIFT + 9 * level);
}

/** Physical address that an entry points to: a table, or a page at any level. */
export function entryFrame(entry: bigint): bigint {
  return entry & PTE_FRAME_MASK;
}

export function makeEntry(frame: bigint, flags: bigint): bigint {
  return frame | flags;
}

/** Sign-extends bit 47: the canonical address with these low 48 bits. */
export function canonical(va: bigint): bigint {
  return BigInt.asIntN(48, va);
}

export function isCanonical(va: bigint): boolean {
  return BigInt.asIntN(64, va) === BigInt.asIntN(48, va);
}
