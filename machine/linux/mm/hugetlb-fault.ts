/** Faults on mappings of the huge page pool, after Linux 6.1 mm/hugetlb.c (hugetlb_fault). */
import { Cause } from '../../core/ledger/cause.ts';
import { NX_HIGH, Pte, readLow, writeEntry } from '../arch/x86/mm/pgtable.ts';
import { High } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import { Fault } from '../include/linux/fault.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { flushTlbMmRange } from '../arch/x86/mm/tlbflush.ts';
import { HUGE_BYTES, HUGE_PAGES } from './huge_memory.ts';
import { takeHugePage } from './hugetlb.ts';
import { clearPages } from './page_alloc.ts';
import { pmdAllocEntry } from './pgalloc.ts';
import { releaseHugePage } from './swap.ts';

/** hugetlb_fault. A pool that is empty after all is a SIGBUS. */
export function hugetlbFault(
  kernel: Kernel,
  mm: MmStruct,
  vma: Vma,
  address: number,
  write: boolean,
): Fault {
  const { cpu, memory } = kernel;
  const start = Math.floor(address / HUGE_BYTES) * HUGE_BYTES;
  cpu.run(F.hugetlb_fault, 150);
  const pmd = pmdAllocEntry(kernel, mm, start);
  if (pmd < 0) return Fault.OUT_OF_MEMORY;
  const low = readLow(memory, pmd);
  if (low !== 0) {
    if (!write || (low & Pte.WRITE) !== 0) return Fault.DONE;
    return hugetlbWrite(kernel, mm, vma, start, pmd);
  }
  const shared = (vma.flags & Vm.SHARED) !== 0;
  const frame = shared ? sharedPage(kernel, vma, start) : privatePage(kernel, mm, start);
  if (frame < 0) return Fault.BUS_ERROR;
  install(kernel, vma, pmd, frame);
  mm.rss += HUGE_PAGES;
  if (mm.rss > mm.rssMax) mm.rssMax = mm.rss;
  return Fault.DONE;
}

/** hugetlb_no_page for a private mapping: a zeroed page of the pool. */
function privatePage(kernel: Kernel, mm: MmStruct, start: number): number {
  const frame = takeHugePage(kernel, mm.hugeReserves.delete(start));
  if (frame >= 0) clearPages(kernel, frame, HUGE_PAGES);
  return frame;
}

/** hugetlb_no_page for a shared mapping: the file's page, or a new one for it. */
function sharedPage(kernel: Kernel, vma: Vma, start: number): number {
  const { file } = vma;
  if (file === null) return -1;
  const index = (vma.pgoff * 4096 + start - vma.start) / HUGE_BYTES;
  const present = file.pages.get(index);
  if (present !== undefined) return present;
  const frame = takeHugePage(kernel, (vma.flags & Vm.NORESERVE) === 0);
  if (frame < 0) return -1;
  clearPages(kernel, frame, HUGE_PAGES);
  file.pages.set(index, frame);
  kernel.vm.sharedHuge.add(frame);
  return frame;
}

/** The pool holds each frame once; a mapping holds it once more. */
function install({ cpu, memory, buddy }: Kernel, vma: Vma, pmd: number, frame: number): void {
  for (let i = 0; i < HUGE_PAGES; i++) {
    buddy.pages.get(frame + i);
    buddy.pages.map(frame + i);
  }
  const writable = (vma.flags & Vm.WRITE) !== 0 ? Pte.WRITE | Pte.DIRTY : 0;
  const bits = Pte.PRESENT | Pte.USER | Pte.ACCESSED | Pte.LARGE | writable;
  cpu.run(F.native_set_pmd, 2);
  cpu.write(pmd);
  const high = (vma.flags & Vm.EXEC) !== 0 ? 0 : NX_HIGH;
  writeEntry(memory, pmd, ((frame << PAGE_SHIFT) | bits) >>> 0, high);
}

/** hugetlb_wp: the last owner writes in place, others get a copy if the pool has one. */
function hugetlbWrite(kernel: Kernel, mm: MmStruct, vma: Vma, start: number, pmd: number): Fault {
  const { cpu, memory, buddy } = kernel;
  const low = readLow(memory, pmd);
  const old = (low & Pte.FRAME) >>> PAGE_SHIFT;
  if ((vma.flags & Vm.SHARED) !== 0 || buddy.pages.maps[old] === 1) {
    writeEntry(memory, pmd, low | Pte.WRITE | Pte.DIRTY, memory.words[(pmd >>> 2) + 1]);
    cpu.write(pmd);
    return Fault.DONE;
  }
  const copy = takeHugePage(kernel, mm.hugeReserves.delete(start));
  if (copy < 0) return Fault.BUS_ERROR;
  for (let i = 0; i < HUGE_PAGES; i++) {
    const [from, to] = [(old + i) << PAGE_SHIFT, (copy + i) << PAGE_SHIFT];
    cpu.run(F.copy_page, 4);
    cpu.stream('read', from >>> 0, High.DIRECT, 4096);
    cpu.stream('write', to >>> 0, High.DIRECT, 4096);
    cpu.charge(Cause.COPY, 64 * cpu.ticks.copyPerLine);
    memory.bytes.copyWithin(to >>> 0, from >>> 0, (from >>> 0) + 4096);
    memory.written(to >>> 0);
  }
  for (let i = 0; i < HUGE_PAGES; i++) buddy.pages.unmap(old + i);
  install(kernel, vma, pmd, copy);
  flushTlbMmRange(kernel, mm, start, start + HUGE_BYTES);
  releaseHugePage(kernel, old);
  return Fault.DONE;
}
