/**
 * mmap and brk, after Linux 6.1 mm/mmap.c, mm/util.c (vm_mmap_pgoff), arch/x86/kernel/sys_x86_64.c
 * (top-down search) and arch/x86/mm/mmap.c. Omits: shared file mappings that write back, MAP_LOCKED
 * and MAP_POPULATE (accepted, no effect), huge pages, resource limits but RLIMIT_AS.
 */
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Map, Prot } from '../include/uapi/asm-generic/mman.ts';
import { type MappedFile, type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { downWriteKillable, upWrite } from '../kernel/locking/rwsem.ts';
import {
  masFind,
  masNext,
  masPreallocate,
  masPrev,
  masStorePrealloc,
  MOVE_PIVOT,
  STORE,
  mtFind,
} from '../lib/maple_tree.ts';
import { pageAlign } from './align.ts';
import { doMunmapLocked } from './munmap.ts';
import { adoptAnonVma, canJoin, canMerge, type VmaShape, vmAreaAlloc } from './vma.ts';

/** vm.mmap_min_addr */
const MMAP_MIN_ADDR = 65536;
/** stack_guard_gap: 256 pages below a growing stack. */
export const STACK_GUARD_BYTES = 256 * PAGE_BYTES;
/** vm.max_map_count */
const MAP_COUNT_MAX = 65530;

/** What is to be mapped, after the system call's checks. */
export interface MapRequest {
  readonly address: number;
  readonly length: number;
  readonly prot: number;
  readonly flags: number;
  readonly file: MappedFile | null;
  /** Whether the file may be written through a shared mapping. */
  readonly pgoff: number;
  readonly name?: string;
}

/** vm_mmap_pgoff: security hook, mmap lock, do_mmap. Returns an address or -errno. */
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
  const result = doMmap(kernel, mm, request);
  upWrite(cpu, mm.address + 64);
  cpu.run(F.userfaultfd_unmap_complete, 30);
  return result;
}

function doMmap(kernel: Kernel, mm: MmStruct, request: MapRequest): number {
  const { cpu } = kernel;
  cpu.run(F.do_mmap, 127);
  cpu.stack(256, 2);
  const length = pageAlign(request.length);
  if (request.length === 0) return -Errno.EINVAL;
  if (length <= 0 || length > TASK_SIZE) return -Errno.ENOMEM;
  if (mm.vmas.list.length > MAP_COUNT_MAX) return -Errno.ENOMEM;
  const address = getUnmappedArea(kernel, mm, request, length);
  if (address < 0) return address;
  if ((request.flags & Map.FIXED_NOREPLACE) === Map.FIXED_NOREPLACE) {
    const next = mm.vmas.find(address);
    if (next !== undefined && next.start < address + length) return -Errno.EEXIST;
  }
  return mmapRegion(kernel, mm, {
    start: address,
    end: address + length,
    flags: vmFlags(request),
    file: request.file,
    special: null,
    pgoff: request.file === null ? address / PAGE_BYTES : request.pgoff,
    name: request.name ?? '',
  });
}

function vmFlags({ prot, flags }: MapRequest): number {
  let bits = prot & (Prot.READ | Prot.WRITE | Prot.EXEC);
  bits |= Vm.MAYREAD | Vm.MAYWRITE | Vm.MAYEXEC;
  if ((flags & Map.SHARED) !== 0) bits |= Vm.SHARED | Vm.MAYSHARE;
  if ((flags & Map.GROWSDOWN) !== 0) bits |= Vm.GROWSDOWN;
  if ((flags & Map.NORESERVE) === 0 && (bits & (Vm.WRITE | Vm.SHARED)) === Vm.WRITE) {
    bits |= Vm.ACCOUNT;
  }
  return bits;
}

/** get_unmapped_area with arch_get_unmapped_area_topdown. */
function getUnmappedArea(
  kernel: Kernel,
  mm: MmStruct,
  request: MapRequest,
  length: number,
): number {
  const { cpu } = kernel;
  cpu.run(F.get_unmapped_area, 49);
  const fixed = (request.flags & (Map.FIXED | Map.FIXED_NOREPLACE)) !== 0;
  if (length > TASK_SIZE) return -Errno.ENOMEM;
  const address = fixed
    ? fixedAddress(kernel, request.address, length)
    : freeArea(kernel, mm, request, length);
  if (address < 0) return address;
  cpu.run(F.security_mmap_addr, 30);
  cpu.indirect(2);
  cpu.run(F.cap_mmap_addr, 5);
  cpu.run(F.bpf_lsm_mmap_addr, 3);
  return address;
}

/** get_unmapped_area near `hint`, for the kernel's own mappings. */
export function findArea(kernel: Kernel, mm: MmStruct, hint: number, length: number): number {
  const request = { address: hint, length, prot: 0, flags: 0, file: null, pgoff: 0 };
  return getUnmappedArea(kernel, mm, request, length);
}

function fixedAddress(kernel: Kernel, address: number, length: number): number {
  kernel.cpu.run(F.arch_get_unmapped_area_topdown, 45);
  if (address % PAGE_BYTES !== 0) return -Errno.EINVAL;
  if (address < 0 || address + length > TASK_SIZE) return -Errno.ENOMEM;
  return address < MMAP_MIN_ADDR ? -Errno.EPERM : address;
}

/** Whether nothing lies in start .. start + length, guard gap of a stack above included. */
function isFree(mm: MmStruct, start: number, length: number): boolean {
  const next = mm.vmas.find(start);
  return next === undefined || start + length <= startWithGap(next);
}

function startWithGap(vma: Vma): number {
  return (vma.flags & Vm.GROWSDOWN) !== 0 ? vma.start - STACK_GUARD_BYTES : vma.start;
}

function freeArea(kernel: Kernel, mm: MmStruct, request: MapRequest, length: number): number {
  const { cpu } = kernel;
  const hint = request.address - (request.address % PAGE_BYTES);
  if (hint > 0 && hint >= MMAP_MIN_ADDR && hint + length <= TASK_SIZE) {
    cpu.run(F.arch_get_unmapped_area_topdown, 76);
    cpu.run(F.mmap_address_hint_valid, 19);
    cpu.run(F.find_vma, 14);
    mtFind(cpu, mm.vmas, hint, true);
    if (isFree(mm, hint, length)) return hint;
  } else {
    cpu.run(F.arch_get_unmapped_area_topdown, 73);
  }
  cpu.run(F.get_mmap_base, 12);
  cpu.run(F.vm_unmapped_area, 72);
  cpu.run(F.mas_empty_area_rev, 377);
  masNext(cpu);
  masPrev(cpu);
  return searchDown(mm, length) ?? searchUp(mm, length) ?? -Errno.ENOMEM;
}

/** The highest free area below mmap_base. */
function searchDown(mm: MmStruct, length: number): number | undefined {
  let ceiling = mm.mmapBase;
  const { list } = mm.vmas;
  for (let i = mm.vmas.indexAbove(ceiling - 1); i >= 0; i--) {
    if (i < list.length) ceiling = Math.min(ceiling, startWithGap(list[i]));
    const floor = i === 0 ? MMAP_MIN_ADDR : Math.max(list[i - 1].end, MMAP_MIN_ADDR);
    if (ceiling - length >= floor) return ceiling - length;
    if (ceiling <= MMAP_MIN_ADDR) return undefined;
  }
  return undefined;
}

/** The bottom-up fallback from a third of the address space. */
function searchUp(mm: MmStruct, length: number): number | undefined {
  let start = pageAlign(TASK_SIZE / 3);
  for (const vma of mm.vmas.list) {
    if (vma.end <= start) continue;
    if (start + length <= startWithGap(vma)) return start;
    start = vma.end;
  }
  return start + length <= TASK_SIZE ? start : undefined;
}

/** mmap_region: makes room, then extends a neighbour or adds a mapping. */
function mmapRegion(kernel: Kernel, mm: MmStruct, shape: VmaShape): number {
  const { cpu, caches } = kernel;
  const { start, end } = shape;
  cpu.run(F.mmap_region, 169);
  cpu.stack(320, 2);
  cpu.run(F.may_expand_vm, 21);
  cpu.run(F.do_mas_munmap, 50);
  masFind(cpu, mm.vmas, start, true);
  const overlap = mm.vmas.find(start);
  if (overlap !== undefined && overlap.start < end) {
    const error = doMunmapLocked(kernel, mm, start, end);
    if (error < 0) return error;
  }
  if ((shape.flags & Vm.ACCOUNT) !== 0) vmEnoughMemory(kernel, 0);
  masNext(cpu);
  masPrev(cpu);
  if (extendNeighbour(kernel, mm, shape)) {
    mm.totalVm += (end - start) / PAGE_BYTES;
    return start;
  }
  const vma = vmAreaAlloc(kernel, shape);
  if (vma === null) return -Errno.ENOMEM;
  cpu.run(F.vm_get_page_prot, 16);
  const nodes = masPreallocate(kernel, caches.mapleNode);
  if (nodes === null) return -Errno.ENOMEM;
  mm.vmas.insert(vma);
  cpu.run(F.vma_mas_store, 18);
  masStorePrealloc(kernel, caches.mapleNode, mm.vmas, start, nodes);
  finishMapping(kernel, mm, (end - start) / PAGE_BYTES);
  return start;
}

/** What mmap_region and do_brk_flags do once the tree is right. */
function finishMapping(kernel: Kernel, mm: MmStruct, pages: number): void {
  const { cpu } = kernel;
  cpu.run(F.khugepaged_enter_vma, 18);
  cpu.run(F.hugepage_vma_check, 39);
  cpu.run(F.perf_event_mmap, 24);
  cpu.run(F.vma_set_page_prot, 34);
  cpu.run(F.vm_get_page_prot, 16);
  cpu.run(F.vma_wants_writenotify, 15);
  mm.totalVm += pages;
}

/** security_vm_enough_memory_mm: whether `pages` more may be promised. */
export function vmEnoughMemory({ cpu }: Kernel, pages: number): boolean {
  cpu.run(F.security_vm_enough_memory_mm, 36);
  cpu.indirect(2);
  cpu.run(F.cap_vm_enough_memory, 10);
  cpu.run(F.bpf_lsm_vm_enough_memory, 3);
  cpu.run(F.__vm_enough_memory, 26);
  cpu.run(F.percpu_counter_add_batch, 21);
  return pages >= 0;
}

/** vma_expand: the mapping before or after takes the new range in. */
function extendNeighbour(kernel: Kernel, mm: MmStruct, shape: VmaShape): boolean {
  if (shape.file !== null && (shape.flags & Vm.SHARED) !== 0) return false;
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
    caches.vma.free(kernel, after.address);
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
  return mm.brk;
}

function moveBreak(
  kernel: Kernel,
  mm: MmStruct,
  request: number,
  wanted: number,
  current: number,
): void {
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
  const { cpu, caches } = kernel;
  cpu.run(F.check_brk_limits, 18);
  const probe = { address: current, length: 0, prot: 0, flags: Map.FIXED, file: null, pgoff: 0 };
  if (getUnmappedArea(kernel, mm, probe, wanted - current) < 0) return false;
  masFind(cpu, mm.vmas, current, true);
  masPrev(cpu);
  if (!isFree(mm, current, wanted - current + PAGE_BYTES)) return false;
  cpu.run(F.do_brk_flags, 108);
  cpu.run(F.may_expand_vm, 21);
  vmEnoughMemory(kernel, 0);
  const index = mm.vmas.indexAbove(current - 1);
  const before = mm.vmas.list[index];
  cpu.run(F.can_vma_merge_after, 37);
  const shape = heapShape(current, wanted);
  let added: Vma | null = null;
  const extend = index < mm.vmas.list.length && canMerge(before, shape);
  if (!extend) added = vmAreaAlloc(kernel, shape);
  if (!extend && added === null) return false;
  const nodes = masPreallocate(kernel, caches.mapleNode);
  if (nodes === null) return false;
  cpu.run(F.vma_adjust_trans_huge, 38);
  if (added !== null) mm.vmas.insert(added);
  else before.end = wanted;
  masStorePrealloc(kernel, caches.mapleNode, mm.vmas, current, nodes, extend ? MOVE_PIVOT : STORE);
  cpu.run(F.khugepaged_enter_vma, 18);
  cpu.run(F.hugepage_vma_check, 39);
  cpu.run(F.perf_event_mmap, 24);
  mm.totalVm += (wanted - current) / PAGE_BYTES;
  return true;
}

const HEAP_FLAGS = Vm.READ | Vm.WRITE | Vm.MAYREAD | Vm.MAYWRITE | Vm.MAYEXEC | Vm.ACCOUNT;

function heapShape(start: number, end: number): VmaShape {
  const pgoff = start / PAGE_BYTES;
  return { start, end, flags: HEAP_FLAGS, file: null, special: null, pgoff, name: '[heap]' };
}
