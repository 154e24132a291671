/**
 * Reserved huge pages (MAP_HUGETLB), after Linux 6.1 mm/hugetlb.c: a pool of 2 MiB pages filled at
 * boot, reservations at mmap, faults that take from the pool. Omits: other sizes, surplus pages,
 * hugetlbfs as a file system, control groups.
 */
import { type MappedFile, type MmStruct, Vm } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import type { BuddyAllocator } from './buddy.ts';
import { PageKind } from './mem_map.ts';
import type { VmaShape } from './vma.ts';
import type { VmState } from './vm-state.ts';

/** Bytes and order of a huge page. */
export const HUGE_BYTES = 2 ** 21;
const HUGE_ORDER = 9;

/** hugetlb_hstate_alloc_pages: fills the pool, as far as memory goes. */
export function fillHugePool(vm: VmState, buddy: BuddyAllocator): void {
  for (let i = 0; i < vm.policy.hugePages; i++) {
    const frame = buddy.allocateBlock(HUGE_ORDER, PageKind.HUGETLB);
    if (frame < 0) return;
    vm.hugePool.push(frame);
  }
}

/** hugetlb_reserve_pages: promises pool pages to a new mapping. False when the pool is too small. */
export function reserveHugePages(kernel: Kernel, mm: MmStruct, shape: VmaShape): boolean {
  const { vm } = kernel;
  if ((shape.flags & Vm.NORESERVE) !== 0) return true;
  const pages = (shape.end - shape.start) / HUGE_BYTES;
  if (vm.hugePool.length - vm.hugeReserved < pages) return false;
  vm.hugeReserved += pages;
  if (shape.file !== null) return true;
  for (let at = shape.start; at < shape.end; at += HUGE_BYTES) mm.hugeReserves.add(at);
  return true;
}

/** What a private mapping did not use of its promises goes back. */
export function unreserveHugePages({ vm }: Kernel, mm: MmStruct, shape: VmaShape): void {
  if ((shape.flags & Vm.HUGETLB) === 0) return;
  for (let at = shape.start; at < shape.end; at += HUGE_BYTES) {
    if (mm.hugeReserves.delete(at)) vm.hugeReserved--;
  }
}

/** A shared mapping's file: pages by index of its huge page, and the promises it has left. */
export function sharedHugeFile(bytes: number, reserved: boolean): MappedFile {
  const total = bytes / HUGE_BYTES;
  const file: MappedFile = {
    path: '/anon_hugepage (deleted)',
    size: bytes,
    bytes: new Uint8Array(),
    pages: new Map(),
    mappings: 0,
    unmapped: (kernel) => {
      const { vm } = kernel;
      if (reserved) vm.hugeReserved -= total - file.pages.size;
      for (const frame of file.pages.values()) {
        vm.sharedHuge.delete(frame);
        vm.hugePool.push(frame);
      }
      file.pages.clear();
    },
  };
  return file;
}

/** A page of the pool for a fault, or -1: none is left, or the rest is promised to others. */
export function takeHugePage({ vm }: Kernel, promised: boolean): number {
  const free = vm.hugePool.length - (promised ? 0 : vm.hugeReserved);
  if (free <= 0) return -1;
  if (promised) vm.hugeReserved--;
  return vm.hugePool.pop() ?? -1;
}
