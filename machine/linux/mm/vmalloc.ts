/**
 * Kernel stacks in the vmalloc area, after Linux 6.1 mm/vmalloc.c and kernel/fork.c
 * (alloc_thread_stack_node, VMAP_STACK): four single pages below a guard gap. The page tables of the
 * area stay when a stack goes. Omits: other users of vmalloc, the per-CPU cache of two stacks.
 */
import { High, Low, THREAD_BYTES } from '../arch/x86/model/address-map.ts';
import { PAGE_BYTES, PAGE_SHIFT, type PhysicalMemory } from '../arch/x86/model/physical-memory.ts';
import { NX_HIGH, Pte, writeEntry } from '../arch/x86/mm/pgtable.ts';
import type { BuddyAllocator } from './buddy.ts';

/** A stack and the gap below it. */
const SPACING = THREAD_BYTES * 2;
const STACKS_MAX = 2 ** 32 / SPACING - 1;
const KERNEL_ENTRY = Pte.PRESENT | Pte.WRITE | Pte.ACCESSED | Pte.DIRTY;
const SHIFTS = [39, 30, 21] as const;

export class KernelStacks {
  /** Slots that were used and are free again. */
  private readonly free: number[] = [];
  private next = 0;
  /** Frames of page tables, which are never given back. */
  readonly tables: number[] = [];

  constructor(
    private readonly memory: PhysicalMemory,
    private readonly buddy: BuddyAllocator,
    private readonly pgd: number,
  ) {}

  /** Maps a stack. Returns the low half of its top, or -1 without memory. */
  allocate(): number {
    const slot = this.free.pop() ?? this.next;
    if (slot >= STACKS_MAX) return -1;
    if (slot === this.next) this.next++;
    const top = Low.STACKS + (slot + 1) * SPACING;
    for (let low = top - THREAD_BYTES; low < top; low += PAGE_BYTES) {
      const entry = this.entry(low);
      const frame = entry < 0 ? -1 : this.buddy.allocatePage();
      if (frame < 0) {
        this.unmap(top);
        this.free.push(slot);
        return -1;
      }
      writeEntry(this.memory, entry, ((frame << PAGE_SHIFT) | KERNEL_ENTRY) >>> 0, NX_HIGH);
    }
    return top;
  }

  /** Gives a stack back by its top. Its translations may linger: the area is flushed lazily. */
  release(top: number): void {
    this.unmap(top);
    this.free.push((top - Low.STACKS) / SPACING - 1);
  }

  private unmap(top: number): void {
    for (let low = top - THREAD_BYTES; low < top; low += PAGE_BYTES) {
      const entry = this.entry(low);
      const value = entry < 0 ? 0 : this.memory.words[entry >>> 2];
      if ((value & Pte.PRESENT) === 0) continue;
      this.buddy.freePage(value >>> PAGE_SHIFT);
      writeEntry(this.memory, entry, 0, 0);
    }
  }

  /** Physical address of the page table entry for `low`, tables made on the way; -1 without memory. */
  private entry(low: number): number {
    let table = this.pgd;
    for (const shift of SHIFTS) {
      const child = this.child(table + slotOf(low, shift) * 8);
      if (child < 0) return -1;
      table = child;
    }
    return table + slotOf(low, 12) * 8;
  }

  private child(entry: number): number {
    const { memory, buddy } = this;
    const low = memory.words[entry >>> 2];
    if ((low & Pte.PRESENT) !== 0) return (low & Pte.FRAME) >>> 0;
    const frame = buddy.allocatePage();
    if (frame < 0) return -1;
    this.tables.push(frame);
    const table = frame << PAGE_SHIFT;
    memory.zeroPage(table);
    writeEntry(memory, entry, (table | KERNEL_ENTRY) >>> 0, 0);
    return table;
  }
}

/** The nine index bits of High.VMALLOC:low from `shift` up. */
function slotOf(low: number, shift: number): number {
  const page = (High.VMALLOC & 0xffff) * 2 ** 20 + (low >>> 12);
  return Math.floor(page / 2 ** (shift - 12)) & 511;
}
