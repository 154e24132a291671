/**
 * Address spaces as objects, after Linux 6.1 kernel/fork.c (mm_init, mmput) and
 * arch/x86/mm/pgtable.c (pgd_alloc).
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import { chargeP4dAlloc, fillTop } from '../arch/x86/mm/p4d.ts';
import type { MmStruct } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { MMPUT } from './exit-costs.ts';
import { runSteps } from '../arch/x86/model/steps.ts';
import { VmaTree } from '../lib/maple_tree.ts';
import { exitMmap } from '../mm/exit_mmap.ts';
import { PageKind } from '../mm/mem_map.ts';

/** ASIDs that a PCID has room for, below the bit that names the user's half. */
const ASIDS = 2047;

/** mm_alloc: an empty address space whose upper half is the kernel's; null without memory. */
export function mmAlloc(kernel: Kernel): MmStruct | null {
  const { cpu, caches, memory, buddy, config, swapperPgd } = kernel;
  cpu.run(F.mm_alloc, 16);
  const address = caches.mm.allocate(kernel);
  cpu.run(F.mm_init, 103);
  cpu.run(F.pgd_alloc, 104);
  const frame = buddy.allocateBlock(config.pti ? 1 : 0, PageKind.TABLE);
  if (address < 0 || frame < 0) {
    if (address >= 0) caches.mm.freeQuietly(address);
    if (frame >= 0) buddy.freeBlock(frame, config.pti ? 1 : 0);
    return null;
  }
  const pgd = frame << PAGE_SHIFT;
  memory.zeroPage(pgd);
  const half = PAGE_BYTES / 2;
  memory.bytes.copyWithin(pgd + half, swapperPgd + half, swapperPgd + PAGE_BYTES);
  if (config.pti) {
    memory.zeroPage(pgd + PAGE_BYTES);
    copyUserHalf(kernel, pgd);
  }
  const top = config.la57 ? topTables(kernel, pgd) : pgd;
  if (top < 0) {
    caches.mm.freeQuietly(address);
    buddy.freeBlock(frame, config.pti ? 1 : 0);
    return null;
  }
  const asid = config.pcid ? kernel.nextAsid : 0;
  kernel.nextAsid = (kernel.nextAsid % ASIDS) + 1;
  return {
    address,
    pgd,
    top,
    asid,
    vmas: new VmaTree(),
    users: 1,
    mmapBase: 0,
    startCode: 0,
    endCode: 0,
    startData: 0,
    endData: 0,
    startBrk: 0,
    brk: 0,
    startStack: 0,
    argStart: 0,
    argEnd: 0,
    envStart: 0,
    envEnd: 0,
    totalVm: 0,
    dataVm: 0,
    lockedVm: 0,
    defaultFlags: 0,
    hugeReserves: new Set(),
    oomVictim: false,
    membarriers: 0,
    rss: 0,
    rssMax: 0,
    tables: 0,
    deposits: [],
    generation: 0,
    lruBatch: 0,
    vdso: 0,
    exeFile: '',
  };
}

/** The top tables of five levels: their physical address, or -1 without memory. */
function topTables(kernel: Kernel, pgd: number): number {
  const { memory, buddy, config } = kernel;
  const frame = buddy.allocateBlock(config.pti ? 1 : 0, PageKind.TABLE);
  if (frame < 0) return -1;
  const top = frame << PAGE_SHIFT;
  fillTop(memory, top, pgd);
  if (config.pti) fillTop(memory, top + PAGE_BYTES, pgd + PAGE_BYTES);
  chargeP4dAlloc(kernel, top);
  return top;
}

/** pti_clone_p4d: the user's table maps the entry area, which both halves need. */
function copyUserHalf({ memory, swapperPgd }: Kernel, pgd: number): void {
  const ENTRY_AREA_SLOT = 508;
  const offset = ENTRY_AREA_SLOT * 8;
  memory.bytes.copyWithin(pgd + PAGE_BYTES + offset, swapperPgd + offset, swapperPgd + offset + 8);
}

/** mmput: one user less. Without any, the mappings and their pages go, and the structure too. */
export function mmput(kernel: Kernel, mm: MmStruct): void {
  const { cpu } = kernel;
  cpu.run(F.mmput, 9);
  cpu.run(F.__cond_resched, 6);
  cpu.write(mm.address);
  mm.users--;
  if (mm.users > 0) return;
  cpu.run(F.__mmput, 42);
  runSteps(cpu, MMPUT);
  exitMmap(kernel, mm);
  kernel.platform.code.dropCodeSpace(mm.address);
  kernel.caches.mm.free(kernel, mm.address);
}
