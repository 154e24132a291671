/** Independent readers (polars, in Rust; apache-arrow) read what we write, plain and compressed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as arrow from 'apache-arrow';
import fc from 'fast-check';
import pl from 'nodejs-polars';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  EventTable,
  type ColumnSpec,
  type ColumnType,
  type TableSpec,
} from '../../../machine/core/trace/event-table.ts';
import { openArrowTable } from '../../../lab/recording/arrow-reader.ts';
import { loadZstd } from '../../../lab/recording/codec.ts';
import { type Compression, createTableSink } from '../../../lab/recording/table-sink.ts';
import { EVERY_TYPE, fillEveryType, scratchFolder } from '../../unit/lab/recording/synthetic.ts';
import { writeSyntheticRun } from '../../unit/lab/recording/synthetic-run.ts';

type Cell = number | bigint | string;
type Rows = Cell[][];

const scratch = scratchFolder();
const COMPRESSIONS: readonly Compression[] = ['none', 'zstd'];

beforeAll(async () => {
  const zstd = await loadZstd();
  arrow.compressionRegistry.set(arrow.CompressionType.ZSTD, {
    decode: (bytes) => {
      // The registry hands over the frame alone; its header states the plain size.
      const size = new DataView(bytes.buffer, bytes.byteOffset);
      return zstd.decompress(bytes, frameContentSize(size));
    },
    encode: (bytes) => zstd.compress(bytes),
  });
});

/** Plain size from a zstd frame header (RFC 8878, 3.1.1.1): frames of ours always state it. */
function frameContentSize(frame: DataView): number {
  const descriptor = frame.getUint8(4);
  const single = (descriptor & 0x20) !== 0;
  const at = 5 + (single ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  switch (descriptor >> 6) {
    case 0:
      return single ? frame.getUint8(at) : -1;
    case 1:
      return frame.getUint16(at, true) + 256;
    case 2:
      return frame.getUint32(at, true);
    default:
      return Number(frame.getBigUint64(at, true));
  }
}

const WIDE: ReadonlySet<string> = new Set<ColumnType>(['u64', 'i64']);

async function rowsOfOurs(file: string): Promise<Rows> {
  const table = await openArrowTable(file);
  const rows = table.batches.flatMap((batch, b) =>
    Array.from({ length: batch.rows }, (_, row) => Object.values(table.readRow(b, row))),
  );
  table.close();
  return rows;
}

function rowsOfApacheArrow(file: string, columns: readonly ColumnSpec[]): Rows {
  const table = arrow.tableFromIPC(readFileSync(file));
  const vectors = columns.map(({ name }) => table.getChild(name));
  return Array.from({ length: table.numRows }, (_, row) =>
    vectors.map((vector) => vector?.get(row) as Cell),
  );
}

/** polars hands 64-bit values to JavaScript as doubles where they are signed: compare as strings. */
function rowsOfPolars(file: string, columns: readonly ColumnSpec[]): Rows {
  let frame = pl.readIPC(readFileSync(file));
  for (const { name, type } of columns) {
    if (WIDE.has(type) || type === 'dictionary') {
      frame = frame.withColumn(pl.col(name).cast(pl.Utf8));
    }
  }
  return frame.rows().map((row) =>
    columns.map(({ type }, i) => {
      const cell = row[i] as Cell;
      return WIDE.has(type) ? BigInt(cell) : cell;
    }),
  );
}

async function expectAllReadersAgree(file: string, columns: readonly ColumnSpec[]): Promise<Rows> {
  const rows = await rowsOfOurs(file);
  expect(rowsOfApacheArrow(file, columns)).toEqual(rows);
  expect(rowsOfPolars(file, columns)).toEqual(rows);
  return rows;
}

describe.each(COMPRESSIONS)('compression %s', (compression) => {
  it('every column type, in several batches, reads alike in three readers', async () => {
    const folder = scratch(`types-${compression}`);
    const sink = await createTableSink(folder, compression);
    fillEveryType(sink, 300);
    sink.finish();
    const rows = await expectAllReadersAgree(join(folder, 'every_type.arrow'), EVERY_TYPE.columns);
    expect(rows).toHaveLength(300);
  });

  it('batches of 64 Ki rows end where they should', async () => {
    const folder = scratch(`batches-${compression}`);
    const sink = await createTableSink(folder, compression);
    fillEveryType(sink, 140_000);
    const { every_type: entry } = sink.finish();
    expect(entry.batches.map((batch) => batch.rows)).toEqual([65_536, 65_536, 8928]);
    const frame = pl.readIPC(readFileSync(join(folder, 'every_type.arrow')));
    expect(frame.height).toBe(140_000);
    const table = await openArrowTable(join(folder, 'every_type.arrow'));
    const long = table.readColumn(2, 7);
    expect(frame.getColumn('long').get(140_000 - 1)).toBe(long.at(-1));
    table.close();
  });

  it('a whole run directory reads in polars, row counts as in the manifest', async () => {
    const path = scratch(`run-${compression}`);
    const manifest = await writeSyntheticRun(path, { compression });
    const files = readdirSync(path).filter((name) => name.endsWith('.arrow'));
    expect(files.sort()).toEqual(Object.keys(manifest.tables).map((name) => `${name}.arrow`));
    for (const [name, { rows }] of Object.entries(manifest.tables)) {
      expect(pl.readIPC(readFileSync(join(path, `${name}.arrow`))).height).toBe(rows);
    }
  });

  it('the schema carries comments, units and the format version to other readers', async () => {
    const folder = scratch(`metadata-${compression}`);
    const sink = await createTableSink(folder, compression);
    fillEveryType(sink, 3);
    sink.finish();
    const bytes = readFileSync(join(folder, 'every_type.arrow'));
    // From byte 8 the file is also a stream: the schema message stands at the front.
    for (const { schema } of [arrow.tableFromIPC(bytes), arrow.tableFromIPC(bytes.subarray(8))]) {
      expect(schema.metadata.get('cyclelab.format')).toBe('1');
      expect(schema.metadata.get('comment')).toBe(EVERY_TYPE.comment);
      const [tick] = schema.fields;
      expect(tick.metadata.get('unit')).toBe('ticks');
      expect(tick.metadata.get('comment')).toBe('When.');
      expect(schema.fields.every((field) => !field.nullable)).toBe(true);
    }
  });
});

const TYPES: readonly ColumnType[] = ['u8', 'u16', 'u32', 'i32', 'u64', 'i64', 'f64', 'dictionary'];

const anyColumn = fc.record({
  type: fc.constantFrom(...TYPES),
  values: fc.uniqueArray(fc.string({ unit: 'grapheme', maxLength: 8 }), {
    minLength: 1,
    maxLength: 300,
  }),
});

const anyTable = fc.record({
  columns: fc.array(anyColumn, { minLength: 1, maxLength: 6 }),
  // Cells are made from two random words each, whatever the type.
  cells: fc.array(fc.tuple(fc.nat(0xffffffff), fc.nat(0xffffffff)), { maxLength: 60 }),
  compression: fc.constantFrom(...COMPRESSIONS),
});

function specOf(columns: readonly { type: ColumnType; values: readonly string[] }[]): TableSpec {
  return {
    name: 'random',
    comment: '',
    default: true,
    columns: columns.map(({ type, values }, i) => ({
      name: `column${String(i)}`,
      type,
      comment: '',
      ...(type === 'dictionary' ? { values } : {}),
    })),
  };
}

function fillRandom(table: EventTable, cells: readonly (readonly [number, number])[]): void {
  const { columns } = table.spec;
  for (const [low, high] of cells) {
    const row = table.next();
    for (const [i, { type, values }] of columns.entries()) {
      if (WIDE.has(type)) table.setHalves(i, row, low, high);
      else if (type === 'f64') table.set(i, row, (low - 2 ** 31) / (high + 1));
      else table.set(i, row, values === undefined ? low : low % values.length);
    }
  }
}

it('random tables read alike in three readers', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(anyTable, async ({ columns, cells, compression }) => {
      const folder = scratch(`random-${String(run++)}`);
      const sink = await createTableSink(folder, compression);
      const spec = specOf(columns);
      sink.open(spec);
      const table = new EventTable(spec, sink);
      fillRandom(table, cells);
      table.finish();
      sink.finish();
      const rows = await expectAllReadersAgree(join(folder, 'random.arrow'), spec.columns);
      expect(rows).toHaveLength(cells.length);
    }),
    { numRuns: 60 },
  );
});
