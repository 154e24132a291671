/**
 * All code that was decoded: blocks by code space and address, their bytecode, and the regions that
 * were translated from them.
 *
 * A code space stands for an address space (an mm of the kernel). A block goes when its physical
 * page is written or its virtual page is unmapped. When memory for code runs out, everything is
 * dropped at once. Omits: sharing of code between address spaces.
 */
import { assert } from '../../core/assert.ts';
import { JumpCache } from '../jit/jump-cache.ts';
import type { TimedBlock } from '../jit/region-context.ts';
import type { LinearMemory } from '../memory/linear-memory.ts';
import type { AccountedBlock, Accounting } from './accounting.ts';
import { BlockTable } from './bytecode.ts';
import { accessFlow, encodeBlock, encodedBytes, InterpreterTable, setThreshold } from './encode.ts';
import type { IrBlock } from './ir.ts';
import type { BlockTiming } from './timing.ts';

/** Room for bytecode, unless asked otherwise. */
export const CODE_BYTES_DEFAULT = 24 << 20;
const TABLE_SETS = 1024;

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
  /** Bytecode executions at which the interpreter hands the block over. */
  threshold: number;
}

/** One address space's code. */
export class CodeSpace {
  readonly blocks = new Map<bigint, CodeBlock>();
  /** Blocks by virtual page number, under each page that they touch. */
  readonly byPage = new Map<number, Set<CodeBlock>>();
  readonly table: InterpreterTable;
  readonly jumps: JumpCache;

  constructor(
    readonly id: number,
    linear: LinearMemory,
    tableAt: number,
    jumpsAt: number,
  ) {
    this.table = new InterpreterTable(linear.data, tableAt, TABLE_SETS);
    this.jumps = new JumpCache(linear, jumpsAt);
  }
}

/** Where a code space keeps its tables; handed on when the space goes. */
interface SpaceTables {
  readonly tableAt: number;
  readonly jumpsAt: number;
}

export class CodeCache {
  private readonly spaces = new Map<number, CodeSpace>();
  private readonly tables = new Map<CodeSpace, SpaceTables>();
  private readonly freeTables: SpaceTables[] = [];
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
    this.codeBase = linear.arena.allocate(codeBytes);
    this.codeNext = this.codeBase;
  }

  /** The code space `id`, empty at first. */
  space(id: number): CodeSpace {
    let space = this.spaces.get(id);
    if (space === undefined) {
      const { arena } = this.linear;
      const tables = this.freeTables.pop() ?? {
        tableAt: arena.allocate(TABLE_SETS * BlockTable.SET_BYTES, BlockTable.SET_BYTES),
        jumpsAt: arena.allocate(JumpCache.BYTES),
      };
      space = new CodeSpace(id, this.linear, tables.tableAt, tables.jumpsAt);
      this.spaces.set(id, space);
      this.tables.set(space, tables);
    }
    return space;
  }

  /** True when a block of `ir` can be added without dropping others. */
  hasRoom(ir: IrBlock, timing: BlockTiming): boolean {
    const bytes = encodedBytes(ir, timing.flow) + 8;
    return this.accounting.hasRoom && this.codeNext + bytes <= this.codeBase + this.codeBytes;
  }

  add(
    space: CodeSpace,
    ir: IrBlock,
    timing: BlockTiming,
    pages: readonly number[],
    threshold: number,
  ): CodeBlock {
    const code = Math.ceil(this.codeNext / 8) * 8;
    this.codeNext = code + encodedBytes(ir, timing.flow);
    assert(this.codeNext <= this.codeBase + this.codeBytes, 'there is room for the bytecode');
    const block = this.accounting.add<CodeBlock>((record) => ({
      address: ir.address,
      ir,
      timing,
      baseTicks: timing.ticks,
      resolveTicks: timing.resolveTicks,
      record,
      executions: 0,
      faultsAfter: undefined,
      pendingTicks: 0,
      pendingInstructions: 0,
      touched: false,
      symbol: -1,
      code,
      pages,
      space,
      region: undefined,
      regions: new Set(),
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
    space.blocks.set(block.address, block);
    space.table.insert(block.address, block.code);
    return block;
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
    head.space.jumps.set(head.address, region.slot);
  }

  /** True when code was decoded from the virtual range [begin, end) of a space. */
  hasCodeIn(space: CodeSpace, begin: bigint, end: bigint): boolean {
    return this.pagesIn(space, begin, end).length > 0;
  }

  /** Drops the code whose bytes lie in a physical page. Records must have been harvested. */
  invalidatePage(page: number): void {
    for (const block of this.byPage.get(page) ?? []) this.drop(block);
    this.forgetRegions();
  }

  /** Drops the code of the pages of [begin, end) in a space. Records must have been harvested. */
  invalidateRange(space: CodeSpace, begin: bigint, end: bigint): void {
    for (const page of this.pagesIn(space, begin, end)) {
      for (const block of space.byPage.get(page) ?? []) this.drop(block);
    }
    this.forgetRegions();
  }

  /** Forgets a space. Records must have been harvested. */
  dropSpace(id: number): void {
    const space = this.spaces.get(id);
    if (space === undefined) return;
    for (const block of space.blocks.values()) this.drop(block);
    this.forgetRegions();
    this.spaces.delete(id);
    const tables = this.tables.get(space);
    if (tables !== undefined) this.freeTables.push(tables);
    this.tables.delete(space);
  }

  /** Drops all code of all spaces. Records must have been harvested. */
  clear(): void {
    for (const space of this.spaces.values()) {
      for (const block of space.blocks.values()) this.drop(block);
      space.table.clear();
      space.jumps.clear();
    }
    this.forgetRegions();
    this.codeNext = this.codeBase;
  }

  /** Virtual pages of the range from which code was decoded. */
  private pagesIn(space: CodeSpace, begin: bigint, end: bigint): number[] {
    const first = pageNumber(begin);
    const last = pageNumber(end - 1n);
    const pages: number[] = [];
    if (last - first < space.byPage.size) {
      for (let page = first; page <= last; page++) if (space.byPage.has(page)) pages.push(page);
    } else {
      for (const page of space.byPage.keys()) if (page >= first && page <= last) pages.push(page);
    }
    return pages;
  }

  private drop(block: CodeBlock): void {
    const { space } = block;
    for (const region of block.regions) this.dropped.push(region);
    space.blocks.delete(block.address);
    space.table.remove(block.address);
    space.jumps.delete(block.address);
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
      head.space.jumps.delete(head.address);
      setThreshold(this.linear.data, head.code, head.threshold);
      this.onDropRegion(region);
    }
    this.dropped.length = 0;
  }
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
