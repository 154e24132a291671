/**
 * Allocation of page tables during a fault, after Linux 6.1 mm/memory.c (__pud_alloc, __pmd_alloc,
 * __pte_alloc) and arch/x86/mm/pti.c for the second top table that PTI keeps in step.
 */
import { assert } from '../../core/assert.ts';
import { entryAddress, NX_HIGH, Pte, readLow, TABLE, writeEntry } from '../arch/x86/mm/pgtable.ts';
import { PTI_USER_PGD } from '../arch/x86/mm/tlbflush.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import type { MmStruct } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { spinLock, spinUnlock } from '../kernel/locking/spinlock.ts';
import { PageKind } from './mem_map.ts';
import { modKernelPageState } from './memcontrol.ts';
import { allocPages } from './page_alloc.ts';

const ALLOCATED = { pud: 1, pmd: 2, pte: 3 } as const;

/** Entries that were missing on the way, as __handle_mm_fault meets them. */
export const enum Tables {
  OUT_OF_MEMORY = -1,
}

/**
 * The last-level table for a user address, allocating what is missing with the costs of the fault
 * path. Returns the physical address of the entry, or Tables.OUT_OF_MEMORY.
 */
export function pteAlloc(kernel: Kernel, mm: MmStruct, address: number): number {
  const pmd = pmdAllocEntry(kernel, mm, address);
  if (pmd < 0) return Tables.OUT_OF_MEMORY;
  const pteTable = nextTable(kernel, mm, pmd, ALLOCATED.pte);
  return pteTable < 0 ? Tables.OUT_OF_MEMORY : entryAddress(pteTable, address, 12);
}

/** The second-level entry for a user address, likewise. */
export function pmdAllocEntry(kernel: Kernel, mm: MmStruct, address: number): number {
  if (mm.top !== mm.pgd) kernel.cpu.read(mm.top);
  const p4d = entryAddress(mm.pgd, address, 39);
  const pudTable = nextTable(kernel, mm, p4d, ALLOCATED.pud);
  if (pudTable < 0) return Tables.OUT_OF_MEMORY;
  const pmdTable = nextTable(kernel, mm, entryAddress(pudTable, address, 30), ALLOCATED.pmd);
  return pmdTable < 0 ? Tables.OUT_OF_MEMORY : entryAddress(pmdTable, address, 21);
}

function nextTable(kernel: Kernel, mm: MmStruct, entry: number, level: number): number {
  const { cpu, memory } = kernel;
  cpu.read(entry);
  const low = readLow(memory, entry);
  assert((low & Pte.LARGE) === 0, 'a huge page is split before small ones are mapped there');
  if ((low & Pte.PRESENT) !== 0) return (low & Pte.FRAME) >>> 0;
  const table = ALLOCATORS[level - 1](kernel, mm, entry);
  if (table >= 0) mm.tables++;
  return table;
}

const ALLOCATORS = [pudAlloc, pmdAlloc, pteTableAlloc];

function pudAlloc(kernel: Kernel, mm: MmStruct, entry: number): number {
  const { cpu, config, memory } = kernel;
  cpu.run(F.__pud_alloc, 56);
  cpu.run(F.get_zeroed_page, 12);
  const frame = allocPages(kernel, PageKind.TABLE);
  if (frame < 0) return -1;
  spinLock(cpu, mm.address + 64);
  cpu.run(F.native_set_p4d, 8);
  const table = (frame << PAGE_SHIFT) >>> 0;
  cpu.write(entry);
  // pti_set_user_pgtbl: the user's copy can execute, the kernel's cannot.
  if (config.pti) {
    cpu.write(entry + PTI_USER_PGD);
    writeEntry(memory, entry + PTI_USER_PGD, table | TABLE, 0);
    writeEntry(memory, entry, table | TABLE, NX_HIGH);
  } else {
    writeEntry(memory, entry, table | TABLE, 0);
  }
  spinUnlock(cpu);
  return table;
}

function pmdAlloc(kernel: Kernel, mm: MmStruct, entry: number): number {
  const { cpu, memory } = kernel;
  cpu.run(F.__pmd_alloc, 75);
  const frame = allocPages(kernel, PageKind.TABLE);
  if (frame < 0) return -1;
  modKernelPageState(cpu, frame);
  spinLock(cpu, mm.address + 64);
  cpu.run(F.native_set_pud, 2);
  const table = (frame << PAGE_SHIFT) >>> 0;
  cpu.write(entry);
  writeEntry(memory, entry, table | TABLE, 0);
  spinUnlock(cpu);
  return table;
}

function pteTableAlloc(kernel: Kernel, mm: MmStruct, entry: number): number {
  const { cpu, memory } = kernel;
  cpu.run(F.__pte_alloc, 28);
  cpu.run(F.pte_alloc_one, 16);
  const frame = allocPages(kernel, PageKind.TABLE);
  if (frame < 0) return -1;
  modKernelPageState(cpu, frame);
  cpu.run(F.pmd_install, 50);
  spinLock(cpu, mm.address + 64);
  cpu.run(F.native_set_pmd, 2);
  const table = (frame << PAGE_SHIFT) >>> 0;
  cpu.write(entry);
  writeEntry(memory, entry, table | TABLE, 0);
  spinUnlock(cpu);
  return table;
}
