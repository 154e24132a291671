/**
 * Decomposes the difference of two runs so that the parts add up to the whole.
 *
 * The whole is read from the clocks, the parts from the ledger's postings; that the two agree to
 * the tick is the claim, so the residual is computed and shown and never assumed.
 */
import type { Dimension, Posting, RunLedger } from './posting.ts';

export interface DifferencePart {
  /** One value for each dimension asked for, in that order. */
  readonly key: readonly string[];
  readonly baseTicks: number;
  readonly variantTicks: number;
  readonly deltaTicks: number;
}

export interface Difference {
  readonly dimensions: readonly Dimension[];
  /** Totals by the clocks. */
  readonly baseTicks: number;
  readonly variantTicks: number;
  readonly deltaTicks: number;
  /** Largest change first; ties by key, so that the order is the same on every host. */
  readonly parts: readonly DifferencePart[];
  /** deltaTicks minus the sum of the parts' deltas: 0 when both ledgers balance. */
  readonly residualTicks: number;
}

export interface DecomposeOptions {
  readonly by: readonly Dimension[];
  /** Only these windows; all of them when absent. */
  readonly windows?: ReadonlySet<string>;
}

const KEY_SEPARATOR = '\0';

export function decompose(
  base: RunLedger,
  variant: RunLedger,
  { by, windows }: DecomposeOptions,
): Difference {
  const included = (name: string): boolean => windows?.has(name) ?? true;
  const baseSums = sumBy(base.postings, by, included);
  const variantSums = sumBy(variant.postings, by, included);
  const parts: DifferencePart[] = [];
  for (const key of new Set([...baseSums.keys(), ...variantSums.keys()])) {
    const baseTicks = baseSums.get(key) ?? 0;
    const variantTicks = variantSums.get(key) ?? 0;
    const deltaTicks = variantTicks - baseTicks;
    parts.push({ key: key.split(KEY_SEPARATOR), baseTicks, variantTicks, deltaTicks });
  }
  parts.sort((x, y) => Math.abs(y.deltaTicks) - Math.abs(x.deltaTicks) || compareKeys(x, y));

  const baseTicks = clockTicks(base, included);
  const variantTicks = clockTicks(variant, included);
  const deltaTicks = variantTicks - baseTicks;
  const explained = parts.reduce((sum, part) => sum + part.deltaTicks, 0);
  return {
    dimensions: by,
    baseTicks,
    variantTicks,
    deltaTicks,
    parts,
    residualTicks: deltaTicks - explained,
  };
}

function sumBy(
  postings: readonly Posting[],
  by: readonly Dimension[],
  included: (window: string) => boolean,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const posting of postings) {
    if (!included(posting.window)) continue;
    const key = by.map((dimension) => String(posting[dimension])).join(KEY_SEPARATOR);
    sums.set(key, (sums.get(key) ?? 0) + posting.ticks);
  }
  return sums;
}

function clockTicks(run: RunLedger, included: (window: string) => boolean): number {
  return run.windows.reduce((sum, { name, ticks }) => sum + (included(name) ? ticks : 0), 0);
}

function compareKeys(x: DifferencePart, y: DifferencePart): number {
  const a = x.key.join(KEY_SEPARATOR);
  const b = y.key.join(KEY_SEPARATOR);
  return a < b ? -1 : a > b ? 1 : 0;
}
