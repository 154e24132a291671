/**
 * Transparent huge pages, after Linux 6.1 mm/huge_memory.c. A huge page is counted in each of its 512
 * frames, so that a split changes nothing but the entries. Omits: the deferred queue of split pages
 * (they are split at once), huge pages of files.
 */
import {
  entryAddress,
  LEVEL_SHIFTS,
  Pte,
  readLow,
  TABLE,
  writeEntry,
} from '../arch/x86/mm/pgtable.ts';
import { flushTlbMmRange } from '../arch/x86/mm/tlbflush.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES, PAGE_SHIFT, type PhysicalMemory } from '../arch/x86/model/physical-memory.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { spinLock, spinUnlock } from '../kernel/locking/spinlock.ts';
import { chargeNewPage, modKernelPageState } from './memcontrol.ts';
import { PageFlag, PageKind } from './mem_map.ts';
import { allocHugePage, allocPages, clearPages } from './page_alloc.ts';
import { pmdAllocEntry } from './pgalloc.ts';
import { anonVmaPrepare } from './rmap.ts';
import { tracePoint } from '../trace/points.ts';
import { Point } from '../trace/points-specs.ts';

export const HUGE_BYTES = 2 ** 21;
export const HUGE_PAGES = 512;
const HUGE_ORDER = 9;

/** Physical address of the second-level entry for a user address, or -1 where a table is missing. */
export function findPmd(memory: PhysicalMemory, pgd: number, address: number): number {
  let table = pgd;
  for (const shift of LEVEL_SHIFTS.slice(0, -2)) {
    const low = readLow(memory, entryAddress(table, address, shift));
    if ((low & Pte.PRESENT) === 0) return -1;
    table = (low & Pte.FRAME) >>> 0;
  }
  return entryAddress(table, address, LEVEL_SHIFTS[LEVEL_SHIFTS.length - 2]);
}

/** The second-level entry for `address` if it maps a huge page, else -1. */
export function hugeEntry(memory: PhysicalMemory, pgd: number, address: number): number {
  const pmd = findPmd(memory, pgd, address);
  return pmd >= 0 && isHuge(readLow(memory, pmd)) ? pmd : -1;
}

/** pmd_trans_huge: an entry without access keeps the bit. */
export const isHuge = (low: number): boolean => (low & Pte.LARGE) !== 0;

/** hugepage_vma_check and the range check of transhuge_vma_suitable. */
export function mayBeHuge(kernel: Kernel, vma: Vma, address: number): boolean {
  const { transparentHugePages } = kernel.vm.policy;
  if (transparentHugePages === 'never' || (vma.flags & Vm.NOHUGEPAGE) !== 0) return false;
  if (transparentHugePages === 'madvise' && (vma.flags & Vm.HUGEPAGE) === 0) return false;
  if (vma.file !== null || vma.special !== null) return false;
  // A stack that is being set up grows; later it is as good as any other memory.
  const start = Math.floor(address / HUGE_BYTES) * HUGE_BYTES;
  return start >= vma.start && start + HUGE_BYTES <= vma.end;
}

export const enum HugeFault {
  DONE,
  OUT_OF_MEMORY,
  /** Go on with small pages. */
  FALLBACK,
}

/**
 * do_huge_pmd_anonymous_page: a zeroed huge page at the first write. A read takes the small page of
 * zeros, where Linux would map its huge one, and split it at the first write.
 */
export function hugeAnonymousFault(
  kernel: Kernel,
  mm: MmStruct,
  vma: Vma,
  address: number,
  write: boolean,
): HugeFault {
  const { cpu, memory, buddy } = kernel;
  const pmd = pmdAllocEntry(kernel, mm, address);
  if (pmd < 0) return HugeFault.OUT_OF_MEMORY;
  if (readLow(memory, pmd) !== 0 || !write) return HugeFault.FALLBACK;
  cpu.run(F.do_huge_pmd_anonymous_page, 182);
  if (!anonVmaPrepare(kernel, mm, vma)) return HugeFault.OUT_OF_MEMORY;
  cpu.run(F.khugepaged_enter_vma, 6);
  cpu.run(F.vma_thp_gfp_mask, 25);
  const frame = allocHugePage(kernel, HUGE_ORDER, PageKind.ANON);
  if (frame < 0) return HugeFault.FALLBACK;
  chargeNewPage(cpu, frame);
  const table = pteAllocOne(kernel);
  if (table < 0) {
    buddy.freeBlock(frame, HUGE_ORDER);
    return HugeFault.OUT_OF_MEMORY;
  }
  cpu.run(F.clear_huge_page, 6179);
  cpu.runCalls(F.__cond_resched, 6 * HUGE_PAGES, HUGE_PAGES);
  clearPages(kernel, frame, HUGE_PAGES);
  deposit(kernel, mm, table);
  installHugePage(kernel, mm, vma, pmd, frame);
  return HugeFault.DONE;
}

/** Maps a new huge page that this address space alone has; its table is deposited already. */
export function installHugePage(
  kernel: Kernel,
  mm: MmStruct,
  vma: Vma,
  pmd: number,
  frame: number,
): void {
  const { cpu } = kernel;
  spinLock(cpu, pmd);
  cpu.run(F.page_add_new_anon_rmap, 47);
  addHugeMaps(kernel, frame, PageFlag.EXCLUSIVE | PageFlag.HUGE);
  cpu.run(F.folio_add_lru, 21);
  mm.lruBatch++;
  const low = (frame << PAGE_SHIFT) >>> 0;
  const access = (vma.flags & Vm.WRITE) !== 0 ? Pte.WRITE | Pte.DIRTY : 0;
  const bits = Pte.PRESENT | Pte.USER | Pte.ACCESSED | Pte.LARGE | access;
  setPmd(kernel, pmd, (low | bits) >>> 0, noExecute(vma));
  mm.rss += HUGE_PAGES;
  if (mm.rss > mm.rssMax) mm.rssMax = mm.rss;
  tracePoint(kernel, Point.RSS_STAT, mm.address, mm.rss);
  spinUnlock(cpu);
}

const noExecute = ({ flags }: Vma): number => ((flags & Vm.EXEC) !== 0 ? 0 : 0x80000000);

function setPmd({ cpu, memory }: Kernel, pmd: number, low: number, high: number): void {
  cpu.run(F.native_set_pmd, 2);
  cpu.write(pmd);
  writeEntry(memory, pmd, low, high);
}

/** pte_alloc_one: the table that a split will need. */
function pteAllocOne(kernel: Kernel): number {
  kernel.cpu.run(F.pte_alloc_one, 16);
  const frame = allocPages(kernel, PageKind.TABLE);
  if (frame >= 0) modKernelPageState(kernel.cpu, frame);
  return frame;
}

/** pgtable_trans_huge_deposit */
function deposit({ cpu }: Kernel, mm: MmStruct, table: number): void {
  cpu.run(F.pgtable_trans_huge_deposit, 50);
  mm.deposits.push(table);
  mm.tables++;
}

/** Maps each frame of a huge page once more; the first mapping came with the allocation's hold. */
function addHugeMaps({ buddy }: Kernel, frame: number, flags: number): void {
  const { pages } = buddy;
  for (let i = 0; i < HUGE_PAGES; i++) {
    pages.map(frame + i);
    pages.flags[frame + i] |= flags;
  }
}

/** Pages of the hugetlb pool are never split, so they keep no table for it. */
function isPooled({ memory, buddy }: Kernel, pmd: number): boolean {
  return buddy.pages.kind[(readLow(memory, pmd) & Pte.FRAME) >>> PAGE_SHIFT] === PageKind.HUGETLB;
}

/** copy_huge_pmd at fork: both sides share the huge page, and may only read it. */
export function copyHugePmd(
  kernel: Kernel,
  newmm: MmStruct,
  source: number,
  address: number,
  isCow: boolean,
): boolean {
  const { cpu, memory, buddy } = kernel;
  const pmd = pmdAllocEntry(kernel, newmm, address);
  if (pmd < 0) return false;
  const pooled = isPooled(kernel, source);
  const table = pooled ? -1 : pteAllocOne(kernel);
  if (table < 0 && !pooled) return false;
  cpu.run(F.copy_huge_pmd, 153);
  spinLock(cpu, pmd);
  spinLock(cpu, source);
  cpu.run(F.pmd_pfn, 17);
  cpu.run(F._compound_head, 6);
  let low = readLow(memory, source);
  const high = memory.words[(source >>> 2) + 1];
  const frame = (low & Pte.FRAME) >>> PAGE_SHIFT;
  for (let i = 0; i < HUGE_PAGES; i++) {
    buddy.pages.get(frame + i);
    buddy.pages.map(frame + i);
    buddy.pages.flags[frame + i] &= ~PageFlag.EXCLUSIVE;
  }
  cpu.writePageStruct(frame);
  if (isCow) {
    low &= ~Pte.WRITE;
    cpu.write(source);
    writeEntry(memory, source, low, high);
  }
  if (!pooled) deposit(kernel, newmm, table);
  setPmd(kernel, pmd, low & ~Pte.ACCESSED, high);
  newmm.rss += HUGE_PAGES;
  spinUnlock(cpu);
  spinUnlock(cpu);
  return true;
}

/** do_huge_pmd_wp_page: the last owner writes in place; a shared page is split, and copied piecewise. */
export function hugeWriteFault(kernel: Kernel, vma: Vma, pmd: number): HugeFault {
  const { cpu, memory, buddy } = kernel;
  cpu.run(F.do_huge_pmd_wp_page, 90);
  spinLock(cpu, pmd);
  const low = readLow(memory, pmd);
  const frame = (low & Pte.FRAME) >>> PAGE_SHIFT;
  const { pages } = buddy;
  let alone = true;
  for (let i = 0; i < HUGE_PAGES && alone; i++) alone = pages.refs[frame + i] === 1;
  if (alone) {
    for (let i = 0; i < HUGE_PAGES; i++) pages.flags[frame + i] |= PageFlag.EXCLUSIVE;
    cpu.run(F.page_move_anon_rmap, 11);
    setPmd(kernel, pmd, low | Pte.WRITE | Pte.DIRTY | Pte.ACCESSED, noExecute(vma));
  }
  spinUnlock(cpu);
  return alone ? HugeFault.DONE : HugeFault.FALLBACK;
}

/** zap_huge_pmd: the entry goes; the frames are returned for the gather. Its table is freed at once. */
export function zapHugePmd(kernel: Kernel, mm: MmStruct, pmd: number): number {
  const { cpu, memory, buddy } = kernel;
  const frame = (readLow(memory, pmd) & Pte.FRAME) >>> PAGE_SHIFT;
  cpu.run(F.zap_huge_pmd, 141);
  cpu.run(F.__pmd_trans_huge_lock, 41);
  spinLock(cpu, pmd);
  cpu.write(pmd);
  writeEntry(memory, pmd, 0, 0);
  cpu.run(F.page_remove_rmap, 63);
  cpu.run(F.lock_page_memcg, 13);
  cpu.run(F.folio_memcg_lock, 20);
  cpu.run(F.PageHuge, 12);
  cpu.run(F.unlock_page_memcg, 6);
  cpu.run(F.folio_memcg_unlock, 12);
  cpu.writePageStruct(frame);
  for (let i = 0; i < HUGE_PAGES; i++) buddy.pages.unmap(frame + i);
  mm.rss -= HUGE_PAGES;
  if (buddy.pages.kind[frame] === PageKind.HUGETLB) {
    spinUnlock(cpu);
    return frame;
  }
  const table = withdraw(kernel, mm);
  modKernelPageState(cpu, table);
  cpu.run(F.__free_pages, 18);
  cpu.run(F.free_unref_page, 88);
  cpu.run(F.free_pcp_prepare, 55);
  cpu.run(F.free_unref_page_commit, 62);
  buddy.freePage(table);
  mm.tables--;
  spinUnlock(cpu);
  return frame;
}

/** pgtable_trans_huge_withdraw: any deposited table will do. */
function withdraw({ cpu }: Kernel, mm: MmStruct): number {
  cpu.run(F.pgtable_trans_huge_withdraw, 24);
  return mm.deposits.pop() ?? -1;
}

/**
 * __split_huge_pmd at `address`, where a huge page is mapped in part from now on: its deposited table
 * takes the place of the entry. Nothing to do where small pages are mapped.
 */
export function splitPmdAt(kernel: Kernel, mm: MmStruct, address: number): void {
  const { cpu, memory, buddy } = kernel;
  const pmd = hugeEntry(memory, mm.pgd, address);
  if (pmd < 0) return;
  const low = readLow(memory, pmd);
  const high = memory.words[(pmd >>> 2) + 1];
  cpu.run(F.__split_huge_pmd, 160);
  cpu.run(F.__split_huge_pmd_locked, 200 + 40 * HUGE_PAGES);
  spinLock(cpu, pmd);
  const table = withdraw(kernel, mm);
  const physical = (table << PAGE_SHIFT) >>> 0;
  const first = (low & Pte.FRAME) >>> 0;
  const bits = low & ~Pte.FRAME & ~Pte.LARGE;
  for (let i = 0; i < HUGE_PAGES; i++) {
    writeEntry(memory, physical + i * 8, ((first + i * PAGE_BYTES) | bits) >>> 0, high);
    buddy.pages.flags[(first >>> PAGE_SHIFT) + i] &= ~PageFlag.HUGE;
    if (i % 8 === 0) cpu.write(physical + i * 8);
  }
  setPmd(kernel, pmd, (physical | TABLE) >>> 0, 0);
  spinUnlock(cpu);
  const start = Math.floor(address / HUGE_BYTES) * HUGE_BYTES;
  flushTlbMmRange(kernel, mm, start, start + HUGE_BYTES);
}

/** vma_adjust_trans_huge: a boundary between mappings may not run through a huge page. */
export function splitAtBoundary(kernel: Kernel, mm: MmStruct, address: number): void {
  if (address % HUGE_BYTES !== 0) splitPmdAt(kernel, mm, address);
}
