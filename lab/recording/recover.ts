/**
 * Reads what is whole of a torn table file: message by message from byte 8, without the footer.
 * A batch whose digests do not match is left out; the first message that is not whole ends the file.
 */
import {
  type BatchIndex,
  indexBatch,
  type PlacedMessage,
  readDictionary,
  readMessage,
} from './arrow-message.ts';
import type { ArrowSchema } from './arrow-metadata.ts';
import { ArrowTableFile, checkBatchDigest } from './arrow-reader.ts';
import { loadZstd } from './codec.ts';
import { FileBytes } from './file-bytes.ts';
import { ARROW_MAGIC, FIRST_MESSAGE_OFFSET } from './format.ts';
import { RecordingError } from './recording-error.ts';
import { checkFormat, tableSpecOf } from './table-schema.ts';

export interface RecoveryReport {
  readonly file: string;
  /** Recovered batches and rows. */
  readonly batches: number;
  readonly rows: number;
  /** Bytes up to the end of the last whole message. */
  readonly bytesWhole: number;
  readonly bytesLost: number;
  /** What was left out and why, one sentence each. Empty when the file lacks nothing. */
  readonly losses: readonly string[];
}

export interface RecoveredTable {
  readonly table: ArrowTableFile;
  readonly report: RecoveryReport;
}

interface Walk {
  readonly messages: PlacedMessage[];
  readonly end: number;
  /** Why the walk ended before the mark of the stream's end. */
  readonly torn: string | null;
}

function walkMessages(file: FileBytes): Walk {
  const messages: PlacedMessage[] = [];
  let end = FIRST_MESSAGE_OFFSET;
  try {
    for (;;) {
      const message = readMessage(file, end, file.size);
      if (message === null) return { messages, end, torn: null };
      messages.push(message);
      end = message.end;
    }
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    return { messages, end, torn: error.problem };
  }
}

function schemaAtHead(file: FileBytes, [first]: readonly PlacedMessage[]): ArrowSchema {
  if (first?.header.kind === 'schema') return first.header.schema;
  throw file.fault(FIRST_MESSAGE_OFFSET, 'nothing can be recovered: the schema is not whole');
}

/** The batch if all its bytes are right, or why not. */
function tryBatch(
  file: FileBytes,
  table: (batches: BatchIndex[]) => ArrowTableFile,
  message: PlacedMessage,
): BatchIndex | string {
  try {
    if (message.header.kind !== 'batch') throw file.fault(message.offset, 'no batch');
    const batch = indexBatch(file, table([]).spec, message, message.header.batch);
    checkBatchDigest(file, batch);
    table([batch]).verify();
    return batch;
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    return `batch at byte ${String(message.offset)} left out: ${error.problem}`;
  }
}

async function recoverFile(file: FileBytes): Promise<RecoveredTable> {
  const magic = file.size < FIRST_MESSAGE_OFFSET ? new Uint8Array() : file.read(0, 6, 'the magic');
  if (Buffer.from(magic).toString('latin1') !== ARROW_MAGIC) {
    throw file.fault(0, 'nothing can be recovered: the file does not begin with ARROW1');
  }
  const walk = walkMessages(file);
  const schema = schemaAtHead(file, walk.messages);
  checkFormat(file, FIRST_MESSAGE_OFFSET, schema);
  const zstd = await loadZstd();
  const dictionaries = new Map<number, string[]>();
  for (const message of walk.messages) {
    const { header } = message;
    if (header.kind !== 'dictionary') continue;
    dictionaries.set(header.id, readDictionary(file, message, header.batch, zstd));
  }
  const spec = tableSpecOf(file, FIRST_MESSAGE_OFFSET, schema, dictionaries);
  const tableOf = (batches: BatchIndex[]) => new ArrowTableFile(file, spec, batches, zstd);
  const losses: string[] = [];
  const batches: BatchIndex[] = [];
  for (const message of walk.messages) {
    if (message.header.kind !== 'batch') continue;
    const batch = tryBatch(file, tableOf, message);
    if (typeof batch === 'string') losses.push(batch);
    else batches.push(batch);
  }
  const bytesLost = walk.torn === null ? 0 : file.size - walk.end;
  if (walk.torn !== null) {
    losses.push(`${String(bytesLost)} bytes from byte ${String(walk.end)} left out: ${walk.torn}`);
  }
  const table = tableOf(batches);
  const { path, size } = file;
  const report = { file: path, batches: batches.length, rows: table.rowCount, losses };
  return { table, report: { ...report, bytesWhole: size - bytesLost, bytesLost } };
}

/** Recovers a torn table. Throws RecordingError when not even the schema is whole. */
export async function recoverArrowTable(path: string): Promise<RecoveredTable> {
  const file = new FileBytes(path);
  try {
    return await recoverFile(file);
  } catch (error) {
    file.close();
    throw error;
  }
}
