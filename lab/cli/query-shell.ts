/** The interactive shell of `lab query`: statements end with a semicolon, commands begin with a dot. */
import process from 'node:process';
import { createInterface, type Interface } from 'node:readline/promises';
import type { QuerySession } from '../query/database.ts';
import { type QueryFormat, printRows } from './query-output.ts';

const HELP = `SQL ends with ';' and may take several lines.
  .tables         tables and views with their columns
  .mode MODE      how rows are printed: table, json or csv
  .help           this
  .quit           leave (or Ctrl-D)
Ctrl-C stops a query that runs.`;

const FORMATS: ReadonlySet<string> = new Set<QueryFormat>(['table', 'json', 'csv']);

interface Shell {
  readonly session: QuerySession;
  readonly tablesSql: string;
  readonly reportError: (error: unknown) => void;
  format: QueryFormat;
  running: boolean;
}

async function answer(shell: Shell, sql: string): Promise<void> {
  shell.running = true;
  try {
    await printRows(await shell.session.query(sql), shell.format);
  } catch (error) {
    shell.reportError(error);
  } finally {
    shell.running = false;
  }
}

/** Returns false to leave. */
async function obey(shell: Shell, command: string): Promise<boolean> {
  const [word, argument = ''] = command.split(/\s+/);
  if (word === '.quit' || word === '.exit') return false;
  if (word === '.tables') await answer(shell, shell.tablesSql);
  else if (word === '.mode' && FORMATS.has(argument)) shell.format = argument as QueryFormat;
  else process.stdout.write(`${HELP}\n`);
  return true;
}

async function readStatements(shell: Shell, lines: Interface): Promise<void> {
  let statement = '';
  lines.setPrompt('lab> ');
  lines.prompt();
  for await (const line of lines) {
    if (statement === '' && line.trim().startsWith('.')) {
      if (!(await obey(shell, line.trim()))) return;
    } else {
      statement = `${statement}${line}\n`;
      if (line.trimEnd().endsWith(';')) {
        await answer(shell, statement);
        statement = '';
      }
      if (statement.trim() === '') statement = '';
    }
    lines.setPrompt(statement === '' ? 'lab> ' : '...> ');
    lines.prompt();
  }
}

export interface ShellOptions {
  /** Prints an error; the shell goes on. */
  readonly reportError: (error: unknown) => void;
  /** SQL of `.tables`. */
  readonly tablesSql: string;
  /** Where statements come from; the terminal by default. */
  readonly input?: NodeJS.ReadableStream;
}

/** Runs until the input ends or the user leaves. */
export async function runShell(session: QuerySession, options: ShellOptions): Promise<void> {
  const shell: Shell = { ...options, session, format: 'table', running: false };
  const lines = createInterface({ input: options.input ?? process.stdin, output: process.stdout });
  lines.on('SIGINT', () => {
    if (shell.running) session.interrupt();
    else lines.close();
  });
  try {
    await readStatements(shell, lines);
  } finally {
    lines.close();
  }
}
