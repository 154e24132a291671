/**
 * The page cache and faults on it, after Linux 6.1 mm/filemap.c. Files are whole in memory; a page
 * gets a frame the first time it is needed, as if it had been read ahead long before the run.
 */
import { findPte, NX_HIGH, Pte, readLow, writeEntry } from '../arch/x86/mm/pgtable.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import { type MappedFile, type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { spinLock, spinUnlock } from '../kernel/locking/spinlock.ts';
import { rcuReadLock, rcuReadUnlock } from '../kernel/rcu/tree_plugin.ts';
import { addFilePages } from './rmap.ts';
import { framedPage, shmemWritePage } from './shmem-pages.ts';

/** fault_around_bytes: 64 KiB. */
const FAULT_AROUND_PAGES = 16;

/** The frame of a page of the file, read into the cache if need be; -1 past the end or no memory. */
export function cachedPage(kernel: Kernel, file: MappedFile, index: number): number {
  const present = framedPage(kernel, file, index);
  if (present >= 0 || index * PAGE_BYTES >= file.size) return present;
  // A hole of a file in memory gets its page.
  return shmemWritePage(kernel, file, index);
}

const pageIndex = (vma: Vma, address: number): number =>
  vma.pgoff + Math.floor((address - vma.start) / PAGE_BYTES);

/** __filemap_get_folio for one page of a mapping: its frame or -1. */
export function filePage(kernel: Kernel, vma: Vma, address: number): number {
  const { cpu } = kernel;
  cpu.run(F.__filemap_get_folio, 80);
  rcuReadLock(cpu);
  xasLoad(kernel);
  rcuReadUnlock(cpu);
  cpu.run(F.PageHeadHuge, 6);
  return vma.file === null ? -1 : cachedPage(kernel, vma.file, pageIndex(vma, address));
}

function xasLoad({ cpu }: Kernel): void {
  cpu.run(F.xas_load, 28);
  cpu.run(F.xas_start, 21);
  cpu.runCalls(F.xas_descend, 30, 2);
}

/**
 * filemap_map_pages: maps the cached pages of the aligned 64 KiB around `address` that have no
 * entry yet. The last-level table is there. False when the page itself is past the end of the file.
 */
export function mapFilePages(kernel: Kernel, mm: MmStruct, vma: Vma, address: number): boolean {
  const { cpu, memory } = kernel;
  const { file } = vma;
  const around = FAULT_AROUND_PAGES * PAGE_BYTES;
  const page = address - (address % PAGE_BYTES);
  const first = Math.max(vma.start, address - (address % around));
  const last = Math.min(vma.end, address - (address % around) + around);
  cpu.run(F.xas_find, 59);
  xasLoad(kernel);
  spinLock(cpu, mm.address + 64);
  const frames: number[] = [];
  let mapped = false;
  for (let at = first; at < last; at += PAGE_BYTES) {
    const entry = findPte(memory, mm.pgd, at);
    if (entry < 0 || file === null || readLow(memory, entry) !== 0) continue;
    const frame = cachedPage(kernel, file, pageIndex(vma, at));
    if (frame < 0) continue;
    const low = ((frame << PAGE_SHIFT) >>> 0) | Pte.PRESENT | Pte.USER | Pte.ACCESSED;
    writeEntry(memory, entry, low, (vma.flags & Vm.EXEC) !== 0 ? 0 : NX_HIGH);
    cpu.write(entry);
    frames.push(frame);
    if (at === page) mapped = true;
  }
  const count = Math.max(1, frames.length);
  cpu.run(F.filemap_map_pages, 331 + 75 * count);
  cpu.runCalls(F.next_uptodate_page, 66 * (count + 1), count + 1);
  cpu.runCalls(F.PageHeadHuge, 6 * count, count);
  cpu.runCalls(F.do_set_pte, 51 * count, count);
  cpu.runCalls(F.pfn_pte, 19 * count, count);
  cpu.runCalls(F._compound_head, 6 * count, count);
  cpu.runCalls(F.add_mm_counter_fast, 7 * count, count);
  addFilePages(kernel, frames);
  cpu.runCalls(F.native_set_pte, 2 * count, count);
  mm.rss += frames.length;
  if (mm.rss > mm.rssMax) mm.rssMax = mm.rss;
  spinUnlock(cpu);
  return mapped;
}
