/** The tracepoint validation: which tracepoints an operation hits in the model, beside a real kernel's. */
import { readFileSync } from 'node:fs';
import { parseCsv } from '../csv.ts';
import { datasetPath } from '../data-folder.ts';
import { type Difference, differences } from './differences.ts';
import { TRACED_OPERATIONS } from './operations.ts';
import { traceOperation } from './sequence.ts';

const DATASET = 'host-zen4/tracepoints.csv';

/** How many operations must have the real kernel's sequence. */
const OPERATIONS_WANTED = 25;

/** Tracepoints that the model has no counterpart of, and why; they are not compared. */
const NOT_MODELLED: Readonly<Record<string, string>> = {
  kmalloc: 'objects of kmalloc are not told apart from those of caches',
  kfree: 'as kmalloc; kfree of nothing is traced too',
  ma_op: 'splits and merges of tree nodes are one step in the model',
  mm_lru_insertion:
    'pages wait in a batch of 15 before they are put on a list; the model has one list',
  csd_function_entry:
    'on one CPU, 6.18 calls the flush through the path of other CPUs; 6.1 does not',
  csd_function_exit: 'as csd_function_entry',
};

export interface TracepointRow {
  readonly operation: string;
  readonly real: readonly string[];
  readonly model: readonly string[] | null;
  /** Why there is no sequence. */
  readonly reason: string;
  readonly differences: readonly Difference[];
  /** Tracepoints of the real kernel that were left out, each as often as it occurred. */
  readonly leftOut: readonly string[];
  readonly agrees: boolean;
}

export interface TracepointReport {
  readonly dataset: string;
  readonly rows: readonly TracepointRow[];
  readonly agreeing: number;
  readonly wanted: number;
  readonly notModelled: Readonly<Record<string, string>>;
  /** Operations of the data set that are not tried. */
  readonly untried: readonly string[];
  readonly ok: boolean;
}

export interface TracepointOptions {
  /** Part of an operation's name; empty for all. */
  readonly filter: string;
  readonly onOperation: (name: string) => void;
}

export function validateTracepoints({ filter, onOperation }: TracepointOptions): TracepointReport {
  const reference = new Map(
    parseCsv(readFileSync(datasetPath(DATASET), 'utf8')).map((row) => [
      row['operation'] ?? '',
      (row['sequence'] ?? '')
        .split(' ')
        .filter((name) => name !== '|')
        .map((name) => name.replace('newstat', 'stat')),
    ]),
  );
  const rows: TracepointRow[] = [];
  for (const operation of TRACED_OPERATIONS) {
    const real = reference.get(operation.name);
    if (real === undefined || !operation.name.includes(filter)) continue;
    onOperation(operation.name);
    const traced = traceOperation(operation);
    const compared = real.filter((name) => !(name in NOT_MODELLED));
    const names = 'names' in traced ? traced.names : null;
    const found = names === null ? [] : differences(compared, names);
    rows.push({
      operation: operation.name,
      real,
      model: names,
      reason: 'reason' in traced ? traced.reason : '',
      differences: found,
      leftOut: real.filter((name) => name in NOT_MODELLED),
      agrees: names !== null && found.length === 0,
    });
  }
  const tried = new Set(TRACED_OPERATIONS.map(({ name }) => name));
  const agreeing = rows.filter(({ agrees }) => agrees).length;
  return {
    dataset: DATASET,
    rows,
    agreeing,
    wanted: OPERATIONS_WANTED,
    notModelled: NOT_MODELLED,
    untried: [...reference.keys()].filter((name) => !tried.has(name)),
    ok: filter === '' ? agreeing >= OPERATIONS_WANTED : agreeing === rows.length,
  };
}
