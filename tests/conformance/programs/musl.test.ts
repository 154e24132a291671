/** Static musl programs on the machine, but for those of system-calls.test.ts; see agreements.ts. */
import { describePrograms, describeVariants } from './agreements.ts';
import { fixtureNames } from './fixtures.ts';
import { isAboutCalls } from './programs.ts';
import { runProgram } from './run-program.ts';

describePrograms(
  runProgram,
  fixtureNames().filter((name) => name.includes('musl') && !isAboutCalls(name)),
);
describeVariants(runProgram, ['hello-musl', 'hello-musl-pie']);
