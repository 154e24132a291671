import { describeCounts, describeVdsoCounts } from './agreements.ts';
import { runProgram } from './run-program.ts';

describeCounts(runProgram);
describeVdsoCounts(runProgram);
