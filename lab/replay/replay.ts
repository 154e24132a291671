/** Re-executes a recorded run from its directory and holds every batch against the recording. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Board } from '../../machine/board/board.ts';
import { assert } from '../../machine/core/assert.ts';
import { execute, type ExecutedRun } from '../record/execute.ts';
import {
  guestFileName,
  IMAGE_FILE,
  manifestOf,
  sha256Of,
  writeSummaryTables,
} from '../record/record.ts';
import type { ResolvedExperiment } from '../record/resolve.ts';
import type { Execution } from '../experiment/experiment.ts';
import type { JsonValue } from '../recording/canonical-json.ts';
import { MANIFEST_FILE, type Manifest } from '../recording/manifest.ts';
import { openRun, type RecordedRun } from '../recording/read-run.ts';
import { RecordingError, REMEDY_RECORD_AGAIN } from '../recording/recording-error.ts';
import { digestOf } from '../recording/run-directory.ts';
import { firstDifferingValue } from './compare-runs.ts';
import { formatDivergence } from './divergence.ts';
import { VerifyingSink } from './verifying-sink.ts';

export interface ReplayResult {
  readonly run: string;
  readonly identical: boolean;
  /** Batches that were held against the recording. */
  readonly batches: number;
  readonly rows: number;
  /** What differs first, in words; absent when identical. */
  readonly divergence?: string;
  readonly wallMs: number;
}

/** Replays the run at `path`. Throws RecordingError when the recording cannot be read. */
export async function replay(
  path: string,
  execution: Pick<Execution, 'tier' | 'filter'>,
): Promise<ReplayResult> {
  const run = openRun(path);
  const { manifest } = run;
  assert(manifest !== null, 'only a recovered run has no manifest');
  const experiment = recordedExperiment(run, manifest);
  const sink = new VerifyingSink(manifest.tables);
  const replayed = execute(experiment, { sink, ...execution });
  writeSummaryTables(sink, replayed);
  const tables = Object.values(manifest.tables);
  const found = await sink.divergence(run);
  const divergence =
    found === null ? differingTotals(manifest, experiment, replayed) : formatDivergence(found);
  return {
    run: run.path,
    identical: divergence === undefined,
    batches: tables.reduce((sum, table) => sum + table.batches.length, 0),
    rows: tables.reduce((sum, table) => sum + table.rows, 0),
    ...(divergence === undefined ? {} : { divergence }),
    wallMs: replayed.wallMs,
  };
}

/** The experiment as the manifest states it: nothing is looked up by name any more. */
function recordedExperiment(run: RecordedRun, manifest: Manifest): ResolvedExperiment {
  const { target, kernel, board, seed, events, files } = manifest.experiment;
  const { kind, name, params, path, argv, env, phases } = target;
  return {
    kind,
    name,
    params,
    phases,
    program: { path, bytes: readRecorded(run, IMAGE_FILE, target.imageSha256), argv, env },
    files: files.map((file, i) => ({
      path: file.path,
      mode: file.mode,
      bytes: readRecorded(run, guestFileName(i), file.sha256),
    })),
    kernel: kernel.commandLine,
    board: board as unknown as Board,
    seed,
    events,
  };
}

/** A file that the guest got, held against the manifest. */
function readRecorded(run: RecordedRun, name: string, sha256: string): Uint8Array {
  const file = join(run.path, name);
  const bytes = readFileSync(file);
  if (sha256Of(bytes) !== sha256) {
    const problem = 'is not the file that the manifest states';
    throw new RecordingError({ file, problem, remedy: REMEDY_RECORD_AGAIN });
  }
  return bytes;
}

/** What is not in any table: totals, exit status, output. */
function differingTotals(
  manifest: Manifest,
  experiment: ResolvedExperiment,
  run: ExecutedRun,
): string | undefined {
  const replayed = {
    ...manifestOf(experiment, run),
    stdout: digestOf(run.stdout),
    stderr: digestOf(run.stderr),
  };
  const { tables: _tables, formatVersion: _version, ...recorded } = manifest;
  const found = firstDifferingValue(
    recorded as unknown as JsonValue,
    replayed as unknown as JsonValue,
  );
  if (found === null) return undefined;
  const text = (value: JsonValue | undefined): string =>
    value === undefined ? 'absent' : JSON.stringify(value);
  return `${MANIFEST_FILE}, ${found.path}: recorded ${text(found.recorded)}, replayed ${text(found.replayed)}`;
}
