/**
 * x86-64 four-level page tables in guest memory, after Linux 6.1 arch/x86/include/asm/pgtable*.h
 * and arch/x86/mm/pgtable.c. Guest memory ends below 4 GiB, so the low word of an entry holds the
 * whole frame address and the high word only NX. Untimed; callers charge.
 *
 *   63 62..59 58..52 51..............12 11 10 9 8 7  6 5 4   3   2  1 0
 *   NX pkey   soft   frame              soft    G PS D A PCD PWT US W P
 */
import type { PhysicalMemory } from '../model/physical-memory.ts';

export const enum Pte {
  PRESENT = 0x1,
  WRITE = 0x2,
  USER = 0x4,
  ACCESSED = 0x20,
  DIRTY = 0x40,
  /** A large page, in the second and third level. */
  LARGE = 0x80,
  GLOBAL = 0x100,
  /** Linux's soft bit for special mappings (zero page, vvar). */
  SPECIAL = 0x200,
  FRAME = 0xfffff000,
}

/** Bit 63, in the high word. */
export const NX_HIGH = 0x80000000;

/** What tables point to tables with. */
export const TABLE = Pte.PRESENT | Pte.WRITE | Pte.USER | Pte.ACCESSED | Pte.DIRTY;

/** The four levels, top first: shift of the 9 index bits. */
export const LEVEL_SHIFTS = [39, 30, 21, 12] as const;

/** Index into the table of the level with `shift` for a user address (a number below 2^47). */
export function tableIndex(address: number, shift: number): number {
  return Math.floor(address / 2 ** shift) & 511;
}

/** Physical address of an entry. */
export function entryAddress(table: number, address: number, shift: number): number {
  return table + tableIndex(address, shift) * 8;
}

export function readLow(memory: PhysicalMemory, entry: number): number {
  return memory.words[entry >>> 2];
}

export function writeEntry(memory: PhysicalMemory, entry: number, low: number, high: number): void {
  memory.words[entry >>> 2] = low;
  memory.words[(entry >>> 2) + 1] = high;
}

/**
 * Physical address of the last-level entry for a user address, or -1 where a table is missing or a
 * huge page is mapped (mm/huge_memory.ts).
 */
export function findPte(memory: PhysicalMemory, pgd: number, address: number): number {
  let table = pgd;
  for (let level = 0; level < 3; level++) {
    const low = readLow(memory, entryAddress(table, address, LEVEL_SHIFTS[level]));
    if ((low & (Pte.PRESENT | Pte.LARGE)) !== Pte.PRESENT) return -1;
    table = (low & Pte.FRAME) >>> 0;
  }
  return entryAddress(table, address, 12);
}
