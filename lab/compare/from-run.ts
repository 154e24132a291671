/** The ledger of a recorded run, read from its tables. */
import { assert } from '../../machine/core/assert.ts';
import type { Manifest } from '../recording/manifest.ts';
import { openRun, openTable, type RecordedRun } from '../recording/read-run.ts';
import { measureWindows } from './measure-windows.ts';
import type { Posting, Retired, RunLedger } from './posting.ts';

type Row = Record<string, number | bigint | string>;

export interface LoadedRun {
  readonly ledger: RunLedger;
  readonly manifest: Manifest;
}

/** Reads it. Throws RecordingError when `path` is no run, or a torn one. */
export async function loadRun(path: string): Promise<LoadedRun> {
  const run = openRun(path);
  const { manifest } = run;
  assert(manifest !== null, 'only a recovered run has no manifest');
  const symbols = await readRows(run, 'symbols');
  const rows = await readRows(run, 'ledger');
  const { windows } = manifest.totals;
  const postings: Posting[] = [];
  const retired: Retired[] = [];
  for (const row of rows) {
    const symbolRow = symbols[Number(row['symbol_id'])] ?? {};
    const account = {
      window: windows[Number(row['window_id'])]?.name ?? '',
      context: String(row['context']),
      module: String(symbolRow['module']),
      symbol: String(symbolRow['name']),
    };
    const instructions = Number(row['instructions']);
    const count = Number(row['count']);
    if (instructions > 0 || count > 0) retired.push({ ...account, instructions, count });
    postings.push({
      ...account,
      cpu: Number(row['cpu']),
      tid: Number(row['tid']),
      cause: String(row['cause']),
      ticks: Number(row['ticks']),
    });
  }
  const { coreMHz } = manifest.experiment.board.core;
  const { phases } = manifest.experiment.target;
  const operations = new Map(phases.map((phase) => [phase.name, phase.operations]));
  const label = `${run.name} (${manifest.experiment.kernel.commandLine})`;
  const ledger = {
    label,
    coreMHz,
    windows: measureWindows(windows, operations),
    postings,
    retired,
  };
  return { ledger, manifest };
}

async function readRows(run: RecordedRun, table: string): Promise<Row[]> {
  const file = await openTable(run, table);
  try {
    return file.batches.flatMap((batch, index) =>
      Array.from({ length: batch.rows }, (_, row) => file.readRow(index, row)),
    );
  } finally {
    file.close();
  }
}
