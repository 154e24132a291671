import { describeCounts } from './agreements.ts';
import { runProgram } from './run-program.ts';

describeCounts(runProgram);
