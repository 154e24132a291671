/**
 * The fifth level of page tables, after Linux 6.1 arch/x86/mm/pgtable.c and include/asm-generic/pgalloc.h.
 * User space and the kernel lie in the first and the last entry of the top table; both lead to the table
 * that is the top with four levels (pgd here, p4d in Linux), whose two halves they use. Omits: user
 * addresses above 47 bits, for which Linux wants a hint; the kernel's own place with five levels.
 */
import { F } from '../model/generated/function-ids.ts';
import type { PhysicalMemory } from '../model/physical-memory.ts';
import type { Kernel } from '../../../init/kernel.ts';
import { TABLE, writeEntry } from './pgtable.ts';

const LAST_ENTRY = 511 * 8;

/** Fills a top table, untimed. */
export function fillTop(memory: PhysicalMemory, top: number, pgd: number): void {
  memory.zeroPage(top);
  writeEntry(memory, top, pgd | TABLE, 0);
  writeEntry(memory, top + LAST_ENTRY, pgd | TABLE, 0);
}

/** What making the table between the top and the pgd costs: p4d_alloc, as pud_alloc was counted. */
export function chargeP4dAlloc({ cpu, memory }: Kernel, top: number): void {
  cpu.run(F.__p4d_alloc, 56);
  cpu.run(F.get_zeroed_page, 12);
  cpu.write(top);
  memory.written(top);
}
