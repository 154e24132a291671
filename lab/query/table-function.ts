/**
 * A DuckDB table function over a recorded table: a query reads the columns that it names, straight
 * from the file, 2048 rows at a time with one copy each.
 */
import {
  BIGINT,
  type DuckDBConnection,
  DuckDBTableFunction,
  type DuckDBType,
  DOUBLE,
  ENUM,
  INTEGER,
  UBIGINT,
  UINTEGER,
  USMALLINT,
  UTINYINT,
} from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import type { ColumnSpec, ColumnType } from '../../machine/core/trace/event-table.ts';
import type { ArrowTableFile } from '../recording/arrow-reader.ts';
import { storedNumber } from '../recording/format.ts';
import type { StoredData } from '../recording/stored-column.ts';

/** Rows of a chunk: DuckDB's vector size. */
const CHUNK_ROWS = duckdb.vector_size();

const SQL_TYPES: Readonly<Record<Exclude<ColumnType, 'dictionary'>, DuckDBType>> = {
  u8: UTINYINT,
  u16: USMALLINT,
  u32: UINTEGER,
  i32: INTEGER,
  u64: UBIGINT,
  i64: BIGINT,
  f64: DOUBLE,
};

/** Amounts are at most 2^53 and get subtracted: as unsigned ones that would fail below zero. */
const AMOUNTS: ReadonlySet<string | undefined> = new Set<ColumnSpec['unit']>([
  'ticks',
  'bytes',
  'pages',
  'instructions',
]);

/** The SQL type of a column, whose values have the same bits as in the file. */
export function sqlTypeOf(column: ColumnSpec): DuckDBType {
  if (column.type === 'dictionary') return ENUM([...(column.values ?? [])]);
  if (column.type === 'u64' && AMOUNTS.has(column.unit)) return BIGINT;
  return SQL_TYPES[column.type];
}

/** Where a scan stands. */
interface Scan {
  /** Table column behind each projected one; beyond the columns for DuckDB's own (row id). */
  readonly columns: readonly number[];
  readonly data: (StoredData | undefined)[];
  batch: number;
  row: number;
  rows: number;
}

/** Counts what scans served, for progress: DuckDB itself knows nothing of it. */
export interface ScanProgress {
  batches: number;
}

export interface ScanHooks {
  readonly progress: ScanProgress;
  /** Takes the error that ended a scan; DuckDB only keeps its text. */
  readonly onError: (error: Error) => void;
}

function loadNextBatch(table: ArrowTableFile, scan: Scan): boolean {
  const batch = table.batches[++scan.batch];
  if (batch === undefined) return false;
  for (const [i, column] of scan.columns.entries()) {
    if (column < table.spec.columns.length) scan.data[i] = table.readColumn(scan.batch, column);
  }
  scan.row = 0;
  scan.rows = batch.rows;
  return true;
}

function copyRows(scan: Scan, chunk: duckdb.DataChunk, widths: readonly number[]): number {
  const rows = Math.min(CHUNK_ROWS, scan.rows - scan.row);
  for (const [i, column] of scan.columns.entries()) {
    const data = scan.data[i];
    const width = widths[column];
    if (data === undefined || width === undefined) continue;
    const vector = duckdb.data_chunk_get_vector(chunk, i);
    const offset = data.byteOffset + scan.row * width;
    duckdb.copy_data_to_vector(vector, 0, data.buffer as ArrayBuffer, offset, rows * width);
  }
  duckdb.data_chunk_set_size(chunk, rows);
  scan.row += rows;
  return rows;
}

/** Registers `name()` as the rows of `table`. The table must stay open as long as the connection. */
export function registerTable(
  connection: DuckDBConnection,
  name: string,
  table: ArrowTableFile,
  hooks: ScanHooks,
): void {
  const { columns } = table.spec;
  const types = columns.map(sqlTypeOf);
  const widths = columns.map((column) => storedNumber(column).bytes);
  const tableFunction = DuckDBTableFunction.create({
    name,
    supportsProjectionPushdown: true,
    bindFunction: (info) => {
      for (const [i, column] of columns.entries()) {
        info.addResultColumn(column.name, types[i] ?? BIGINT);
      }
      info.setCardinality(table.rowCount, true);
    },
    initFunction: (info) => {
      info.setMaxThreads(1);
      const projected = info.getColumnIndexes();
      const scan: Scan = { columns: projected, data: [], batch: -1, row: 0, rows: 0 };
      info.setInitData(scan);
    },
    mainFunction: (info, { chunk }) => {
      const scan = info.initData as Scan;
      try {
        if (scan.row < scan.rows || loadNextBatch(table, scan)) {
          copyRows(scan, chunk, widths);
          if (scan.row === scan.rows) hooks.progress.batches++;
        } else {
          duckdb.data_chunk_set_size(chunk, 0);
        }
      } catch (error) {
        // Thrown through native code it would become "Error in native callback".
        hooks.onError(error as Error);
        info.setError((error as Error).message);
      }
    },
  });
  connection.registerTableFunction(tableFunction);
  tableFunction.destroySync();
}
