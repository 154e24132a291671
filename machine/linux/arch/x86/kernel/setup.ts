/**
 * Physical memory and the kernel's own address space at boot, after Linux 6.1 arch/x86/kernel/setup.c,
 * e820.c, arch/x86/mm/init_64.c and cpu_entry_area.c. Omits: firmware tables, NUMA, holes for devices.
 */
import { fillTop } from '../mm/p4d.ts';
import { assert } from '../../../../core/assert.ts';
import { BuddyAllocator } from '../../../mm/buddy.ts';
import { Pte, writeEntry, NX_HIGH } from '../mm/pgtable.ts';
import {
  High,
  IMAGE_BYTES,
  IMAGE_PHYSICAL,
  Low,
  PAGE_STRUCT_BYTES,
  PerCpu,
} from '../model/address-map.ts';
import { PAGE_BYTES, PAGE_SHIFT, type PhysicalMemory } from '../model/physical-memory.ts';

const LARGE_BYTES = 2 ** 21;
const LOW_MEMORY_END = 0x9f000;
const HIGH_MEMORY = 0x100000;
const ENTRY_AREA_PAGES = 8;
const KERNEL_TABLE = Pte.PRESENT | Pte.WRITE | Pte.ACCESSED | Pte.DIRTY;
const KERNEL_PAGE = Pte.PRESENT | Pte.WRITE | Pte.ACCESSED | Pte.DIRTY;

/** A stretch of usable memory. */
export interface E820Range {
  readonly start: number;
  readonly end: number;
}

export interface BootMemory {
  readonly buddy: BuddyAllocator;
  readonly swapperPgd: number;
  /** What CR3 points to: swapperPgd itself, or with five levels the table above it. */
  readonly swapperTop: number;
  readonly zeroPage: number;
  /** Physical address of each CPU's per-CPU area. */
  readonly perCpu: readonly number[];
  readonly e820: readonly E820Range[];
}

/** e820: low memory below the BIOS area, then everything from 1 MiB. */
export function e820Map(memoryBytes: number): E820Range[] {
  return [
    { start: PAGE_BYTES, end: LOW_MEMORY_END },
    { start: HIGH_MEMORY, end: memoryBytes },
  ];
}

/** Builds page tables while there is no allocator: memblock, from the end of the image up. */
class EarlyTables {
  next = IMAGE_PHYSICAL + IMAGE_BYTES;

  constructor(
    private readonly memory: PhysicalMemory,
    private readonly end: number,
    private readonly global: number,
  ) {}

  reserve(bytes: number, align = PAGE_BYTES): number {
    const start = Math.ceil(this.next / align) * align;
    this.next = start + Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    assert(this.next <= this.end, 'the kernel fits into memory');
    this.memory.bytes.fill(0, start, this.next);
    return start;
  }

  /** Maps one page, 4 KiB or 2 MiB. */
  map(pgd: number, high: number, low: number, physical: number, options: PageOptions): void {
    const slots = [(high >>> 7) & 511, ((high & 0x7f) << 2) | (low >>> 30), (low >>> 21) & 511];
    let table = pgd;
    const depth = options.large ? 2 : 3;
    for (let level = 0; level < depth; level++) table = this.child(table + slots[level] * 8);
    const index = options.large ? slots[2] : (low >>> 12) & 511;
    const bits = KERNEL_PAGE | this.global | (options.large ? Pte.LARGE : 0);
    writeEntry(
      this.memory,
      table + index * 8,
      (physical | bits) >>> 0,
      options.execute ? 0 : NX_HIGH,
    );
  }

  private child(entry: number): number {
    const low = this.memory.words[entry >>> 2];
    if ((low & Pte.PRESENT) !== 0) return (low & Pte.FRAME) >>> 0;
    const table = this.reserve(PAGE_BYTES);
    writeEntry(this.memory, entry, (table | KERNEL_TABLE) >>> 0, 0);
    return table;
  }
}

interface PageOptions {
  readonly large: boolean;
  readonly execute: boolean;
}

const LARGE_DATA = { large: true, execute: false } as const;
const SMALL_DATA = { large: false, execute: false } as const;

/** setup_arch, as far as memory goes. `bytes` is a multiple of 4096. */
export function setupMemory(
  memory: PhysicalMemory,
  options: {
    readonly bytes: number;
    readonly cpus: number;
    readonly pti: boolean;
    readonly la57: boolean;
  },
): BootMemory {
  const { bytes, cpus, pti, la57 } = options;
  // With PTI a global kernel entry would outlive the switch to the user's table.
  const early = new EarlyTables(memory, bytes, pti ? 0 : Pte.GLOBAL);
  const swapperPgd = early.reserve(PAGE_BYTES);
  const zeroPage = early.reserve(PAGE_BYTES);
  const swapperTop = la57 ? early.reserve(PAGE_BYTES) : swapperPgd;
  if (la57) fillTop(memory, swapperTop, swapperPgd);
  for (let at = 0; at < bytes; at += LARGE_BYTES) {
    early.map(swapperPgd, High.DIRECT, at, at, LARGE_DATA);
  }
  for (let at = 0; at < IMAGE_BYTES; at += LARGE_BYTES) {
    const execute = Low.TEXT + at < Low.DATA;
    early.map(swapperPgd, High.IMAGE, Low.TEXT + at, IMAGE_PHYSICAL + at, { large: true, execute });
  }
  mapPageStructs(early, swapperPgd, bytes);
  for (let page = 0; page < ENTRY_AREA_PAGES * cpus; page++) {
    const frame = early.reserve(PAGE_BYTES);
    early.map(swapperPgd, High.ENTRY_AREA, page * PAGE_BYTES, frame, SMALL_DATA);
  }
  const perCpu = Array.from({ length: cpus }, () => early.reserve(PerCpu.BYTES));
  const e820 = e820Map(bytes);
  return {
    buddy: freeAll(e820, early.next, bytes / PAGE_BYTES),
    swapperPgd,
    swapperTop,
    zeroPage,
    perCpu,
    e820,
  };
}

/** The struct page array, one entry for each frame. */
function mapPageStructs(early: EarlyTables, pgd: number, bytes: number): void {
  const structs = (bytes / PAGE_BYTES) * PAGE_STRUCT_BYTES;
  for (let at = 0; at < structs; at += LARGE_BYTES) {
    early.map(pgd, High.VMEMMAP, at, early.reserve(LARGE_BYTES, LARGE_BYTES), LARGE_DATA);
  }
}

/** memblock_free_all: everything usable outside the image and what was reserved after it. */
function freeAll(e820: readonly E820Range[], reservedEnd: number, frames: number): BuddyAllocator {
  const buddy = new BuddyAllocator(frames);
  for (const { start, end } of e820) {
    const ranges = [
      [start, Math.min(end, IMAGE_PHYSICAL)],
      [Math.max(start, reservedEnd), end],
    ];
    for (const [from, to] of ranges) {
      if (from < to) buddy.addRange(from >>> PAGE_SHIFT, to >>> PAGE_SHIFT);
    }
  }
  return buddy;
}
