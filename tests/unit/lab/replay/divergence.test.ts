/** A replay that parts from its recording is told where: table, batch, row, both rows. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openRun, type RecordedRun } from '../../../../lab/recording/read-run.ts';
import { createRun } from '../../../../lab/recording/run-directory.ts';
import { compareRuns, firstDifferingValue } from '../../../../lab/replay/compare-runs.ts';
import { earliest, formatDivergence } from '../../../../lab/replay/divergence.ts';
import { VerifyingSink } from '../../../../lab/replay/verifying-sink.ts';
import { EVERY_TYPE, fillEveryType, KeepingSink, scratchFolder } from '../recording/synthetic.ts';
import { manifestInput, SYSCALLS, writeSyntheticRun } from '../recording/synthetic-run.ts';
import {
  EventTable,
  type TableSpec,
  type TraceSink,
} from '../../../../machine/core/trace/event-table.ts';

const scratch = scratchFolder();
const ROWS = 65_536 + 500;
const NOTHING = Buffer.alloc(0);

type Batches = KeepingSink['batches'];

function batchesOf(rows: number, seed = 1): Batches {
  const sink = new KeepingSink();
  fillEveryType(sink, rows, seed);
  return sink.batches;
}

function pour(batches: Batches, sink: TraceSink): void {
  for (const { table, columns, rows } of batches) sink.write(table, columns, rows);
}

async function record(name: string, batches: Batches): Promise<RecordedRun> {
  const path = scratch(name);
  const run = await createRun(path, { compression: 'zstd' });
  pour(batches, run.sink);
  run.finish({ manifest: manifestInput(1), stdout: NOTHING, stderr: NOTHING, host: {} });
  return openRun(path);
}

let recorded: RecordedRun;

beforeAll(async () => {
  recorded = await record('recorded', batchesOf(ROWS));
});

function replay(batches: Batches): VerifyingSink {
  const sink = new VerifyingSink(recorded.manifest?.tables ?? {});
  pour(batches, sink);
  return sink;
}

describe('a replay', () => {
  it('that does the same is identical, and states the same entries', async () => {
    const sink = replay(batchesOf(ROWS));
    expect(sink.hasDiverged).toBe(false);
    expect(await sink.divergence(recorded)).toBeNull();
    expect(sink.entries).toEqual(recorded.manifest?.tables);
  });

  it('with one value changed names the table, batch, row, column and both rows', async () => {
    const batches = batchesOf(ROWS);
    batches[1].columns[6][77] ^= 0x8001;
    batches[1].columns[6][78] ^= 1;
    const sink = replay(batches);
    expect(sink.hasDiverged).toBe(true);
    const divergence = await sink.divergence(recorded);
    expect(divergence).toMatchObject({ table: 'every_type', batch: 1, row: 65_536 + 77 });
    expect(divergence?.reason).toBe('word differs');
    const [a, b] = [divergence?.recorded, divergence?.replayed];
    expect(Number(a?.['word']) ^ 0x8001).toBe(b?.['word']);
    expect({ ...a, word: 0 }).toEqual({ ...b, word: 0 });
    const text = divergence === null ? '' : formatDivergence(divergence);
    expect(text.split('\n')).toHaveLength(3);
    expect(text).toContain('every_type, row 65613 (batch 1): word differs');
  });

  it('that ends early, or goes on for longer, is told at the first row that one lacks', async () => {
    const short = await replay(batchesOf(65_536 + 20)).divergence(recorded);
    expect(short).toMatchObject({ row: 65_556, reason: 'the replay ends here', replayed: null });
    const long = await replay(batchesOf(ROWS + 1)).divergence(recorded);
    expect(long).toMatchObject({ row: ROWS, reason: 'the recording ends here', recorded: null });
    const none = await replay([]).divergence(recorded);
    expect(none).toMatchObject({ row: 0, reason: 'the replay ends here' });
    const lastBatchMissing = await replay(batchesOf(65_536)).divergence(recorded);
    expect(lastBatchMissing).toMatchObject({ row: 65_536, batch: 1, replayed: null });
  });

  it('with a table that was not recorded is told so', async () => {
    const sink = replay(batchesOf(ROWS));
    const extra = new EventTable(SYSCALLS, sink);
    extra.next();
    extra.finish();
    expect(await sink.divergence(recorded)).toMatchObject({ table: 'syscalls', recorded: null });
  });

  it('with another dictionary is told by its strings', async () => {
    const values = ['read', 'write', 'other', ''];
    const columns = EVERY_TYPE.columns.map((column) =>
      column.name === 'name' ? { ...column, values } : column,
    );
    const spec: TableSpec = { ...EVERY_TYPE, columns };
    const batches = batchesOf(ROWS).map((batch) => ({ ...batch, table: spec }));
    const divergence = await replay(batches).divergence(recorded);
    expect(divergence).toMatchObject({ reason: 'name differs', replayed: { name: 'other' } });
  });
});

describe('two recordings', () => {
  it('of the same run are the same, compressed or not', async () => {
    await writeSyntheticRun(scratch('a'));
    await writeSyntheticRun(scratch('b'), { compression: 'zstd' });
    expect(await compareRuns(openRun(scratch('a')), openRun(scratch('b')))).toBeNull();
  });

  it('of different length or seed part at the earliest tick of any table', async () => {
    await writeSyntheticRun(scratch('calls'), { calls: 90 });
    expect(await compareRuns(openRun(scratch('a')), openRun(scratch('calls')))).toMatchObject({
      table: 'syscalls',
      row: 90,
      reason: 'the replay ends here',
    });
    await writeSyntheticRun(scratch('seed'), { calls: 90, seed: 2 });
    expect(await compareRuns(openRun(scratch('a')), openRun(scratch('seed')))).toMatchObject({
      table: 'every_type',
      row: 0,
    });
  });

  it('of which one lacks a table', async () => {
    const other = openRun(join(scratch('a')));
    expect(await compareRuns(recorded, other)).not.toBeNull();
  });
});

it('events come before sums of the run, whatever their ticks', () => {
  const base = { batch: 0, row: 0, reason: 'dur differs', replayed: null };
  const sum = { ...base, table: 'windows', recorded: { tick: 0n } };
  const event = { ...base, table: 'syscalls', recorded: { tick: 99n } };
  const later = { ...base, table: 'irq_handler', recorded: { tick: 100n } };
  expect(earliest([sum, later, event])).toBe(event);
  expect(earliest([sum])).toBe(sum);
});

it('manifests: the first value that differs, by path', () => {
  const [a, b] = [manifestInput(1), manifestInput(1)];
  expect(firstDifferingValue(a as never, b as never)).toBeNull();
  b.totals.ticks[0]++;
  expect(firstDifferingValue(a as never, b as never)).toEqual({
    path: 'totals.ticks.0',
    recorded: 122_240,
    replayed: 122_241,
  });
});
