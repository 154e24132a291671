/**
 * Block records: the counters that executed code bumps in linear memory, and how they become
 * ledger postings, per-address execution counts and instruction totals.
 *
 * A block has a record in every CPU's block, at the same place, so CPUs take turns without any
 * work here. Only records that may have changed are looked at: the interpreter lists them, a
 * translated region lists itself when it is entered, a fault names its own.
 */
import { assert } from '../../core/assert.ts';
import { Cause } from '../../core/ledger/cause.ts';
import { Context } from '../../core/ledger/context.ts';
import type { Ledger } from '../../core/ledger/ledger.ts';
import type { Ticks } from '../../core/units.ts';
import { BlockRecord, Cpu, Records, Stall } from '../layout.ts';
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
const TWO_32 = 2 ** 32;
/** Programs end without anybody asking for counts; those that write code must not fill memory. */
const REMOVED_MAX = 1 << 14;

/** The part of the core that knows which records have changed. */
export interface HarvestCore {
  touchRecord(cpu: number, record: number): void;
  harvest(cpu: number, records: number, cells: number): number;
}

/** What accounting knows of a piece of code. */
export interface AccountedBlock {
  readonly address: bigint;
  /** Absent for code that could not be fetched. */
  readonly ir: IrBlock | undefined;
  readonly timing: BlockTiming;
  /** Place of its record: offset from a CPU block. */
  readonly record: number;
  /** Complete executions that were harvested. */
  executions: number;
  /** How often the block faulted after its first n instructions. */
  faultsAfter: Map<number, number> | undefined;
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
  /** Where the core puts what it harvests. */
  private readonly recordsOut: number;
  private readonly cellsOut: number;
  private readonly order: number[] = [];
  private readonly pending: Harvest[][];
  private readonly scratch = new Float64Array(Stall.COUNT);
  /** Executions by address of code that no longer exists. */
  private readonly retired = new Map<bigint, number>();
  /** Blocks that no longer exist and are not in `retired` yet. */
  private readonly removed: AccountedBlock[] = [];
  /** Instructions retired in user mode so far, as far as harvested. */
  instructions = 0;

  constructor(
    private readonly linear: LinearMemory,
    private readonly core: HarvestCore,
  ) {
    this.recordsOut = linear.arena.allocate(Records.MAX * 4);
    this.cellsOut = linear.arena.allocate(Records.MAX * BlockRecord.BYTES);
    this.pending = Array.from({ length: linear.cpus }, () => []);
  }

  /** True when another record can be handed out. */
  get hasRoom(): boolean {
    return this.freeRecords.length > 0 || this.blocks.length < Records.MAX;
  }

  /** A zeroed record for the block that `make` builds around it. */
  add<B extends AccountedBlock>(make: (record: number) => B): B {
    const index = this.freeRecords.pop() ?? this.blocks.length;
    assert(index < Records.MAX, 'there is a record for every block');
    const block = make(Cpu.RECORDS + index * BlockRecord.BYTES);
    this.blocks[index] = block;
    return block;
  }

  /** Takes back a record that has been harvested; its counts stay in the totals. */
  remove(block: AccountedBlock): void {
    if (block.executions !== 0 || block.faultsAfter !== undefined) this.removed.push(block);
    if (this.removed.length >= REMOVED_MAX) this.addRemoved();
    const index = (block.record - Cpu.RECORDS) >> RECORD_SHIFT;
    this.blocks[index] = undefined;
    this.freeRecords.push(index);
  }

  /** The block whose record is at `record`, an address in the block of `cpu`. */
  blockOf(cpu: number, record: number): AccountedBlock {
    return this.blockAt(record - this.linear.cpuBlock(cpu));
  }

  /** Books the instructions that a block completed before one of them faulted; returns their ticks. */
  bookPrefix(cpu: number, block: AccountedBlock, rip: bigint): Ticks {
    const record = this.linear.cpuBlock(cpu) + block.record;
    if (this.read64(record + BlockRecord.FAULTS) === 0) {
      this.core.touchRecord(this.linear.cpuBlock(cpu), record);
    }
    this.add64(record + BlockRecord.FAULTS, 1);
    const { ir } = block;
    if (ir === undefined) return 0;
    let complete = 0;
    while (complete < ir.instructions.length && ir.instructions[complete].address < rip) complete++;
    if (complete === 0) return 0;
    const ticks = block.timing.prefix[complete];
    this.add64(record + BlockRecord.FAULT_INSTRUCTIONS, complete);
    this.add64(record + BlockRecord.FAULT_TICKS, ticks);
    block.faultsAfter ??= new Map<number, number>();
    block.faultsAfter.set(complete, (block.faultsAfter.get(complete) ?? 0) + 1);
    return ticks;
  }

  /** Empties the records of every CPU, because blocks are about to go. */
  setAside(): void {
    this.pending.forEach((pending, cpu) => {
      this.setAsideOf(cpu, pending);
    });
  }

  /** Posts everything that `cpu` executed since its last settlement to the accounts of `tid`. */
  settle(cpu: number, tid: number, ledger: Ledger, resolve: ResolveSymbol): void {
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
    const pending = this.pending[cpu];
    if (pending.length === 0) {
      this.harvest(cpu, post);
      return;
    }
    this.setAsideOf(cpu, pending);
    pending.sort((a, b) => compareBlocks(a.block, b.block));
    for (const harvest of pending) post(harvest);
    pending.length = 0;
  }

  private addRemoved(): void {
    for (const block of this.removed) {
      for (const [address, count] of countsOf(block)) {
        this.retired.set(address, (this.retired.get(address) ?? 0) + count);
      }
    }
    this.removed.length = 0;
  }

  /** Executions of every instruction address so far, as far as harvested. */
  instructionCounts(): Map<bigint, number> {
    this.addRemoved();
    const counts = new Map(this.retired);
    for (const block of this.blocks) {
      if (block === undefined) continue;
      for (const [address, count] of countsOf(block)) {
        counts.set(address, (counts.get(address) ?? 0) + count);
      }
    }
    return counts;
  }

  private setAsideOf(cpu: number, pending: Harvest[]): void {
    this.harvest(cpu, (harvest) => {
      pending.push({ ...harvest, stalls: harvest.stalls.slice() });
    });
  }

  /** Empties every record that may have changed, in a fixed order. */
  private harvest(cpu: number, sink: (harvest: Harvest) => void): void {
    const { order, linear } = this;
    const count = this.core.harvest(linear.cpuBlock(cpu), this.recordsOut, this.cellsOut);
    order.length = 0;
    for (let i = 0; i < count; i++) order.push(i);
    const first = this.recordsOut >> 2;
    const blockOf = (i: number): AccountedBlock => this.blockAt(linear.i32[first + i]);
    // Executors touch in different orders; accounts must come into being in one.
    order.sort((a, b) => compareBlocks(blockOf(a), blockOf(b)));
    for (const i of order) {
      this.takeCells(blockOf(i), this.cellsOut + i * BlockRecord.BYTES, sink);
    }
  }

  private takeCells(block: AccountedBlock, at: number, sink: (harvest: Harvest) => void): void {
    const executions = this.read64(at + BlockRecord.COUNT);
    for (let cell = 0; cell < Stall.COUNT; cell++) {
      this.scratch[cell] = this.read64(at + BlockRecord.STALLS + 8 * cell);
    }
    const instructions =
      executions * (block.ir?.instructions.length ?? 0) +
      this.read64(at + BlockRecord.FAULT_INSTRUCTIONS);
    const baseTicks = executions * block.timing.ticks + this.read64(at + BlockRecord.FAULT_TICKS);
    block.executions += executions;
    this.instructions += instructions;
    sink({ block, executions, instructions, baseTicks, stalls: this.scratch });
  }

  /** The block whose record is at offset `record` of a CPU block. */
  private blockAt(record: number): AccountedBlock {
    const block = this.blocks[(record - Cpu.RECORDS) >> RECORD_SHIFT];
    assert(block !== undefined, 'a record in use has a block');
    return block;
  }

  private read64(at: number): number {
    return this.linear.i32[(at >> 2) + 1] * TWO_32 + this.linear.u32[at >> 2];
  }

  private add64(at: number, value: number): void {
    const sum = this.read64(at) + value;
    this.linear.u32[at >> 2] = sum >>> 0;
    this.linear.i32[(at >> 2) + 1] = Math.floor(sum / TWO_32);
  }
}

/** By address; the code of two address spaces may be at the same one. */
function compareBlocks(a: AccountedBlock, b: AccountedBlock): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return 0;
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
    symbol: -1,
  };
}
