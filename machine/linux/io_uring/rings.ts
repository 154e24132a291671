/**
 * The memory that io_uring shares with its user: rings and submission entries in frames of their own,
 * after Linux 6.1 io_uring/io_uring.c (struct io_rings, rings_size). Every access goes through the
 * caches at the kernel's address of the line.
 */
import type { MappedFile } from '../include/linux/mm_types.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import type { Kernel } from '../init/kernel.ts';
import { PageKind } from '../mm/mem_map.ts';
import { dropPages } from '../mm/shmem-pages.ts';

/** Offsets in struct io_rings. */
export const enum RingField {
  SQ_HEAD = 0,
  SQ_TAIL = 64,
  CQ_HEAD = 128,
  CQ_TAIL = 192,
  SQ_MASK = 256,
  CQ_MASK = 260,
  SQ_ENTRIES = 264,
  CQ_ENTRIES = 268,
  SQ_DROPPED = 272,
  SQ_FLAGS = 276,
  CQ_FLAGS = 280,
  CQ_OVERFLOW = 284,
  CQES = 320,
}

const LINE_BYTES = 64;

export interface RingShape {
  readonly sqEntries: number;
  readonly cqEntries: number;
  readonly sqeBytes: number;
  readonly cqeBytes: number;
}

/** Contiguous frames, power-of-two many of them. */
interface Area {
  readonly physical: number;
  readonly mapping: MappedFile;
}

function allocateArea(kernel: Kernel, bytes: number): Area | null {
  let order = 0;
  while (PAGE_BYTES << order < bytes) order++;
  const first = kernel.buddy.allocateBlock(order, PageKind.FILE);
  if (first < 0) return null;
  const pages = 1 << order;
  for (let page = 0; page < pages; page++) kernel.memory.zeroPage((first + page) << PAGE_SHIFT);
  const mapping: MappedFile = {
    path: 'anon_inode:[io_uring]',
    size: pages * PAGE_BYTES,
    bytes: new Uint8Array(),
    pages: new Map(Array.from({ length: pages }, (_, page) => [page, first + page])),
    mappings: 0,
  };
  return { physical: first << PAGE_SHIFT, mapping };
}

/** The ring is gone: its frames go now, or with the last mapping. */
function releaseArea(kernel: Kernel, { mapping }: Area): void {
  const drop = (at: Kernel): void => {
    dropPages(at, mapping, 0);
  };
  if (mapping.mappings > 0) mapping.unmapped = drop;
  else drop(kernel);
}

export class Rings {
  readonly arrayOffset: number;
  private readonly words: Uint32Array;

  private constructor(
    private readonly kernel: Kernel,
    readonly shape: RingShape,
    private readonly ring: Area,
    private readonly sqes: Area,
  ) {
    this.arrayOffset = Rings.arrayOffset(shape);
    this.words = kernel.memory.words;
    this.poke(RingField.SQ_MASK, shape.sqEntries - 1);
    this.poke(RingField.CQ_MASK, shape.cqEntries - 1);
    this.poke(RingField.SQ_ENTRIES, shape.sqEntries);
    this.poke(RingField.CQ_ENTRIES, shape.cqEntries);
  }

  /** Where the array of indices begins: behind the completions, on a line of its own. */
  private static arrayOffset({ cqEntries, cqeBytes }: RingShape): number {
    const end = RingField.CQES + cqEntries * cqeBytes;
    return Math.ceil(end / LINE_BYTES) * LINE_BYTES;
  }

  /** io_allocate_scq_urings: null without memory. */
  static allocate(kernel: Kernel, shape: RingShape): Rings | null {
    const ring = allocateArea(kernel, Rings.arrayOffset(shape) + shape.sqEntries * 4);
    if (ring === null) return null;
    const sqes = allocateArea(kernel, shape.sqEntries * shape.sqeBytes);
    if (sqes !== null) return new Rings(kernel, shape, ring, sqes);
    releaseArea(kernel, ring);
    return null;
  }

  get ringMapping(): MappedFile {
    return this.ring.mapping;
  }

  get sqesMapping(): MappedFile {
    return this.sqes.mapping;
  }

  free(): void {
    for (const area of [this.ring, this.sqes]) releaseArea(this.kernel, area);
  }

  /** A field's value, without a charge. */
  peek(offset: number): number {
    return this.words[(this.ring.physical + offset) >>> 2];
  }

  poke(offset: number, value: number): void {
    this.words[(this.ring.physical + offset) >>> 2] = value;
  }

  /** A field's value, read through the caches. */
  read(offset: number): number {
    this.kernel.cpu.read(this.ring.physical + offset);
    return this.peek(offset);
  }

  write(offset: number, value: number): void {
    this.kernel.cpu.write(this.ring.physical + offset);
    this.poke(offset, value);
  }

  /** Physical address of the submission entry with that index; its line is read. */
  sqe(index: number): number {
    const physical = this.sqes.physical + index * this.shape.sqeBytes;
    this.kernel.cpu.read(physical);
    return physical;
  }

  /** Writes completion number `tail` (it wraps). */
  writeCqe(tail: number, completion: Completion): void {
    const { cqEntries, cqeBytes } = this.shape;
    const offset = RingField.CQES + (tail & (cqEntries - 1)) * cqeBytes;
    const physical = this.ring.physical + offset;
    const { kernel, words } = this;
    kernel.cpu.write(physical);
    kernel.memory.setBigUint64(physical, completion.userData);
    words[(physical + 8) >>> 2] = completion.result >>> 0;
    words[(physical + 12) >>> 2] = 0;
    if (cqeBytes === 2 * 16) words.fill(0, (physical + 16) >>> 2, (physical + 32) >>> 2);
  }
}

export interface Completion {
  readonly userData: bigint;
  /** Result of the operation or -errno. */
  readonly result: number;
}
