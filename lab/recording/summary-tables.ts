/**
 * The tables that the lab writes at a run's end, beside the machine's tracepoints: `ledger`,
 * `windows`, `symbols`, `tasks`. All sums that the lab prints come from the first.
 */
import { assert } from '../../machine/core/assert.ts';
import { CAUSES, Cause } from '../../machine/core/ledger/cause.ts';
import { CONTEXTS } from '../../machine/core/ledger/context.ts';
import type { LedgerRow, LedgerWindow } from '../../machine/core/ledger/ledger.ts';
import type { CodeSymbol } from '../../machine/core/ledger/symbols.ts';
import type { Ticks } from '../../machine/core/units.ts';
import {
  EventTable,
  type TableSpec,
  type TraceSink,
} from '../../machine/core/trace/event-table.ts';

/** Names of these tables. Their ticks are those of stretches of the run, not of events. */
export const SUMMARY_TABLES: ReadonlySet<string> = new Set([
  'ledger',
  'windows',
  'symbols',
  'tasks',
]);

/** Event tables hold dictionary indices in 16 bits. */
const DICTIONARY_MAX = 0x10000;

/**
 * A column's list of strings for a table whose rows are known: each string once, in order of first
 * appearance. A dictionary may not be empty (SQL has no empty ENUM), so one string is always there.
 */
function dictionaryOf(strings: readonly string[]): string[] {
  const distinct = [...new Set(strings)];
  assert(distinct.length <= DICTIONARY_MAX, `${String(distinct.length)} distinct strings`);
  return distinct.length > 0 ? distinct : [''];
}

const positions = (values: readonly string[]): Map<string, number> =>
  new Map(values.map((value, i) => [value, i]));

export const LEDGER_TABLE: TableSpec = {
  name: 'ledger',
  comment:
    'Where every tick went: one row for each account (cpu, tid, context, symbol) and cause, per window.',
  default: true,
  columns: [
    { name: 'window_id', type: 'u32', comment: 'Window of the run: joins windows.window_id.' },
    { name: 'cpu', type: 'u16', comment: 'CPU whose clock advanced.' },
    { name: 'tid', type: 'i32', comment: 'Thread that was current; 0 is the idle task.' },
    { name: 'context', type: 'dictionary', comment: 'Execution context.', values: CONTEXTS },
    { name: 'symbol_id', type: 'u32', comment: 'Function: joins symbols.symbol_id.' },
    { name: 'cause', type: 'dictionary', comment: 'Why the time was spent.', values: CAUSES },
    { name: 'ticks', type: 'u64', unit: 'ticks', comment: 'Time booked under this cause.' },
    {
      name: 'instructions',
      type: 'u64',
      unit: 'instructions',
      comment:
        'Retired instructions of the account, stated on its `base` row only: sums are right.',
    },
    {
      name: 'count',
      type: 'i64',
      comment:
        'Executions of the blocks (user) or calls of the function (kernel), on the `base` row only.',
    },
  ],
};

const enum LedgerColumn {
  WINDOW_ID,
  CPU,
  TID,
  CONTEXT,
  SYMBOL_ID,
  CAUSE,
  TICKS,
  INSTRUCTIONS,
  COUNT,
}

function compareAccounts(a: LedgerRow, b: LedgerRow): number {
  return (
    a.window - b.window ||
    a.cpu - b.cpu ||
    a.tid - b.tid ||
    a.context - b.context ||
    a.symbol - b.symbol
  );
}

function writeAccount(table: EventTable, account: LedgerRow): void {
  for (const cause of CAUSES.keys()) {
    const ticks = account.ticks[cause] ?? 0;
    const isBase = cause === (Cause.BASE as number);
    const booked = isBase && (account.instructions > 0 || account.count > 0);
    if (ticks === 0 && !booked) continue;
    const row = table.next();
    table.set(LedgerColumn.WINDOW_ID, row, account.window);
    table.set(LedgerColumn.CPU, row, account.cpu);
    table.set(LedgerColumn.TID, row, account.tid);
    table.set(LedgerColumn.CONTEXT, row, account.context);
    table.set(LedgerColumn.SYMBOL_ID, row, account.symbol);
    table.set(LedgerColumn.CAUSE, row, cause);
    table.setWide(LedgerColumn.TICKS, row, ticks);
    table.setWide(LedgerColumn.INSTRUCTIONS, row, isBase ? account.instructions : 0);
    table.setWide(LedgerColumn.COUNT, row, isBase ? account.count : 0);
  }
}

/** Writes the ledger, sorted by window, cpu, tid, context, symbol, cause: no host order gets in. */
export function writeLedgerTable(sink: TraceSink, rows: readonly LedgerRow[]): void {
  const table = new EventTable(LEDGER_TABLE, sink);
  for (const account of [...rows].sort(compareAccounts)) writeAccount(table, account);
  table.finish();
}

function windowsTable(names: readonly string[]): TableSpec {
  return {
    name: 'windows',
    comment: 'The windows of the run, one row for each CPU: what lies between two markers.',
    default: true,
    columns: [
      { name: 'tick', type: 'u64', unit: 'ticks', comment: "The CPU's clock as it began." },
      { name: 'cpu', type: 'u16', comment: 'CPU.' },
      { name: 'dur', type: 'u64', unit: 'ticks', comment: 'How far the clock went.' },
      { name: 'window_id', type: 'u32', comment: 'Number of the window, from 0.' },
      { name: 'phase', type: 'dictionary', comment: 'Name of the window.', values: names },
    ],
  };
}

export function writeWindowsTable(sink: TraceSink, windows: readonly LedgerWindow[]): void {
  const names = dictionaryOf(windows.map((window) => window.name));
  const index = positions(names);
  const table = new EventTable(windowsTable(names), sink);
  for (const [id, window] of windows.entries()) {
    for (const [cpu, begin] of window.begin.entries()) {
      const row = table.next();
      table.setWide(0, row, begin);
      table.set(1, row, cpu);
      table.setWide(2, row, (window.end[cpu] ?? begin) - begin);
      table.set(3, row, id);
      table.set(4, row, index.get(window.name) ?? 0);
    }
  }
  table.finish();
}

function symbolsTable(names: readonly string[], modules: readonly string[]): TableSpec {
  return {
    name: 'symbols',
    comment: 'Every function that time was booked to.',
    default: true,
    columns: [
      { name: 'symbol_id', type: 'u32', comment: 'Number of the symbol, from 0.' },
      { name: 'name', type: 'dictionary', comment: 'Name of the function.', values: names },
      {
        name: 'module',
        type: 'dictionary',
        comment: '`vmlinux`, `vdso`, or the path of the executable.',
        values: modules,
      },
      { name: 'address', type: 'u64', unit: 'address', comment: 'Where it begins.' },
      { name: 'size', type: 'u64', unit: 'bytes', comment: 'Length of its code.' },
    ],
  };
}

export function writeSymbolsTable(sink: TraceSink, symbols: readonly CodeSymbol[]): void {
  const names = dictionaryOf(symbols.map((symbol) => symbol.name));
  const modules = dictionaryOf(symbols.map((symbol) => symbol.module));
  const nameIndex = positions(names);
  const moduleIndex = positions(modules);
  const table = new EventTable(symbolsTable(names, modules), sink);
  for (const [id, symbol] of symbols.entries()) {
    const row = table.next();
    table.set(0, row, id);
    table.set(1, row, nameIndex.get(symbol.name) ?? 0);
    table.set(2, row, moduleIndex.get(symbol.module) ?? 0);
    const high = Number((symbol.address >> 32n) & 0xffff_ffffn);
    table.setHalves(3, row, Number(symbol.address & 0xffff_ffffn), high);
    table.setWide(4, row, symbol.size);
  }
  table.finish();
}

/** A thread of the run, as the kernel model knew it at the end. */
export interface TaskRow {
  readonly tid: number;
  /** Thread group: what user space calls the process id. */
  readonly tgid: number;
  /** Thread id of the creator. */
  readonly parent: number;
  /** Name, as in /proc/PID/comm. */
  readonly comm: string;
  readonly startTick: Ticks;
  /** Absent for a task that lived to the end of the run. */
  readonly exitTick?: Ticks;
}

function tasksTable(comms: readonly string[]): TableSpec {
  return {
    name: 'tasks',
    comment: 'Every thread of the run, as a slice from its creation to its end.',
    default: true,
    columns: [
      { name: 'tick', type: 'u64', unit: 'ticks', comment: 'When it was created.' },
      { name: 'tid', type: 'i32', comment: 'Thread id.' },
      { name: 'dur', type: 'u64', unit: 'ticks', comment: 'Until it exited, or the run ended.' },
      { name: 'tgid', type: 'i32', comment: 'Thread group (process) id.' },
      { name: 'parent', type: 'i32', comment: 'Thread that created it.' },
      { name: 'comm', type: 'dictionary', comment: 'Name of the thread.', values: comms },
      {
        name: 'exited',
        type: 'u8',
        comment: '1 if it exited, 0 if it lived to the end of the run.',
      },
    ],
  };
}

/** Writes the tasks by tid. `runEnd` stands for the end of those that did not exit. */
export function writeTasksTable(sink: TraceSink, tasks: readonly TaskRow[], runEnd: Ticks): void {
  const comms = dictionaryOf(tasks.map((task) => task.comm));
  const index = positions(comms);
  const table = new EventTable(tasksTable(comms), sink);
  for (const task of [...tasks].sort((a, b) => a.tid - b.tid || a.startTick - b.startTick)) {
    const row = table.next();
    table.setWide(0, row, task.startTick);
    table.set(1, row, task.tid);
    table.setWide(2, row, Math.max(0, (task.exitTick ?? runEnd) - task.startTick));
    table.set(3, row, task.tgid);
    table.set(4, row, task.parent);
    table.set(5, row, index.get(task.comm) ?? 0);
    table.set(6, row, task.exitTick === undefined ? 0 : 1);
  }
  table.finish();
}
