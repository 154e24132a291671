/** The path validation: what the kernel model runs for an operation beside what the real kernel ran. */
import { readFileSync } from 'node:fs';
import { parseCsv } from '../csv.ts';
import { datasetPath } from '../data-folder.ts';
import { BOOTS, type Boot, countOperation } from './count.ts';
import type { PathOperation } from './operation.ts';
import { CALLS } from './operations/calls.ts';
import { FILES } from './operations/files.ts';
import { SOCKETS } from './operations/sockets.ts';
import { IO_URING } from './operations/io-uring.ts';
import { MEMORY } from './operations/memory.ts';
import { TASKS } from './operations/tasks.ts';

export const DATASET = 'linux-6.1-paths/summary.csv';

export const OPERATIONS: readonly PathOperation[] = [
  ...CALLS,
  ...FILES,
  ...SOCKETS,
  ...MEMORY,
  ...TASKS,
  ...IO_URING,
];

const INSTRUCTION_COLUMNS: Readonly<Record<Boot, string>> = {
  off: 'kernel_insns_off',
  on: 'kernel_insns_on',
  on_zen: 'kernel_insns_zen_srso',
};

/** Median and 90th percentile of the absolute errors that each count may have. */
export const THRESHOLDS = {
  instructions: { median: 0.03, p90: 0.1 },
  branches: { median: 0.15, p90: 0.15 },
  dataLines: { median: 0.15, p90: 0.15 },
} as const;

export type Measure = keyof typeof THRESHOLDS;

/** A count of the model, without the functions behind it. */
export type CountedPath = Readonly<Record<Measure, number>>;

export interface PathRow {
  readonly operation: string;
  readonly boot: Boot;
  /** The real kernel; branches and lines were counted in boot `off` alone. */
  readonly real: Readonly<Record<Measure, number>>;
  readonly model: CountedPath | null;
  /** Why there is no figure. */
  readonly reason: string;
}

export interface PathSummary {
  readonly measure: Measure;
  readonly boot: Boot;
  readonly rows: number;
  readonly medianError: number;
  readonly p90Error: number;
  readonly passes: boolean;
}

export interface PathReport {
  readonly dataset: string;
  readonly rows: readonly PathRow[];
  readonly summaries: readonly PathSummary[];
  /** Operations of the data set that are not tried. */
  readonly untried: readonly string[];
  readonly ok: boolean;
}

export interface PathOptions {
  readonly boots: readonly Boot[];
  /** Part of an operation's name; empty for all. */
  readonly filter: string;
  readonly onOperation: (name: string) => void;
}

export function validatePaths({ boots, filter, onOperation }: PathOptions): PathReport {
  const reference = new Map(
    parseCsv(readFileSync(datasetPath(DATASET), 'utf8')).map((row) => [row['op'] ?? '', row]),
  );
  const rows: PathRow[] = [];
  for (const operation of OPERATIONS) {
    const real = reference.get(operation.name);
    if (real === undefined || !operation.name.includes(filter)) continue;
    onOperation(operation.name);
    for (const boot of boots) rows.push(compare(operation, boot, real));
  }
  const summaries = boots.flatMap((boot) => summarize(boot, rows));
  const tried = new Set(OPERATIONS.map(({ name }) => name));
  const untried = [...reference.keys()].filter((name) => !tried.has(name) && name !== 'empty');
  const ok = summaries.length > 0 && summaries.every(({ passes }) => passes);
  return { dataset: DATASET, rows, summaries, untried, ok };
}

const NONE: CountedPath = { instructions: 0, branches: 0, dataLines: 0 };

function compare(
  operation: PathOperation,
  boot: Boot,
  reference: Readonly<Record<string, string>>,
): PathRow {
  const number = (column: string): number => Number(reference[column] ?? 'NaN');
  const real = {
    instructions: number(INSTRUCTION_COLUMNS[boot]),
    branches: number('cond_branches'),
    dataLines: number('data_lines'),
  };
  const counted = countOperation(operation, boot);
  const failed = 'reason' in counted;
  const { instructions, branches, dataLines } = failed ? NONE : counted;
  return {
    operation: operation.name,
    boot,
    real,
    model: failed ? null : { instructions, branches, dataLines },
    reason: failed ? counted.reason : '',
  };
}

/** model / real - 1 */
export function errorOf(row: PathRow, measure: Measure): number | null {
  return row.model === null ? null : row.model[measure] / row.real[measure] - 1;
}

function summarize(boot: Boot, rows: readonly PathRow[]): PathSummary[] {
  const measures: readonly Measure[] =
    boot === 'off' ? ['instructions', 'branches', 'dataLines'] : ['instructions'];
  return measures.flatMap((measure) => {
    const errors = rows
      .filter((row) => row.boot === boot)
      .map((row) => errorOf(row, measure))
      .filter((error) => error !== null)
      .map(Math.abs)
      .sort((a, b) => a - b);
    if (errors.length === 0) return [];
    const medianError = quantile(errors, 0.5);
    const p90Error = quantile(errors, 0.9);
    const allowed = THRESHOLDS[measure];
    const passes = medianError <= allowed.median && p90Error <= allowed.p90;
    return [{ measure, boot, rows: errors.length, medianError, p90Error, passes }];
  });
}

/** Nearest-rank quantile of sorted values. */
function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

export const ALL_BOOTS = Object.keys(BOOTS) as Boot[];
