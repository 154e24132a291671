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
import { freeUnrefPageList } from './page_alloc.ts';
import { zapPageRange } from './munmap.ts';
import { addFilePages } from './rmap.ts';
import { framedPage, shmemWritePage } from './shmem-pages.ts';
import { tracePoint } from '../trace/points.ts';
import { Point } from '../trace/points-specs.ts';

/** fault_around_bytes: 64 KiB. */
const FAULT_AROUND_PAGES = 16;

/** A page is beyond the end of the file: a touch is a SIGBUS. */
export const BEYOND_END = -2;

/**
 * The frame of a page of the file: from the cache, or read into it now. -1 without memory or, unless
 * `create`, where the file has a hole; BEYOND_END past its end.
 */
export function cachedPage(
  kernel: Kernel,
  file: MappedFile,
  index: number,
  create = false,
): number {
  if (index * PAGE_BYTES >= file.size) return BEYOND_END;
  const present = framedPage(kernel, file, index);
  return present >= 0 || !create ? present : shmemWritePage(kernel, file, index);
}

/** The bytes with page `index` zeroed; the original belongs to the host and stays as it is. */
function punched(bytes: Uint8Array, index: number): Uint8Array {
  const copy = bytes.slice();
  copy.fill(0, index * PAGE_BYTES, (index + 1) * PAGE_BYTES);
  return copy;
}

/** A file without a name, of `pages` pages of zeros: what shared anonymous memory maps. */
export function sharedMemoryFile(bytes: number): MappedFile {
  const file: MappedFile = {
    path: '/dev/zero (deleted)',
    size: bytes,
    bytes: new Uint8Array(),
    pages: new Map(),
    mappings: 0,
    unmapped: (kernel) => {
      dropCachedPages(kernel, file, 0);
    },
  };
  return file;
}

/**
 * unmap_mapping_range and shmem_undo_range: the pages `first` .. `end` - 1 leave every address space
 * and the cache. Private copies stay.
 */
export function dropCachedRange(
  kernel: Kernel,
  file: MappedFile,
  first: number,
  end: number,
): void {
  if (file.mappings > 0) unmapMappingRange(kernel, file, first, end);
  dropCachedPages(kernel, file, first, end);
}

function unmapMappingRange(kernel: Kernel, file: MappedFile, first: number, end: number): void {
  const spaces = new Set<MmStruct>();
  for (const { mm } of kernel.tasks) if (mm !== null) spaces.add(mm);
  for (const mm of spaces) {
    for (const vma of mm.vmas.list) {
      if (vma.file !== file) continue;
      const from = Math.max(vma.start, vma.start + (first - vma.pgoff) * PAGE_BYTES);
      const to = Math.min(vma.end, vma.start + (end - vma.pgoff) * PAGE_BYTES);
      if (from < to) zapPageRange(kernel, mm, from, to, true);
    }
  }
}

/** Takes pages out of the cache; frames that are still mapped stay with their mappings. */
function dropCachedPages(
  kernel: Kernel,
  file: MappedFile,
  first: number,
  end: number = Infinity,
): void {
  const freed: number[] = [];
  for (const [index, frame] of file.pages) {
    if (index < first || index >= end) continue;
    file.pages.delete(index);
    // Bytes that were never cached must not come back.
    if (index * PAGE_BYTES < file.bytes.length) file.bytes = punched(file.bytes, index);
    if (kernel.buddy.pages.put(frame)) freed.push(frame);
  }
  kernel.cpu.run(F.shmem_undo_range, 120 + 30 * freed.length);
  freeUnrefPageList(kernel, freed);
}

export const pageIndex = (vma: Vma, address: number): number =>
  vma.pgoff + Math.floor((address - vma.start) / PAGE_BYTES);

/** __filemap_get_folio for one page of a mapping: as cachedPage(). */
export function filePage(kernel: Kernel, vma: Vma, address: number, create = false): number {
  const { cpu } = kernel;
  cpu.run(F.__filemap_get_folio, 80);
  rcuReadLock(cpu);
  xasLoad(kernel);
  rcuReadUnlock(cpu);
  cpu.run(F.PageHeadHuge, 6);
  if (vma.file === null) return BEYOND_END;
  return cachedPage(kernel, vma.file, pageIndex(vma, address), create);
}

function xasLoad({ cpu }: Kernel): void {
  cpu.run(F.xas_load, 28);
  cpu.run(F.xas_start, 21);
  cpu.runCalls(F.xas_descend, 30, 2);
}

/** vm_page_prot of a file's page: shared writable mappings need no fault to make it dirty. */
export function fileEntry({ flags }: Vma): number {
  const shared = (flags & (Vm.SHARED | Vm.WRITE)) === (Vm.SHARED | Vm.WRITE);
  const access = (flags & Vm.ACCESS) === 0 ? 0 : Pte.USER;
  return Pte.PRESENT | access | Pte.ACCESSED | (shared ? Pte.WRITE : 0);
}

/**
 * filemap_map_pages: maps the cached pages of the aligned 64 KiB around `address` that have no
 * entry yet. The last-level table is there. False when the page itself is not in the cache.
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
    const low = ((frame << PAGE_SHIFT) >>> 0) | fileEntry(vma);
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
  tracePoint(kernel, Point.RSS_STAT, mm.address, mm.rss);
  spinUnlock(cpu);
  tracePoint(kernel, Point.MM_FILEMAP_MAP_PAGES, page, frames.length);
  return mapped;
}
