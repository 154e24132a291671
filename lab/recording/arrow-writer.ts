/**
 * Writes one table as an Arrow IPC file, through apache-arrow's writer with three parts replaced:
 * the sink (one synchronous writev for each batch, nothing queued), the compressed buffers (version
 * 21.2 prefixes them with the compressed length, the format wants the plain one) and the head of the
 * file (21.2 leaves out the schema message, without which a torn file cannot be read from the front).
 */
import { closeSync, fsyncSync, openSync, writeSync, writevSync } from 'node:fs';
import * as arrow from 'apache-arrow';
import { BufferRegion, Message } from 'apache-arrow/ipc/metadata/message';
import type { ColumnData, ColumnSpec, TableSpec } from '../../machine/core/trace/event-table.ts';
import { type BatchDigest, schemaSha256 } from './batch-digest.ts';
import type { Zstd } from './codec.ts';
import { dictionaryIndexBytes, FORMAT_VERSION, METADATA, storedNumber } from './format.ts';
import { storedBatch, type StoredData } from './stored-column.ts';

/** Pieces in one writev: Linux takes at most 1024. */
const PIECES_MAX = 1024;
const LENGTH_PREFIX_BYTES = 8;
/** Stands for the plain length where compressing would have gained nothing. */
const NOT_COMPRESSED = -1n;

const align8 = (n: number): number => Math.ceil(n / 8) * 8;

type StringVector = arrow.Vector<arrow.Utf8>;

class FileMessageWriter extends arrow.RecordBatchFileWriter {
  private pieces: Uint8Array[] = [];

  constructor(
    private readonly fd: number,
    private readonly zstd: Zstd | null,
  ) {
    super({ compressionType: zstd === null ? null : arrow.CompressionType.ZSTD });
  }

  /** Writes the schema and every dictionary, before the first batch. */
  begin(schema: arrow.Schema, dictionaries: ReadonlyMap<number, StringVector>): void {
    this.reset(undefined, schema);
    for (const [id, vector] of dictionaries) {
      const [data] = vector.data;
      if (data !== undefined) this._writeDictionaryBatch(data, id);
      this._seenDictionaries.set(id, vector);
      this._dictionaryDeltaOffsets.set(id, 1);
    }
    this.flush();
  }

  /** Writes what is gathered: the pieces are views of the caller's arrays, so do it at once. */
  flush(): void {
    for (let i = 0; i < this.pieces.length; i += PIECES_MAX) {
      const part = this.pieces.slice(i, i + PIECES_MAX);
      const wanted = part.reduce((sum, piece) => sum + piece.byteLength, 0);
      let written = writevSync(this.fd, part);
      if (written < wanted) {
        const rest = Buffer.concat(part);
        while (written < wanted) written += writeSync(this.fd, rest, written);
      }
    }
    this.pieces = [];
  }

  protected override _write(chunk: ArrayBufferView | ArrayBufferLike): this {
    if (!this._started) return this;
    const piece = ArrayBuffer.isView(chunk)
      ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      : new Uint8Array(chunk);
    if (piece.byteLength > 0) {
      this.pieces.push(piece);
      this._position += piece.byteLength;
    }
    return this;
  }

  protected override _writeSchema(schema: arrow.Schema): this {
    return this._writeMagic()._writePadding(2)._writeMessage(Message.from(schema));
  }

  protected override _compressBodyBuffers(
    buffers: ArrayBufferView[],
  ): ReturnType<arrow.RecordBatchWriter['_compressBodyBuffers']> {
    const pieces: Uint8Array[] = [];
    const bufferRegions: BufferRegion[] = [];
    let offset = 0;
    for (const buffer of buffers) {
      const plain = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
      if (plain.byteLength === 0 || this.zstd === null) {
        pieces.push(new Uint8Array(0), new Uint8Array(0));
        bufferRegions.push(new BufferRegion(offset, 0));
        continue;
      }
      const packed = this.zstd.compress(plain);
      const gains = packed.byteLength < plain.byteLength;
      const body = gains ? packed : plain;
      const prefix = new BigInt64Array([gains ? BigInt(plain.byteLength) : NOT_COMPRESSED]);
      pieces.push(new Uint8Array(prefix.buffer), body);
      bufferRegions.push(new BufferRegion(offset, LENGTH_PREFIX_BYTES + body.byteLength));
      offset += align8(LENGTH_PREFIX_BYTES + body.byteLength);
    }
    return { byteLength: offset, bufferRegions, buffers: pieces };
  }
}

function numberType(column: ColumnSpec): arrow.DataType {
  const { bytes, kind } = storedNumber(column);
  if (kind === 'float') return new arrow.Float64();
  return new arrow.Int(kind === 'signed', (bytes * 8) as 8 | 16 | 32 | 64);
}

const INDEX_TYPES = { 1: arrow.Uint8, 2: arrow.Uint16, 4: arrow.Uint32 } as const;

function dictionaryType({ values = [] }: ColumnSpec, id: number): arrow.DataType {
  const IndexType = INDEX_TYPES[dictionaryIndexBytes(values.length)];
  return new arrow.Dictionary(new arrow.Utf8(), new IndexType(), id);
}

function fieldOf(column: ColumnSpec, index: number): arrow.Field {
  const metadata = new Map<string, string>([
    [METADATA.type, column.type],
    [METADATA.comment, column.comment],
  ]);
  if (column.unit !== undefined) metadata.set(METADATA.unit, column.unit);
  const type = column.type === 'dictionary' ? dictionaryType(column, index) : numberType(column);
  return new arrow.Field(column.name, type, false, metadata);
}

function schemaOf(spec: TableSpec): arrow.Schema {
  const metadata = new Map<string, string>([
    [METADATA.format, String(FORMAT_VERSION)],
    [METADATA.table, spec.name],
    [METADATA.comment, spec.comment],
    [METADATA.default, String(spec.default)],
    [METADATA.schemaSha256, schemaSha256(spec)],
  ]);
  return new arrow.Schema(spec.columns.map(fieldOf), metadata);
}

function batchMetadata(digest: BatchDigest): Map<string, string> {
  const metadata = new Map<string, string>([
    [METADATA.sha256, digest.sha256],
    [METADATA.columnSha256, digest.columnSha256.join('')],
  ]);
  if (digest.tickMin !== null) metadata.set(METADATA.tickMin, String(digest.tickMin));
  if (digest.tickMax !== null) metadata.set(METADATA.tickMax, String(digest.tickMax));
  return metadata;
}

interface ChildProps {
  readonly type: arrow.DataType;
  readonly length: number;
  readonly nullCount: number;
  readonly data: StoredData;
  readonly dictionary?: StringVector;
}

/** apache-arrow's overloads are by static type; ours are only known when the table is. */
const makeData = arrow.makeData as (props: ChildProps) => arrow.Data;

/** One chunk: a vector of several would be written as delta dictionaries, which readers reject. */
function stringVector(values: readonly string[]): StringVector {
  const encoded = values.map((value) => Buffer.from(value, 'utf8'));
  const valueOffsets = new Int32Array(values.length + 1);
  for (const [i, { byteLength }] of encoded.entries()) {
    valueOffsets[i + 1] = (valueOffsets[i] ?? 0) + byteLength;
  }
  const data = new Uint8Array(Buffer.concat(encoded));
  const type = new arrow.Utf8();
  const { length } = values;
  return new arrow.Vector([arrow.makeData({ type, length, nullCount: 0, valueOffsets, data })]);
}

export interface ArrowWriterOptions {
  /** Compresses bodies where given. */
  readonly zstd?: Zstd | undefined;
}

/** One table's file, open for writing. Errors of the file system pass through as they are. */
export class ArrowTableWriter {
  private readonly fd: number;
  private readonly writer: FileMessageWriter;
  private readonly schema: arrow.Schema;
  /** By column index. */
  private readonly dictionaries = new Map<number, StringVector>();

  /** Creates `path`, which must not exist, and writes the schema and the dictionaries. */
  constructor(
    path: string,
    private readonly spec: TableSpec,
    options: ArrowWriterOptions = {},
  ) {
    this.schema = schemaOf(spec);
    for (const [index, { values }] of spec.columns.entries()) {
      if (values !== undefined) this.dictionaries.set(index, stringVector(values));
    }
    this.fd = openSync(path, 'wx');
    this.writer = new FileMessageWriter(this.fd, options.zstd ?? null);
    this.writer.begin(this.schema, this.dictionaries);
  }

  /** Writes `rows` rows (1 to BATCH_ROWS) and returns their digest. */
  write(columns: readonly ColumnData[], rows: number): BatchDigest {
    const batch = storedBatch(this.spec, columns, rows);
    const children = batch.columns.map((data, index) => this.childData(index, data, rows));
    const type = new arrow.Struct(this.schema.fields);
    const struct = arrow.makeData({ type, length: rows, nullCount: 0, children });
    this.writer.write(new arrow.RecordBatch(this.schema, struct, batchMetadata(batch.digest)));
    this.writer.flush();
    return batch.digest;
  }

  /** Writes the footer and puts the file on disk. */
  finish(): void {
    this.writer.finish();
    this.writer.flush();
    fsyncSync(this.fd);
    closeSync(this.fd);
  }

  /** Closes the file as it is, torn. */
  abandon(): void {
    closeSync(this.fd);
  }

  private childData(index: number, data: StoredData, rows: number): arrow.Data {
    const type = this.schema.fields[index]?.type as arrow.DataType;
    const dictionary = this.dictionaries.get(index);
    const props = { type, length: rows, nullCount: 0, data };
    return makeData(dictionary ? { ...props, dictionary } : props);
  }
}
