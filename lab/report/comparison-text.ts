/** What `lab compare` prints: the phases side by side, then where the difference comes from. */
import { colour, formatNumber, formatTable, type TableColumn } from '../cli/output.ts';
import { nanosecondsFromTicks, TICKS_PER_CYCLE } from '../../machine/core/units.ts';
import type { Comparison, VariantComparison } from '../compare/compare.ts';
import type { DifferencePart } from '../compare/decompose.ts';

/** Rows of a decomposition that are printed one by one; the rest is one row, so that it adds up. */
export const PARTS_SHOWN = 16;

const right = (title: string): TableColumn => ({ title, align: 'right' });

const signed = (value: number, digits: number): string =>
  `${value > 0 ? '+' : ''}${formatNumber(value, digits)}`;

const percent = (fraction: number): string => `${signed(fraction * 100, 2)}%`;

export function comparisonText(comparison: Comparison): string {
  return comparison.variants.map((variant) => variantText(comparison, variant)).join('\n\n');
}

function variantText(comparison: Comparison, variant: VariantComparison): string {
  const { difference, change, label } = variant;
  const unit = comparison.operations > 0 ? 'ns/op' : 'ns';
  return [
    colour.bold(`'${label}' against '${comparison.base}'`) +
      `: ${percent(change)} in ${comparison.windows.join(', ')} (exact, n=1)`,
    ...(variant.phases.length > 0 ? ['', phaseTable(variant)] : []),
    '',
    partsTable(comparison, variant, unit),
    `residual ${difference.residualTicks} ticks`,
  ].join('\n');
}

function phaseTable({ phases }: VariantComparison): string {
  return formatTable(
    [{ title: 'phase' }, right('base ns/op'), right('variant ns/op'), right('delta'), right('%')],
    phases.map(({ name, baseNsPerOperation: base, variantNsPerOperation: variant }) => [
      name,
      formatNumber(base, 2),
      formatNumber(variant, 2),
      signed(variant - base, 2),
      percent(base > 0 ? (variant - base) / base : 0),
    ]),
  );
}

function partsTable(comparison: Comparison, variant: VariantComparison, unit: string): string {
  const { difference } = variant;
  const changed = difference.parts.filter(({ deltaTicks }) => deltaTicks !== 0);
  const shown = changed.slice(0, PARTS_SHOWN);
  const rest = changed.slice(PARTS_SHOWN);
  const row = (key: readonly string[], part: Omit<DifferencePart, 'key'>): string[] => [
    ...key,
    perOperation(comparison, part.baseTicks),
    perOperation(comparison, part.variantTicks),
    signed(part.deltaTicks / TICKS_PER_CYCLE, 0),
    perOperation(comparison, part.deltaTicks, true),
    difference.deltaTicks === 0 ? '' : percent(part.deltaTicks / difference.deltaTicks),
  ];
  const blanks = difference.dimensions.slice(1).map(() => '');
  const rows = shown.map((part) => row(part.key, part));
  if (rest.length > 0) rows.push(row([`${rest.length} more`, ...blanks], sumParts(rest)));
  rows.push(row(['sum of all parts', ...blanks], sumParts(difference.parts)));
  return formatTable(
    [
      ...difference.dimensions.map((title) => ({ title })),
      right(`base ${unit}`),
      right(`variant ${unit}`),
      right('delta cycles'),
      right(`delta ${unit}`),
      right('share'),
    ],
    rows,
  );
}

function sumParts(parts: readonly DifferencePart[]): Omit<DifferencePart, 'key'> {
  const sum = { baseTicks: 0, variantTicks: 0, deltaTicks: 0 };
  for (const part of parts) {
    sum.baseTicks += part.baseTicks;
    sum.variantTicks += part.variantTicks;
    sum.deltaTicks += part.deltaTicks;
  }
  return sum;
}

function perOperation(
  { operations, coreMHz }: Comparison,
  ticks: number,
  withSign = false,
): string {
  const ns = nanosecondsFromTicks(ticks, coreMHz) / Math.max(1, operations);
  return withSign ? signed(ns, 2) : formatNumber(ns, 2);
}
