/** Programs about groups of system calls on the machine; see agreements.ts. */
import { describePrograms } from './agreements.ts';
import { fixtureNames } from './fixtures.ts';
import { isAboutCalls } from './programs.ts';
import { runProgram } from './run-program.ts';

describePrograms(runProgram, fixtureNames().filter(isAboutCalls));
