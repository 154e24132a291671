/**
 * All code that was decoded: blocks by code space and address, their bytecode, and the regions that
 * were translated from them.
 *
 * A code space stands for an address space (an mm of the kernel). A block goes when its physical
 * page is written or its virtual page is unmapped. When memory for code runs out, everything is
 * dropped at once. Omits: sharing of code between address spaces.
 */
import { assert } from '../../core/assert.ts';
import { RegionList } from '../layout.ts';
import type { TimedBlock } from '../jit/region-context.ts';
import type { LinearMemory } from '../memory/linear-memory.ts';
import type { AccountedBlock, Accounting } from './accounting.ts';
import { accessFlow, encodeBlock, encodedBytes, setThreshold } from './encode.ts';
import type { IrBlock } from './ir.ts';
import { TablePool, type SpaceTables } from './space-tables.ts';
import type { BlockTiming } from './timing.ts';

/** Room for bytecode, unless asked otherwise. */
export const CODE_BYTES_DEFAULT = 24 << 20;
const PAGE_BYTES = 4096;

/** Blocks translated together. */
export interface CodeRegion {
  readonly head: CodeBlock;
  readonly blocks: readonly CodeBlock[];
  readonly slot: number;
}

export interface CodeBlock extends AccountedBlock, TimedBlock {
  readonly ir: IrBlock;
  /** Linear address of its bytecode. */
  readonly code: number;
  /** Physical pages that its bytes lie in: one or two. */
  readonly pages: readonly number[];
  readonly space: CodeSpace;
  /** The region that begins here. */
  region: CodeRegion | undefined;
  /** Regions that contain it. */
  readonly regions: Set<CodeRegion>;
  /** True once it is no longer the code at its address. */
  dropped: boolean;
  /** Bytecode executions at which the interpreter hands the block over. */
  threshold: number;
}

/** One address space's code. */
export class CodeSpace {
  readonly blocks = new Map<bigint, CodeBlock>();
  /** Blocks of one instruction, for those that write code. Nothing chains to them. */
  readonly single = new Map<bigint, CodeBlock>();
  /** Blocks by virtual page number, under each page that they touch. */
  readonly byPage = new Map<number, Set<CodeBlock>>();
  /** Present while a CPU is in the space, and as long after as nobody else needs them. */
  tables: SpaceTables | undefined;

  constructor(readonly id: number) {}
}

export class CodeCache {
  private readonly spaces = new Map<number, CodeSpace>();
  private readonly pool: TablePool;
  private readonly byPage = new Map<number, Set<CodeBlock>>();
  private readonly codeBase: number;
  private codeNext: number;
  private readonly dropped: CodeRegion[] = [];

  constructor(
    private readonly linear: LinearMemory,
    private readonly accounting: Accounting,
    /** Called when a region stops being valid. */
    private readonly onDropRegion: (region: CodeRegion) => void,
    private readonly codeBytes: number,
  ) {
    this.pool = new TablePool(linear);
    this.codeBase = linear.arena.allocate(codeBytes);
    this.codeNext = this.codeBase;
  }

  /** The code space `id`, empty at first, with tables; `running` are those that CPUs are in. */
  space(id: number, running: readonly CodeSpace[]): CodeSpace {
    let space = this.spaces.get(id);
    if (space === undefined) {
      space = new CodeSpace(id);
      this.spaces.set(id, space);
    }
    space.tables ??= this.pool.take(this.spaces.values(), running);
    return space;
  }

  /** True when a block of `ir` can be added without dropping others. */
  hasRoom(ir: IrBlock, timing: BlockTiming): boolean {
    return this.accounting.hasRoom && encodedBytes(ir, timing.flow) + 8 <= this.free;
  }

  add(
    space: CodeSpace,
    ir: IrBlock,
    timing: BlockTiming,
    pages: readonly number[],
    threshold: number,
  ): CodeBlock {
    const code = this.allocate(encodedBytes(ir, timing.flow));
    const block = this.accounting.add<CodeBlock>((record) => ({
      address: ir.address,
      ir,
      timing,
      baseTicks: timing.ticks,
      resolveTicks: timing.resolveTicks,
      record,
      executions: 0,
      faultsAfter: undefined,
      symbol: -1,
      code,
      pages,
      space,
      region: undefined,
      regions: new Set(),
      dropped: false,
      threshold,
      access: accessFlow(code, ir, timing.flow),
    }));
    encodeBlock(this.linear.data, code, ir, {
      record: block.record,
      ticks: timing.ticks,
      resolveTicks: timing.resolveTicks,
      threshold,
      flow: timing.flow,
    });
    for (const page of pages) enter(this.byPage, page, block);
    for (const page of virtualPages(block)) enter(space.byPage, page, block);
    return block;
  }

  /** Bytes for code and lists that are left. */
  get free(): number {
    return this.codeBase + this.codeBytes - this.codeNext;
  }

  private allocate(bytes: number): number {
    const at = Math.ceil(this.codeNext / 8) * 8;
    this.codeNext = at + bytes;
    assert(this.free >= 0, 'there is room for the bytecode');
    return at;
  }

  /** Writes the RegionList of a region that is about to be translated; returns its address. */
  addList(flag: number, blocks: readonly CodeBlock[]): number {
    const { i32 } = this.linear;
    const list = this.allocate(listBytes(blocks) - 8);
    i32[(list + RegionList.FLAG) >> 2] = flag;
    i32[(list + RegionList.COUNT) >> 2] = blocks.length;
    blocks.forEach(({ record }, index) => {
      i32[((list + RegionList.RECORDS) >> 2) + index] = record;
    });
    return list;
  }

  /** Makes the block the one at its address. */
  publish(block: CodeBlock): void {
    const { space } = block;
    space.blocks.set(block.address, block);
    space.tables?.table.insert(block.address, block.code);
  }

  setThreshold(block: CodeBlock, threshold: number): void {
    block.threshold = threshold;
    setThreshold(this.linear.data, block.code, threshold);
  }

  addRegion(region: CodeRegion): void {
    const { head } = region;
    head.region = region;
    for (const block of region.blocks) block.regions.add(region);
    setThreshold(this.linear.data, head.code, 0);
    head.space.tables?.jumps.set(head.address, region.slot);
  }

  hasSpace(id: number): boolean {
    return this.spaces.has(id);
  }

  /** True when code was decoded from the virtual range [begin, end) of a space. */
  hasCodeIn(id: number, begin: number, end: number): boolean {
    const space = this.spaces.get(id);
    return space !== undefined && pagesIn(space, begin, end).length > 0;
  }

  /** Drops the code whose bytes lie in a physical page. Records must have been harvested. */
  invalidatePage(page: number): void {
    for (const block of this.byPage.get(page) ?? []) this.drop(block);
    this.forgetRegions();
  }

  /** Drops the code of the pages of [begin, end) in a space. Records must have been harvested. */
  invalidateRange(id: number, begin: number, end: number): void {
    const space = this.spaces.get(id);
    if (space === undefined) return;
    for (const page of pagesIn(space, begin, end)) {
      for (const block of space.byPage.get(page) ?? []) this.drop(block);
    }
    this.forgetRegions();
  }

  /** Forgets a space. Records must have been harvested. */
  dropSpace(id: number): void {
    const space = this.spaces.get(id);
    if (space === undefined) return;
    for (const block of everyBlock(space)) this.drop(block);
    this.forgetRegions();
    this.spaces.delete(id);
    if (space.tables !== undefined) this.pool.giveBack(space.tables);
  }

  /** Drops all code of all spaces. Records must have been harvested. */
  clear(): void {
    for (const space of this.spaces.values()) {
      for (const block of everyBlock(space)) this.drop(block);
      space.tables?.clear();
    }
    this.forgetRegions();
    this.codeNext = this.codeBase;
  }

  private drop(block: CodeBlock): void {
    const { space } = block;
    block.dropped = true;
    for (const region of block.regions) this.dropped.push(region);
    if (space.single.get(block.address) === block) {
      space.single.delete(block.address);
    } else {
      space.blocks.delete(block.address);
      space.tables?.table.remove(block.address);
      space.tables?.jumps.delete(block.address);
    }
    for (const page of block.pages) leave(this.byPage, page, block);
    for (const page of virtualPages(block)) leave(space.byPage, page, block);
    this.accounting.remove(block);
  }

  private forgetRegions(): void {
    for (const region of this.dropped) {
      const { head, blocks } = region;
      if (head.region !== region) continue;
      head.region = undefined;
      for (const block of blocks) block.regions.delete(region);
      head.space.tables?.jumps.delete(head.address);
      setThreshold(this.linear.data, head.code, head.threshold);
      this.onDropRegion(region);
    }
    this.dropped.length = 0;
  }
}

/** The most that a region's list takes, alignment included. */
export function listBytes(blocks: readonly CodeBlock[]): number {
  return RegionList.RECORDS + 4 * blocks.length + 8;
}

/** Virtual pages of [begin, end) from which code was decoded. */
function pagesIn(space: CodeSpace, begin: number, end: number): number[] {
  const first = Math.floor(begin / PAGE_BYTES);
  const last = Math.ceil(end / PAGE_BYTES) - 1;
  const pages: number[] = [];
  if (last - first < space.byPage.size) {
    for (let page = first; page <= last; page++) if (space.byPage.has(page)) pages.push(page);
  } else {
    for (const page of space.byPage.keys()) if (page >= first && page <= last) pages.push(page);
  }
  return pages;
}

function everyBlock(space: CodeSpace): CodeBlock[] {
  return [...space.blocks.values(), ...space.single.values()];
}

function pageNumber(address: bigint): number {
  return Number(BigInt.asUintN(64, address) >> 12n);
}

function virtualPages(block: CodeBlock): number[] {
  const first = pageNumber(block.address);
  const last = pageNumber(block.address + BigInt(block.ir.length - 1));
  return first === last ? [first] : [first, last];
}

function enter(index: Map<number, Set<CodeBlock>>, page: number, block: CodeBlock): void {
  const onPage = index.get(page);
  if (onPage === undefined) index.set(page, new Set([block]));
  else onPage.add(block);
}

function leave(index: Map<number, Set<CodeBlock>>, page: number, block: CodeBlock): void {
  const onPage = index.get(page);
  onPage?.delete(block);
  if (onPage?.size === 0) index.delete(page);
}
