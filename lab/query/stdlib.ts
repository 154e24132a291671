/**
 * The standard library of SQL views. A module is one file: comment lines that say what the view is
 * (`-- needs:` the tables that it reads, `-- column name:` what each column means), then CREATE VIEW.
 */
import branchMissBySymbol from './stdlib/branch_miss_by_symbol.sql';
import cacheMissBySymbol from './stdlib/cache_miss_by_symbol.sql';
import cpiStack from './stdlib/cpi_stack.sql';
import ledgerBalance from './stdlib/ledger_balance.sql';
import ledgerBySymbol from './stdlib/ledger_by_symbol.sql';
import mitigationSummary from './stdlib/mitigation_summary.sql';
import pageFaultSummary from './stdlib/page_fault_summary.sql';
import phaseSummary from './stdlib/phase_summary.sql';
import syscallSummary from './stdlib/syscall_summary.sql';
import tlbMissBySymbol from './stdlib/tlb_miss_by_symbol.sql';

export interface SqlModule {
  readonly name: string;
  readonly comment: string;
  /** Tables that must be recorded for the view to exist. */
  readonly needs: readonly string[];
  readonly columns: ReadonlyMap<string, string>;
  readonly sql: string;
}

const COLUMN_LINE = /^column (\w+): (.+)$/;
const NEEDS_LINE = /^needs: (.+)$/;
const CREATE_VIEW = /^CREATE VIEW (\w+) AS$/m;

/** Reads a module. Throws when it does not have the form above: our own bug. */
export function parseSqlModule(text: string): SqlModule {
  const [, name] = CREATE_VIEW.exec(text) ?? [];
  if (name === undefined) throw new Error('an SQL module creates one view');
  const lines = text.split('\n').filter((line) => line.startsWith('-- '));
  const columns = new Map<string, string>();
  const prose: string[] = [];
  let needs: string[] = [];
  for (const line of lines.map((l) => l.slice(3).trim())) {
    const [, column, comment] = COLUMN_LINE.exec(line) ?? [];
    const [, tables] = NEEDS_LINE.exec(line) ?? [];
    if (column !== undefined && comment !== undefined) columns.set(column, comment);
    else if (tables !== undefined) needs = tables.split(/\s+/);
    else prose.push(line);
  }
  return { name, comment: prose.join(' '), needs, columns, sql: text };
}

const TEXTS = [
  branchMissBySymbol,
  cacheMissBySymbol,
  cpiStack,
  ledgerBalance,
  ledgerBySymbol,
  mitigationSummary,
  pageFaultSummary,
  phaseSummary,
  syscallSummary,
  tlbMissBySymbol,
];

export const SQL_MODULES: readonly SqlModule[] = TEXTS.map(parseSqlModule);
