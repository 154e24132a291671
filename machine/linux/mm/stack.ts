/** Stack growth, after Linux 6.1 mm/mmap.c (expand_downwards). */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { masPreallocate, masStorePrealloc, MOVE_PIVOT } from '../lib/maple_tree.ts';
import { anonVmaPrepare } from './rmap.ts';

/** RLIMIT_STACK: 8 MiB. */
export const STACK_BYTES_MAX = 8 * 1024 * 1024;
const STACK_GUARD_BYTES = 256 * PAGE_BYTES;

/** Grows `vma` down to the page of `address`, if it is a stack and there is room. */
export function expandStack(kernel: Kernel, mm: MmStruct, vma: Vma, address: number): boolean {
  if ((vma.flags & Vm.GROWSDOWN) === 0) return false;
  const start = address - (address % PAGE_BYTES);
  if (vma.end - start > STACK_BYTES_MAX) return false;
  const index = mm.vmas.list.indexOf(vma);
  const below = index > 0 ? mm.vmas.list[index - 1] : undefined;
  if (
    below !== undefined &&
    (below.flags & Vm.ACCESS) !== 0 &&
    start - below.end < STACK_GUARD_BYTES
  ) {
    return false;
  }
  const { cpu, caches } = kernel;
  cpu.run(F.expand_downwards, 150);
  if (!anonVmaPrepare(kernel, mm, vma)) return false;
  const nodes = masPreallocate(kernel, caches.mapleNode);
  if (nodes === null) return false;
  const pages = (vma.start - start) / PAGE_BYTES;
  vma.start = start;
  vma.pgoff -= pages;
  mm.totalVm += pages;
  masStorePrealloc(kernel, caches.mapleNode, mm.vmas, start, nodes, MOVE_PIVOT);
  return true;
}
