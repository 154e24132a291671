/** The ledger of a run in memory, as a comparison wants it. */
import { CAUSES } from '../../machine/core/ledger/cause.ts';
import { CONTEXTS } from '../../machine/core/ledger/context.ts';
import type { Ledger } from '../../machine/core/ledger/ledger.ts';
import type { SymbolTable } from '../../machine/core/ledger/symbols.ts';
import { measureWindows } from '../compare/measure-windows.ts';
import type { Posting, Retired, RunLedger } from '../compare/posting.ts';

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
  return { label, coreMHz, windows: measureWindows(ledger.windows, operations), postings, retired };
}
