/**
 * The `lab` command: a table of subcommands, of which only the one asked for is loaded, so that
 * `lab --help` does not wait for the database or the machine.
 */
import { Command } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { ExitCode } from './errors.ts';

interface Subcommand {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** In the order of a first session. */
const SUBCOMMANDS: readonly Subcommand[] = [
  {
    name: 'run',
    summary: 'run a workload or a static ELF program and record it',
    load: async () => (await import('./run.ts')).runCommand(),
  },
  {
    name: 'stat',
    summary: 'where the time of a recorded run went',
    load: async () => (await import('./stat.ts')).statCommand(),
  },
  {
    name: 'compare',
    summary: 'decompose the difference between kernels or runs, residual 0',
    load: async () => (await import('./compare.ts')).compareCommand(),
  },
  {
    name: 'replay',
    summary: 'execute a recorded run again and compare every batch',
    load: async () => (await import('./replay.ts')).replayCommand(),
  },
  {
    name: 'query',
    summary: 'answer SQL over recorded runs',
    load: async () => (await import('./query.ts')).queryCommand(),
  },
  {
    name: 'validate',
    summary: 'hold the model against measurements of real machines',
    load: async () => (await import('./validate.ts')).validateCommand(),
  },
  {
    name: 'list',
    summary: 'what there is: workloads, boards, kernel words, events, system calls, SQL views',
    load: async () => (await import('./list.ts')).listCommand(),
  },
  {
    name: 'demo',
    summary: 'run, compare, query and replay in a minute, on a temporary recording',
    load: async () => (await import('./demo.ts')).demoCommand(),
  },
  {
    name: 'doctor',
    summary: 'check that this host can run the lab',
    load: async () => (await import('./doctor.ts')).doctorCommand(),
  },
];

const EXIT_CODES = `
Exit codes: ${ExitCode.OK} ok, ${ExitCode.FAILED} regression, divergence or failed assertion, ${ExitCode.USAGE} bad usage or input,
${ExitCode.INFRASTRUCTURE} infrastructure, ${ExitCode.INTERRUPTED} interrupted. Every command takes --json and honours NO_COLOR.`;

/** Builds the program with the subcommand that `args` names; the others only show in the help. */
export async function createProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('lab')
    .description(packageJson.description)
    .version(packageJson.version)
    .exitOverride()
    // Errors are printed once, in our own form, by the caller.
    .configureOutput({ outputError: () => undefined })
    .addHelpText('after', EXIT_CODES);
  const wanted = args.find((argument) => !argument.startsWith('-'));
  const asksForHelpOf = wanted === 'help' ? args[args.indexOf('help') + 1] : undefined;
  for (const { name, summary, load } of SUBCOMMANDS) {
    const isWanted = name === wanted || name === asksForHelpOf;
    const command = isWanted ? await load() : new Command(name);
    program.addCommand(command.summary(summary).copyInheritedSettings(program));
  }
  return program;
}
