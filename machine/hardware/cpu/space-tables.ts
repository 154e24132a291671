/**
 * The tables through which executors find code without the dispatcher, one pair for each code space
 * that runs. They are caches: a space that has not run for long may lose its pair to another.
 */
import { assert } from '../../core/assert.ts';
import { JumpCache } from '../jit/jump-cache.ts';
import { Cpu } from '../layout.ts';
import type { LinearMemory } from '../memory/linear-memory.ts';
import { BlockTable } from './bytecode.ts';
import { InterpreterTable } from './encode.ts';

const TABLE_SETS = 4096;
/** Pairs besides one for each CPU. */
const SPARE_PAIRS = 16;

export class SpaceTables {
  readonly table: InterpreterTable;
  readonly jumps: JumpCache;

  constructor(private readonly linear: LinearMemory) {
    const { arena } = linear;
    const bytes = TABLE_SETS * BlockTable.SET_BYTES;
    const tableAt = arena.allocate(bytes, BlockTable.SET_BYTES);
    this.table = new InterpreterTable(linear.data, tableAt, TABLE_SETS);
    this.jumps = new JumpCache(linear, arena.allocate(JumpCache.BYTES));
  }

  /** Makes a CPU use them. */
  attach(cpuBlock: number): void {
    this.table.attach(cpuBlock);
    this.linear.i32[(cpuBlock + Cpu.JUMP_CACHE) >> 2] = this.jumps.address;
  }

  clear(): void {
    this.table.clear();
    this.jumps.clear();
  }
}

/** Who may have a pair. */
export interface TableOwner {
  tables: SpaceTables | undefined;
}

export class TablePool {
  private readonly free: SpaceTables[] = [];
  private made = 0;

  constructor(private readonly linear: LinearMemory) {}

  /** An empty pair; `owners`, oldest first, are asked for one that none of `running` uses. */
  take(owners: Iterable<TableOwner>, running: readonly TableOwner[]): SpaceTables {
    const free = this.free.pop();
    if (free !== undefined) return free;
    if (this.made < this.linear.cpus + SPARE_PAIRS) {
      this.made++;
      return new SpaceTables(this.linear);
    }
    for (const owner of owners) {
      const { tables } = owner;
      if (tables === undefined || running.includes(owner)) continue;
      owner.tables = undefined;
      tables.clear();
      return tables;
    }
    assert(false, 'there is a pair of tables for every CPU');
  }

  giveBack(tables: SpaceTables): void {
    tables.clear();
    this.free.push(tables);
  }
}
