/** `lab validate [timing|paths|tracepoints]`: holds the model against measurements of real machines. */
import process from 'node:process';
import { Command } from 'commander';
import { PATHS, TIMING, TRACEPOINTS, VALIDATIONS } from '../validate/validations.ts';
import { ExitCode, unknownName, UserError } from './errors.ts';
import { formatTable, printJson, printLine, Progress } from './output.ts';

interface ListOptions {
  readonly json?: boolean;
}

interface TimingCommandOptions {
  readonly board: string;
  readonly kernel: string;
  readonly rows: string;
  readonly full?: boolean;
  readonly json?: boolean;
}

const DEFAULT_BOARD = 'zen4-vm';

export function validateCommand(): Command {
  return new Command('validate')
    .description('Holds the model against measurements; lists what can be validated when alone.')
    .option('--json', 'print as JSON')
    .action(listValidations)
    .addCommand(timingCommand())
    .addCommand(pathsCommand())
    .addCommand(tracepointsCommand());
}

function listValidations({ json }: ListOptions): void {
  if (json === true) printJson(VALIDATIONS);
  else {
    const rows = VALIDATIONS.map(({ name, summary }) => [name, summary]);
    printLine(formatTable([{ title: 'validation' }, { title: 'what' }], rows));
  }
}

function timingCommand(): Command {
  return new Command(TIMING.name)
    .description(`Validates the ${TIMING.summary}.`)
    .option('--board <name>', 'board to validate', DEFAULT_BOARD)
    .option('--kernel <words>', "kernel command line, in Linux's words", '')
    .option('--rows <text>', 'only rows whose name and parameters contain this', '')
    .option('--full', 'also rows with working sets above 64 MiB (needs 3 GiB)')
    .option('--json', 'print as JSON')
    .action(timing);
}

async function timing(options: TimingCommandOptions, command: Command): Promise<void> {
  const { BOARDS, findBoard } = await import('../../machine/board/boards.ts');
  const { validateTiming } = await import('../validate/timing/timing.ts');
  const { timingText } = await import('../validate/timing/timing-text.ts');
  const board = findBoard(options.board);
  if (board === undefined) {
    const known = BOARDS.map(({ name }) => name);
    throw unknownName({ kind: 'board', name: options.board, known, place: '--board' });
  }
  const progress = new Progress();
  const report = validateTiming({
    board,
    kernel: options.kernel,
    filter: options.rows,
    full: options.full === true,
    onSection: (name) => {
      progress.show(`measuring: ${name}`);
    },
  });
  progress.clear();
  if (report === undefined) {
    throw new UserError(`there are no measurements of a machine like '${board.name}'`, {
      place: '--board',
      remedy: `validate ${DEFAULT_BOARD}`,
    });
  }
  if (report.rows.length === 0) {
    throw new UserError(`no row contains '${options.rows}'`, {
      place: '--rows',
      remedy: 'leave it out to see all rows',
    });
  }
  const isJson = options.json === true || command.parent?.opts<ListOptions>().json === true;
  if (isJson) printJson(report);
  else printLine(timingText(report));
  if (!report.ok) process.exitCode = ExitCode.FAILED;
}

interface PathsCommandOptions {
  readonly operations: string;
  readonly boot?: string;
  readonly assumptions?: boolean;
  readonly json?: boolean;
}

function pathsCommand(): Command {
  return new Command(PATHS.name)
    .description(`Validates the ${PATHS.summary}.`)
    .option('--operations <text>', 'only operations whose name contains this', '')
    .option('--boot <name>', 'only this boot of the real kernel: off, on or on_zen')
    .option('--assumptions', 'list the functions whose instructions were never counted, and stop')
    .option('--json', 'print as JSON')
    .action(paths);
}

async function paths(options: PathsCommandOptions, command: Command): Promise<void> {
  if (options.assumptions === true) {
    const { assumptions, assumptionsText } = await import('../validate/paths/assumptions.ts');
    if (options.json === true) printJson(assumptions());
    else printLine(assumptionsText(assumptions()));
    return;
  }
  const { ALL_BOOTS, validatePaths } = await import('../validate/paths/paths.ts');
  const { pathsText } = await import('../validate/paths/paths-text.ts');
  const boots = ALL_BOOTS.filter((boot) => options.boot === undefined || boot === options.boot);
  if (options.boot !== undefined && boots.length === 0) {
    throw unknownName({ kind: 'boot', name: options.boot, known: ALL_BOOTS, place: '--boot' });
  }
  const progress = new Progress();
  const report = validatePaths({
    boots,
    filter: options.operations,
    onOperation: (name) => {
      progress.show(`counting: ${name}`);
    },
  });
  progress.clear();
  if (report.rows.length === 0) {
    throw new UserError(`no operation contains '${options.operations}'`, {
      place: '--operations',
      remedy: 'leave it out to see all operations',
    });
  }
  const isJson = options.json === true || command.parent?.opts<ListOptions>().json === true;
  if (isJson) printJson(report);
  else printLine(pathsText(report));
  if (!report.ok) process.exitCode = ExitCode.FAILED;
}

interface TracepointsCommandOptions {
  readonly operations: string;
  readonly json?: boolean;
}

function tracepointsCommand(): Command {
  return new Command(TRACEPOINTS.name)
    .description(`Validates the ${TRACEPOINTS.summary}.`)
    .option('--operations <text>', 'only operations whose name contains this', '')
    .option('--json', 'print as JSON')
    .action(tracepoints);
}

async function tracepoints(options: TracepointsCommandOptions, command: Command): Promise<void> {
  const { validateTracepoints } = await import('../validate/tracepoints/tracepoints.ts');
  const { tracepointsText } = await import('../validate/tracepoints/tracepoints-text.ts');
  const progress = new Progress();
  const report = validateTracepoints({
    filter: options.operations,
    onOperation: (name) => {
      progress.show(`tracing: ${name}`);
    },
  });
  progress.clear();
  if (report.rows.length === 0) {
    throw new UserError(`no operation contains '${options.operations}'`, {
      place: '--operations',
      remedy: 'leave it out to see all operations',
    });
  }
  const isJson = options.json === true || command.parent?.opts<ListOptions>().json === true;
  if (isJson) printJson(report);
  else printLine(tracepointsText(report));
  if (!report.ok) process.exitCode = ExitCode.FAILED;
}
