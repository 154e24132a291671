/** What `lab stat` prints: counters, the stack of causes, and the symbols that took the time. */
import { colour, formatNumber, formatTable, type TableColumn } from '../cli/output.ts';
import { TICKS_PER_CYCLE } from '../../machine/core/units.ts';
import type { Manifest } from '../recording/manifest.ts';
import { phaseTable } from './run-text.ts';
import type { RunSummary, Share } from './summary.ts';

const right = (title: string): TableColumn => ({ title, align: 'right' });

const percent = (share: number): string => `${(share * 100).toFixed(2)}%`;

export interface StatTextOptions {
  readonly title: string;
  /** How many symbols to print. */
  readonly top: number;
}

export function statText(
  summary: RunSummary,
  manifest: Manifest,
  { title, top }: StatTextOptions,
): string {
  const sections = [
    counterTable(summary, manifest),
    ...(summary.phases.length > 0 ? [phaseTable(summary.phases)] : []),
    shareTable('context', summary.contexts),
    shareTable('cause', summary.causes),
    symbolTable(summary, top),
    `residual ${manifest.residualTicks.reduce((a, b) => a + b, 0)}; exact, n=1`,
  ];
  return [colour.bold(title), ...sections].join('\n\n');
}

function counterTable(summary: RunSummary, { totals }: Manifest): string {
  const rows: string[][] = [
    [formatNumber(summary.cycles), 'cycles'],
    [
      formatNumber(summary.instructions),
      `instructions (${summary.instructionsPerCycle.toFixed(2)} per cycle)`,
    ],
    [formatNumber(summary.userInstructions), 'instructions:u'],
    [formatNumber(summary.ns), 'ns'],
    ...Object.entries(totals.counters).map(([name, value]) => [
      formatNumber(value),
      `${name} (whole run)`,
    ]),
  ];
  return formatTable([right('count'), { title: 'event' }], rows);
}

function shareTable(title: string, shares: readonly Share[]): string {
  return formatTable(
    [{ title }, right('cycles'), right('share')],
    shares.map(({ name, ticks, share }) => [
      name,
      formatNumber(ticks / TICKS_PER_CYCLE),
      percent(share),
    ]),
  );
}

function symbolTable({ symbols }: RunSummary, top: number): string {
  return formatTable(
    [
      { title: 'symbol' },
      { title: 'context' },
      { title: 'module' },
      right('cycles'),
      right('share'),
      right('instructions'),
      right('count'),
    ],
    symbols
      .slice(0, top)
      .map(({ symbol, context, module, ticks, share, instructions, count }) => [
        symbol,
        context,
        module,
        formatNumber(ticks / TICKS_PER_CYCLE),
        percent(share),
        formatNumber(instructions),
        formatNumber(count),
      ]),
  );
}
