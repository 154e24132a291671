/**
 * The buddy allocator's books, after Linux 6.1 mm/page_alloc.c: free areas of orders 0 to 10 and a
 * per-CPU list of single frames, most recently freed first. One zone, one migrate type. The costs
 * are in page_alloc.ts. Omits: zones, watermarks, migrate types, compaction.
 */
import { assert } from '../../core/assert.ts';
import { MemMap, PageKind } from './mem_map.ts';

/** Largest order: blocks of 2^10 pages. */
export const ORDER_MAX = 10;
/** Frames moved between the free areas and a CPU's list at a time (pcp->batch). */
const PCP_BATCH = 63;
/** Frames on a CPU's list above which a batch goes back (pcp->high). */
const PCP_HIGH = 378;

export class BuddyAllocator {
  /** Free blocks by order, as sets of first frames; the last one freed is taken first. */
  private readonly free: Set<number>[] = Array.from({ length: ORDER_MAX + 1 }, () => new Set());
  private readonly pcp: number[] = [];
  private freeCount = 0;
  private managed = 0;
  /** struct page of every frame. */
  readonly pages: MemMap;

  /** Frames are numbered below `frames`. */
  constructor(frames: number) {
    this.pages = new MemMap(frames);
  }

  /** Frames that are free, the per-CPU list included. */
  get freePages(): number {
    return this.freeCount;
  }

  /** Frames that it was given at boot. */
  get managedPages(): number {
    return this.managed;
  }

  /** Hands the frames `first` .. `end` - 1 to the allocator (memblock_free_all). */
  addRange(first: number, end: number): void {
    let frame = first;
    this.managed += end - first;
    while (frame < end) {
      let order = ORDER_MAX;
      while (order > 0 && (frame & ((1 << order) - 1) || frame + (1 << order) > end)) order--;
      this.free[order].add(frame);
      this.freeCount += 1 << order;
      frame += 1 << order;
    }
  }

  /** One frame from the per-CPU list, or -1 when memory is used up. */
  allocatePage(kind = PageKind.KERNEL): number {
    if (this.pcp.length === 0) this.refill();
    const frame = this.pcp.pop();
    if (frame === undefined) return -1;
    this.freeCount--;
    this.pages.take(frame, 0, kind);
    return frame;
  }

  freePage(frame: number): void {
    this.pages.release(frame, 0);
    this.pcp.push(frame);
    this.freeCount++;
    if (this.pcp.length <= PCP_HIGH) return;
    for (const cold of this.pcp.splice(0, PCP_BATCH)) this.merge(cold, 0);
  }

  /** First frame of 2^order frames, or -1. */
  allocateBlock(order: number, kind = PageKind.KERNEL): number {
    const frame = this.take(order);
    if (frame < 0) return frame;
    this.freeCount -= 1 << order;
    this.pages.take(frame, order, kind);
    return frame;
  }

  freeBlock(frame: number, order: number): void {
    this.pages.release(frame, order);
    this.freeCount += 1 << order;
    this.merge(frame, order);
  }

  private refill(): void {
    for (let i = 0; i < PCP_BATCH; i++) {
      const frame = this.take(0);
      if (frame < 0) break;
      this.pcp.unshift(frame);
    }
  }

  private take(order: number): number {
    let from = order;
    while (from <= ORDER_MAX && this.free[from].size === 0) from++;
    if (from > ORDER_MAX) return -1;
    const [frame] = this.free[from];
    this.free[from].delete(frame);
    // The upper half of each split goes back, as in expand().
    while (from > order) {
      from--;
      this.free[from].add(frame + (1 << from));
    }
    return frame;
  }

  private merge(frame: number, order: number): void {
    let block = frame;
    let size = order;
    while (size < ORDER_MAX) {
      const buddy = block ^ (1 << size);
      if (!this.free[size].delete(buddy)) break;
      block = Math.min(block, buddy);
      size++;
    }
    assert(!this.free[size].has(block), 'a block is freed once');
    this.free[size].add(block);
  }
}
