/** Where two executions of one experiment part: the first row that differs, and how. */
import type { ColumnData, ColumnSpec, TableSpec } from '../../machine/core/trace/event-table.ts';
import type { ArrowTableFile } from '../recording/arrow-reader.ts';
import { TICK_COLUMN } from '../recording/format.ts';
import { SUMMARY_TABLES } from '../recording/summary-tables.ts';
import { type StoredData, storedColumn } from '../recording/stored-column.ts';

/** A row by column name; dictionary columns as strings. */
export type Row = Readonly<Record<string, number | bigint | string>>;

export interface Divergence {
  readonly table: string;
  /** Batch, from 0, and row in the table, from 0; null where the tables themselves differ. */
  readonly batch: number | null;
  readonly row: number | null;
  /** One sentence: which columns differ, or what is missing. */
  readonly reason: string;
  /** Null where the recording has no such row. */
  readonly recorded: Row | null;
  /** Null where the replay has no such row. */
  readonly replayed: Row | null;
}

/** The rows of one batch. */
export interface BatchRows {
  readonly rows: number;
  at(row: number): Row;
}

function rowsOf(spec: TableSpec, data: readonly StoredData[], rows: number): BatchRows {
  const cell = (column: ColumnSpec, i: number, row: number): number | bigint | string => {
    const value = data[i]?.[row] ?? 0;
    return column.values?.[Number(value)] ?? value;
  };
  return {
    rows,
    at: (row) =>
      Object.fromEntries(spec.columns.map((column, i) => [column.name, cell(column, i, row)])),
  };
}

const NO_ROWS: BatchRows = { rows: 0, at: () => ({}) };

/** The rows of a recorded batch; none where the table has no such batch. */
export function recordedRows(table: ArrowTableFile, batch: number): BatchRows {
  const index = table.batches[batch];
  if (index === undefined) return NO_ROWS;
  const data = table.spec.columns.map((_, column) => table.readColumn(batch, column));
  return rowsOf(table.spec, data, index.rows);
}

/** The rows of a batch as the machine hands it over. */
export function liveRows(spec: TableSpec, columns: readonly ColumnData[], rows: number): BatchRows {
  const data = spec.columns.map((column, i) => {
    const live = columns[i];
    if (live === undefined) throw new RangeError(`column ${column.name} is missing`);
    return storedColumn(column, live, rows);
  });
  return rowsOf(spec, data, rows);
}

function differingColumns(a: Row, b: Row): string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].filter((name) => !Object.is(a[name], b[name]));
}

export interface BatchPlace {
  readonly table: string;
  readonly batch: number;
  /** Rows of the table before this batch. */
  readonly rowsBefore: number;
}

/** The first row in which two batches differ; null when they hold the same. */
export function firstDifferingRow(
  { table, batch, rowsBefore }: BatchPlace,
  recorded: BatchRows,
  replayed: BatchRows,
): Divergence | null {
  const common = Math.min(recorded.rows, replayed.rows);
  for (let i = 0; i < common; i++) {
    const a = recorded.at(i);
    const b = replayed.at(i);
    const columns = differingColumns(a, b);
    if (columns.length === 0) continue;
    const reason = `${columns.join(', ')} ${columns.length === 1 ? 'differs' : 'differ'}`;
    return { table, batch, row: rowsBefore + i, reason, recorded: a, replayed: b };
  }
  if (recorded.rows === replayed.rows) return null;
  const place = { table, batch, row: rowsBefore + common };
  return recorded.rows > replayed.rows
    ? { ...place, reason: 'the replay ends here', recorded: recorded.at(common), replayed: null }
    : {
        ...place,
        reason: 'the recording ends here',
        recorded: null,
        replayed: replayed.at(common),
      };
}

/** A difference between the tables' columns themselves. */
export function schemaDivergence(recorded: TableSpec, replayed: TableSpec): Divergence {
  const key = (c: ColumnSpec): string => JSON.stringify([c.name, c.type, c.unit, c.values]);
  const index = replayed.columns.findIndex((column, i) => {
    const other = recorded.columns[i];
    return other === undefined || key(other) !== key(column);
  });
  const name = (replayed.columns[index] ?? recorded.columns[replayed.columns.length])?.name ?? '?';
  const reason = `the column ${name} is not of the same type, unit or dictionary`;
  return { table: replayed.name, batch: null, row: null, reason, recorded: null, replayed: null };
}

/** Sums of a whole run say nothing of when it parted: they come after every event. */
function tickOf({ table, recorded, replayed }: Divergence): number {
  if (SUMMARY_TABLES.has(table)) return Infinity;
  const ticks = [recorded, replayed].map((row) => Number(row?.[TICK_COLUMN] ?? Infinity));
  return Math.min(...ticks);
}

/** The one that happened first: by tick, and those without one last, by table name. */
export function earliest(divergences: readonly Divergence[]): Divergence | null {
  const order = (a: Divergence, b: Divergence): number => {
    const [tickA, tickB] = [tickOf(a), tickOf(b)];
    if (tickA !== tickB) return tickA < tickB ? -1 : 1;
    return a.table < b.table ? -1 : Number(a.table > b.table);
  };
  return [...divergences].sort(order)[0] ?? null;
}

function formatRow(row: Row | null): string {
  if (row === null) return '(none)';
  return Object.entries(row)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? JSON.stringify(value) : value}`)
    .join(' ');
}

/** Three lines: the place, the recorded row, the replayed row. */
export function formatDivergence(divergence: Divergence): string {
  const { table, batch, row, reason, recorded, replayed } = divergence;
  const place = row === null ? table : `${table}, row ${row} (batch ${batch ?? 0})`;
  if (recorded === null && replayed === null) return `${place}: ${reason}`;
  const lines = [`  recorded: ${formatRow(recorded)}`, `  replayed: ${formatRow(replayed)}`];
  return [`${place}: ${reason}`, ...lines].join('\n');
}
