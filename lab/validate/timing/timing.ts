/** The timing validation: measured rows beside what the model takes for the same operations. */
import type { Board } from '../../../machine/board/board.ts';
import { measureSection, type Measured, type SectionResult } from './measure.ts';
import {
  DATASETS,
  GROUPS,
  groupOf,
  readReference,
  THRESHOLDS,
  type Judged,
  type ReferenceRow,
} from './reference.ts';
import { megabytesOf, reasonUntried, sectionOf, type Section } from './sections.ts';

export interface TimingOptions {
  readonly board: Board;
  readonly kernel: string;
  /** Part of `name params`; empty for all rows. */
  readonly filter: string;
  /** Rows with working sets above SMALL_MEGABYTES as well. */
  readonly full: boolean;
  readonly onSection: (name: string) => void;
}

export interface TimingRow extends ReferenceRow {
  readonly group: string;
  /** TSC cycles on the model; null where there is no figure. */
  readonly model: number | null;
  /** model / median - 1, and model / best - 1. */
  readonly error: number | null;
  readonly errorOfBest: number | null;
  /** Why there is no figure. */
  readonly reason: string;
}

export interface GroupSummary {
  readonly name: string;
  readonly judged: Judged;
  /** Rows with a figure, and all. */
  readonly measured: number;
  readonly rows: number;
  /** Of the absolute errors; null without rows. */
  readonly medianError: number | null;
  readonly p90Error: number | null;
  readonly passes: boolean;
}

export interface TimingReport {
  readonly board: string;
  readonly dataset: string;
  readonly rows: readonly TimingRow[];
  /** One for each group, then those of all hardware and all kernel rows, which decide. */
  readonly groups: readonly GroupSummary[];
  readonly ok: boolean;
}

/** Working sets that a default run tries. */
export const SMALL_MEGABYTES = 64;
const FULL_MEGABYTES = 1024;
/** The reference machine has more memory than the board gives a guest by default. */
const FULL_MEMORY_BYTES = 3 * 2 ** 30;

/** Undefined when the board has no reference data. Throws UserError when the kernel line is refused. */
export function validateTiming(options: TimingOptions): TimingReport | undefined {
  const { board, filter } = options;
  const dataset = DATASETS[board.name];
  if (dataset === undefined) return undefined;
  const reference = readReference(dataset).filter(({ name, params }) =>
    `${name} ${params}`.includes(filter),
  );
  const results = new Map<string, SectionResult>();
  const rows = reference.map((row) => compareRow(row, options, results));
  const order = new Map(GROUPS.map(({ name }, index) => [name, index]));
  rows.sort((a, b) => (order.get(a.group) ?? 0) - (order.get(b.group) ?? 0));
  const groups = [
    ...GROUPS.map((group) => summarize(group.name, group.judged, rows)),
    ...overall(rows),
  ].filter((summary) => summary.rows > 0);
  return { board: board.name, dataset, rows, groups, ok: overall(rows).every((all) => all.passes) };
}

function compareRow(
  row: ReferenceRow,
  options: TimingOptions,
  results: Map<string, SectionResult>,
): TimingRow {
  const group = groupOf(row.name)?.name ?? '';
  const measured = measureRow(row, options, results);
  if ('reason' in measured) {
    return { ...row, group, model: null, error: null, errorOfBest: null, reason: measured.reason };
  }
  const model = measured.cycles;
  const error = model / row.median - 1;
  return { ...row, group, model, error, errorOfBest: model / row.best - 1, reason: '' };
}

function measureRow(
  { name, params }: ReferenceRow,
  options: TimingOptions,
  results: Map<string, SectionResult>,
): Measured {
  const section = sectionOf(name, params);
  if (section === undefined) return { reason: reasonUntried(name, params) };
  if (!options.full && megabytesOf(name, params) > SMALL_MEGABYTES) {
    return { reason: 'large: measured with --full' };
  }
  const result = sectionResult(section, options, results);
  const found = result.rows.get(`${name}\t${params}`);
  if (found !== undefined) return found;
  return { reason: result.ended === '' ? 'not printed' : `section ended: ${result.ended}` };
}

function sectionResult(
  section: Section,
  { board, kernel, filter, full, onSection }: TimingOptions,
  results: Map<string, SectionResult>,
): SectionResult {
  const known = results.get(section.name);
  if (known !== undefined) return known;
  onSection(section.name);
  const memory = full ? { ...board.memory, bytes: FULL_MEMORY_BYTES } : board.memory;
  const result = measureSection(section.name, {
    board: { ...board, memory },
    kernel,
    filter,
    megabytesMax: full ? FULL_MEGABYTES : SMALL_MEGABYTES,
  });
  results.set(section.name, result);
  return result;
}

function overall(rows: readonly TimingRow[]): GroupSummary[] {
  return (['hardware', 'kernel'] as const).map((judged) => {
    const names = new Set(
      GROUPS.filter((group) => group.judged === judged).map(({ name }) => name),
    );
    return summary(
      `all ${judged}`,
      judged,
      rows.filter(({ group }) => names.has(group)),
    );
  });
}

function summarize(name: string, judged: Judged, rows: readonly TimingRow[]): GroupSummary {
  return summary(
    name,
    judged,
    rows.filter(({ group }) => group === name),
  );
}

function summary(name: string, judged: Judged, rows: readonly TimingRow[]): GroupSummary {
  const errors = rows
    .flatMap(({ error }) => (error === null ? [] : [Math.abs(error)]))
    .sort((a, b) => a - b);
  const medianError = quantile(errors, 0.5);
  const p90Error = quantile(errors, 0.9);
  const { median, p90 } = THRESHOLDS[judged];
  const passes =
    medianError === null || p90Error === null || (medianError <= median && p90Error <= p90);
  return {
    name,
    judged,
    measured: errors.length,
    rows: rows.length,
    medianError,
    p90Error,
    passes,
  };
}

/** Of ascending values, by linear interpolation; null when there are none. */
export function quantile(ascending: readonly number[], q: number): number | null {
  if (ascending.length === 0) return null;
  const position = (ascending.length - 1) * q;
  const below = Math.floor(position);
  const low = ascending[below] ?? 0;
  const high = ascending[below + 1] ?? low;
  return low + (high - low) * (position - below);
}
