/** Compares runs: one base, any number of variants, every difference decomposed to residual 0. */
import { nanosecondsFromTicks } from '../../machine/core/units.ts';
import { decompose, type Difference } from './decompose.ts';
import type { Dimension, RunLedger } from './posting.ts';

export interface PhaseDifference {
  readonly name: string;
  readonly operations: number;
  readonly baseNsPerOperation: number;
  readonly variantNsPerOperation: number;
}

export interface VariantComparison {
  readonly label: string;
  readonly difference: Difference;
  /** Relative change of the measured time: 0.05 is 5% slower. */
  readonly change: number;
  readonly phases: readonly PhaseDifference[];
}

export interface Comparison {
  readonly base: string;
  /** The windows that were compared: the measured phases, or the whole run where there are none. */
  readonly windows: readonly string[];
  /** Operations in them; 0 where the target has none. */
  readonly operations: number;
  readonly coreMHz: number;
  readonly variants: readonly VariantComparison[];
}

export interface CompareOptions {
  readonly by: readonly Dimension[];
  /** Compare these windows only. */
  readonly windows?: readonly string[];
}

export function compareRuns(
  base: RunLedger,
  variants: readonly RunLedger[],
  { by, windows }: CompareOptions,
): Comparison {
  const names = windows ?? defaultWindows(base);
  const included = new Set(names);
  const operations = base.windows
    .filter(({ name }) => included.has(name))
    .reduce((sum, window) => sum + window.operations, 0);
  return {
    base: base.label,
    windows: names,
    operations,
    coreMHz: base.coreMHz,
    variants: variants.map((variant) => {
      const difference = decompose(base, variant, { by, windows: included });
      const { baseTicks, deltaTicks } = difference;
      return {
        label: variant.label,
        difference,
        change: baseTicks > 0 ? deltaTicks / baseTicks : 0,
        phases: phaseDifferences(base, variant, included),
      };
    }),
  };
}

/** The measured phases: start-up and teardown would only dilute what is compared. */
function defaultWindows(run: RunLedger): string[] {
  const measured = run.windows.filter(({ operations }) => operations > 0);
  return (measured.length > 0 ? measured : run.windows).map(({ name }) => name);
}

function phaseDifferences(
  base: RunLedger,
  variant: RunLedger,
  included: ReadonlySet<string>,
): PhaseDifference[] {
  const variantWindows = new Map(variant.windows.map((window) => [window.name, window]));
  return base.windows.flatMap(({ name, ticks, operations }) => {
    const other = variantWindows.get(name);
    if (!included.has(name) || operations === 0 || other === undefined) return [];
    return {
      name,
      operations,
      baseNsPerOperation: nanosecondsFromTicks(ticks, base.coreMHz) / operations,
      variantNsPerOperation: nanosecondsFromTicks(other.ticks, variant.coreMHz) / operations,
    };
  });
}
