/**
 * Where a mapping without an address goes, after Linux 6.1 arch/x86/kernel/sys_x86_64.c and
 * get_unmapped_area of mm/mmap.c. Omits: the bottom-up layout of legacy processes but as a fallback.
 */
import { Errno } from '../../../include/uapi/asm-generic/errno.ts';
import { Map } from '../../../include/uapi/asm-generic/mman.ts';
import { type MmStruct, Vm, type Vma } from '../../../include/linux/mm_types.ts';
import type { Kernel } from '../../../init/kernel.ts';
import { masNext, masPrev, mtFind } from '../../../lib/maple_tree.ts';
import { pageAlign } from '../../../mm/align.ts';
import { TASK_SIZE } from '../model/address-map.ts';
import { F } from '../model/generated/function-ids.ts';
import { PAGE_BYTES } from '../model/physical-memory.ts';
import { tracePoint } from '../../../trace/points.ts';
import { Point } from '../../../trace/points-specs.ts';

/** vm.mmap_min_addr */
export const MMAP_MIN_ADDR = 65536;
/** stack_guard_gap: 256 pages below a growing stack. */
export const STACK_GUARD_BYTES = 256 * PAGE_BYTES;

/** A place that is asked for. */
export interface AreaRequest {
  readonly address: number;
  /** Map bits. */
  readonly flags: number;
  /** Bytes that the place must be aligned to; a page unless said otherwise. */
  readonly align?: number;
}

/** get_unmapped_area with arch_get_unmapped_area_topdown. An address or -errno. */
export function getUnmappedArea(
  kernel: Kernel,
  mm: MmStruct,
  request: AreaRequest,
  length: number,
): number {
  const { cpu } = kernel;
  cpu.run(F.get_unmapped_area, 49);
  const fixed = (request.flags & (Map.FIXED | Map.FIXED_NOREPLACE)) !== 0;
  if (length > TASK_SIZE) return -Errno.ENOMEM;
  const address = fixed
    ? fixedAddress(kernel, request, length)
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
  return getUnmappedArea(kernel, mm, { address: hint, flags: 0 }, length);
}

function fixedAddress(kernel: Kernel, request: AreaRequest, length: number): number {
  kernel.cpu.run(F.arch_get_unmapped_area_topdown, 45);
  const { address, align = PAGE_BYTES } = request;
  if (address % align !== 0) return -Errno.EINVAL;
  // Root may map below mmap_min_addr.
  return address < 0 || address + length > TASK_SIZE ? -Errno.ENOMEM : address;
}

/** Whether nothing lies in start .. start + length, guard gap of a stack above included. */
export function isFree(mm: MmStruct, start: number, length: number): boolean {
  const next = mm.vmas.find(start);
  return next === undefined || start + length <= startWithGap(next);
}

function startWithGap(vma: Vma): number {
  return (vma.flags & Vm.GROWSDOWN) !== 0 ? vma.start - STACK_GUARD_BYTES : vma.start;
}

function freeArea(kernel: Kernel, mm: MmStruct, request: AreaRequest, length: number): number {
  const { cpu } = kernel;
  const align = request.align ?? PAGE_BYTES;
  let hint = Math.floor(request.address / PAGE_BYTES) * PAGE_BYTES;
  // round_hint_to_min
  if (hint > 0 && hint < MMAP_MIN_ADDR) hint = MMAP_MIN_ADDR;
  if (hint % align !== 0) hint = Math.ceil(hint / align) * align;
  if (hint > 0 && hint + length <= TASK_SIZE) {
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
  const found = searchDown(mm, length, align) ?? searchUp(mm, length, align) ?? -Errno.ENOMEM;
  tracePoint(kernel, Point.VM_UNMAPPED_AREA, found, length);
  return found;
}

/** The highest free area below mmap_base. */
function searchDown(mm: MmStruct, length: number, align: number): number | undefined {
  let ceiling = mm.mmapBase;
  const { list } = mm.vmas;
  for (let i = mm.vmas.indexAbove(ceiling - 1); i >= 0; i--) {
    if (i < list.length) ceiling = Math.min(ceiling, startWithGap(list[i]));
    const floor = i === 0 ? MMAP_MIN_ADDR : Math.max(list[i - 1].end, MMAP_MIN_ADDR);
    const start = Math.floor((ceiling - length) / align) * align;
    if (start >= floor) return start;
    if (ceiling <= MMAP_MIN_ADDR) return undefined;
  }
  return undefined;
}

/** The bottom-up fallback from a third of the address space. */
function searchUp(mm: MmStruct, length: number, align: number): number | undefined {
  const aligned = (address: number): number => Math.ceil(address / align) * align;
  let start = aligned(pageAlign(TASK_SIZE / 3));
  for (const vma of mm.vmas.list) {
    if (vma.end <= start) continue;
    if (start + length <= startWithGap(vma)) return start;
    start = aligned(vma.end);
  }
  return start + length <= TASK_SIZE ? start : undefined;
}
