/**
 * mmap, after Linux 6.1 mm/mmap.c and mm/util.c (vm_mmap_pgoff). The search for a free place is in
 * arch/x86/kernel/sys_x86_64.ts. Omits: protection keys, files that are not in memory.
 */
import { getUnmappedArea } from '../arch/x86/kernel/sys_x86_64.ts';
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import { type MappedFile, type MmStruct, Vm } from '../include/linux/mm_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Map, Prot } from '../include/uapi/asm-generic/mman.ts';
import type { Kernel } from '../init/kernel.ts';
import { downWriteKillable, upWrite } from '../kernel/locking/rwsem.ts';
import {
  masFind,
  masNext,
  masPreallocate,
  masPrev,
  masStorePrealloc,
  MOVE_PIVOT,
} from '../lib/maple_tree.ts';
import { pageAlign } from './align.ts';
import { sharedMemoryFile } from './filemap.ts';
import { populate } from './gup.ts';
import { HUGE_BYTES, reserveHugePages, sharedHugeFile, unreserveHugePages } from './hugetlb.ts';
import { doMunmapLocked } from './munmap.ts';
import {
  isAccountable,
  mayExpandVm,
  vmEnoughMemory,
  vmStatAccount,
  vmUnacctMemory,
} from './overcommit.ts';
import { adoptAnonVma, canJoin, canMerge, type VmaShape, vmAreaAlloc, vmAreaFree } from './vma.ts';
import { Overcommit } from './vm-state.ts';

/** vm.max_map_count */
export const MAP_COUNT_MAX = 65530;

/** What is to be mapped, after the system call's checks. */
export interface MapRequest {
  readonly address: number;
  readonly length: number;
  readonly prot: number;
  readonly flags: number;
  readonly file: MappedFile | null;
  /** The file was not opened for writing: a shared mapping of it can never be writable. */
  readonly readOnlyFile?: boolean;
  readonly pgoff: number;
  readonly name?: string;
}

/** vm_mmap_pgoff: security hook, mmap lock, do_mmap, populate. Returns an address or -errno. */
export function vmMmapPgoff(kernel: Kernel, mm: MmStruct, request: MapRequest): number {
  const { cpu } = kernel;
  cpu.run(F.vm_mmap_pgoff, 74);
  cpu.stack(192, 1);
  cpu.run(F.security_mmap_file, 66);
  cpu.indirect(3);
  cpu.run(F.cap_mmap_file, 3);
  cpu.run(F.apparmor_mmap_file, 5);
  cpu.run(F.bpf_lsm_mmap_file, 3);
  cpu.run(F.ima_file_mmap, 15);
  downWriteKillable(cpu, mm.address + 64);
  const flags = vmFlags(kernel, mm, request);
  const result = doMmap(kernel, mm, request, flags);
  upWrite(cpu, mm.address + 64);
  cpu.run(F.userfaultfd_unmap_complete, 30);
  if (result < 0) return result;
  const now = (flags & (Vm.LOCKED | Vm.LOCKONFAULT)) === Vm.LOCKED;
  if (now || (request.flags & (Map.POPULATE | Map.NONBLOCK)) === Map.POPULATE) {
    populate(kernel, mm, result, result + pageAlign(request.length));
  }
  return result;
}

/** The length in whole pages of what is mapped, or -errno. */
function mappedLength(mm: MmStruct, { length, flags, pgoff }: MapRequest): number {
  if (length === 0) return -Errno.EINVAL;
  const huge = (flags & Map.HUGETLB) !== 0;
  const bytes = huge ? Math.ceil(length / HUGE_BYTES) * HUGE_BYTES : pageAlign(length);
  if (bytes <= 0 || bytes > TASK_SIZE) return -Errno.ENOMEM;
  if (pgoff + bytes / PAGE_BYTES > 2 ** 52) return -Errno.EOVERFLOW;
  return mm.vmas.list.length > MAP_COUNT_MAX ? -Errno.ENOMEM : bytes;
}

function doMmap(kernel: Kernel, mm: MmStruct, request: MapRequest, flags: number): number {
  const { cpu } = kernel;
  cpu.run(F.do_mmap, 127);
  cpu.stack(256, 2);
  const length = mappedLength(mm, request);
  if (length < 0) return length;
  const align = (flags & Vm.HUGETLB) !== 0 ? HUGE_BYTES : PAGE_BYTES;
  const place = { address: request.address, flags: request.flags, align };
  const address = getUnmappedArea(kernel, mm, place, length);
  if (address < 0) return address;
  if ((request.flags & Map.FIXED_NOREPLACE) !== 0) {
    const next = mm.vmas.find(address);
    if (next !== undefined && next.start < address + length) return -Errno.EEXIST;
  }
  const refused = checkRequest(request, flags);
  if (refused < 0) return refused;
  const shared = (flags & Vm.SHARED) !== 0;
  const anonymous = request.file === null;
  return mmapRegion(kernel, mm, {
    start: address,
    end: address + length,
    flags,
    // Shared anonymous memory is a file of its own (shmem_zero_setup).
    file: anonymous && shared ? sharedFile(flags, length) : request.file,
    special: null,
    pgoff: !anonymous ? request.pgoff : shared ? 0 : address / PAGE_BYTES,
    name: request.name ?? '',
  });
}

function sharedFile(flags: number, length: number): MappedFile {
  if ((flags & Vm.HUGETLB) === 0) return sharedMemoryFile(length);
  return sharedHugeFile(length, (flags & Vm.NORESERVE) === 0);
}

/** do_mmap's checks of flags against the file. Root may lock what it likes. 0 or -errno. */
function checkRequest(request: MapRequest, flags: number): number {
  const { file } = request;
  const shared = (flags & Vm.SHARED) !== 0;
  if (file !== null && shared && request.readOnlyFile === true && (flags & Vm.WRITE) !== 0) {
    return -Errno.EACCES;
  }
  if ((flags & Vm.GROWSDOWN) !== 0 && (file !== null || shared)) return -Errno.EINVAL;
  return 0;
}

function vmFlags({ vm }: Kernel, mm: MmStruct, request: MapRequest): number {
  const { prot, flags } = request;
  let bits = prot & (Prot.READ | Prot.WRITE | Prot.EXEC);
  bits |= Vm.MAYREAD | Vm.MAYWRITE | Vm.MAYEXEC | mm.defaultFlags;
  if ((flags & Map.TYPE) !== Map.PRIVATE) {
    bits |= Vm.SHARED | Vm.MAYSHARE;
    if (request.readOnlyFile === true) bits &= ~Vm.MAYWRITE;
  }
  if ((flags & Map.GROWSDOWN) !== 0) bits |= Vm.GROWSDOWN;
  if ((flags & Map.LOCKED) !== 0) bits |= Vm.LOCKED;
  if ((flags & Map.HUGETLB) !== 0) bits |= Vm.HUGETLB | Vm.DONTEXPAND;
  const counts = vm.policy.overcommit === Overcommit.NEVER;
  if ((flags & Map.NORESERVE) !== 0 && !counts) bits |= Vm.NORESERVE;
  return bits;
}

/** mmap_region: makes room, then extends a neighbour or adds a mapping. */
function mmapRegion(kernel: Kernel, mm: MmStruct, wanted: VmaShape): number {
  const { cpu } = kernel;
  const { start, end } = wanted;
  const pages = (end - start) / PAGE_BYTES;
  cpu.run(F.mmap_region, 169);
  cpu.stack(320, 2);
  const replaced = overlappingPages(mm, start, end);
  if (!mayExpandVm(kernel, mm, wanted.flags, pages - replaced)) return -Errno.ENOMEM;
  cpu.run(F.do_mas_munmap, 50);
  masFind(cpu, mm.vmas, start, true);
  if (replaced > 0) {
    const error = doMunmapLocked(kernel, mm, start, end);
    if (error < 0) return error;
  }
  const shape = { ...wanted };
  if ((wanted.flags & Vm.HUGETLB) !== 0) {
    if (!reserveHugePages(kernel, mm, shape)) return -Errno.ENOMEM;
  } else if (isAccountable(wanted.flags)) {
    if (!vmEnoughMemory(kernel, mm, pages)) return -Errno.ENOMEM;
    shape.flags |= Vm.ACCOUNT;
  }
  masNext(cpu);
  masPrev(cpu);
  if (!extendNeighbour(kernel, mm, shape) && !addMapping(kernel, mm, shape)) {
    if ((shape.flags & Vm.ACCOUNT) !== 0) vmUnacctMemory(kernel, pages);
    unreserveHugePages(kernel, mm, shape);
    return -Errno.ENOMEM;
  }
  vmStatAccount(mm, shape.flags, pages);
  if ((shape.flags & Vm.LOCKED) !== 0) mm.lockedVm += pages;
  return start;
}

/** count_vma_pages_range */
function overlappingPages(mm: MmStruct, start: number, end: number): number {
  let pages = 0;
  const { list } = mm.vmas;
  for (let i = mm.vmas.indexAbove(start); i < list.length && list[i].start < end; i++) {
    pages += (Math.min(end, list[i].end) - Math.max(start, list[i].start)) / PAGE_BYTES;
  }
  return pages;
}

function addMapping(kernel: Kernel, mm: MmStruct, shape: VmaShape): boolean {
  const { cpu, caches } = kernel;
  const vma = vmAreaAlloc(kernel, shape);
  if (vma === null) return false;
  cpu.run(F.vm_get_page_prot, 16);
  const nodes = masPreallocate(kernel, caches.mapleNode);
  if (nodes === null) {
    vmAreaFree(kernel, vma);
    return false;
  }
  mm.vmas.insert(vma);
  cpu.run(F.vma_mas_store, 18);
  masStorePrealloc(kernel, caches.mapleNode, mm.vmas, shape.start, nodes);
  finishMapping(kernel);
  return true;
}

/** What mmap_region does once the tree is right. */
function finishMapping({ cpu }: Kernel): void {
  cpu.run(F.khugepaged_enter_vma, 18);
  cpu.run(F.hugepage_vma_check, 39);
  cpu.run(F.perf_event_mmap, 24);
  cpu.run(F.vma_set_page_prot, 34);
  cpu.run(F.vm_get_page_prot, 16);
  cpu.run(F.vma_wants_writenotify, 15);
}

/** vma_expand: the mapping before or after takes the new range in. */
function extendNeighbour(kernel: Kernel, mm: MmStruct, shape: VmaShape): boolean {
  if (shape.file !== null && (shape.flags & Vm.SHARED) !== 0) return false;
  if ((shape.flags & Vm.HUGETLB) !== 0) return false;
  const index = mm.vmas.indexAbove(shape.start);
  const { list } = mm.vmas;
  const before = index > 0 ? list[index - 1] : undefined;
  const after = index < list.length ? list[index] : undefined;
  const joinsBefore = before !== undefined && canMerge(before, shape);
  const joinsAfter = after !== undefined && canMerge(shape, after);
  if (!joinsBefore && !joinsAfter) return false;
  const { cpu, caches } = kernel;
  cpu.run(joinsBefore ? F.can_vma_merge_after : F.can_vma_merge_before, 33);
  cpu.run(F.vma_expand, 120);
  const nodes = masPreallocate(kernel, caches.mapleNode);
  if (nodes === null) return false;
  if (joinsBefore && joinsAfter && canJoin(before, after)) {
    before.end = after.end;
    adoptAnonVma(kernel, before, after);
    mm.vmas.remove(after);
    vmAreaFree(kernel, after);
  } else if (joinsBefore) {
    before.end = shape.end;
  } else if (after !== undefined) {
    after.start = shape.start;
    after.pgoff = shape.pgoff;
  }
  cpu.run(F.vma_mas_store, 18);
  masStorePrealloc(kernel, caches.mapleNode, mm.vmas, shape.start, nodes, MOVE_PIVOT);
  cpu.run(F.khugepaged_enter_vma, 18);
  cpu.run(F.perf_event_mmap, 24);
  return true;
}
