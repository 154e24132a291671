/**
 * Page faults on mappings, after Linux 6.1 mm/memory.c and mm/filemap.c: anonymous pages, the zero
 * page, pages of files with fault-around, copy on write, shared writes, special mappings. Omits:
 * swap, NUMA hints, dirty accounting of files that are written back.
 */
import { findPte, NX_HIGH, Pte, readLow, writeEntry } from '../arch/x86/mm/pgtable.ts';
import { flushTlbMmRange } from '../arch/x86/mm/tlbflush.ts';
import { PerCpu } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { spinLock, spinUnlock } from '../kernel/locking/spinlock.ts';
import { Fault } from '../include/linux/fault.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import {
  findPmd,
  hugeAnonymousFault,
  HugeFault,
  hugeWriteFault,
  isHuge,
  mayBeHuge,
  splitPmdAt,
} from './huge_memory.ts';
import { hugetlbFault } from './hugetlb-fault.ts';
import { chargeNewPage, countFault } from './memcontrol.ts';
import { BEYOND_END, fileEntry, filePage, mapFilePages } from './filemap.ts';
import { vmaAllocFolio } from './page_alloc.ts';
import { copyPage } from './copy_page.ts';
import { PageFlag, PageKind } from './mem_map.ts';
import { pteAlloc } from './pgalloc.ts';
import { addFilePages, addNewAnonPage, anonVmaPrepare, pageRemoveRmap } from './rmap.ts';
import { tracePoint } from '../trace/points.ts';
import { Point } from '../trace/points-specs.ts';

/** What kind of access faulted. */
export interface FaultAccess {
  readonly write: boolean;
}

/** Protection bits of an entry of `vma` (protection_map), without WRITE for copy-on-write. */
export function entryHigh(vma: Vma): number {
  return (vma.flags & Vm.EXEC) !== 0 ? 0 : NX_HIGH;
}

const USER_PAGE = Pte.PRESENT | Pte.USER | Pte.ACCESSED;

/** handle_mm_fault: makes the page of `address` accessible. The mapping allows the access. */
export function handleMmFault(
  kernel: Kernel,
  mm: MmStruct,
  vma: Vma,
  address: number,
  access: FaultAccess,
): Fault {
  const { cpu, memory } = kernel;
  cpu.run(F.handle_mm_fault, 97);
  cpu.read(vma.address);
  cpu.writePerCpu(PerCpu.VM_EVENTS);
  cpu.stack(320, 2);
  countFault(cpu);
  cpu.run(F.pgd_none, 3);
  cpu.run(F.p4d_offset, 3);
  cpu.runCalls(F.pud_val, 15, 5);
  if ((vma.flags & Vm.HUGETLB) !== 0) return hugetlbFault(kernel, mm, vma, address, access.write);
  const huge = hugeFault(kernel, mm, vma, address, access.write);
  if (huge !== null) return huge;
  const found = findPte(memory, mm.pgd, address);
  const low = found < 0 ? 0 : readLow(memory, found);
  if ((low & Pte.PRESENT) !== 0) return presentFault(kernel, mm, vma, address, found, access);
  if (vma.special !== null) return specialFault(kernel, mm, vma, address);
  if (vma.file !== null) return fileFault(kernel, mm, vma, address, access);
  return anonymousFault(kernel, mm, vma, address, access);
}

/** The part of __handle_mm_fault about huge pages; null where small ones are to be used. */
function hugeFault(
  kernel: Kernel,
  mm: MmStruct,
  vma: Vma,
  address: number,
  write: boolean,
): Fault | null {
  const { memory } = kernel;
  const pmd = findPmd(memory, mm.pgd, address);
  const low = pmd < 0 ? 0 : readLow(memory, pmd);
  let outcome = HugeFault.FALLBACK;
  if (isHuge(low)) {
    const spurious = !write || (low & Pte.WRITE) !== 0;
    walkDown(kernel, 184);
    if (spurious) return Fault.DONE;
    outcome = hugeWriteFault(kernel, vma, pmd);
    if (outcome === HugeFault.FALLBACK) splitPmdAt(kernel, mm, address);
  } else if (low === 0 && write && mayBeHuge(kernel, vma, address)) {
    walkDown(kernel, 184);
    outcome = hugeAnonymousFault(kernel, mm, vma, address, write);
  }
  if (outcome === HugeFault.FALLBACK) return null;
  return outcome === HugeFault.DONE ? Fault.DONE : Fault.OUT_OF_MEMORY;
}

/** Entries that __handle_mm_fault reads on the way: pmd_val and pmd_page_vaddr. */
function walkDown(kernel: Kernel, instructions: number): void {
  const { cpu } = kernel;
  cpu.run(F.__handle_mm_fault, instructions);
  cpu.stack(256, 2);
  cpu.runCalls(F.pmd_val, 24, 8);
  cpu.runCalls(F.pmd_page_vaddr, 22, 2);
  cpu.run(F.pmd_pfn, 19);
}

/** do_anonymous_page */
function anonymousFault(
  kernel: Kernel,
  mm: MmStruct,
  vma: Vma,
  address: number,
  { write }: FaultAccess,
): Fault {
  const { cpu, memory } = kernel;
  walkDown(kernel, write ? 337 : 297);
  const entry = pteAlloc(kernel, mm, address);
  if (entry < 0) return Fault.OUT_OF_MEMORY;
  let low: number;
  if (write) {
    if (!anonVmaPrepare(kernel, mm, vma)) return Fault.OUT_OF_MEMORY;
    const frame = vmaAllocFolio(kernel);
    if (frame < 0) return Fault.OUT_OF_MEMORY;
    chargeNewPage(cpu, frame);
    cpu.run(F.pfn_pte, 19);
    spinLock(cpu, entry);
    accountPage(kernel, mm);
    addNewAnonPage(kernel, mm, frame);
    low = ((frame << PAGE_SHIFT) >>> 0) | USER_PAGE | Pte.WRITE | Pte.DIRTY;
  } else {
    cpu.run(F.pfn_pte, 19);
    spinLock(cpu, entry);
    low = kernel.zeroPage | USER_PAGE | Pte.SPECIAL;
  }
  setPte(kernel, entry, low, entryHigh(vma));
  spinUnlock(cpu);
  memory.written(low & Pte.FRAME);
  return Fault.DONE;
}

function accountPage(kernel: Kernel, mm: MmStruct): void {
  kernel.cpu.run(F.add_mm_counter_fast, 7);
  kernel.cpu.write(kernel.current.address + 1024);
  mm.rss++;
  if (mm.rss > mm.rssMax) mm.rssMax = mm.rss;
  tracePoint(kernel, Point.RSS_STAT, mm.address, mm.rss);
}

function setPte(kernel: Kernel, entry: number, low: number, high: number): void {
  const { cpu, memory } = kernel;
  cpu.run(F.set_pte, 3);
  cpu.run(F.native_set_pte, 2);
  cpu.write(entry);
  writeEntry(memory, entry, low, high);
}

/** do_fault: do_read_fault with fault-around, do_cow_fault or do_shared_fault. */
function fileFault(
  kernel: Kernel,
  mm: MmStruct,
  vma: Vma,
  address: number,
  { write }: FaultAccess,
): Fault {
  walkDown(kernel, 216);
  const { cpu } = kernel;
  const shared = (vma.flags & Vm.SHARED) !== 0;
  cpu.run(F.do_fault, !write ? 81 : shared ? 40 : 86);
  const entry = pteAlloc(kernel, mm, address);
  if (entry < 0) return Fault.OUT_OF_MEMORY;
  if (write && !shared) return cowFault(kernel, mm, vma, address, entry);
  if (!write && mapFilePages(kernel, mm, vma, address)) return Fault.DONE;
  // A hole, or the first write through a shared mapping.
  return sharedFault(kernel, mm, vma, address, entry, write);
}

/** do_cow_fault: a private copy of the file's page. */
function cowFault(kernel: Kernel, mm: MmStruct, vma: Vma, address: number, entry: number): Fault {
  const { cpu } = kernel;
  if (!anonVmaPrepare(kernel, mm, vma)) return Fault.OUT_OF_MEMORY;
  const copy = vmaAllocFolio(kernel, PageKind.ANON, false);
  if (copy < 0) return Fault.OUT_OF_MEMORY;
  chargeNewPage(cpu, copy);
  cpu.run(F.__do_fault, 36);
  cpu.run(F.filemap_fault, 103);
  const source = filePage(kernel, vma, address, true);
  if (source < 0) {
    kernel.buddy.freePage(copy);
    return source === BEYOND_END ? Fault.BUS_ERROR : Fault.OUT_OF_MEMORY;
  }
  cpu.run(F.copy_page, 4);
  copyPage(kernel, source << PAGE_SHIFT, copy << PAGE_SHIFT);
  cpu.run(F.finish_fault, 98);
  spinLock(cpu, entry);
  cpu.run(F.do_set_pte, 55);
  cpu.run(F.pfn_pte, 19);
  accountPage(kernel, mm);
  addNewAnonPage(kernel, mm, copy);
  const low = ((copy << PAGE_SHIFT) >>> 0) | USER_PAGE | Pte.WRITE | Pte.DIRTY;
  setPte(kernel, entry, low, entryHigh(vma));
  spinUnlock(cpu);
  cpu.run(F.unlock_page, 6);
  cpu.run(F.folio_unlock, 4);
  cpu.run(F.put_page, 8);
  return Fault.DONE;
}

/** __do_fault and finish_fault for a page of the page cache, made there when the file has a hole. */
function sharedFault(
  kernel: Kernel,
  mm: MmStruct,
  vma: Vma,
  address: number,
  entry: number,
  write: boolean,
): Fault {
  const { cpu, buddy } = kernel;
  cpu.run(F.__do_fault, 36);
  cpu.run(F.shmem_fault, 53);
  cpu.run(F.shmem_get_folio_gfp, 79);
  const frame = filePage(kernel, vma, address, true);
  if (frame < 0) return frame === BEYOND_END ? Fault.BUS_ERROR : Fault.OUT_OF_MEMORY;
  cpu.run(F.finish_fault, 95);
  cpu.run(F.pmd_pfn, 19);
  cpu.run(F.pmd_page_vaddr, 11);
  spinLock(cpu, entry);
  cpu.run(F.do_set_pte, 57);
  cpu.run(F.pfn_pte, 19);
  cpu.run(F._compound_head, 6);
  accountPage(kernel, mm);
  addFilePages(kernel, [frame]);
  const low = ((frame << PAGE_SHIFT) >>> 0) | fileEntry(vma) | (write ? Pte.DIRTY : 0);
  setPte(kernel, entry, low, entryHigh(vma));
  spinUnlock(cpu);
  if (write) {
    buddy.pages.flags[frame] |= PageFlag.DIRTY;
    dirtySharedPage(kernel);
  }
  return Fault.DONE;
}

/** fault_dirty_shared_page */
function dirtySharedPage({ cpu }: Kernel): void {
  cpu.run(F.fault_dirty_shared_page, 37);
  cpu.run(F.set_page_dirty, 6);
  cpu.run(F.folio_mark_dirty, 15);
  cpu.run(F.folio_mapping, 15);
  cpu.run(F.noop_dirty_folio, 6);
  cpu.run(F.page_rmapping, 8);
  cpu.run(F.unlock_page, 6);
  cpu.run(F.folio_unlock, 4);
  cpu.run(F.file_update_time, 34);
  cpu.run(F.current_time, 44);
  cpu.run(F.ktime_get_coarse_real_ts64, 15);
  cpu.run(F.inode_needs_update_time, 25);
}

/** A page of the vDSO or of its data: vm_insert_pfn by special_mapping_fault. */
function specialFault(kernel: Kernel, mm: MmStruct, vma: Vma, address: number): Fault {
  walkDown(kernel, 216);
  const { cpu } = kernel;
  cpu.run(F.do_fault, 81);
  const entry = pteAlloc(kernel, mm, address);
  if (entry < 0) return Fault.OUT_OF_MEMORY;
  cpu.run(F.__do_fault, 36);
  cpu.run(F.special_mapping_fault, 30);
  const frame = vma.special?.frames[(address - vma.start) >>> PAGE_SHIFT] ?? -1;
  if (frame < 0) return Fault.BUS_ERROR;
  cpu.run(F.finish_fault, 98);
  spinLock(cpu, entry);
  cpu.run(F.pfn_pte, 19);
  const low = ((frame << PAGE_SHIFT) >>> 0) | USER_PAGE | Pte.SPECIAL;
  setPte(kernel, entry, low, entryHigh(vma));
  spinUnlock(cpu);
  return Fault.DONE;
}

/** The entry is there: a write to a read-only page (do_wp_page), or nothing left to do. */
function presentFault(
  kernel: Kernel,
  mm: MmStruct,
  vma: Vma,
  address: number,
  entry: number,
  { write }: FaultAccess,
): Fault {
  const { cpu, memory } = kernel;
  walkDown(kernel, 254);
  spinLock(cpu, entry);
  const low = readLow(memory, entry);
  const page = address - (address % PAGE_BYTES);
  if (!write || (low & Pte.WRITE) !== 0) {
    flushTlbMmRange(kernel, mm, page, page + PAGE_BYTES);
    spinUnlock(cpu);
    return Fault.DONE;
  }
  const { frame, reusable } = writeProtectedPage(kernel, vma, low);
  if (!reusable) {
    cpu.run(F.do_wp_page, 74);
    cpu.runCalls(F._compound_head, 18, 3);
    spinUnlock(cpu);
    return copyOnWrite(kernel, mm, vma, page, entry);
  }
  cpu.run(F.do_wp_page, 87);
  cpu.run(F._compound_head, 6);
  cpu.run(F.page_move_anon_rmap, 11);
  cpu.writePageStruct(frame);
  kernel.buddy.pages.flags[frame] |= PageFlag.EXCLUSIVE;
  cpu.run(F.folio_unlock, 4);
  wpPageReuse(kernel, entry, low, entryHigh(vma));
  spinUnlock(cpu);
  return Fault.DONE;
}

/** What do_wp_page finds: the frame, and whether this address space may simply write to it. */
function writeProtectedPage(
  kernel: Kernel,
  vma: Vma,
  low: number,
): { frame: number; reusable: boolean } {
  const { cpu, buddy } = kernel;
  cpu.run(F.vm_normal_page, 24);
  const frame = (low & Pte.FRAME) >>> PAGE_SHIFT;
  if ((low & Pte.SPECIAL) !== 0) return { frame, reusable: false };
  const { pages } = buddy;
  cpu.writePageStruct(frame);
  if (pages.kind[frame] !== PageKind.ANON) return { frame, reusable: isShared(vma) };
  // The last owner takes the page over: nobody else can look at it.
  const exclusive = (pages.flags[frame] & PageFlag.EXCLUSIVE) !== 0;
  return { frame, reusable: exclusive || pages.refs[frame] === 1 };
}

const isShared = ({ flags }: Vma): boolean => (flags & Vm.SHARED) !== 0;

/** wp_page_reuse: the entry becomes writable in place. */
function wpPageReuse({ cpu, memory }: Kernel, entry: number, low: number, high: number): void {
  cpu.run(F.wp_page_reuse, 29);
  cpu.run(F.page_cpupid_xchg_last, 17);
  // More rights need no flush: at worst another CPU faults once in vain.
  cpu.run(F.ptep_set_access_flags, 17);
  cpu.run(F.native_set_pte, 2);
  cpu.write(entry);
  writeEntry(memory, entry, low | Pte.WRITE | Pte.DIRTY | Pte.ACCESSED, high);
}

/** wp_page_copy */
function copyOnWrite(kernel: Kernel, mm: MmStruct, vma: Vma, page: number, entry: number): Fault {
  const { cpu, memory } = kernel;
  const before = readLow(memory, entry);
  const old = (before & Pte.FRAME) >>> 0;
  const isZero = old === kernel.zeroPage;
  cpu.run(F.wp_page_copy, isZero ? 160 : 197);
  cpu.runCalls(F.pte_pfn, 22, 2);
  if (!anonVmaPrepare(kernel, mm, vma)) return Fault.OUT_OF_MEMORY;
  const frame = vmaAllocFolio(kernel, PageKind.ANON, isZero);
  if (frame < 0) return Fault.OUT_OF_MEMORY;
  const counted = (before & Pte.SPECIAL) === 0;
  if (!isZero) {
    cpu.run(F.copy_mc_to_kernel, 4);
    cpu.run(F.copy_mc_enhanced_fast_string, 5);
    copyPage(kernel, old, frame << PAGE_SHIFT);
  }
  chargeNewPage(cpu, frame);
  condResched(cpu);
  spinLock(cpu, entry);
  if (!counted) accountPage(kernel, mm);
  cpu.run(F.pfn_pte, 19);
  cpu.run(F.ptep_clear_flush, 19);
  flushTlbMmRange(kernel, mm, page, page + PAGE_BYTES);
  addNewAnonPage(kernel, mm, frame);
  const low = ((frame << PAGE_SHIFT) >>> 0) | USER_PAGE | Pte.WRITE | Pte.DIRTY;
  setPte(kernel, entry, low, entryHigh(vma));
  if (counted) dropMappedPage(kernel, old >>> PAGE_SHIFT);
  spinUnlock(cpu);
  return Fault.DONE;
}

/** page_remove_rmap, then put_page for the entry's hold. */
function dropMappedPage(kernel: Kernel, frame: number): void {
  const { cpu, buddy } = kernel;
  pageRemoveRmap(kernel, frame);
  cpu.runCalls(F.put_page, 16, 2);
  cpu.runCalls(F._compound_head, 12, 2);
  cpu.run(F.free_swap_cache, 16);
  if (buddy.pages.put(frame)) buddy.freePage(frame);
}
