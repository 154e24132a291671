/** What `lab compare --json` prints; fields are only ever added. */
import type { Comparison } from '../compare/compare.ts';

export function comparisonJson(comparison: Comparison): unknown {
  return {
    base: comparison.base,
    windows: comparison.windows,
    operations: comparison.operations,
    exact: true,
    n: 1,
    variants: comparison.variants.map(({ label, difference, change, phases }) => ({
      variant: label,
      change,
      baseTicks: difference.baseTicks,
      variantTicks: difference.variantTicks,
      deltaTicks: difference.deltaTicks,
      residualTicks: difference.residualTicks,
      phases,
      parts: difference.parts.map(({ key, ...ticks }) => ({
        ...Object.fromEntries(difference.dimensions.map((name, i) => [name, key[i]])),
        ...ticks,
      })),
    })),
  };
}
