/**
 * munmap and the teardown of mappings, after Linux 6.1 mm/mmap.c (do_mas_align_munmap), mm/memory.c
 * (unmap_page_range, free_pgtables) and mm/mmu_gather.c. Omits: lazy freeing across CPUs.
 */
import {
  entryAddress,
  findPte,
  LEVEL_SHIFTS,
  Pte,
  readLow,
  writeEntry,
} from '../arch/x86/mm/pgtable.ts';
import { flushTlbMmRange, PTI_USER_PGD } from '../arch/x86/mm/tlbflush.ts';
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import { Cause } from '../../core/ledger/cause.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { downgradeWrite, downWriteKillable, upRead, upWrite } from '../kernel/locking/rwsem.ts';
import { spinLock, spinUnlock } from '../kernel/locking/spinlock.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import {
  ERASE,
  masCheckDetached,
  masFind,
  masFindDetached,
  masNext,
  masPreallocate,
  masPrev,
  masStoreDetached,
  masStorePrealloc,
  masWalk,
  mtDestroyDetached,
} from '../lib/maple_tree.ts';
import { pageAlign } from './align.ts';
import { PageKind } from './mem_map.ts';
import { modKernelPageState } from './memcontrol.ts';
import { unreserveHugePages } from './hugetlb.ts';
import { vmStatAccount, vmUnacctMemory } from './overcommit.ts';
import { unlinkAnonVmas, pageRemoveRmap } from './rmap.ts';
import { HUGE_BYTES, hugeEntry, splitPmdAt, zapHugePmd } from './huge_memory.ts';
import { lruAddDrain, releaseHugePage, releasePages } from './swap.ts';
import { splitVma, vmAreaFree } from './vma.ts';
import { tracePoint } from '../trace/points.ts';
import { Point } from '../trace/points-specs.ts';

/** Frames to free once the TLB is flushed, and whether anything has to be flushed at all. */
interface MmuGather {
  readonly userFrames: number[];
  /** First frames of whole huge pages. */
  readonly hugeFrames: number[];
  readonly tableFrames: number[];
  flush: boolean;
  /** Entries of the zero page that went. */
  zeroEntries: number;
  /** Only pages of the page cache go (a file was cut). */
  readonly keepCopies: boolean;
}

/** __vm_munmap */
export function vmMunmap(kernel: Kernel, mm: MmStruct, start: number, length: number): number {
  const { cpu } = kernel;
  cpu.run(F.__vm_munmap, 64);
  cpu.stack(192, 1);
  downWriteKillable(cpu, mm.address + 64);
  cpu.run(F.do_mas_munmap, 59);
  const end = start + pageAlign(length);
  let result = -Errno.EINVAL;
  if (start % PAGE_BYTES === 0 && length > 0 && start >= 0 && end <= TASK_SIZE) {
    masFind(cpu, mm.vmas, start, false);
    result = doMunmapLocked(kernel, mm, start, end);
  }
  if (result > 0) upRead(cpu, mm.address + 64);
  else upWrite(cpu, mm.address + 64);
  cpu.run(F.userfaultfd_unmap_complete, 30);
  return Math.min(result, 0);
}

/** do_mas_align_munmap. Returns 1 when something was unmapped, 0 when nothing was there. */
export function doMunmapLocked(kernel: Kernel, mm: MmStruct, start: number, end: number): number {
  const { cpu, caches } = kernel;
  const first = mm.vmas.find(start);
  if (first === undefined || first.start >= end) return 0;
  if (cutsPooledPage(mm, start) || cutsPooledPage(mm, end)) return -Errno.EINVAL;
  cpu.run(F.do_mas_align_munmap, 207);
  cpu.stack(256, 2);
  const nodes = masPreallocate(kernel, caches.mapleNode);
  if (nodes === null) return -Errno.ENOMEM;
  const detached = detach(kernel, mm, start, end);
  if (detached === null) return -Errno.ENOMEM;
  masPrev(cpu);
  masCheckDetached(cpu);
  const sideTree = masStoreDetached(kernel, caches.mapleNode);
  masNext(cpu);
  cpu.run(F.userfaultfd_unmap_prep, 46);
  masFind(cpu, mm.vmas, start, true);
  for (const vma of detached) mm.vmas.remove(vma);
  masStorePrealloc(kernel, caches.mapleNode, mm.vmas, start, nodes, ERASE);
  downgradeWrite(cpu, mm.address + 64);
  unmapRegion(kernel, mm, detached, start, end);
  for (const vma of detached) {
    condResched(cpu);
    cpu.run(F.vma_close, 5);
    dropAccounts(kernel, mm, vma);
    vmAreaFree(kernel, vma);
  }
  cpu.run(F.percpu_counter_add_batch, 21);
  mtDestroyDetached(kernel, caches.mapleNode, sideTree);
  return 1;
}

/** hugetlb_vm_op_split: pages of the pool cannot be divided. */
function cutsPooledPage(mm: MmStruct, boundary: number): boolean {
  const vma = mm.vmas.find(boundary);
  if (vma === undefined || vma.start >= boundary || (vma.flags & Vm.HUGETLB) === 0) return false;
  return boundary % HUGE_BYTES !== 0;
}

/** What a mapping counted for: size, locks, promises. */
function dropAccounts(kernel: Kernel, mm: MmStruct, vma: Vma): void {
  const pages = (vma.end - vma.start) / PAGE_BYTES;
  vmStatAccount(mm, vma.flags, -pages);
  if ((vma.flags & Vm.LOCKED) !== 0) mm.lockedVm -= pages;
  if ((vma.flags & Vm.ACCOUNT) !== 0) vmUnacctMemory(kernel, pages);
  unreserveHugePages(kernel, mm, vma);
}

/** The mappings of start .. end, split at both ends; null without memory. */
function detach(kernel: Kernel, mm: MmStruct, start: number, end: number): Vma[] | null {
  const inside: Vma[] = [];
  let index = mm.vmas.indexAbove(start);
  const { list } = mm.vmas;
  while (index < list.length && list[index].start < end) {
    const vma = list[index];
    if (vma.start < start) {
      if (splitVma(kernel, mm, vma, start) === null) return null;
      masWalk(kernel.cpu, mm.vmas, start);
    } else {
      if (vma.end > end && splitVma(kernel, mm, vma, end) === null) return null;
      inside.push(vma);
    }
    index++;
  }
  return inside;
}

/** unmap_region: pages, then page tables, then the flush that makes freeing safe. */
function unmapRegion(
  kernel: Kernel,
  mm: MmStruct,
  vmas: readonly Vma[],
  start: number,
  end: number,
): void {
  const { cpu } = kernel;
  cpu.run(F.unmap_region, 71);
  lruAddDrain(kernel, mm);
  cpu.run(F.tlb_gather_mmu, 21);
  const gather: MmuGather = {
    userFrames: [],
    hugeFrames: [],
    tableFrames: [],
    flush: false,
    zeroEntries: 0,
    keepCopies: false,
  };
  cpu.run(F.unmap_vmas, 67);
  for (const vma of vmas) {
    condResched(cpu);
    unmapSingle(kernel, mm, vma.start, vma.end, gather);
    cpu.run(F.mas_find, 11);
  }
  freePgtables(kernel, mm, vmas, gather);
  tlbFinish(kernel, mm, gather, start, end);
}

/** The teardown of a whole address space (exit_mmap). */
export function unmapAll(kernel: Kernel, mm: MmStruct, end: number): void {
  const vmas = mm.vmas.list.splice(0);
  unmapRegion(kernel, mm, vmas, 0, end);
  for (const vma of vmas) {
    dropAccounts(kernel, mm, vma);
    vmAreaFree(kernel, vma);
  }
}

/** zap_page_range_single: madvise(MADV_DONTNEED). With `keepCopies`, private pages stay. */
export function zapPageRange(
  kernel: Kernel,
  mm: MmStruct,
  start: number,
  end: number,
  keepCopies = false,
): void {
  const { cpu } = kernel;
  cpu.run(F.zap_page_range_single, 79);
  lruAddDrain(kernel, mm);
  cpu.run(F.tlb_gather_mmu, 21);
  condResched(cpu);
  const gather: MmuGather = {
    userFrames: [],
    hugeFrames: [],
    tableFrames: [],
    flush: false,
    zeroEntries: 0,
    keepCopies,
  };
  unmapSingle(kernel, mm, start, end, gather);
  tlbFinish(kernel, mm, gather, start, end);
}

/** unmap_single_vma and unmap_page_range. */
function unmapSingle(
  kernel: Kernel,
  mm: MmStruct,
  start: number,
  end: number,
  gather: MmuGather,
): void {
  const { cpu, memory } = kernel;
  cpu.run(F.unmap_single_vma, 40);
  cpu.run(F.p4d_offset, 3);
  const before = gather.userFrames.length;
  const zerosBefore = gather.zeroEntries;
  let ptes = 0;
  let tables = 0;
  const scan = eachTable(kernel, mm, start, end);
  for (const [at, stop] of scan) {
    const huge = hugeEntry(memory, mm.pgd, at);
    if (huge >= 0) {
      if (stop - at === HUGE_BYTES) {
        zapHuge(kernel, mm, huge, gather);
        continue;
      }
      splitPmdAt(kernel, mm, at);
    }
    tables++;
    cpu.run(F.pud_val, 3);
    cpu.runCalls(F.pmd_val, 15, 5);
    spinLock(cpu, mm.address + 64);
    cpu.run(F.flush_tlb_batched_pending, 15);
    for (let address = at; address < stop; address += PAGE_BYTES) {
      const entry = findPte(memory, mm.pgd, address);
      ptes++;
      zapPte(kernel, mm, entry, gather);
    }
    cpu.run(F.sync_mm_rss, 54);
    if (gather.userFrames.length > before) tracePoint(kernel, Point.RSS_STAT, mm.address, mm.rss);
    spinUnlock(cpu);
    cpu.runCalls(F.__cond_resched, 12, 2);
  }
  const pages = gather.userFrames.length - before;
  const zeros = gather.zeroEntries - zerosBefore;
  // Empty entries cost 7 instructions each, pages the rest of their branch. Entries of the zero page
  // leave it half way (no counted path has them: approximate).
  const entries = 7 * ptes + 79 * pages + 40 * zeros;
  cpu.run(F.unmap_page_range, tables === 0 ? 131 : 399 * tables + entries);
  // ptep_get_and_clear exchanges each entry with zero.
  cpu.charge(Cause.ATOMIC, (pages + zeros) * cpu.ticks.lockedInstruction);
}

/** The stretches of start .. end whose last-level table exists, one table each. */
function eachTable(kernel: Kernel, mm: MmStruct, start: number, end: number): [number, number][] {
  const stretches: [number, number][] = [];
  let address = start;
  while (address < end) {
    const step = missingSpan(kernel, mm, address);
    const next = Math.min(end, (Math.floor(address / step.bytes) + 1) * step.bytes);
    if (step.present) stretches.push([address, next]);
    address = next;
  }
  return stretches;
}

/** How much of the address space around `address` one look at the tables decides. */
function missingSpan(
  kernel: Kernel,
  mm: MmStruct,
  address: number,
): { present: boolean; bytes: number } {
  let table = mm.pgd;
  for (const shift of LEVEL_SHIFTS.slice(0, 3)) {
    const low = readLow(kernel.memory, entryAddress(table, address, shift));
    if ((low & Pte.PRESENT) === 0) return { present: false, bytes: 2 ** shift };
    table = (low & Pte.FRAME) >>> 0;
  }
  return { present: true, bytes: 2 ** 21 };
}

function zapHuge(kernel: Kernel, mm: MmStruct, pmd: number, gather: MmuGather): void {
  const { cpu } = kernel;
  gather.flush = true;
  cpu.run(F.pmd_val, 3);
  gather.hugeFrames.push(zapHugePmd(kernel, mm, pmd));
  cpu.run(F.__tlb_remove_page_size, 10);
  cpu.runCalls(F.__cond_resched, 12, 2);
}

function zapPte(kernel: Kernel, mm: MmStruct, entry: number, gather: MmuGather): void {
  const { cpu, memory } = kernel;
  const low = readLow(memory, entry);
  if (low === 0) return;
  const frame = (low & Pte.FRAME) >>> PAGE_SHIFT;
  if (gather.keepCopies && kernel.buddy.pages.kind[frame] === PageKind.ANON) return;
  cpu.write(entry);
  writeEntry(memory, entry, 0, 0);
  gather.flush = true;
  if ((low & Pte.SPECIAL) !== 0) {
    cpu.run(F.vm_normal_page, 14);
    gather.zeroEntries++;
    return;
  }
  cpu.run(F.vm_normal_page, 24);
  cpu.runCalls(F._compound_head, 12, 2);
  pageRemoveRmap(kernel, frame);
  cpu.run(F.__tlb_remove_page_size, 10);
  mm.rss--;
  gather.userFrames.push(frame);
}

/** free_pgtables: frees tables that no remaining mapping can need. */
function freePgtables(kernel: Kernel, mm: MmStruct, vmas: readonly Vma[], gather: MmuGather): void {
  const { cpu } = kernel;
  cpu.run(F.free_pgtables, 58);
  masFindDetached(cpu);
  for (const vma of vmas) {
    unlinkAnonVmas(kernel, vma);
    cpu.run(F.unlink_file_vma, 5);
  }
  if (vmas.length === 0) return;
  const first = vmas[0];
  const index = mm.vmas.indexAbove(first.start);
  const floor = index > 0 ? mm.vmas.list[index - 1].end : 0;
  const next = index < mm.vmas.list.length ? mm.vmas.list[index].start : Infinity;
  freePgdRange(
    kernel,
    mm,
    { start: first.start, end: vmas[vmas.length - 1].end, floor, ceiling: next },
    gather,
  );
}

interface TableRange {
  readonly start: number;
  readonly end: number;
  /** End of the mapping below, start of the one above: tables that reach beyond stay. */
  readonly floor: number;
  readonly ceiling: number;
}

/** free_pgd_range, for all three levels of tables under the top one. */
export function freePgdRange(
  kernel: Kernel,
  mm: MmStruct,
  range: TableRange,
  gather: MmuGather,
): void {
  const { cpu } = kernel;
  const before = gather.tableFrames.length;
  freeLevel(kernel, mm, mm.pgd, 0, range, gather);
  const freed = gather.tableFrames.length - before;
  cpu.runCalls(F.p4d_offset, 6, 2);
  // Alone in its 512 GiB, the range drops the top entry too, and that alone asks for a flush.
  const top = 2 ** LEVEL_SHIFTS[0];
  const slot = Math.floor(range.start / top) * top;
  const alone = range.floor <= slot && range.ceiling >= slot + top;
  if (alone) gather.flush = true;
  cpu.run(F.free_pgd_range, freed === 0 && !alone ? 38 : 130 + 77 * freed);
}

function freeLevel(
  kernel: Kernel,
  mm: MmStruct,
  table: number,
  level: number,
  range: TableRange,
  gather: MmuGather,
): void {
  const span = 2 ** LEVEL_SHIFTS[level];
  for (let at = Math.floor(range.start / span) * span; at < range.end; at += span) {
    const entry = entryAddress(table, at, LEVEL_SHIFTS[level]);
    const low = readLow(kernel.memory, entry);
    if ((low & Pte.PRESENT) === 0) continue;
    const child = (low & Pte.FRAME) >>> 0;
    if (level < 2) {
      const start = Math.max(range.start, at);
      const end = Math.min(range.end, at + span);
      freeLevel(kernel, mm, child, level + 1, { ...range, start, end }, gather);
    }
    if (at < range.floor || at + span > range.ceiling) continue;
    freeTable(kernel, mm, entry, child, level, gather);
  }
}

function freeTable(
  kernel: Kernel,
  mm: MmStruct,
  entry: number,
  child: number,
  level: number,
  gather: MmuGather,
): void {
  const { cpu, memory, config } = kernel;
  const frame = child >>> PAGE_SHIFT;
  const names = [F.___pud_free_tlb, F.___pmd_free_tlb, F.___pte_free_tlb] as const;
  cpu.run(names[level], [34, 26, 20][level]);
  cpu.write(entry);
  writeEntry(memory, entry, 0, 0);
  if (level === 0 && config.pti) writeEntry(memory, entry + PTI_USER_PGD, 0, 0);
  if (level > 0) modKernelPageState(cpu, frame);
  cpu.run(F.tlb_remove_page, 8);
  cpu.run(F.__tlb_remove_page_size, 10);
  gather.tableFrames.push(frame);
  gather.flush = true;
  mm.tables--;
}

/** tlb_finish_mmu: flush, then free. */
function tlbFinish(
  kernel: Kernel,
  mm: MmStruct,
  gather: MmuGather,
  start: number,
  end: number,
): void {
  const { cpu } = kernel;
  const { userFrames, hugeFrames, tableFrames } = gather;
  const frames = userFrames.length + hugeFrames.length + tableFrames.length;
  cpu.run(F.tlb_finish_mmu, !gather.flush ? 24 : frames > 0 ? 51 : 63);
  if (gather.flush) {
    // Freed page tables force a flush of the whole address space.
    const whole = tableFrames.length > 0;
    kernel.platform.code.invalidateCode(mm.address, start, end);
    flushTlbMmRange(kernel, mm, whole ? 0 : start, whole ? TASK_SIZE : end, whole);
  }
  cpu.run(F.tlb_batch_pages_flush, frames === 0 ? 21 : 39);
  if (frames === 0) return;
  for (const frame of hugeFrames) releaseHugePage(kernel, frame);
  if (userFrames.length + tableFrames.length > 0) {
    releasePages(kernel, mm, userFrames, tableFrames);
  }
}
