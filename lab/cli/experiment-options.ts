/** The options that describe an experiment: shared by every command that runs one. */
import type { Command } from 'commander';
import {
  DEFAULT_BOARD,
  DEFAULT_SEED,
  parseEnv,
  parseEvents,
  parseFiles,
  parseHostMemory,
  parseParams,
  parseSeed,
  parseTier,
  TIERS,
  type Execution,
  type Experiment,
} from '../experiment/experiment.ts';

/** What commander hands to an action of a command with these options. */
export interface ExperimentOptions {
  readonly env: readonly string[];
  readonly kernel?: string;
  readonly board: string;
  readonly param: readonly string[];
  readonly seed: string;
  readonly file: readonly string[];
  readonly events?: string;
  readonly tier: string;
  readonly filter: boolean;
  readonly hostMemory: string;
}

const collect = (word: string, words: readonly string[]): string[] => [...words, word];

/** Adds the options that decide the result, but `--kernel`, of which some commands take several. */
export function addExperimentOptions(command: Command): Command {
  return command
    .option('--env <NAME=VALUE>', 'environment variable of the program (repeatable)', collect, [])
    .option(
      '--file <GUEST=HOST>',
      'file that the program finds at GUEST, with the bytes of HOST (repeatable)',
      collect,
      [],
    )
    .option('--board <name>', "the machine ('lab list boards')", DEFAULT_BOARD)
    .option('--param <name=value>', 'parameter of the workload (repeatable)', collect, [])
    .option('--seed <n>', 'seed of everything random', String(DEFAULT_SEED))
    .option(
      '--events <a,b>',
      "tables to record as well ('lab list events'); -a leaves one out, none all",
    )
    .option('--tier <name>', `executor: ${TIERS.join(', ')}; never changes results`, 'auto')
    .option('--host-memory <bytes>', 'host memory that the run may take', '4G')
    .option('--no-filter', 'without the inline line filter; never changes results');
}

/** Checks the options' form; that the names exist is for the run to check. */
export function experimentOf(
  target: string,
  guestArguments: readonly string[],
  options: ExperimentOptions,
): Experiment {
  return {
    target,
    guestArguments,
    env: parseEnv(options.env),
    kernel: options.kernel ?? '',
    board: options.board,
    params: parseParams(options.param),
    seed: parseSeed(options.seed),
    files: parseFiles(options.file),
    events: options.events === undefined ? [] : parseEvents(options.events),
  };
}

export function executionOf(
  options: ExperimentOptions & { readonly out?: string; readonly zstd?: boolean },
): Execution {
  return {
    tier: parseTier(options.tier),
    filter: options.filter,
    zstd: options.zstd ?? false,
    out: options.out,
    hostMemory: parseHostMemory(options.hostMemory),
  };
}
