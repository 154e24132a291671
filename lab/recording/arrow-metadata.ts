/**
 * Arrow's metadata (format/Schema.fbs, Message.fbs, File.fbs), decoded into plain objects. Covers
 * what a recording uses; nested types, deltas and views are read as far as naming them.
 */
import { FlatbufferError, FlatTable } from './flatbuffer.ts';

/** Ids of the union `Type`. */
const enum TypeId {
  INT = 2,
  FLOATING_POINT = 3,
  UTF8 = 5,
}

/** Ids of the union `MessageHeader`. */
const enum HeaderId {
  SCHEMA = 1,
  DICTIONARY_BATCH = 2,
  RECORD_BATCH = 3,
}

const METADATA_VERSION_V5 = 4;
const PRECISION_DOUBLE = 2;
const BLOCK_BYTES = 24;
const PAIR_BYTES = 16;

export type ArrowType =
  | { readonly kind: 'unsigned' | 'signed' | 'float'; readonly bytes: number }
  | { readonly kind: 'utf8' }
  | { readonly kind: 'other'; readonly id: number };

export interface ArrowField {
  readonly name: string;
  readonly nullable: boolean;
  readonly type: ArrowType;
  readonly dictionary: { readonly id: number; readonly index: ArrowType } | null;
  readonly metadata: ReadonlyMap<string, string>;
}

export interface ArrowSchema {
  readonly fields: readonly ArrowField[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** Where a message stands in the file. */
export interface ArrowBlock {
  readonly offset: number;
  readonly metadataBytes: number;
  readonly bodyBytes: number;
}

export interface ArrowFooter {
  readonly schema: ArrowSchema;
  readonly dictionaries: readonly ArrowBlock[];
  readonly batches: readonly ArrowBlock[];
}

export interface ArrowBatch {
  readonly rows: number;
  readonly nodes: readonly { readonly length: number; readonly nullCount: number }[];
  /** Relative to the message's body. */
  readonly buffers: readonly { readonly offset: number; readonly length: number }[];
  readonly compression: 'none' | 'lz4' | 'zstd' | 'unknown';
}

export type ArrowHeader =
  | { readonly kind: 'schema'; readonly schema: ArrowSchema }
  | {
      readonly kind: 'dictionary';
      readonly id: number;
      readonly isDelta: boolean;
      readonly batch: ArrowBatch;
    }
  | { readonly kind: 'batch'; readonly batch: ArrowBatch }
  | { readonly kind: 'other'; readonly id: number };

export interface ArrowMessage {
  readonly bodyBytes: number;
  readonly header: ArrowHeader;
  readonly metadata: ReadonlyMap<string, string>;
}

function required<T>(value: T | null, what: string): T {
  if (value === null) throw new FlatbufferError(`metadata without ${what}`);
  return value;
}

function keyValues(tables: readonly FlatTable[]): Map<string, string> {
  return new Map(tables.map((pair) => [pair.string(0) ?? '', pair.string(1) ?? '']));
}

const intType = (table: FlatTable | null): ArrowType => ({
  kind: table?.bool(1) === true ? 'signed' : 'unsigned',
  // An absent Int stands for the default of DictionaryEncoding: 32 bits, signed.
  bytes: table === null ? 4 : table.i32(0) / 8,
});

function decodeType(id: number, table: FlatTable | null): ArrowType {
  if (id === (TypeId.INT as number)) return intType(required(table, 'an integer type'));
  if (id === (TypeId.UTF8 as number)) return { kind: 'utf8' };
  if (id === (TypeId.FLOATING_POINT as number) && table?.i16(0) === PRECISION_DOUBLE) {
    return { kind: 'float', bytes: 8 };
  }
  return { kind: 'other', id };
}

function decodeField(field: FlatTable): ArrowField {
  const encoding = field.table(4);
  return {
    name: required(field.string(0), 'a column name'),
    nullable: field.bool(1),
    type: decodeType(field.u8(2), field.table(3)),
    dictionary: encoding && { id: encoding.i64(0), index: intType(encoding.table(1)) },
    metadata: keyValues(field.tables(6)),
  };
}

function decodeSchema(schema: FlatTable): ArrowSchema {
  if (schema.i16(0) !== 0) throw new FlatbufferError('columns in big-endian order');
  return { fields: schema.tables(1).map(decodeField), metadata: keyValues(schema.tables(2)) };
}

function decodeBlocks(footer: FlatTable, id: number): ArrowBlock[] {
  const { at, length } = footer.vector(id, BLOCK_BYTES);
  return Array.from({ length }, (_, i) => ({
    offset: footer.i64At(at + i * BLOCK_BYTES),
    metadataBytes: footer.i32At(at + i * BLOCK_BYTES + 8),
    bodyBytes: footer.i64At(at + i * BLOCK_BYTES + 16),
  }));
}

function decodePairs(batch: FlatTable, id: number): [number, number][] {
  const { at, length } = batch.vector(id, PAIR_BYTES);
  return Array.from({ length }, (_, i) => [
    batch.i64At(at + i * PAIR_BYTES),
    batch.i64At(at + i * PAIR_BYTES + 8),
  ]);
}

const CODECS = ['lz4', 'zstd'] as const;

function decodeBatch(batch: FlatTable): ArrowBatch {
  const compression = batch.table(3);
  return {
    rows: batch.i64(0),
    nodes: decodePairs(batch, 1).map(([length, nullCount]) => ({ length, nullCount })),
    buffers: decodePairs(batch, 2).map(([offset, length]) => ({ offset, length })),
    compression: compression === null ? 'none' : (CODECS[compression.u8(0)] ?? 'unknown'),
  };
}

function decodeHeader(id: number, table: FlatTable): ArrowHeader {
  switch (id) {
    case HeaderId.SCHEMA as number:
      return { kind: 'schema', schema: decodeSchema(table) };
    case HeaderId.DICTIONARY_BATCH as number: {
      const batch = decodeBatch(required(table.table(1), 'a dictionary'));
      return { kind: 'dictionary', id: table.i64(0), isDelta: table.bool(2), batch };
    }
    case HeaderId.RECORD_BATCH as number:
      return { kind: 'batch', batch: decodeBatch(table) };
    default:
      return { kind: 'other', id };
  }
}

function checkVersion(version: number): void {
  if (version !== METADATA_VERSION_V5) {
    throw new FlatbufferError(`Arrow metadata of version V${String(version + 1)}, not V5`);
  }
}

/** Decodes a file's footer. Throws FlatbufferError. */
export function decodeFooter(bytes: Uint8Array): ArrowFooter {
  const footer = FlatTable.root(bytes);
  checkVersion(footer.i16(0));
  return {
    schema: decodeSchema(required(footer.table(1), 'a schema')),
    dictionaries: decodeBlocks(footer, 2),
    batches: decodeBlocks(footer, 3),
  };
}

/** Decodes a message's metadata, without the eight bytes before it. Throws FlatbufferError. */
export function decodeMessage(bytes: Uint8Array): ArrowMessage {
  const message = FlatTable.root(bytes);
  checkVersion(message.i16(0));
  return {
    header: decodeHeader(message.u8(1), required(message.table(2), 'a header')),
    bodyBytes: message.i64(3),
    metadata: keyValues(message.tables(4)),
  };
}
