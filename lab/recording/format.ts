/**
 * The recording format: what the writer, the readers and the manifest agree on.
 *
 * A table is an Arrow IPC file of this profile: the schema message stands at byte 8 as well as in the
 * footer, dictionaries come before the first batch, no column has nulls, batches hold at most
 * BATCH_ROWS rows, bodies are plain or zstd. Bump FORMAT_VERSION whenever a reader could misread.
 */
import type { ColumnSpec, ColumnType } from '../../machine/core/trace/event-table.ts';

export const FORMAT_VERSION = 1;

export const ARROW_MAGIC = 'ARROW1';
/** Magic and two bytes of padding: the first message starts here. */
export const FIRST_MESSAGE_OFFSET = 8;

export const TABLE_FILE_SUFFIX = '.arrow';

/** Table names become file names and SQL names: nothing else may be in them. */
export const TABLE_NAME = /^[a-z][a-z0-9_]*$/;

/** A dictionary's strings together may not be longer: bounds what a hostile file can allocate. */
export const DICTIONARY_BYTES_MAX = 64 << 20;
/** A message's metadata may not be longer. */
export const MESSAGE_METADATA_BYTES_MAX = 16 << 20;

/** Keys of the metadata in schemas, fields and batches. */
export const METADATA = {
  format: 'cyclelab.format',
  table: 'cyclelab.table',
  comment: 'comment',
  default: 'cyclelab.default',
  schemaSha256: 'cyclelab.schema_sha256',
  unit: 'unit',
  type: 'cyclelab.type',
  sha256: 'sha256',
  columnSha256: 'column_sha256',
  tickMin: 'tick_min',
  tickMax: 'tick_max',
} as const;

/** Name of the column whose least and greatest value each batch states. */
export const TICK_COLUMN = 'tick';

interface StoredNumber {
  readonly bytes: number;
  readonly kind: 'unsigned' | 'signed' | 'float';
}

const STORED: Readonly<Record<Exclude<ColumnType, 'dictionary'>, StoredNumber>> = {
  u8: { bytes: 1, kind: 'unsigned' },
  u16: { bytes: 2, kind: 'unsigned' },
  u32: { bytes: 4, kind: 'unsigned' },
  i32: { bytes: 4, kind: 'signed' },
  u64: { bytes: 8, kind: 'unsigned' },
  i64: { bytes: 8, kind: 'signed' },
  f64: { bytes: 8, kind: 'float' },
};

export const COLUMN_TYPES: ReadonlySet<string> = new Set([...Object.keys(STORED), 'dictionary']);

/** Bytes of a dictionary index: the width that DuckDB gives an ENUM of as many values. */
export function dictionaryIndexBytes(valueCount: number): 1 | 2 | 4 {
  if (valueCount <= 0xff) return 1;
  return valueCount <= 0xffff ? 2 : 4;
}

/** How a column's values lie in the file. */
export function storedNumber(column: Pick<ColumnSpec, 'type' | 'values'>): StoredNumber {
  if (column.type !== 'dictionary') return STORED[column.type];
  return { bytes: dictionaryIndexBytes(column.values?.length ?? 0), kind: 'unsigned' };
}
