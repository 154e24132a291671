/**
 * Ours, not Linux's (its checks are spread over mm/debug.c, check_mm of kernel/fork.c and
 * free_pages_prepare): the books of memory agree with each other. Checked at the end of every run;
 * a difference is a bug of the model, never of the guest.
 */
import { assert, MachineBug } from '../../core/assert.ts';
import { LEVEL_SHIFTS, Pte, readLow } from '../arch/x86/mm/pgtable.ts';
import { PAGE_BYTES, PAGE_SHIFT, type PhysicalMemory } from '../arch/x86/model/physical-memory.ts';
import { type MmStruct, Vm } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { PageKind } from './mem_map.ts';

const ENTRIES = 512;
/** Entries of the top table that belong to user space. */
const USER_ENTRIES = 256;

/** What a walk over an address space's tables finds. */
interface Census {
  /** Entries that map each frame. */
  readonly maps: Int32Array;
  /** Tables below the top one, and user pages that count as resident. */
  tables: number;
  resident: number;
}

/** The address spaces that some task has. */
export function addressSpaces(kernel: Kernel): Set<MmStruct> {
  const spaces = new Set<MmStruct>();
  for (const { mm } of kernel.tasks) if (mm !== null) spaces.add(mm);
  return spaces;
}

/**
 * Page reference counts equal mappings and owners, page tables and slabs are the frames they say,
 * nothing is lost. Throws MachineBug on the first difference.
 */
export function checkMemoryInvariants(kernel: Kernel): void {
  const { buddy, caches, memory } = kernel;
  const maps = new Int32Array(buddy.pages.frames);
  const spaces = addressSpaces(kernel);
  let tables = 0;
  for (const mm of spaces) {
    const census: Census = { maps, tables: 0, resident: 0 };
    walkTable(memory, mm.pgd, 0, census);
    same(
      `page tables of the address space at ${hex(mm.address)}`,
      census.tables + mm.deposits.length,
      mm.tables,
    );
    same(`resident pages of the address space at ${hex(mm.address)}`, census.resident, mm.rss);
    checkMappings(mm);
    tables += mm.tables + (kernel.config.pti ? 2 : 1);
  }
  checkFrames(kernel, maps);
  const counts = buddy.pages.census();
  same('frames of page tables', counts[PageKind.TABLE], tables);
  const slabs = caches.all.reduce((sum, { pages }) => sum + pages, 0);
  same('frames of slabs', counts[PageKind.SLAB], slabs);
  const used = counts.reduce((sum, count, kind) => (kind === PageKind.FREE ? sum : sum + count), 0);
  same('frames in use', used, buddy.managedPages - buddy.freePages);
  if (spaces.size === 0) checkNothingLeft(kernel, counts);
}

/** Once the last address space is gone, so is everything that only address spaces have. */
function checkNothingLeft({ caches }: Kernel, counts: readonly number[]): void {
  same('private pages after the last exit', counts[PageKind.ANON], 0);
  for (const cache of [
    caches.mm,
    caches.vma,
    caches.mapleNode,
    caches.anonVma,
    caches.anonVmaChain,
  ]) {
    same(`${cache.name} objects after the last exit`, cache.liveObjects, 0);
  }
}

function checkFrames({ buddy }: Kernel, maps: Int32Array): void {
  const { kind, refs, maps: counted, frames } = buddy.pages;
  for (let frame = 0; frame < frames; frame++) {
    if (counted[frame] !== maps[frame]) {
      same(`mappings of frame ${hex(frame)}`, counted[frame], maps[frame]);
    }
    const expected = expectedHolders(kind[frame], maps[frame]);
    if (refs[frame] !== expected) same(`holders of frame ${hex(frame)}`, refs[frame], expected);
  }
}

/** Holders of a frame: its mappings, and the owner of what is not only mapped. */
function expectedHolders(kind: PageKind, maps: number): number {
  if (kind === PageKind.FREE) return 0;
  return kind === PageKind.ANON ? maps : maps + 1;
}

function walkTable(memory: PhysicalMemory, table: number, level: number, census: Census): void {
  const entries = level === 0 ? USER_ENTRIES : ENTRIES;
  const last = level === LEVEL_SHIFTS.length - 1;
  for (let index = 0; index < entries; index++) {
    const low = readLow(memory, table + index * 8);
    // An entry without access (PROT_NONE) still maps its page.
    if (low === 0) continue;
    const target = (low & Pte.FRAME) >>> 0;
    if (last) {
      countPages(census, low, target >>> PAGE_SHIFT, 1);
    } else if ((low & Pte.LARGE) !== 0) {
      countPages(census, low, target >>> PAGE_SHIFT, ENTRIES);
    } else {
      census.tables++;
      walkTable(memory, target, level + 1, census);
    }
  }
}

function countPages(census: Census, low: number, frame: number, pages: number): void {
  if ((low & Pte.SPECIAL) !== 0) return;
  census.resident += pages;
  for (let i = 0; i < pages; i++) census.maps[frame + i]++;
}

/** Mappings are in order, do not overlap, and add up to total_vm. */
function checkMappings(mm: MmStruct): void {
  let end = 0;
  let pages = 0;
  let locked = 0;
  for (const vma of mm.vmas.list) {
    assert(vma.start >= end, 'mappings are in order and apart');
    assert(vma.end > vma.start, 'a mapping is not empty');
    assert(vma.start % PAGE_BYTES === 0, 'a mapping starts on a page');
    assert(vma.end % PAGE_BYTES === 0, 'a mapping ends on a page');
    end = vma.end;
    const size = (vma.end - vma.start) / PAGE_BYTES;
    pages += size;
    if ((vma.flags & Vm.LOCKED) !== 0) locked += size;
  }
  same('total_vm', mm.totalVm, pages);
  same('locked_vm', mm.lockedVm, locked);
}

const hex = (value: number): string => `0x${value.toString(16)}`;

function same(what: string, found: number, expected: number): void {
  if (found !== expected) throw new MachineBug(`${what}: ${found}, expected ${expected}`);
}
