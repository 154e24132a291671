/** `lab stat RUN`: where the time of a recorded run went. */
import { Command } from 'commander';
import { unknownName, UserError } from './errors.ts';
import { printJson, printLine } from './output.ts';

interface StatOptions {
  readonly phase?: string;
  readonly top: string;
  readonly json?: boolean;
}

const TOP_DEFAULT = 20;

export function statCommand(): Command {
  return new Command('stat')
    .description('Counters, time by context, by cause and by symbol, from the ledger of a run.')
    .argument('<run>', 'run directory')
    .option('--phase <name>', 'this phase only (startup, between and teardown are phases too)')
    .option('--top <n>', 'how many symbols to print', String(TOP_DEFAULT))
    .option('--json', 'print as JSON')
    .action(stat);
}

async function stat(path: string, options: StatOptions): Promise<void> {
  const top = parseTop(options.top);
  const { loadRun } = await import('../compare/from-run.ts');
  const { summarize } = await import('../report/summary.ts');
  const { ledger, manifest } = await loadRun(path);
  const known = ledger.windows.map(({ name }) => name);
  if (options.phase !== undefined && !known.includes(options.phase)) {
    throw unknownName({ kind: 'phase', name: options.phase, known, place: '--phase' });
  }
  const summary = summarize(ledger, options.phase);
  if (options.json === true) {
    printJson({
      ...summary,
      counters: manifest.totals.counters,
      symbols: summary.symbols.slice(0, top),
    });
    return;
  }
  const { statText } = await import('../report/stat-text.ts');
  const where = options.phase === undefined ? 'whole run' : `phase ${options.phase}`;
  const { target, board, kernel } = manifest.experiment;
  const title = `${target.name} on ${board.name}, kernel '${kernel.commandLine}', ${where}`;
  printLine(statText(summary, manifest, { title, top }));
}

function parseTop(text: string): number {
  const top = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (top >= 1) return top;
  throw new UserError(`'${text}' is not a number of symbols`, {
    place: '--top',
    remedy: 'give a whole number from 1',
  });
}
