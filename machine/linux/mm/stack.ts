/** Stack growth, after Linux 6.1 mm/mmap.c (expand_downwards). */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { masPreallocate, masStorePrealloc, MOVE_PIVOT } from '../lib/maple_tree.ts';
import { MMAP_MIN_ADDR, STACK_GUARD_BYTES } from '../arch/x86/kernel/sys_x86_64.ts';
import { Rlimit } from '../include/uapi/asm-generic/resource.ts';
import { rlimitSoft } from '../include/linux/resource.ts';
import { mayExpandVm, vmEnoughMemory, vmStatAccount, vmUnacctMemory } from './overcommit.ts';
import { anonVmaPrepare } from './rmap.ts';

/** Grows `vma` down to the page of `address`, if it is a stack and there is room. */
export function expandStack(kernel: Kernel, mm: MmStruct, vma: Vma, address: number): boolean {
  if ((vma.flags & Vm.GROWSDOWN) === 0) return false;
  const start = address - (address % PAGE_BYTES);
  if (start < MMAP_MIN_ADDR) return false;
  const index = mm.vmas.list.indexOf(vma);
  const below = index > 0 ? mm.vmas.list[index - 1] : undefined;
  // The gap is kept from everything that can be touched, but not from another stack.
  if (
    below !== undefined &&
    (below.flags & Vm.GROWSDOWN) === 0 &&
    (below.flags & Vm.ACCESS) !== 0 &&
    start - below.end < STACK_GUARD_BYTES
  ) {
    return false;
  }
  const { cpu, caches } = kernel;
  cpu.run(F.expand_downwards, 150);
  if (!anonVmaPrepare(kernel, mm, vma)) return false;
  const pages = (vma.start - start) / PAGE_BYTES;
  if (!mayGrow(kernel, mm, vma, start, pages)) return false;
  const nodes = masPreallocate(kernel, caches.mapleNode);
  if (nodes === null) {
    if ((vma.flags & Vm.ACCOUNT) !== 0) vmUnacctMemory(kernel, pages);
    return false;
  }
  vma.start = start;
  vma.pgoff -= pages;
  vmStatAccount(mm, vma.flags, pages);
  if ((vma.flags & Vm.LOCKED) !== 0) mm.lockedVm += pages;
  masStorePrealloc(kernel, caches.mapleNode, mm.vmas, start, nodes, MOVE_PIVOT);
  return true;
}

/** acct_stack_growth: RLIMIT_AS, RLIMIT_STACK and what may be promised. */
function mayGrow(kernel: Kernel, mm: MmStruct, vma: Vma, start: number, pages: number): boolean {
  if (!mayExpandVm(kernel, mm, vma.flags, pages)) return false;
  if (vma.end - start > rlimitSoft(kernel.current, Rlimit.STACK)) return false;
  return (vma.flags & Vm.ACCOUNT) === 0 || vmEnoughMemory(kernel, mm, pages);
}
