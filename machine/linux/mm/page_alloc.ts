/**
 * Page allocation and freeing as the kernel pays for it, after Linux 6.1 mm/page_alloc.c and
 * mm/mempolicy.c; the books are in buddy.ts. Omits: reclaim; an empty zone is out of memory.
 */
import { Cause } from '../../core/ledger/cause.ts';
import { High, ImageData, PerCpu } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { KernelCpu } from '../arch/x86/model/kernel-cpu.ts';
import { PAGE_BYTES, PAGE_SHIFT, type PhysicalMemory } from '../arch/x86/model/physical-memory.ts';
import { spinTrylock, spinUnlock } from '../kernel/locking/spinlock.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import { listDelEntryValid } from '../lib/list_debug.ts';
import type { BuddyAllocator } from './buddy.ts';
import { PageKind } from './mem_map.ts';
import { tracePoint, type TraceContext } from '../trace/points.ts';
import { Point } from '../trace/points-specs.ts';

/** What allocation needs: the books, the memory to zero, the CPU that pays. */
export interface PageSource extends TraceContext {
  readonly memory: PhysicalMemory;
  readonly buddy: BuddyAllocator;
}

const LINE_BYTES = 64;

/** clear_page_erms: rep stosb over the page; every line is written. */
export function clearPage(source: PageSource, frame: number): void {
  const { cpu, memory } = source;
  const physical = frame << PAGE_SHIFT;
  cpu.run(F.clear_page_erms, 4);
  cpu.stream('write', physical, High.DIRECT, PAGE_BYTES);
  cpu.charge(Cause.ZERO, (PAGE_BYTES / LINE_BYTES) * cpu.ticks.zeroPerLine);
  memory.zeroPage(physical);
  memory.written(physical);
}

/** What init_on_alloc does to a page that its user fills. Without it nobody pays, and nothing leaks. */
function initPage(source: PageSource, frame: number): void {
  if (source.cpu.hardening.initOnAlloc) {
    clearPage(source, frame);
    return;
  }
  source.memory.zeroPage(frame << PAGE_SHIFT);
  source.memory.written(frame << PAGE_SHIFT);
}

/** Zeroes `count` frames in a row, a clear_page_erms each. */
export function clearPages(source: PageSource, frame: number, count: number): void {
  for (let i = 0; i < count; i++) clearPage(source, frame + i);
}

/**
 * vma_alloc_folio for 2^order frames in one block: prepared and, with init_on_alloc, zeroed frame by
 * frame. -1 when there is no such block.
 */
export function allocHugePage(source: PageSource, order: number, kind: PageKind): number {
  const { cpu, buddy } = source;
  cpu.run(F.vma_alloc_folio, 96);
  cpu.run(F.__get_vma_policy, 10);
  cpu.run(F._find_first_bit, 13);
  cpu.run(F.policy_nodemask, 15);
  cpu.run(F.__folio_alloc, 17);
  cpu.run(F.__alloc_pages, 105);
  condResched(cpu);
  cpu.run(F.should_fail_alloc_page, 3);
  const frame = buddy.allocateBlock(order, kind);
  const count = 2 ** order;
  cpu.run(F.get_page_from_freelist, 210 + (frame < 0 ? 0 : 15 * count));
  if (frame < 0) return -1;
  cpu.writePageStruct(frame);
  cpu.run(F.prep_transhuge_page, 6);
  for (let i = 0; i < count; i++) initPage(source, frame + i);
  tracePoint(source, Point.MM_PAGE_ALLOC, frame, order);
  return frame;
}

/** __alloc_pages for one page, with __GFP_ZERO if `zeroed`. Returns a frame or -1. */
function allocPagesNodemask(source: PageSource, kind: PageKind, zeroed: boolean): number {
  const { cpu, buddy } = source;
  cpu.run(F.__alloc_pages, 105);
  cpu.stack(512, 2);
  cpu.readImage(ImageData.NODE_DATA);
  cpu.readImage(ImageData.NODE_DATA + 64);
  condResched(cpu);
  cpu.run(F.should_fail_alloc_page, 3);
  cpu.run(F.get_page_from_freelist, 204);
  cpu.stack(640, 2);
  for (let line = 1; line < 6; line++) cpu.readImage(ImageData.NODE_DATA + 64 * line);
  cpu.writePerCpu(PerCpu.PAGE_LISTS);
  cpu.writePerCpu(PerCpu.PAGE_LISTS + 64);
  cpu.writePerCpu(PerCpu.VM_EVENTS);
  const frame = buddy.allocatePage(kind);
  if (frame < 0) return -1;
  cpu.writePageStruct(frame);
  spinTrylock(cpu, cpu.perCpu + PerCpu.PAGE_LISTS);
  listDelEntryValid(cpu);
  spinUnlock(cpu);
  if (zeroed) clearPage(source, frame);
  else initPage(source, frame);
  tracePoint(source, Point.MM_PAGE_ALLOC, frame, 0);
  return frame;
}

function memoryPolicy(cpu: KernelCpu): void {
  cpu.run(F.policy_nodemask, 15);
  cpu.run(F.policy_node, 20);
  cpu.readImage(ImageData.NODE_DATA + 448);
  cpu.run(F._find_first_bit, 13);
}

/** alloc_pages: a frame for the kernel itself (page tables ...), or -1. */
export function allocPages(source: PageSource, kind = PageKind.KERNEL, zeroed = true): number {
  source.cpu.run(F.alloc_pages, 53);
  memoryPolicy(source.cpu);
  return allocPagesNodemask(source, kind, zeroed);
}

/** vma_alloc_folio: a frame for user memory, or -1. */
export function vmaAllocFolio(source: PageSource, kind = PageKind.ANON, zeroed = true): number {
  const { cpu } = source;
  cpu.run(F.vma_alloc_folio, 74);
  cpu.stack(448, 1);
  cpu.run(F.__get_vma_policy, 10);
  memoryPolicy(cpu);
  cpu.run(F.__folio_alloc, 13);
  const frame = allocPagesNodemask(source, kind, zeroed);
  cpu.run(F._compound_head, 6);
  return frame;
}

/** free_unref_page_list: gives frames back to the CPU's list. */
export function freeUnrefPageList(source: PageSource, frames: readonly number[]): void {
  const { cpu, buddy } = source;
  const count = frames.length;
  if (count === 0) {
    cpu.run(F.free_unref_page_list, 6);
    return;
  }
  cpu.run(F.free_unref_page_list, 56 + 96 * count);
  cpu.stack(512, 1);
  cpu.runCalls(F.free_pcp_prepare, 56 * count, count);
  listDelEntryValid(cpu, count);
  spinTrylock(cpu, cpu.perCpu + PerCpu.PAGE_LISTS);
  cpu.runCalls(F.free_unref_page_commit, 62 * count, count);
  for (const frame of frames) {
    cpu.writePageStruct(frame);
    cpu.writePerCpu(PerCpu.PAGE_LISTS + 64);
    buddy.freePage(frame);
  }
  cpu.runCalls(F.__list_add_valid, 17 * count, count);
  spinUnlock(cpu);
}
