/** One message of an Arrow file: reading it, checking it, and the bytes of its buffers. */
import { BATCH_ROWS, type TableSpec } from '../../machine/core/trace/event-table.ts';
import { decodeMessage, type ArrowBatch, type ArrowMessage } from './arrow-metadata.ts';
import type { Zstd } from './codec.ts';
import type { FileBytes } from './file-bytes.ts';
import {
  DICTIONARY_BYTES_MAX,
  MESSAGE_METADATA_BYTES_MAX,
  METADATA,
  storedNumber,
} from './format.ts';

const PREFIX_BYTES = 8;
const CONTINUATION = 0xffffffff;
const SHA256_HEX = 64;

export interface PlacedMessage extends ArrowMessage {
  /** Where the message begins. */
  readonly offset: number;
  /** Where its body begins. */
  readonly body: number;
  /** Where the next message begins. */
  readonly end: number;
}

/** The message at `offset`, or null at the mark of the stream's end. `limit` ends the messages. */
export function readMessage(file: FileBytes, offset: number, limit: number): PlacedMessage | null {
  const prefix = file.read(offset, PREFIX_BYTES, 'a message');
  const view = new DataView(prefix.buffer);
  if (view.getUint32(0, true) !== CONTINUATION) {
    throw file.fault(offset, 'no message begins here');
  }
  const metadataBytes = view.getUint32(4, true);
  if (metadataBytes === 0) return null;
  if (metadataBytes > MESSAGE_METADATA_BYTES_MAX) {
    throw file.fault(offset, `a message with ${String(metadataBytes)} bytes of metadata`);
  }
  const bytes = file.read(offset + PREFIX_BYTES, metadataBytes, "a message's metadata");
  const message = file.decode(offset, 'the message', () => decodeMessage(bytes));
  const body = offset + PREFIX_BYTES + metadataBytes;
  const end = body + message.bodyBytes;
  if (message.bodyBytes < 0 || end > limit) {
    const problem = `the message's body would end at byte ${String(end)} of ${String(limit)}`;
    throw file.fault(offset, problem);
  }
  return { ...message, offset, body, end };
}

/** Where one buffer of a batch stands, and how it is packed. */
export interface StoredBuffer {
  readonly offset: number;
  readonly length: number;
  readonly compressed: boolean;
}

/** One batch of a table: all that random access needs, without its columns' bytes. */
export interface BatchIndex {
  readonly offset: number;
  readonly rows: number;
  readonly tickMin: number | null;
  readonly tickMax: number | null;
  readonly sha256: string;
  readonly columnSha256: readonly string[];
  readonly columns: readonly StoredBuffer[];
}

function checkShape(file: FileBytes, at: number, batch: ArrowBatch, columns: number): void {
  if (batch.compression !== 'none' && batch.compression !== 'zstd') {
    throw file.fault(at, `a batch compressed with ${batch.compression}, not zstd`);
  }
  const { length: nodes } = batch.nodes;
  const { length: buffers } = batch.buffers;
  if (nodes !== columns || buffers !== columns * 2) {
    const found = `${String(nodes)} columns and ${String(buffers)} buffers`;
    throw file.fault(at, `a batch of ${found} in a table of ${String(columns)} columns`);
  }
  if (batch.nodes.some((node) => node.length !== batch.rows || node.nullCount !== 0)) {
    throw file.fault(at, 'a batch whose columns have nulls or other lengths than the batch');
  }
}

function placeBuffer(
  file: FileBytes,
  message: PlacedMessage,
  batch: ArrowBatch,
  index: number,
): StoredBuffer {
  const { offset, length } = batch.buffers[index] ?? { offset: -1, length: 0 };
  if (offset < 0 || length < 0 || offset + length > message.bodyBytes) {
    throw file.fault(message.offset, `buffer ${String(index)} lies outside its batch`);
  }
  return { offset: message.body + offset, length, compressed: batch.compression !== 'none' };
}

function tickOf(message: PlacedMessage, key: string): number | null {
  const text = message.metadata.get(key);
  const value = Number(text);
  return text === undefined || !Number.isSafeInteger(value) ? null : value;
}

/** Checks a record batch against its table and indexes it. */
export function indexBatch(
  file: FileBytes,
  spec: TableSpec,
  message: PlacedMessage,
  batch: ArrowBatch,
): BatchIndex {
  checkShape(file, message.offset, batch, spec.columns.length);
  if (batch.rows <= 0 || batch.rows > BATCH_ROWS) {
    throw file.fault(message.offset, `a batch of ${String(batch.rows)} rows`);
  }
  const digests = message.metadata.get(METADATA.columnSha256) ?? '';
  if (digests.length !== spec.columns.length * SHA256_HEX) {
    throw file.fault(message.offset, 'a batch without the digests of its columns');
  }
  const columns = spec.columns.map((column, i) => {
    const buffer = placeBuffer(file, message, batch, i * 2 + 1);
    if (!buffer.compressed && buffer.length < batch.rows * storedNumber(column).bytes) {
      throw file.fault(message.offset, `column ${column.name} is shorter than its batch`);
    }
    return buffer;
  });
  return {
    offset: message.offset,
    rows: batch.rows,
    tickMin: tickOf(message, METADATA.tickMin),
    tickMax: tickOf(message, METADATA.tickMax),
    sha256: message.metadata.get(METADATA.sha256) ?? '',
    columnSha256: spec.columns.map((_, i) => digests.slice(i * SHA256_HEX, (i + 1) * SHA256_HEX)),
    columns,
  };
}

/** The plain bytes of a compressed buffer of at least `least` and at most `most` plain bytes. */
function unpack(
  file: FileBytes,
  packed: Uint8Array,
  at: number,
  limits: { least: number; most: number },
  zstd: Zstd | null,
): Uint8Array {
  if (packed.byteLength < 8) throw file.fault(at, 'a compressed buffer without its length');
  const stated = new DataView(packed.buffer, packed.byteOffset).getBigInt64(0, true);
  const body = packed.subarray(8);
  if (stated === -1n) {
    // A copy stands at an aligned place of its own.
    if (body.byteLength >= limits.least) return body.slice();
    throw file.fault(at, 'a buffer shorter than its batch');
  }
  if (stated < BigInt(limits.least) || stated > BigInt(limits.most)) {
    throw file.fault(at, `a compressed buffer that states ${String(stated)} plain bytes`);
  }
  if (zstd === null) throw new Error('the zstd codec is loaded before a compressed file is read');
  try {
    return zstd.decompress(body, Number(stated));
  } catch {
    throw file.fault(at, 'a compressed buffer that is no valid zstd frame');
  }
}

/** A buffer's plain bytes, `least` to `most` of them, at an aligned place. */
export function readBuffer(
  file: FileBytes,
  buffer: StoredBuffer,
  limits: { least: number; most: number },
  zstd: Zstd | null,
): Uint8Array {
  if (!buffer.compressed) {
    if (buffer.length < limits.least || buffer.length > limits.most) {
      throw file.fault(buffer.offset, `a buffer of ${String(buffer.length)} bytes`);
    }
    return file.read(buffer.offset, buffer.length, 'a buffer');
  }
  if (buffer.length === 0 && limits.least === 0) return new Uint8Array(0);
  const packed = file.read(buffer.offset, buffer.length, 'a buffer');
  const plain = unpack(file, packed, buffer.offset, limits, zstd);
  return plain.byteOffset % 8 === 0 ? plain : plain.slice();
}

/** Decodes a dictionary's strings. */
export function readDictionary(
  file: FileBytes,
  message: PlacedMessage,
  batch: ArrowBatch,
  zstd: Zstd | null,
): string[] {
  const { offset: at } = message;
  if (batch.nodes.length !== 1 || batch.buffers.length !== 3 || batch.rows < 0) {
    throw file.fault(at, 'a dictionary that is not a list of strings');
  }
  const offsetsLimits = { least: (batch.rows + 1) * 4, most: DICTIONARY_BYTES_MAX };
  if (batch.rows === 0) return [];
  const offsetBytes = readBuffer(file, placeBuffer(file, message, batch, 1), offsetsLimits, zstd);
  const limits = { least: 0, most: DICTIONARY_BYTES_MAX };
  const text = readBuffer(file, placeBuffer(file, message, batch, 2), limits, zstd);
  const offsets = new DataView(offsetBytes.buffer, offsetBytes.byteOffset, offsetBytes.byteLength);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  return Array.from({ length: batch.rows }, (_, i) => {
    const begin = offsets.getInt32(i * 4, true);
    const end = offsets.getInt32(i * 4 + 4, true);
    if (begin < 0 || end < begin || end > text.byteLength) {
      throw file.fault(at, `string ${String(i)} lies outside its dictionary`);
    }
    try {
      return decoder.decode(text.subarray(begin, end));
    } catch {
      throw file.fault(at, `string ${String(i)} of a dictionary is not UTF-8`);
    }
  });
}
