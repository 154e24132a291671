/** Static musl programs on the machine; see agreements.ts. */
import { describePrograms, describeVariants } from './agreements.ts';
import { fixtureNames } from './fixtures.ts';
import { runProgram } from './run-program.ts';

describePrograms(
  runProgram,
  fixtureNames().filter((name) => name.includes('musl')),
);
describeVariants(runProgram, ['hello-musl', 'hello-musl-pie']);
