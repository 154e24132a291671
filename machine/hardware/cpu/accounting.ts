/**
 * Block records: the counters that executed code bumps in linear memory, and how they become
 * ledger postings, per-address execution counts and instruction totals.
 *
 * Records belong to code, not to CPUs or tasks: whoever runs next on another CPU harvests first
 * what the last one left. Only records that may have changed are looked at: the interpreter lists
 * them, a translated region sets a flag when it is entered, a fault names its own.
 */
import { assert } from '../../core/assert.ts';
import { Cause } from '../../core/ledger/cause.ts';
import { Context } from '../../core/ledger/context.ts';
import type { Ledger } from '../../core/ledger/ledger.ts';
import type { Ticks } from '../../core/units.ts';
import { BlockRecord, Header, Region, Stall } from '../layout.ts';
import type { LinearMemory } from '../memory/linear-memory.ts';
import type { IrBlock } from './ir.ts';
import type { BlockTiming } from './timing.ts';

/** The ledger's cause of each stall cell. */
export const STALL_CAUSES: readonly Cause[] = [
  Cause.FRONTEND,
  Cause.BRANCH,
  Cause.L2,
  Cause.LLC,
  Cause.DRAM,
  Cause.DTLB,
  Cause.PAGE_WALK,
  Cause.COHERENCE,
  Cause.ATOMIC,
  Cause.DATA_DEPENDENT,
];

const RECORD_SHIFT = Math.log2(BlockRecord.BYTES);
const RECORDS_MAX = 1 << 16;
const FLAGS_MAX = 1 << 16;

/** What accounting knows of a piece of code. */
export interface AccountedBlock {
  readonly address: bigint;
  /** Absent for code that could not be fetched. */
  readonly ir: IrBlock | undefined;
  readonly timing: BlockTiming;
  readonly record: number;
  /** Complete executions that were harvested. */
  executions: number;
  /** How often the block faulted after its first n instructions. */
  faultsAfter: Map<number, number> | undefined;
  /** Prefixes since the last harvest. */
  pendingTicks: Ticks;
  pendingInstructions: number;
  /** True while the block is in the list of touched blocks. */
  touched: boolean;
  /** Index in the run's symbol table, once resolved. */
  symbol: number;
}

/** What one harvested record holds. */
interface Harvest {
  readonly block: AccountedBlock;
  readonly executions: number;
  readonly instructions: number;
  readonly baseTicks: Ticks;
  readonly stalls: Float64Array;
}

export type ResolveSymbol = (address: bigint) => number;

export class Accounting {
  private readonly blocks: (AccountedBlock | undefined)[] = [];
  private readonly freeRecords: number[] = [];
  private readonly recordBase: number;
  private readonly flagBase: number;
  private readonly list: number;
  private flagCount = 0;
  private readonly flagged: (readonly AccountedBlock[])[] = [];
  private readonly touchedBlocks: AccountedBlock[] = [];
  private readonly pending: Harvest[][];
  private readonly scratch = new Float64Array(Stall.COUNT);
  /** Executions by address of code that no longer exists. */
  private readonly retired = new Map<bigint, number>();
  /** Instructions retired in user mode so far, as far as harvested. */
  instructions = 0;

  constructor(private readonly linear: LinearMemory) {
    const { arena, i32 } = linear;
    this.recordBase = arena.allocate(RECORDS_MAX * BlockRecord.BYTES, BlockRecord.BYTES);
    this.flagBase = arena.allocate(FLAGS_MAX);
    this.list = arena.allocate(RECORDS_MAX * 4);
    i32[(Region.HEADER + Header.TOUCHED_LIST) >> 2] = this.list;
    i32[(Region.HEADER + Header.TOUCHED_COUNT) >> 2] = 0;
    this.pending = Array.from({ length: linear.cpus }, () => []);
  }

  /** True when another record can be handed out. */
  get hasRoom(): boolean {
    return this.freeRecords.length > 0 || this.blocks.length < RECORDS_MAX;
  }

  /** A zeroed record for the block that `make` builds around it. */
  add<B extends AccountedBlock>(make: (record: number) => B): B {
    const index = this.freeRecords.pop() ?? this.blocks.length;
    assert(index < RECORDS_MAX, 'there is a record for every block');
    const block = make(this.recordBase + index * BlockRecord.BYTES);
    this.blocks[index] = block;
    return block;
  }

  /** Takes back a record that has been harvested; its counts stay in the totals. */
  remove(block: AccountedBlock): void {
    assert(!block.touched, 'a block is harvested before it goes');
    for (const [address, count] of countsOf(block)) {
      this.retired.set(address, (this.retired.get(address) ?? 0) + count);
    }
    const index = (block.record - this.recordBase) >> RECORD_SHIFT;
    this.blocks[index] = undefined;
    this.freeRecords.push(index);
  }

  /** Address of a byte that a region of these blocks sets when it is entered. */
  addFlag(blocks: readonly AccountedBlock[]): number {
    const flag = this.flagCount++;
    assert(flag < FLAGS_MAX, 'there is a flag for every region');
    this.flagged[flag] = blocks;
    this.linear.u8[this.flagBase + flag] = 0;
    return this.flagBase + flag;
  }

  /** Forgets all flags, after a harvest. */
  resetFlags(): void {
    this.flagCount = 0;
    this.flagged.length = 0;
  }

  blockOf(record: number): AccountedBlock {
    const block = this.blocks[(record - this.recordBase) >> RECORD_SHIFT];
    assert(block !== undefined, 'a record in use has a block');
    return block;
  }

  touch(block: AccountedBlock): void {
    if (block.touched) return;
    block.touched = true;
    this.touchedBlocks.push(block);
  }

  /** Books the instructions that a block completed before one of them faulted; returns their ticks. */
  bookPrefix(block: AccountedBlock, rip: bigint): Ticks {
    this.touch(block);
    const { ir } = block;
    if (ir === undefined) return 0;
    let complete = 0;
    while (complete < ir.instructions.length && ir.instructions[complete].address < rip) complete++;
    if (complete === 0) return 0;
    const ticks = block.timing.prefix[complete];
    block.pendingTicks += ticks;
    block.pendingInstructions += complete;
    block.faultsAfter ??= new Map<number, number>();
    block.faultsAfter.set(complete, (block.faultsAfter.get(complete) ?? 0) + 1);
    return ticks;
  }

  /** Sets what the records hold aside for `cpu`, because another CPU is about to run. */
  setAside(cpu: number): void {
    this.harvest((harvest) => {
      this.pending[cpu].push({ ...harvest, stalls: harvest.stalls.slice() });
    });
  }

  /** Posts everything that `cpu` executed since its last settlement to the accounts of `tid`. */
  settle(cpu: number, tid: number, ledger: Ledger, resolve: ResolveSymbol, current: boolean): void {
    const post = (harvest: Harvest): void => {
      const { block, stalls } = harvest;
      if (block.symbol < 0) block.symbol = resolve(block.address);
      const account = ledger.account(cpu, tid, Context.USER, block.symbol);
      if (harvest.baseTicks !== 0) ledger.post(account, Cause.BASE, harvest.baseTicks);
      for (let cell = 0; cell < Stall.COUNT; cell++) {
        if (stalls[cell] !== 0) ledger.post(account, STALL_CAUSES[cell], stalls[cell]);
      }
      ledger.count(account, harvest.executions, harvest.instructions);
    };
    const aside = this.pending[cpu];
    if (aside.length === 0) {
      if (current) this.harvest(post);
      return;
    }
    if (current) this.setAside(cpu);
    aside.sort(byAddress);
    for (const harvest of aside) post(harvest);
    aside.length = 0;
  }

  /** Executions of every instruction address so far, as far as harvested. */
  instructionCounts(): Map<bigint, number> {
    const counts = new Map(this.retired);
    for (const block of this.blocks) {
      if (block === undefined) continue;
      for (const [address, count] of countsOf(block)) {
        counts.set(address, (counts.get(address) ?? 0) + count);
      }
    }
    return counts;
  }

  /** Empties every record that may have changed, in a fixed order. */
  private harvest(sink: (harvest: Harvest) => void): void {
    this.collectTouched();
    const { touchedBlocks } = this;
    // Executors touch in different orders; accounts must come into being in one.
    touchedBlocks.sort((a, b) => compare(a.address, b.address));
    for (const block of touchedBlocks) this.harvestBlock(block, sink);
    touchedBlocks.length = 0;
  }

  private collectTouched(): void {
    const { i32, u8 } = this.linear;
    const countAt = (Region.HEADER + Header.TOUCHED_COUNT) >> 2;
    const listed = i32[countAt];
    for (let i = 0; i < listed; i++) {
      const block = this.blocks[(i32[(this.list >> 2) + i] - this.recordBase) >> RECORD_SHIFT];
      if (block !== undefined) this.touch(block);
    }
    i32[countAt] = 0;
    for (let flag = 0; flag < this.flagCount; flag++) {
      if (u8[this.flagBase + flag] === 0) continue;
      u8[this.flagBase + flag] = 0;
      for (const block of this.flagged[flag]) this.touch(block);
    }
  }

  private harvestBlock(block: AccountedBlock, sink: (harvest: Harvest) => void): void {
    const { i32, u32 } = this.linear;
    const at = block.record >> 2;
    const read = (offset: number): number => {
      const cell = at + (offset >> 2);
      const value = i32[cell + 1] * 2 ** 32 + u32[cell];
      i32[cell] = 0;
      i32[cell + 1] = 0;
      return value;
    };
    const executions = read(BlockRecord.COUNT);
    read(BlockRecord.REP_ITERATIONS);
    let any = executions !== 0 || block.pendingInstructions !== 0;
    for (let cell = 0; cell < Stall.COUNT; cell++) {
      const ticks = read(BlockRecord.STALLS + 8 * cell);
      this.scratch[cell] = ticks;
      any ||= ticks !== 0;
    }
    block.touched = false;
    if (!any) return;
    const instructions =
      executions * (block.ir?.instructions.length ?? 0) + block.pendingInstructions;
    const baseTicks = executions * block.timing.ticks + block.pendingTicks;
    block.executions += executions;
    block.pendingInstructions = 0;
    block.pendingTicks = 0;
    this.instructions += instructions;
    sink({ block, executions, instructions, baseTicks, stalls: this.scratch });
  }
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** When code was dropped in between depends on the executor, so the order of harvests does too. */
function byAddress(a: Harvest, b: Harvest): number {
  return compare(a.block.address, b.block.address);
}

/** Executions of each instruction of a block. */
function countsOf(block: AccountedBlock): [address: bigint, count: number][] {
  const { ir, executions, faultsAfter } = block;
  if (ir === undefined) return [];
  const counts: [bigint, number][] = [];
  ir.instructions.forEach(({ address }, index) => {
    let count = executions;
    for (const [complete, faults] of faultsAfter ?? []) if (index < complete) count += faults;
    if (count !== 0) counts.push([address, count]);
  });
  return counts;
}

/** Stands for code at an address that could not be fetched: it has stalls, but never executes. */
export function absentBlock(address: bigint, record: number): AccountedBlock {
  return {
    address,
    ir: undefined,
    timing: { ticks: 0, resolveTicks: 0, prefix: new Int32Array(1) },
    record,
    executions: 0,
    faultsAfter: undefined,
    pendingTicks: 0,
    pendingInstructions: 0,
    touched: false,
    symbol: -1,
  };
}
