/**
 * What `lab stat` and `lab run` say of one run: sums over its ledger, nothing else.
 */
import type { Posting, RunLedger } from '../compare/posting.ts';
import { TICKS_PER_CYCLE, nanosecondsFromTicks } from '../../machine/core/units.ts';

export interface Share {
  readonly name: string;
  readonly ticks: number;
  /** Fraction of the total, 0..1. */
  readonly share: number;
}

export interface PhaseSummary {
  readonly name: string;
  readonly operations: number;
  readonly ticks: number;
  readonly cycles: number;
  readonly ns: number;
  readonly cyclesPerOperation: number;
  readonly nsPerOperation: number;
  readonly instructionsPerOperation: number;
}

export interface HotSymbol {
  readonly context: string;
  readonly module: string;
  readonly symbol: string;
  readonly ticks: number;
  readonly share: number;
  readonly instructions: number;
  readonly count: number;
}

export interface RunSummary {
  readonly ticks: number;
  readonly cycles: number;
  readonly ns: number;
  readonly instructions: number;
  readonly userInstructions: number;
  readonly instructionsPerCycle: number;
  readonly contexts: readonly Share[];
  readonly causes: readonly Share[];
  readonly symbols: readonly HotSymbol[];
  /** The windows in which the target counts operations. */
  readonly phases: readonly PhaseSummary[];
}

/** Sums a run, or only its window `window`. */
export function summarize(run: RunLedger, window?: string): RunSummary {
  const included = (name: string): boolean => window === undefined || name === window;
  const postings = run.postings.filter((posting) => included(posting.window));
  const retired = run.retired.filter((row) => included(row.window));
  const ticks = run.windows.reduce((sum, w) => sum + (included(w.name) ? w.ticks : 0), 0);
  const instructions = retired.reduce((sum, row) => sum + row.instructions, 0);
  const cycles = ticks / TICKS_PER_CYCLE;
  return {
    ticks,
    cycles,
    ns: nanosecondsFromTicks(ticks, run.coreMHz),
    instructions,
    userInstructions: retired
      .filter((row) => row.context === 'user')
      .reduce((sum, row) => sum + row.instructions, 0),
    instructionsPerCycle: cycles > 0 ? instructions / cycles : 0,
    contexts: shares(postings, ({ context }) => context, ticks),
    causes: shares(postings, ({ cause }) => cause, ticks),
    symbols: hotSymbols(postings, retired, ticks),
    phases: run.windows
      .filter((w) => w.operations > 0 && included(w.name))
      .map((w) => phaseSummary(run, w)),
  };
}

function shares(
  postings: readonly Posting[],
  nameOf: (posting: Posting) => string,
  total: number,
): Share[] {
  const sums = new Map<string, number>();
  for (const posting of postings) {
    const name = nameOf(posting);
    sums.set(name, (sums.get(name) ?? 0) + posting.ticks);
  }
  return [...sums]
    .map(([name, ticks]) => ({ name, ticks, share: total > 0 ? ticks / total : 0 }))
    .sort((a, b) => b.ticks - a.ticks || (a.name < b.name ? -1 : 1));
}

function hotSymbols(
  postings: readonly Posting[],
  retired: RunLedger['retired'],
  total: number,
): HotSymbol[] {
  const keyOf = (row: { context: string; module: string; symbol: string }): string =>
    `${row.context}\0${row.module}\0${row.symbol}`;
  const rows = new Map<string, { ticks: number; instructions: number; count: number }>();
  const rowOf = (key: string): { ticks: number; instructions: number; count: number } => {
    let row = rows.get(key);
    if (row === undefined) rows.set(key, (row = { ticks: 0, instructions: 0, count: 0 }));
    return row;
  };
  for (const posting of postings) rowOf(keyOf(posting)).ticks += posting.ticks;
  for (const { instructions, count, ...row } of retired) {
    const sums = rowOf(keyOf(row));
    sums.instructions += instructions;
    sums.count += count;
  }
  return [...rows]
    .map(([key, sums]) => {
      const [context = '', module = '', symbol = ''] = key.split('\0');
      return { context, module, symbol, ...sums, share: total > 0 ? sums.ticks / total : 0 };
    })
    .sort((a, b) => b.ticks - a.ticks || (a.symbol < b.symbol ? -1 : 1));
}

function phaseSummary(
  run: RunLedger,
  { name, ticks, operations }: RunLedger['windows'][number],
): PhaseSummary {
  const cycles = ticks / TICKS_PER_CYCLE;
  const ns = nanosecondsFromTicks(ticks, run.coreMHz);
  const instructions = run.retired
    .filter((row) => row.window === name)
    .reduce((sum, row) => sum + row.instructions, 0);
  return {
    name,
    operations,
    ticks,
    cycles,
    ns,
    cyclesPerOperation: cycles / operations,
    nsPerOperation: ns / operations,
    instructionsPerOperation: instructions / operations,
  };
}
