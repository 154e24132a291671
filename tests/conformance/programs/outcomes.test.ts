import { describeOutcomes } from './agreements.ts';
import { runProgram } from './run-program.ts';

describeOutcomes(runProgram);
