/** Torn and corrupt files: always a described error or the right rows, never a crash or a hang. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openArrowTable } from '../../../../lab/recording/arrow-reader.ts';
import { RecordingError } from '../../../../lab/recording/recording-error.ts';
import { recoverArrowTable } from '../../../../lab/recording/recover.ts';
import { type Compression, createTableSink } from '../../../../lab/recording/table-sink.ts';
import { EventTable } from '../../../../machine/core/trace/event-table.ts';
import { EVERY_TYPE, fillEveryType, generator, scratchFolder } from './synthetic.ts';

const scratch = scratchFolder();
const FUZZ_ROUNDS = 120;

interface Original {
  readonly bytes: Buffer;
  readonly rows: readonly string[];
  /** Where each batch's message ends. */
  readonly ends: readonly number[];
  readonly rowsAt: readonly number[];
}

/** Small batches, so that a file of several is small. */
async function original(compression: Compression): Promise<Original> {
  const folder = scratch(`original-${compression}`);
  const sink = await createTableSink(folder, compression);
  for (let seed = 1; seed <= 4; seed++) fillEveryType(sink, 25, seed);
  sink.finish();
  const file = join(folder, 'every_type.arrow');
  const table = await openArrowTable(file);
  const rows = rowsOf(table);
  const starts = table.batches.map((batch) => batch.offset);
  table.close();
  const bytes = readFileSync(file);
  const lastEnd = (await recoverArrowTable(file)).report.bytesWhole;
  expect(lastEnd).toBe(bytes.length);
  return { bytes, rows, ends: [...starts.slice(1)], rowsAt: [25, 50, 75] };
}

function rowsOf(table: Awaited<ReturnType<typeof openArrowTable>>): string[] {
  return table.batches.flatMap((batch, b) =>
    Array.from({ length: batch.rows }, (_, row) =>
      Object.values(table.readRow(b, row)).map(String).join(' '),
    ),
  );
}

/** What a reader makes of the bytes: rows, or the message of a described error. */
async function outcome(
  name: string,
  bytes: Uint8Array,
  open: (file: string) => ReturnType<typeof openArrowTable>,
): Promise<string[] | RecordingError> {
  const file = scratch(name);
  writeFileSync(file, bytes);
  try {
    const table = await open(file);
    try {
      return rowsOf(table);
    } finally {
      table.close();
    }
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    return error;
  }
}

const recovered = async (file: string) => (await recoverArrowTable(file)).table;

function expectDescribed(error: unknown, file: string): void {
  expect(error).toBeInstanceOf(RecordingError);
  const { message, remedy, problem } = error as RecordingError;
  expect(message).toContain(file);
  expect(message).not.toContain('\n');
  expect(problem).not.toBe('');
  expect(remedy).not.toBe('');
}

describe.each(['none', 'zstd'] as const)('a file with compression %s', (compression) => {
  let whole: Original;

  beforeAll(async () => {
    whole = await original(compression);
  });

  it('torn anywhere is refused, with the file and the place', async () => {
    const { bytes } = whole;
    const step = Math.max(1, Math.floor(bytes.length / 100));
    const name = `torn-${compression}`;
    for (let length = 0; length < bytes.length; length += step) {
      const result = await outcome(name, bytes.subarray(0, length), openArrowTable);
      expectDescribed(result, name);
      expect((result as RecordingError).offset).toBeTypeOf('number');
    }
  });

  it('torn anywhere is recovered up to the last whole batch', async () => {
    const { bytes, rows, ends, rowsAt } = whole;
    const step = Math.max(1, Math.floor(bytes.length / 100));
    const name = `recover-${compression}`;
    for (let length = 0; length < bytes.length; length += step) {
      const result = await outcome(name, bytes.subarray(0, length), recovered);
      const batches = ends.filter((end) => end <= length).length;
      const expected = batches === 0 ? 0 : (rowsAt[batches - 1] ?? 0);
      if (result instanceof RecordingError) expect(batches).toBe(0);
      else if (result.length === rows.length) expect(length).toBeGreaterThan(ends.at(-1) ?? 0);
      else expect(result).toEqual(rows.slice(0, expected));
    }
  });

  it('says what recovery lost', async () => {
    const { bytes, ends } = whole;
    const file = scratch(`report-${compression}`);
    const cut = (ends[1] ?? 0) + 100;
    writeFileSync(file, bytes.subarray(0, cut));
    const { table, report } = await recoverArrowTable(file);
    table.close();
    expect(report).toMatchObject({ batches: 2, rows: 50, bytesWhole: ends[1], bytesLost: 100 });
    expect(report.losses).toHaveLength(1);
    expect(report.losses[0]).toContain(`100 bytes from byte ${String(ends[1])}`);
  });

  it('leaves out a batch in the middle whose bytes are wrong, and names it', async () => {
    const { bytes, ends, rows } = whole;
    const file = scratch(`middle-${compression}`);
    const corrupt = Buffer.from(bytes);
    // The last bytes of the second message are its last column's, or their padding.
    const at = (ends[1] ?? 0) - 30;
    corrupt.writeUInt8(corrupt.readUInt8(at) ^ 0x55, at);
    writeFileSync(file, corrupt);
    const { table, report } = await recoverArrowTable(file);
    expect(rowsOf(table)).toEqual([...rows.slice(0, 25), ...rows.slice(50)]);
    table.close();
    expect(report.losses).toHaveLength(1);
    expect(report.losses[0]).toMatch(/batch at byte \d+ left out/);
  });

  it('with random bytes changed gives the right rows or a described error', async () => {
    const { bytes, rows } = whole;
    const next = generator(compression === 'none' ? 7 : 8);
    const name = `fuzz-${compression}`;
    let refused = 0;
    for (let round = 0; round < FUZZ_ROUNDS; round++) {
      const corrupt = Buffer.from(bytes);
      const changes = 1 + (next() % 3);
      for (let i = 0; i < changes; i++) corrupt[next() % corrupt.length] = next();
      for (const open of [openArrowTable, recovered]) {
        const result = await outcome(name, corrupt, open);
        if (result instanceof RecordingError) {
          expectDescribed(result, name);
          refused++;
        } else {
          // Padding and other writers' freedoms may change; rows never do.
          expect(new Set(rows)).toEqual(new Set([...rows, ...result]));
          if (open === openArrowTable) expect(result).toEqual(rows);
        }
      }
    }
    expect(refused).toBeGreaterThan(FUZZ_ROUNDS / 2);
  });

  it('with 32-bit words overwritten by large and negative numbers is refused or right', async () => {
    const { bytes, rows } = whole;
    const name = `words-${compression}`;
    for (let at = 0; at + 4 <= bytes.length; at += 4 * Math.ceil(bytes.length / 700)) {
      for (const word of [0x7fffffff, -1, -8]) {
        const corrupt = Buffer.from(bytes);
        corrupt.writeInt32LE(word, at);
        const result = await outcome(name, corrupt, openArrowTable);
        if (result instanceof RecordingError) expectDescribed(result, name);
        else expect(result).toEqual(rows);
      }
    }
  });
});

describe('what is no recording', () => {
  const contents: Readonly<Record<string, Uint8Array>> = {
    empty: Buffer.alloc(0),
    short: Buffer.from('ARR'),
    text: Buffer.from('PAR1 this is something else entirely, and it goes on for a while PAR1'),
    'only magic': Buffer.from('ARROW1\0\0ARROW1'),
    'footer length beyond the file': Buffer.concat([
      Buffer.from('ARROW1\0\0'),
      Buffer.from([0xff, 0xff, 0xff, 0x7f]),
      Buffer.from('ARROW1'),
    ]),
  };

  it.each(Object.keys(contents))('%s', async (name) => {
    const bytes = contents[name];
    const file = name.replaceAll(' ', '-');
    expectDescribed(await outcome(file, bytes, openArrowTable), file);
    expectDescribed(await outcome(file, bytes, recovered), file);
  });

  it('a missing file and a folder', async () => {
    for (const path of [scratch('absent'), scratch('.')]) {
      await expect(openArrowTable(path)).rejects.toBeInstanceOf(RecordingError);
    }
  });
});

it('a table without rows is a whole file with its dictionaries', async () => {
  const folder = scratch('no-rows');
  const sink = await createTableSink(folder);
  sink.open(EVERY_TYPE);
  new EventTable(EVERY_TYPE, sink).finish();
  const entries = sink.finish();
  expect(entries['every_type']).toMatchObject({ rows: 0, batches: [] });
  const table = await openArrowTable(join(folder, 'every_type.arrow'));
  expect(table.spec).toEqual(EVERY_TYPE);
  expect(table.rowCount).toBe(0);
  table.close();
});
