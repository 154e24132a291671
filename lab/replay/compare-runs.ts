/** Compares two recorded runs of one experiment: the same in every byte, or where they first part. */
import type { ArrowTableFile } from '../recording/arrow-reader.ts';
import { schemaSha256 } from '../recording/batch-digest.ts';
import type { JsonValue } from '../recording/canonical-json.ts';
import { openTable, type RecordedRun } from '../recording/read-run.ts';
import {
  type Divergence,
  earliest,
  firstDifferingRow,
  recordedRows,
  schemaDivergence,
} from './divergence.ts';

function compareTables(recorded: ArrowTableFile, replayed: ArrowTableFile): Divergence | null {
  const { name: table } = recorded.spec;
  const sameSchema = schemaSha256(recorded.spec) === schemaSha256(replayed.spec);
  const count = Math.max(recorded.batches.length, replayed.batches.length);
  let rowsBefore = 0;
  for (let batch = 0; batch < count; batch++) {
    const [a, b] = [recorded.batches[batch], replayed.batches[batch]];
    // Where dictionaries differ, equal indices say nothing: the strings are compared.
    if (!sameSchema || a?.sha256 !== b?.sha256) {
      const place = { table, batch, rowsBefore };
      const rows = [recordedRows(recorded, batch), recordedRows(replayed, batch)] as const;
      const found = firstDifferingRow(place, ...rows);
      if (found !== null) return found;
    }
    rowsBefore += a?.rows ?? 0;
  }
  return sameSchema ? null : schemaDivergence(recorded.spec, replayed.spec);
}

async function compareTable(
  recorded: RecordedRun,
  replayed: RecordedRun,
  name: string,
): Promise<Divergence | null> {
  const sides = [recorded, replayed].map((run) => run.tableNames.includes(name));
  if (sides.includes(false)) {
    const reason = `only the ${sides[0] === true ? 'recording' : 'replay'} has this table`;
    return { table: name, batch: null, row: null, reason, recorded: null, replayed: null };
  }
  const a = await openTable(recorded, name);
  try {
    const b = await openTable(replayed, name);
    try {
      return compareTables(a, b);
    } finally {
      b.close();
    }
  } finally {
    a.close();
  }
}

/**
 * The first divergence of `replayed` from `recorded`, or null when every table holds the same.
 * Throws RecordingError when one of them cannot be read.
 */
export async function compareRuns(
  recorded: RecordedRun,
  replayed: RecordedRun,
): Promise<Divergence | null> {
  const names = new Set([...recorded.tableNames, ...replayed.tableNames]);
  const divergences: Divergence[] = [];
  for (const name of names) {
    const found = await compareTable(recorded, replayed, name);
    if (found !== null) divergences.push(found);
  }
  return earliest(divergences);
}

export interface ValueDifference {
  /** As in `totals.ticks.0`. */
  readonly path: string;
  readonly recorded: JsonValue | undefined;
  readonly replayed: JsonValue | undefined;
}

const isObject = (value: unknown): value is Record<string, JsonValue | undefined> =>
  typeof value === 'object' && value !== null;

/** The first value in which two JSON documents (manifests) differ, keys in sorted order. */
export function firstDifferingValue(
  recorded: JsonValue | undefined,
  replayed: JsonValue | undefined,
  path = '',
): ValueDifference | null {
  if (!isObject(recorded) || !isObject(replayed)) {
    return Object.is(recorded, replayed) ? null : { path, recorded, replayed };
  }
  const keys = new Set([...Object.keys(recorded), ...Object.keys(replayed)]);
  for (const key of [...keys].sort()) {
    const below = path === '' ? key : `${path}.${key}`;
    const found = firstDifferingValue(recorded[key], replayed[key], below);
    if (found !== null) return found;
  }
  return null;
}
