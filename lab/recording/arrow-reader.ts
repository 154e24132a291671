/**
 * Random access to a recorded table: the footer gives the batches, a column of a batch is read alone.
 *
 * Nothing in the file is trusted: torn, corrupt and foreign files give a RecordingError with the
 * place. Every column is held against its digest the first time that it is read.
 */
import type { ColumnSpec, TableSpec } from '../../machine/core/trace/event-table.ts';
import {
  type BatchIndex,
  indexBatch,
  type PlacedMessage,
  readBuffer,
  readDictionary,
  readMessage,
} from './arrow-message.ts';
import { type ArrowBlock, type ArrowFooter, decodeFooter } from './arrow-metadata.ts';
import { batchSha256, sha256Hex } from './batch-digest.ts';
import { loadZstd, type Zstd } from './codec.ts';
import { FileBytes } from './file-bytes.ts';
import { ARROW_MAGIC, FIRST_MESSAGE_OFFSET, storedNumber } from './format.ts';
import { REMEDY_RECOVER } from './recording-error.ts';
import type { StoredData } from './stored-column.ts';
import { checkFormat, tableSpecOf } from './table-schema.ts';

const SUFFIX_BYTES = 4 + ARROW_MAGIC.length;

/** Bytes beyond a column's values: padding to 64, as other writers do. */
const PADDING_MAX = 64;

type ArrayOf = (buffer: ArrayBuffer, offset: number, length: number) => StoredData;

const ARRAYS: Readonly<Record<string, ArrayOf>> = {
  unsigned1: (b, o, n) => new Uint8Array(b, o, n),
  unsigned2: (b, o, n) => new Uint16Array(b, o, n),
  unsigned4: (b, o, n) => new Uint32Array(b, o, n),
  unsigned8: (b, o, n) => new BigUint64Array(b, o, n),
  signed4: (b, o, n) => new Int32Array(b, o, n),
  signed8: (b, o, n) => new BigInt64Array(b, o, n),
  float8: (b, o, n) => new Float64Array(b, o, n),
};

/** A view of a column's plain bytes as its values. `bytes` begin at a multiple of 8. */
export function valuesOf(column: ColumnSpec, bytes: Uint8Array, rows: number): StoredData {
  const { kind, bytes: width } = storedNumber(column);
  const view = ARRAYS[`${kind}${String(width)}`];
  if (view === undefined) throw new Error(`no array for ${column.type}`);
  return view(bytes.buffer as ArrayBuffer, bytes.byteOffset, rows);
}

export class ArrowTableFile {
  readonly rowCount: number;
  /** Columns whose digest was found right, as batch * columns + column. */
  private readonly verified = new Set<number>();

  constructor(
    private readonly file: FileBytes,
    readonly spec: TableSpec,
    readonly batches: readonly BatchIndex[],
    private readonly zstd: Zstd | null,
  ) {
    this.rowCount = batches.reduce((sum, batch) => sum + batch.rows, 0);
  }

  get path(): string {
    return this.file.path;
  }

  /**
   * The values of one column of one batch: `rows` of them, at an aligned place. Throws
   * RecordingError when the bytes are corrupt.
   */
  readColumn(batchIndex: number, columnIndex: number): StoredData {
    const batch = this.batches[batchIndex];
    const column = this.spec.columns[columnIndex];
    const buffer = batch?.columns[columnIndex];
    if (batch === undefined || column === undefined || buffer === undefined) {
      throw new RangeError(`batch ${String(batchIndex)}, column ${String(columnIndex)}`);
    }
    const least = batch.rows * storedNumber(column).bytes;
    const limits = { least, most: least + PADDING_MAX };
    const bytes = readBuffer(this.file, buffer, limits, this.zstd).subarray(0, least);
    const key = batchIndex * this.spec.columns.length + columnIndex;
    if (!this.verified.has(key)) {
      if (sha256Hex(bytes) !== batch.columnSha256[columnIndex]) {
        const place = `column ${column.name} of batch ${String(batchIndex)}`;
        throw this.file.fault(buffer.offset, `${place} is corrupt: its digest does not match`);
      }
      // The digest covers the indices, so a file of ours cannot hold one beyond its dictionary; a
      // hostile one can, and a reader in native code would follow it.
      this.checkIndices(column, bytes, batch.rows, buffer.offset);
      this.verified.add(key);
    }
    return valuesOf(column, bytes, batch.rows);
  }

  /** One row as values by column name; dictionary columns as strings. For messages and tests. */
  readRow(batchIndex: number, row: number): Record<string, number | bigint | string> {
    const entries = this.spec.columns.map((column, i) => {
      const value = this.readColumn(batchIndex, i)[row];
      if (value === undefined) throw new RangeError(`row ${String(row)}`);
      return [column.name, column.values?.[Number(value)] ?? value] as const;
    });
    return Object.fromEntries(entries);
  }

  /** Reads and checks every byte of every column. Throws RecordingError at the first corrupt one. */
  verify(): void {
    for (const batch of this.batches.keys()) {
      for (const column of this.spec.columns.keys()) this.readColumn(batch, column);
    }
  }

  close(): void {
    this.file.close();
  }

  private checkIndices(column: ColumnSpec, bytes: Uint8Array, rows: number, at: number): void {
    if (column.values === undefined) return;
    const count = column.values.length;
    for (const index of valuesOf(column, bytes, rows)) {
      if (Number(index) >= count) {
        const problem = `column ${column.name} holds index ${String(index)} of ${String(count)}`;
        throw this.file.fault(at, problem);
      }
    }
  }
}

/** Checks a batch's own digest, which covers its row count, tick range and column digests. */
export function checkBatchDigest(file: FileBytes, batch: BatchIndex): void {
  if (batchSha256(batch) !== batch.sha256) {
    throw file.fault(batch.offset, "a batch's metadata is corrupt: its digest does not match");
  }
}

function readFooter(file: FileBytes): { footer: ArrowFooter; at: number } {
  if (file.size === 0) throw file.fault(0, 'the file is empty');
  const head = file.read(0, Math.min(ARROW_MAGIC.length, file.size), 'the magic');
  if (Buffer.from(head).toString('latin1') !== ARROW_MAGIC.slice(0, head.byteLength)) {
    const remedy = 'Name a run directory written by `lab run`';
    throw file.fault(0, 'not an Arrow file: it does not begin with ARROW1', remedy);
  }
  const tailAt = file.size - SUFFIX_BYTES;
  const torn = 'the file is torn: it does not end in a footer';
  if (tailAt < FIRST_MESSAGE_OFFSET) throw file.fault(file.size, torn, REMEDY_RECOVER);
  const tail = file.read(tailAt, SUFFIX_BYTES, 'the footer');
  if (Buffer.from(tail.subarray(4)).toString('latin1') !== ARROW_MAGIC) {
    throw file.fault(file.size, torn, REMEDY_RECOVER);
  }
  const length = new DataView(tail.buffer).getInt32(0, true);
  const at = tailAt - length;
  if (length <= 0 || at < FIRST_MESSAGE_OFFSET) {
    throw file.fault(tailAt, `a footer of ${String(length)} bytes`, REMEDY_RECOVER);
  }
  const bytes = file.read(at, length, 'the footer');
  return { footer: file.decode(at, 'the footer', () => decodeFooter(bytes)), at };
}

/** Reads a message that begins at `begin` or later and ends at `limit` or before. */
function readBlock(
  file: FileBytes,
  block: ArrowBlock,
  { begin, limit }: { begin: number; limit: number },
): PlacedMessage {
  if (block.offset < begin) {
    throw file.fault(limit, `the footer places a message at byte ${String(block.offset)}`);
  }
  const message = readMessage(file, block.offset, limit);
  const fits =
    message !== null &&
    message.bodyBytes === block.bodyBytes &&
    message.body - message.offset === block.metadataBytes;
  if (!fits) throw file.fault(block.offset, 'the message is not the one that the footer describes');
  return message;
}

/** The messages of a footer's list. They follow each other, so no byte is read twice. */
function readBlocks(
  file: FileBytes,
  blocks: readonly ArrowBlock[],
  limit: number,
): PlacedMessage[] {
  let begin = FIRST_MESSAGE_OFFSET;
  return blocks.map((block) => {
    const message = readBlock(file, block, { begin, limit });
    begin = message.end;
    return message;
  });
}

function readDictionaries(
  file: FileBytes,
  messages: readonly PlacedMessage[],
  zstd: Zstd | null,
): Map<number, string[]> {
  const dictionaries = new Map<number, string[]>();
  for (const message of messages) {
    const { header } = message;
    if (header.kind !== 'dictionary' || header.isDelta || dictionaries.has(header.id)) {
      throw file.fault(message.offset, 'a dictionary that changes in the course of the file');
    }
    dictionaries.set(header.id, readDictionary(file, message, header.batch, zstd));
  }
  return dictionaries;
}

const isCompressed = ({ header }: PlacedMessage): boolean =>
  (header.kind === 'batch' || header.kind === 'dictionary') && header.batch.compression === 'zstd';

async function indexFile(file: FileBytes): Promise<ArrowTableFile> {
  const { footer, at } = readFooter(file);
  checkFormat(file, at, footer.schema);
  const dictionaryMessages = readBlocks(file, footer.dictionaries, at);
  const batchMessages = readBlocks(file, footer.batches, at);
  const packed = dictionaryMessages.some(isCompressed) || batchMessages.some(isCompressed);
  const zstd = packed ? await loadZstd() : null;
  const dictionaries = readDictionaries(file, dictionaryMessages, zstd);
  const spec = tableSpecOf(file, at, footer.schema, dictionaries);
  const batches = batchMessages.map((message) => {
    const { header } = message;
    if (header.kind !== 'batch') throw file.fault(message.offset, 'a message that is no batch');
    const batch = indexBatch(file, spec, message, header.batch);
    checkBatchDigest(file, batch);
    return batch;
  });
  return new ArrowTableFile(file, spec, batches, zstd);
}

/** Opens a whole table file. Throws RecordingError for one that is torn, corrupt or foreign. */
export async function openArrowTable(path: string): Promise<ArrowTableFile> {
  const file = new FileBytes(path);
  try {
    return await indexFile(file);
  } catch (error) {
    file.close();
    throw error;
  }
}
