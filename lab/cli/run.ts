/** `lab run TARGET [options] -- guest arguments`: runs an experiment and records it. */
import process from 'node:process';
import { Command } from 'commander';
import {
  addExperimentOptions,
  executionOf,
  experimentOf,
  type ExperimentOptions,
} from './experiment-options.ts';
import { printJson, printLine } from './output.ts';

interface RunOptions extends ExperimentOptions {
  readonly out?: string;
  readonly zstd?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  lab run vdso-vs-syscall --board zen4-vm --kernel 'pti=on'
  lab run ./hello --env LANG=C --events page_fault_user -- first second
  lab run ./busybox --file /data/words.txt=words.txt -- sort /data/words.txt`;

export function runCommand(): Command {
  const command = new Command('run')
    .description('Runs a workload or a static ELF program on the model and records everything.')
    .argument('<target>', "workload ('lab list workloads') or ELF file")
    .argument('[arguments...]', "the program's arguments, after '--'")
    .option('--kernel <words>', "kernel command line ('lab list kernel')");
  addExperimentOptions(command)
    .option('--out <folder>', 'where to write the run (default: a new folder in runs/)')
    .option('--zstd', 'compress the tables')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', EXAMPLES);
  return command.action(run);
}

async function run(target: string, words: string[], options: RunOptions): Promise<void> {
  const experiment = experimentOf(target, words, options);
  const execution = executionOf(options);
  const { resolveExperiment } = await import('../record/resolve.ts');
  const { record } = await import('../record/record.ts');
  const { runJson } = await import('../report/run-json.ts');
  const { runText } = await import('../report/run-text.ts');
  const resolved = resolveExperiment(experiment);
  const recorded = await record(resolved, execution);
  const result = runJson(resolved, recorded);
  if (options.json === true) {
    printJson(result);
    return;
  }
  process.stdout.write(recorded.stdout);
  process.stderr.write(recorded.stderr);
  printLine(runText(result));
}
