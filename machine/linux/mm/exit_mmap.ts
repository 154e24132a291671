/** exit_mmap, after Linux 6.1 mm/mmap.c: every mapping and every page table goes. */
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import type { MmStruct } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { downRead, upRead } from '../kernel/locking/rwsem.ts';
import { unmapAll } from './munmap.ts';

export function exitMmap(kernel: Kernel, mm: MmStruct): void {
  const { cpu, caches, buddy, config } = kernel;
  cpu.run(F.exit_mmap, 471);
  downRead(cpu, mm.address + 64);
  unmapAll(kernel, mm, TASK_SIZE);
  upRead(cpu, mm.address + 64);
  for (const node of mm.vmas.nodes.splice(0)) caches.mapleNode.free(kernel, node);
  leaveMm(kernel, mm);
  cpu.run(F.pgd_free, 40);
  const order = config.pti ? 1 : 0;
  buddy.freeBlock(mm.pgd >>> PAGE_SHIFT, order);
  if (mm.top !== mm.pgd) buddy.freeBlock(mm.top >>> PAGE_SHIFT, order);
}

/** leave_mm: CPUs that kept the table while they had nothing to run go to the kernel's own. */
function leaveMm({ rqs, swapperTop }: Kernel, mm: MmStruct): void {
  for (const rq of rqs) {
    rq.cpu.tlb.forget(mm);
    if (rq.activeMm !== mm) continue;
    rq.activeMm = null;
    rq.cpu.hardware.loadCr3(swapperTop, 0, false, 'both');
  }
}
