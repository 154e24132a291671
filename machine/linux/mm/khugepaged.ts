/**
 * Collapsing small pages into huge ones, after Linux 6.1 mm/khugepaged.c, as far as MADV_COLLAPSE asks
 * for it. Omits: the daemon that does so unasked, pages of files, pages shared with other processes.
 */
import { findPte, Pte, readLow, writeEntry } from '../arch/x86/mm/pgtable.ts';
import { flushTlbMmRange } from '../arch/x86/mm/tlbflush.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { copyPage } from './copy_page.ts';
import { findPmd, HUGE_BYTES, HUGE_PAGES, hugeEntry, installHugePage } from './huge_memory.ts';
import { PageKind } from './mem_map.ts';
import { allocHugePage } from './page_alloc.ts';
import { pageRemoveRmap } from './rmap.ts';

const HUGE_ORDER = 9;

/** madvise_collapse: every aligned 2 MiB of start .. end; 0 when all of them are huge afterwards. */
export function collapseRange(
  kernel: Kernel,
  mm: MmStruct,
  vma: Vma,
  start: number,
  end: number,
): number {
  if (vma.file !== null || vma.special !== null) return -Errno.EINVAL;
  if ((vma.flags & (Vm.NOHUGEPAGE | Vm.HUGETLB)) !== 0) return -Errno.EINVAL;
  const first = Math.ceil(start / HUGE_BYTES) * HUGE_BYTES;
  for (let at = first; at + HUGE_BYTES <= end; at += HUGE_BYTES) {
    const error = collapse(kernel, mm, vma, at);
    if (error < 0) return error;
  }
  return 0;
}

/** collapse_huge_page: copies the pages that are there, and zeros for the others. */
function collapse(kernel: Kernel, mm: MmStruct, vma: Vma, start: number): number {
  const { cpu, memory, buddy } = kernel;
  if (hugeEntry(memory, mm.pgd, start) >= 0) return 0;
  const pmd = findPmd(memory, mm.pgd, start);
  if (pmd < 0 || readLow(memory, pmd) === 0 || vma.anonVma === null) return -Errno.EINVAL;
  cpu.run(F.collapse_huge_page, 400 + 30 * HUGE_PAGES);
  const table = findPte(memory, mm.pgd, start);
  const old: number[] = [];
  for (let i = 0; i < HUGE_PAGES; i++) {
    const low = readLow(memory, table + i * 8);
    const counted = low !== 0 && (low & Pte.SPECIAL) === 0;
    const frame = (low & Pte.FRAME) >>> PAGE_SHIFT;
    // A page that someone else holds too would have to stay where it is.
    if (counted && buddy.pages.refs[frame] > 1) return -Errno.EAGAIN;
    old.push(counted ? frame : -1);
  }
  const huge = allocHugePage(kernel, HUGE_ORDER, PageKind.ANON);
  if (huge < 0) return -Errno.ENOMEM;
  old.forEach((frame, i) => {
    const to = ((huge + i) << PAGE_SHIFT) >>> 0;
    if (frame < 0) {
      memory.bytes.fill(0, to, to + PAGE_BYTES);
      return;
    }
    copyPage(kernel, (frame << PAGE_SHIFT) >>> 0, to);
    writeEntry(memory, table + i * 8, 0, 0);
    pageRemoveRmap(kernel, frame);
    mm.rss--;
    if (buddy.pages.put(frame)) buddy.freePage(frame);
  });
  // The last-level table becomes the one that a split will need.
  const tableFrame = (readLow(memory, pmd) & Pte.FRAME) >>> PAGE_SHIFT;
  memory.zeroPage((tableFrame << PAGE_SHIFT) >>> 0);
  mm.deposits.push(tableFrame);
  installHugePage(kernel, mm, vma, pmd, huge);
  flushTlbMmRange(kernel, mm, start, start + HUGE_BYTES, true);
  return 0;
}
