/** `lab query`: SQL over recorded runs. */
import { statSync } from 'node:fs';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { Command, Option } from 'commander';
import type { QuerySession } from '../query/database.ts';
import { QueryError, QueryInterrupted } from '../query/query-error.ts';
import { Interrupted, reportError, UserError } from './errors.ts';
import type { QueryFormat } from './query-output.ts';

const HELP = `
Examples:
  lab query runs/storm "select name, calls, mean_cycles from syscall_summary"
  lab query runs/base runs/pti "select run, cause, cycles from cpi_stack where phase = 'storm'"
  lab query runs/storm "from ledger_by_symbol limit 10" --csv
  lab query runs/storm --tables
Without SQL it reads statements from the terminal, or one from standard input.`;

interface Options {
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly tables?: boolean;
  readonly recover?: boolean;
}

interface Request {
  readonly runs: readonly string[];
  /** Null where it has to be read. */
  readonly sql: string | null;
}

const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** The last word is the SQL, unless it is a directory: then all are runs. */
function requestOf(words: readonly string[], tables: boolean): Request {
  const last = words.at(-1) ?? '';
  const isSql = !tables && !isDirectory(last);
  const runs = isSql ? words.slice(0, -1) : words;
  if (runs.length > 0) return { runs, sql: isSql ? last : null };
  const remedy = 'name one as \'lab run\' prints it: lab query RUN "select ..."';
  throw new UserError('no run directory given', { place: last, remedy });
}

/** The library's errors in the form of the command line. */
function userErrorFrom(error: unknown): unknown {
  if (error instanceof QueryInterrupted) return new Interrupted(error.message);
  if (!(error instanceof QueryError)) return error;
  const { problem, place, remedy } = error;
  const at = place === null ? 'SQL' : `SQL line ${place.line}, column ${place.column}`;
  return new UserError(problem, { place: at, remedy });
}

function reportLosses(session: QuerySession): void {
  for (const { file, rows, batches, losses } of session.reports) {
    const kept = `recovered ${rows} rows in ${batches} batches`;
    process.stderr.write(`warning: ${[`${file}: ${kept}`, ...losses].join('; ')}\n`);
  }
}

async function answer(session: QuerySession, sql: string, format: QueryFormat): Promise<void> {
  const { printRows } = await import('./query-output.ts');
  const stop = (): void => {
    session.interrupt();
  };
  process.on('SIGINT', stop);
  try {
    await printRows(await session.query(sql), format);
  } finally {
    process.off('SIGINT', stop);
  }
}

async function openShell(session: QuerySession, tablesSql: string): Promise<void> {
  const { runShell } = await import('./query-shell.ts');
  const report = (error: unknown): void => {
    process.stderr.write(reportError(userErrorFrom(error), ['query']));
  };
  await runShell(session, { reportError: report, tablesSql });
}

async function query(words: readonly string[], options: Options): Promise<void> {
  const { runs, sql } = requestOf(words, options.tables ?? false);
  const { QuerySession, TABLES_SQL } = await import('../query/database.ts');
  const session = await QuerySession.open(runs, { recover: options.recover ?? false });
  const format = options.json ? 'json' : options.csv ? 'csv' : 'table';
  try {
    reportLosses(session);
    if (options.tables) await answer(session, TABLES_SQL, format);
    else if (sql !== null) await answer(session, sql, format);
    else if (process.stdin.isTTY) await openShell(session, TABLES_SQL);
    else await answer(session, await text(process.stdin), format);
  } catch (error) {
    throw userErrorFrom(error);
  } finally {
    session.close();
  }
}

export function queryCommand(): Command {
  return new Command('query')
    .description('Answers one SQL SELECT over recorded runs. Nothing but the runs can be read.')
    .argument('<run...>', 'run directories, then the SQL')
    .addOption(new Option('--json', 'print all rows as JSON').conflicts('csv'))
    .option('--csv', 'print all rows as CSV')
    .option('--tables', 'list tables and views, their columns and what these mean')
    .option('--recover', 'read what is whole of torn files and interrupted recordings')
    .addHelpText('after', HELP)
    .action(query);
}
