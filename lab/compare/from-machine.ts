/** The ledger of a run in memory, as a comparison wants it. */
import { CAUSES } from '../../machine/core/ledger/cause.ts';
import { CONTEXTS } from '../../machine/core/ledger/context.ts';
import type { Ledger, LedgerWindow } from '../../machine/core/ledger/ledger.ts';
import type { SymbolTable } from '../../machine/core/ledger/symbols.ts';
import type { MeasuredWindow, Posting, Retired, RunLedger } from './posting.ts';

export interface RunLedgerSource {
  readonly label: string;
  readonly coreMHz: number;
  readonly ledger: Ledger;
  readonly symbols: SymbolTable;
  /** Operations by window name. */
  readonly operations: ReadonlyMap<string, number>;
}

export function runLedgerFromMachine(source: RunLedgerSource): RunLedger {
  const { label, coreMHz, ledger, symbols, operations } = source;
  const postings: Posting[] = [];
  const retired: Retired[] = [];
  for (const row of ledger.rows) {
    const { name: symbol, module } = symbols.at(row.symbol);
    const window = ledger.windows[row.window]?.name ?? '';
    const context = CONTEXTS[row.context];
    const { cpu, tid, instructions, count } = row;
    retired.push({ window, context, module, symbol, instructions, count });
    row.ticks.forEach((ticks, cause) => {
      if (ticks === 0) return;
      postings.push({
        window,
        cpu,
        tid,
        context,
        module,
        symbol,
        cause: CAUSES[cause] ?? '',
        ticks,
      });
    });
  }
  return { label, coreMHz, windows: mergeWindows(ledger.windows, operations), postings, retired };
}

/** One entry for each name: a run may have several windows called `between`. */
function mergeWindows(
  windows: readonly LedgerWindow[],
  operations: ReadonlyMap<string, number>,
): MeasuredWindow[] {
  const ticks = new Map<string, number>();
  for (const { name, begin, end } of windows) {
    const length = end.reduce((sum, tick, cpu) => sum + tick - (begin[cpu] ?? 0), 0);
    ticks.set(name, (ticks.get(name) ?? 0) + length);
  }
  return [...ticks].map(([name, length]) => ({
    name,
    ticks: length,
    operations: operations.get(name) ?? 0,
  }));
}
