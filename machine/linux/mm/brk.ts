/** brk, after Linux 6.1 mm/mmap.c (sys_brk, do_brk_flags) and mm/util.c. */
import { getUnmappedArea, isFree } from '../arch/x86/kernel/sys_x86_64.ts';
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import { Map } from '../include/uapi/asm-generic/mman.ts';
import { Rlimit } from '../include/uapi/asm-generic/resource.ts';
import type { Kernel } from '../init/kernel.ts';
import { downWriteKillable, upWrite } from '../kernel/locking/rwsem.ts';
import { rlimitSoft } from '../include/linux/resource.ts';
import {
  masFind,
  masPreallocate,
  masPrev,
  masStorePrealloc,
  MOVE_PIVOT,
  STORE,
} from '../lib/maple_tree.ts';
import { pageAlign } from './align.ts';
import { populate } from './gup.ts';
import { MAP_COUNT_MAX } from './mmap.ts';
import { doMunmapLocked } from './munmap.ts';
import { mayExpandVm, vmEnoughMemory, vmStatAccount, vmUnacctMemory } from './overcommit.ts';
import { canMerge, type VmaShape, vmAreaAlloc } from './vma.ts';

const HEAP_FLAGS = Vm.READ | Vm.WRITE | Vm.MAYREAD | Vm.MAYWRITE | Vm.MAYEXEC | Vm.ACCOUNT;

/** brk: returns the break after the call, as Linux does for success and failure alike. */
export function brk(kernel: Kernel, mm: MmStruct, request: number): number {
  const { cpu } = kernel;
  const wanted = pageAlign(request);
  const current = pageAlign(mm.brk);
  const isQuery = request < mm.startBrk || request > TASK_SIZE;
  cpu.run(F.__do_sys_brk, isQuery ? 51 : wanted < current ? 99 : 108);
  cpu.stack(192, 1);
  downWriteKillable(cpu, mm.address + 64);
  if (!isQuery) moveBreak(kernel, mm, request, wanted, current);
  upWrite(cpu, mm.address + 64);
  if (!isQuery) cpu.run(F.userfaultfd_unmap_complete, 30);
  const grown = wanted > current && mm.brk === request;
  if (grown && (mm.defaultFlags & Vm.LOCKED) !== 0) populate(kernel, mm, current, wanted);
  return mm.brk;
}

function moveBreak(
  kernel: Kernel,
  mm: MmStruct,
  request: number,
  wanted: number,
  current: number,
): void {
  // RLIMIT_DATA counts the heap and the initialised data.
  const data = request - mm.startBrk + (mm.endData - mm.startData);
  if (data > rlimitSoft(kernel.current, Rlimit.DATA)) return;
  if (wanted === current) {
    mm.brk = request;
  } else if (wanted < current) {
    masFind(kernel.cpu, mm.vmas, wanted, false);
    if (doMunmapLocked(kernel, mm, wanted, current) >= 0) mm.brk = request;
  } else if (growBreak(kernel, mm, current, wanted)) {
    mm.brk = request;
  }
}

/** check_brk_limits and do_brk_flags. */
function growBreak(kernel: Kernel, mm: MmStruct, current: number, wanted: number): boolean {
  const { cpu } = kernel;
  cpu.run(F.check_brk_limits, 18);
  const pages = (wanted - current) / PAGE_BYTES;
  const probe = { address: current, flags: Map.FIXED };
  if (getUnmappedArea(kernel, mm, probe, wanted - current) < 0) return false;
  masFind(cpu, mm.vmas, current, true);
  masPrev(cpu);
  if (!isFree(mm, current, wanted - current + PAGE_BYTES)) return false;
  cpu.run(F.do_brk_flags, 108);
  const shape = heapShape(current, wanted, mm.defaultFlags);
  if (!mayExpandVm(kernel, mm, shape.flags, pages)) return false;
  if (mm.vmas.list.length > MAP_COUNT_MAX) return false;
  if (!vmEnoughMemory(kernel, mm, pages)) return false;
  if (!placeHeap(kernel, mm, shape)) {
    vmUnacctMemory(kernel, pages);
    return false;
  }
  cpu.run(F.khugepaged_enter_vma, 18);
  cpu.run(F.hugepage_vma_check, 39);
  cpu.run(F.perf_event_mmap, 24);
  vmStatAccount(mm, shape.flags, pages);
  if ((shape.flags & Vm.LOCKED) !== 0) mm.lockedVm += pages;
  return true;
}

/** Extends the heap, or begins it. */
function placeHeap(kernel: Kernel, mm: MmStruct, shape: VmaShape): boolean {
  const { cpu, caches } = kernel;
  const { start, end } = shape;
  const index = mm.vmas.indexAbove(start - 1);
  const before = mm.vmas.list[index];
  cpu.run(F.can_vma_merge_after, 37);
  const extend = index < mm.vmas.list.length && canMerge(before, shape);
  let added: Vma | null = null;
  if (!extend) {
    added = vmAreaAlloc(kernel, shape);
    if (added === null) return false;
  }
  const nodes = masPreallocate(kernel, caches.mapleNode);
  if (nodes === null) {
    if (added !== null) caches.vma.free(kernel, added.address);
    return false;
  }
  cpu.run(F.vma_adjust_trans_huge, 38);
  if (added !== null) mm.vmas.insert(added);
  else before.end = end;
  masStorePrealloc(kernel, caches.mapleNode, mm.vmas, start, nodes, extend ? MOVE_PIVOT : STORE);
  return true;
}

function heapShape(start: number, end: number, defaultFlags: number): VmaShape {
  const pgoff = start / PAGE_BYTES;
  const flags = HEAP_FLAGS | defaultFlags;
  return { start, end, flags, file: null, special: null, pgoff, name: '[heap]' };
}
