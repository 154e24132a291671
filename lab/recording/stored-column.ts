/** A batch's columns in their stored form: the bytes that are hashed, compressed and written. */
import { assert } from '../../machine/core/assert.ts';
import type { ColumnData, ColumnSpec, TableSpec } from '../../machine/core/trace/event-table.ts';
import { BATCH_ROWS } from '../../machine/core/trace/event-table.ts';
import { type BatchDigest, batchSha256, sha256Hex } from './batch-digest.ts';
import { storedNumber, TICK_COLUMN } from './format.ts';

export type StoredData =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float64Array;

const TWO_32 = 2 ** 32;

function assertIndices(column: ColumnSpec, indices: ColumnData, rows: number): void {
  const count = column.values?.length ?? 0;
  let greatest = -1;
  for (let row = 0; row < rows; row++) greatest = Math.max(greatest, indices[row] ?? Infinity);
  assert(greatest < count, `column ${column.name}: index ${String(greatest)} of ${String(count)}`);
}

function storedIndices(column: ColumnSpec, data: ColumnData, rows: number): StoredData {
  assertIndices(column, data, rows);
  const valid = data.subarray(0, rows);
  const { bytes } = storedNumber(column);
  if (bytes === valid.BYTES_PER_ELEMENT) return valid;
  if (bytes === 1) return Uint8Array.from(valid);
  return bytes === 2 ? Uint16Array.from(valid) : Uint32Array.from(valid);
}

/** The first `rows` values of a column as stored. A view of `data`, but for narrowed indices. */
export function storedColumn(column: ColumnSpec, data: ColumnData, rows: number): StoredData {
  switch (column.type) {
    case 'dictionary':
      return storedIndices(column, data, rows);
    case 'u64':
      return new BigUint64Array(data.buffer as ArrayBuffer, data.byteOffset, rows);
    case 'i64':
      return new BigInt64Array(data.buffer as ArrayBuffer, data.byteOffset, rows);
    default:
      return data.subarray(0, rows);
  }
}

export function bytesOf(data: StoredData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function tickRange(spec: TableSpec, columns: readonly ColumnData[], rows: number) {
  const index = spec.columns.findIndex((c) => c.name === TICK_COLUMN && c.type === 'u64');
  const halves = columns[index];
  if (halves === undefined) return { tickMin: null, tickMax: null };
  let tickMin = Infinity;
  let tickMax = -Infinity;
  for (let row = 0; row < rows; row++) {
    const tick = (halves[row * 2 + 1] ?? 0) * TWO_32 + (halves[row * 2] ?? 0);
    if (tick < tickMin) tickMin = tick;
    if (tick > tickMax) tickMax = tick;
  }
  return { tickMin, tickMax };
}

export interface StoredBatch {
  readonly columns: readonly StoredData[];
  readonly digest: BatchDigest;
}

/** A batch in stored form, with its digest. The columns are views: use them before the next batch. */
export function storedBatch(
  spec: TableSpec,
  columns: readonly ColumnData[],
  rows: number,
): StoredBatch {
  assert(rows > 0 && rows <= BATCH_ROWS, `table ${spec.name}: a batch of ${String(rows)} rows`);
  assert(columns.length === spec.columns.length, `table ${spec.name}: one array for each column`);
  const stored = spec.columns.map((column, i) => {
    const data = columns[i];
    assert(data !== undefined, `table ${spec.name}: column ${column.name} is missing`);
    return storedColumn(column, data, rows);
  });
  const columnSha256 = stored.map((data) => sha256Hex(bytesOf(data)));
  const partial = { rows, ...tickRange(spec, columns, rows), columnSha256 };
  return { columns: stored, digest: { ...partial, sha256: batchSha256(partial) } };
}
