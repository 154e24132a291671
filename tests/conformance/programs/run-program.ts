/** Runs a guest program on the machine for the conformance suite. */
import { BOARDS } from '../../../machine/board/boards.ts';
import { runMachine } from '../../../machine/board/machine.ts';
import type { TraceSink } from '../../../machine/core/trace/event-table.ts';
import type { ProgramInput, ProgramResult } from './program-run.ts';

const DISCARD: TraceSink = { write: () => undefined };

/** Throws when the machine refuses the program, or when its ledger does not balance. */
export function runProgram(input: ProgramInput): ProgramResult {
  const { elf, path, argv, env, seed, tier, filter } = input;
  const board = BOARDS.find(({ name }) => name === input.board);
  if (board === undefined) throw new Error(`no board ${input.board}`);
  const output = { 1: '', 2: '' };
  const result = runMachine({
    board,
    commandLine: input.kernel ?? '',
    seed,
    program: { path, bytes: elf, argv, env },
    phases: [],
    trace: DISCARD,
    events: new Set(),
    tier,
    filter,
    onConsole: (fd, bytes) => {
      output[fd] += Buffer.from(bytes).toString('latin1');
    },
  });
  if (result.kind === 'refusal') throw new Error(`refused: ${result.message}`);
  const residuals = result.ledger.residuals(result.clocks);
  if (residuals.some((ticks) => ticks !== 0)) throw new Error(`residual ${String(residuals)}`);
  const counts = new Map<number, number>();
  for (const [address, count] of result.instructionCounts()) counts.set(Number(address), count);
  const { status, signal } = result.exit;
  return {
    stdout: output[1],
    stderr: output[2],
    exit: signal === undefined ? status : null,
    signal: signal?.name ?? null,
    ticks: result.clocks[0],
    instructions: result.userInstructions,
    counts,
    loadBias: Number(result.loadBias),
  };
}
