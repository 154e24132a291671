/** `lab compare`: the same target under several kernels, or recorded runs, difference by difference. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { Command } from 'commander';
import type { Comparison } from '../compare/compare.ts';
import { DIMENSIONS, type Dimension, type RunLedger } from '../compare/posting.ts';
import { MANIFEST_FILE } from '../recording/manifest.ts';
import { ExitCode, unknownName, UserError } from './errors.ts';
import {
  addExperimentOptions,
  executionOf,
  experimentOf,
  type ExperimentOptions,
} from './experiment-options.ts';
import { printJson, printLine, Progress } from './output.ts';

interface CompareCommandOptions extends ExperimentOptions {
  readonly base: string;
  readonly variant: readonly string[];
  readonly by: string;
  readonly phase: readonly string[];
  readonly failAbove?: string;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  lab compare vdso-vs-syscall --base pti=off --variant pti=on --variant 'pti=on nopcid'
  lab compare runs/before-1 runs/after-1 --by context,symbol
  lab compare ./server-loop --base CONFIG_HZ=250 --variant CONFIG_HZ=1000 --fail-above 2%`;

const collect = (word: string, words: readonly string[]): string[] => [...words, word];

export function compareCommand(): Command {
  const command = new Command('compare')
    .description('Decomposes the difference between runs so that the parts add up to the whole.')
    .argument('<target>', 'workload, ELF file, or run directory (the base)')
    .argument(
      '[more...]',
      "run directories to hold against it, or the program's arguments after '--'",
    )
    .option('--base <words>', 'kernel command line of the base', '')
    .option('--variant <words>', 'kernel command line of a variant (repeatable)', collect, []);
  addExperimentOptions(command)
    .option('--by <a,b>', `dimensions: ${DIMENSIONS.join(', ')}`, 'context,symbol,cause')
    .option('--phase <name>', 'compare this phase only (repeatable)', collect, [])
    .option('--fail-above <percent>', 'exit 1 when a variant is slower than this, e.g. 2%')
    .option('--json', 'print the comparison as JSON')
    .addHelpText('after', EXAMPLES);
  return command.action(compare);
}

async function compare(
  target: string,
  more: string[],
  options: CompareCommandOptions,
): Promise<void> {
  const by = parseDimensions(options.by);
  const limit = options.failAbove === undefined ? undefined : parsePercent(options.failAbove);
  const ledgers = isRun(target)
    ? await recordedLedgers([target, ...more], options)
    : await executedLedgers(target, more, options);
  const [base, ...variants] = ledgers;
  if (base === undefined || variants.length === 0) {
    const remedy = "name a second run, or give --variant 'kernel words'";
    throw new UserError('nothing to compare with', { remedy });
  }
  const windows = options.phase.length > 0 ? checkPhases(base, options.phase) : undefined;
  const { compareRuns } = await import('../compare/compare.ts');
  const comparison = compareRuns(base, variants, {
    by,
    ...(windows === undefined ? {} : { windows }),
  });
  await print(comparison, options.json ?? false);
  if (limit !== undefined && comparison.variants.some(({ change }) => change > limit)) {
    process.exitCode = ExitCode.FAILED;
  }
}

const isRun = (path: string): boolean => existsSync(join(path, MANIFEST_FILE));

async function recordedLedgers(
  paths: readonly string[],
  options: CompareCommandOptions,
): Promise<RunLedger[]> {
  if (options.variant.length > 0 || options.base !== '') {
    const remedy = 'leave out --base and --variant, or name a workload or an ELF file';
    throw new UserError('a recorded run has its kernel already', { place: '--variant', remedy });
  }
  const { loadRun } = await import('../compare/from-run.ts');
  return Promise.all(paths.map(async (path) => (await loadRun(path)).ledger));
}

async function executedLedgers(
  target: string,
  words: readonly string[],
  options: CompareCommandOptions,
): Promise<RunLedger[]> {
  if (existsSync(target) && statSync(target).isDirectory()) {
    const remedy = 'name a run directory, a workload or an ELF file';
    throw new UserError(`holds no ${MANIFEST_FILE}`, { place: target, remedy });
  }
  const { executeKernels } = await import('../record/execute-kernels.ts');
  const progress = new Progress();
  try {
    const experiment = experimentOf(target, words, options);
    const { tier, filter, hostMemory } = executionOf(options);
    return executeKernels(experiment, [options.base, ...options.variant], {
      tier,
      filter,
      hostMemory,
      onStart: (kernel) => {
        progress.show(`running under '${kernel}' ...`);
      },
    });
  } finally {
    progress.clear();
  }
}

async function print(comparison: Comparison, json: boolean): Promise<void> {
  if (json) {
    const { comparisonJson } = await import('../report/comparison-json.ts');
    printJson(comparisonJson(comparison));
    return;
  }
  const { comparisonText } = await import('../report/comparison-text.ts');
  printLine(comparisonText(comparison));
}

function parseDimensions(text: string): Dimension[] {
  return text.split(',').map((word) => {
    const name = word.trim();
    const dimension = DIMENSIONS.find((candidate) => candidate === name);
    if (dimension !== undefined) return dimension;
    throw unknownName({ kind: 'dimension', name, known: DIMENSIONS, place: '--by' });
  });
}

/** `2%` or `2` -> 0.02 */
function parsePercent(text: string): number {
  const match = /^(\d+(?:\.\d+)?)%?$/.exec(text);
  if (match !== null) return Number(match[1]) / 100;
  const remedy = 'give a percentage such as 2%';
  throw new UserError(`'${text}' is not a percentage`, { place: '--fail-above', remedy });
}

function checkPhases(base: RunLedger, names: readonly string[]): readonly string[] {
  const known = base.windows.map(({ name }) => name);
  for (const name of names) {
    if (!known.includes(name)) throw unknownName({ kind: 'phase', name, known, place: '--phase' });
  }
  return names;
}
