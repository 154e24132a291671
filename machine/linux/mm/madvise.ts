/**
 * madvise, after Linux 6.1 mm/madvise.c. MADV_FREE leaves pages as they are, since nothing is
 * reclaimed; advice about reclaim and merging is checked and has no effect.
 */
import { findPte, Pte, readLow, writeEntry } from '../arch/x86/mm/pgtable.ts';
import { flushTlbMmRange } from '../arch/x86/mm/tlbflush.ts';
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Advice } from '../include/uapi/asm-generic/mman.ts';
import type { Kernel } from '../init/kernel.ts';
import { downRead, downWriteKillable, upRead, upWrite } from '../kernel/locking/rwsem.ts';
import { masPrev, masWalk } from '../lib/maple_tree.ts';
import { pageAlign } from './align.ts';
import { dropCachedRange, pageIndex } from './filemap.ts';
import { populateRange } from './gup.ts';
import { splitPmdAt } from './huge_memory.ts';
import { collapseRange } from './khugepaged.ts';
import { zapPageRange } from './munmap.ts';
import { vmaModify } from './vma.ts';

/** Flags that advice sets and clears, and mappings that it is an error for (file: any file). */
interface FlagAdvice {
  readonly set: number;
  readonly clear: number;
  readonly never: number;
  readonly noFiles: boolean;
}

const READ_AHEAD = Vm.RAND_READ | Vm.SEQ_READ;
const flagAdvice = (set: number, clear: number, never = 0, noFiles = false): FlagAdvice => ({
  set,
  clear,
  never,
  noFiles,
});

const FLAGS: Partial<Record<number, FlagAdvice>> = {
  [Advice.NORMAL]: flagAdvice(0, READ_AHEAD),
  [Advice.RANDOM]: flagAdvice(Vm.RAND_READ, READ_AHEAD),
  [Advice.SEQUENTIAL]: flagAdvice(Vm.SEQ_READ, READ_AHEAD),
  [Advice.DONTFORK]: flagAdvice(Vm.DONTCOPY, 0),
  [Advice.DOFORK]: flagAdvice(0, Vm.DONTCOPY, Vm.IO),
  [Advice.WIPEONFORK]: flagAdvice(Vm.WIPEONFORK, 0, Vm.SHARED, true),
  [Advice.KEEPONFORK]: flagAdvice(0, Vm.WIPEONFORK),
  [Advice.DONTDUMP]: flagAdvice(Vm.DONTDUMP, 0),
  [Advice.DODUMP]: flagAdvice(0, Vm.DONTDUMP, Vm.DONTEXPAND | Vm.PFNMAP | Vm.IO),
  [Advice.HUGEPAGE]: flagAdvice(Vm.HUGEPAGE, Vm.NOHUGEPAGE, Vm.PFNMAP | Vm.IO | Vm.HUGETLB),
  [Advice.NOHUGEPAGE]: flagAdvice(Vm.NOHUGEPAGE, Vm.HUGEPAGE),
};

type Act = (kernel: Kernel, mm: MmStruct, vma: Vma, start: number, end: number) => number;

/** Advice that acts on pages. */
const ACTS: Partial<Record<number, Act>> = {
  [Advice.DONTNEED]: (kernel, mm, vma, start, end) =>
    dontNeed(kernel, mm, vma, start, end, Vm.LOCKED),
  [Advice.DONTNEED_LOCKED]: (kernel, mm, vma, start, end) =>
    dontNeed(kernel, mm, vma, start, end, 0),
  [Advice.FREE]: freeLazily,
  [Advice.REMOVE]: removeRange,
  [Advice.WILLNEED]: () => 0,
  [Advice.COLD]: checkReclaim,
  [Advice.PAGEOUT]: checkReclaim,
  [Advice.MERGEABLE]: () => 0,
  [Advice.UNMERGEABLE]: () => 0,
  [Advice.COLLAPSE]: collapseRange,
  [Advice.POPULATE_READ]: (kernel, mm, vma, start, end) =>
    populated(kernel, mm, vma, start, end, false),
  [Advice.POPULATE_WRITE]: (kernel, mm, vma, start, end) =>
    populated(kernel, mm, vma, start, end, true),
};

export function doMadvise(
  kernel: Kernel,
  mm: MmStruct,
  start: number,
  length: number,
  advice: number,
): number {
  const { cpu } = kernel;
  cpu.run(F.do_madvise, 158);
  cpu.stack(192, 1);
  const flags = FLAGS[advice];
  const act = flags === undefined ? ACTS[advice] : changeFlags(flags);
  if (act === undefined) return -Errno.EINVAL;
  if (start % PAGE_BYTES !== 0) return -Errno.EINVAL;
  const end = start + pageAlign(length);
  if (end < start || end > 2 ** 64) return -Errno.EINVAL;
  if (end === start) return 0;
  const lock = mm.address + 64;
  if (flags === undefined) downRead(cpu, lock);
  else downWriteKillable(cpu, lock);
  cpu.run(F.blk_start_plug, 15);
  cpu.run(F.find_vma_prev, 33);
  masWalk(cpu, mm.vmas, start);
  masPrev(cpu);
  const result = walk(kernel, mm, start, Math.min(end, TASK_SIZE), act);
  cpu.run(F.blk_finish_plug, 10);
  cpu.run(F.__blk_flush_plug, 34);
  cpu.run(F.blk_mq_flush_plug_list, 4);
  if (flags === undefined) upRead(cpu, lock);
  else upWrite(cpu, lock);
  return result;
}

/** madvise_walk_vmas: gaps are passed over and reported as -ENOMEM. */
function walk(kernel: Kernel, mm: MmStruct, start: number, end: number, act: Act): number {
  let result = 0;
  let address = start;
  while (address < end) {
    const vma = mm.vmas.find(address);
    if (vma === undefined || vma.start >= end) return -Errno.ENOMEM;
    if (vma.start > address) result = -Errno.ENOMEM;
    const stop = Math.min(end, vma.end);
    const error = act(kernel, mm, vma, Math.max(address, vma.start), stop);
    if (error < 0) return error;
    address = stop;
  }
  return result;
}

/** madvise_vma_behavior for advice that only changes flags. */
function changeFlags({ set, clear, never, noFiles }: FlagAdvice): Act {
  return (kernel, mm, vma, start, end) => {
    kernel.cpu.run(F.madvise_vma_behavior, 60);
    if ((vma.flags & never) !== 0 || (noFiles && vma.file !== null)) return -Errno.EINVAL;
    const flags = (vma.flags & ~clear) | set;
    if (flags === vma.flags) return 0;
    return vmaModify(kernel, mm, vma, { start, end, flags }) === null ? -Errno.EAGAIN : 0;
  };
}

/** madvise_dontneed_single_vma; `forbidden` are flags besides those of special mappings. */
function dontNeed(
  kernel: Kernel,
  mm: MmStruct,
  vma: Vma,
  start: number,
  end: number,
  forbidden: number,
): number {
  if ((vma.flags & (forbidden | Vm.PFNMAP)) !== 0) return -Errno.EINVAL;
  kernel.cpu.run(F.madvise_dontneed_free_valid_vma, 11);
  kernel.cpu.run(F.userfaultfd_remove, 30);
  zapPageRange(kernel, mm, start, end);
  return 0;
}

/** madvise_free_single_vma: pages become clean, and stay until somebody needs them. */
function freeLazily(kernel: Kernel, mm: MmStruct, vma: Vma, start: number, end: number): number {
  const { cpu, memory } = kernel;
  if ((vma.flags & (Vm.LOCKED | Vm.PFNMAP | Vm.HUGETLB)) !== 0) return -Errno.EINVAL;
  if (vma.file !== null || vma.special !== null) return -Errno.EINVAL;
  cpu.run(F.madvise_dontneed_free_valid_vma, 11);
  let pages = 0;
  for (let page = start; page < end; page += PAGE_BYTES) {
    splitPmdAt(kernel, mm, page);
    const entry = findPte(memory, mm.pgd, page);
    if (entry < 0) continue;
    const low = readLow(memory, entry);
    if ((low & Pte.PRESENT) === 0 || (low & Pte.SPECIAL) !== 0) continue;
    cpu.write(entry);
    const high = memory.words[(entry >>> 2) + 1];
    writeEntry(memory, entry, low & ~(Pte.ACCESSED | Pte.DIRTY), high);
    pages++;
  }
  cpu.run(F.madvise_free_pte_range, 120 + 60 * pages);
  if (pages > 0) flushTlbMmRange(kernel, mm, start, end);
  return 0;
}

/** madvise_remove: a hole in a shared file. */
function removeRange(kernel: Kernel, _mm: MmStruct, vma: Vma, start: number, end: number): number {
  const { file } = vma;
  if ((vma.flags & Vm.LOCKED) !== 0 || file === null) return -Errno.EINVAL;
  if ((vma.flags & (Vm.SHARED | Vm.WRITE)) !== (Vm.SHARED | Vm.WRITE)) return -Errno.EACCES;
  const first = pageIndex(vma, start);
  dropCachedRange(kernel, file, first, first + (end - start) / PAGE_BYTES);
  return 0;
}

/** can_madv_lru_vma */
function checkReclaim(_kernel: Kernel, _mm: MmStruct, vma: Vma): number {
  return (vma.flags & (Vm.LOCKED | Vm.PFNMAP | Vm.HUGETLB)) !== 0 ? -Errno.EINVAL : 0;
}

/** madvise_populate */
function populated(
  kernel: Kernel,
  mm: MmStruct,
  vma: Vma,
  start: number,
  end: number,
  write: boolean,
): number {
  if ((vma.flags & (Vm.IO | Vm.PFNMAP)) !== 0) return -Errno.EINVAL;
  const error = populateRange(kernel, mm, vma, start, end, write);
  if (error !== -Errno.EFAULT) return error;
  const needed = write ? Vm.WRITE : Vm.ACCESS;
  // No access is the caller's mistake; the end of a file is a bad address.
  return (vma.flags & needed) === 0 ? -Errno.EINVAL : -Errno.EFAULT;
}
