import { describeExecutors } from './agreements.ts';
import { runProgram } from './run-program.ts';

describeExecutors(runProgram);
