#!/usr/bin/env node
/**
 * The command line's entry file: picks the subcommand, loads it alone, and turns whatever comes out
 * of it into one line and an exit code.
 */
import process from 'node:process';
import { exitCodeOf, reportError } from './cli/errors.ts';
import { createProgram } from './cli/program.ts';

async function main(args: readonly string[]): Promise<void> {
  try {
    const program = await createProgram(args);
    if (args.length === 0) program.outputHelp();
    else await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    process.stderr.write(reportError(error, args));
    process.exitCode = exitCodeOf(error);
  }
}

// A reader that has seen enough (`lab query ... | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

await main(process.argv.slice(2));
