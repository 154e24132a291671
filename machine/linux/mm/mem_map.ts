/**
 * struct page of every frame, after Linux 6.1 include/linux/mm_types.h and page-flags.h (mem_map):
 * who owns a frame, how often it is held and how often user page tables map it. As columns, by frame
 * number. Huge pages count in each of their frames. Omits: the LRU lists, swap, memory cgroups.
 */
import { assert } from '../../core/assert.ts';

/** What a frame is used for. */
export const enum PageKind {
  /** In the allocator, or never handed to it. */
  FREE = 0,
  /** A page of the kernel itself: stacks, rings, the vDSO. */
  KERNEL = 1,
  SLAB = 2,
  /** A page table of a process. */
  TABLE = 3,
  /** Private memory of processes. */
  ANON = 4,
  /** In the page cache. */
  FILE = 5,
  /** In the pool of hugetlb pages or in use from it. */
  HUGETLB = 6,
}

export const PAGE_KINDS = 7;

/** page->flags as far as the model keeps them. */
export const enum PageFlag {
  /** PG_anon_exclusive: one address space alone has it, so a write needs no copy. */
  EXCLUSIVE = 0x1,
  /** PG_dirty of a page in the page cache. */
  DIRTY = 0x2,
  /** Part of a transparent huge page that no one has split. */
  HUGE = 0x4,
}

export class MemMap {
  readonly kind: Uint8Array;
  readonly flags: Uint8Array;
  /** _refcount: who keeps the frame from being freed. */
  readonly refs: Int32Array;
  /** _mapcount + 1: entries of user page tables. */
  readonly maps: Int32Array;

  constructor(readonly frames: number) {
    this.kind = new Uint8Array(frames);
    this.flags = new Uint8Array(frames);
    this.refs = new Int32Array(frames);
    this.maps = new Int32Array(frames);
  }

  /** prep_new_page for 2^order frames. */
  take(frame: number, order: number, kind = PageKind.KERNEL): void {
    const end = frame + 2 ** order;
    for (let at = frame; at < end; at++) {
      this.kind[at] = kind;
      this.refs[at] = 1;
    }
  }

  /** free_pages_prepare: the last holder lets go of 2^order frames that nothing maps. */
  release(frame: number, order: number): void {
    const end = frame + 2 ** order;
    for (let at = frame; at < end; at++) {
      assert(this.kind[at] !== PageKind.FREE, 'a page is freed once');
      assert(this.refs[at] <= 1, 'a page that is freed has no other holder');
      assert(this.maps[at] === 0, 'a page that is freed is not mapped');
      this.kind[at] = PageKind.FREE;
      this.flags[at] = 0;
      this.refs[at] = 0;
    }
  }

  /** get_page */
  get(frame: number): void {
    assert(this.refs[frame] > 0, 'only a page that someone holds can be held');
    this.refs[frame]++;
  }

  /** put_page_testzero: true when that was the last hold; the caller frees. */
  put(frame: number): boolean {
    assert(this.refs[frame] > 0, 'a page has no more holders than were counted');
    // The last one stays counted until release().
    if (this.refs[frame] === 1) return true;
    this.refs[frame]--;
    return false;
  }

  /** A user page table maps the frame once more. */
  map(frame: number): void {
    this.maps[frame]++;
  }

  /** One entry less. Returns how many are left. */
  unmap(frame: number): number {
    assert(this.maps[frame] > 0, 'a page is unmapped as often as it was mapped');
    return --this.maps[frame];
  }

  /** Frames in use by kind. */
  census(): number[] {
    const counts = new Array<number>(PAGE_KINDS).fill(0);
    for (let frame = 0; frame < this.frames; frame++) counts[this.kind[frame]]++;
    return counts;
  }
}
