/** Runs one program of random bytes on the whole machine. */
import { runMachine } from '../../machine/board/machine.ts';
import type { Tier } from '../../machine/board/machine-api.ts';
import { ZEN4_VM } from '../../machine/board/zen4-vm.ts';
import { fuzzProgram } from './fuzz-programs.ts';

/** Everything that two executors must agree on. */
interface Outcome {
  readonly end: string;
  readonly clocks: readonly number[];
  readonly userInstructions: number;
  readonly kernelInstructions: number;
  readonly counters: Readonly<Record<string, number>>;
}

/** Throws when the machine refuses the program, or when its ledger does not balance. */
function outcomeOf(seed: number, bytes: Uint8Array, tier: Tier): Outcome {
  const result = runMachine({
    board: ZEN4_VM,
    commandLine: 'mem=64M maxcpus=1',
    seed,
    program: { path: '/bin/fuzz', bytes, argv: ['fuzz'], env: [] },
    phases: [],
    trace: { write: () => undefined },
    events: new Set(),
    tier,
    filter: true,
    onConsole: () => undefined,
  });
  if (result.kind === 'refusal') throw new Error(result.message);
  const { exit, clocks, userInstructions, kernelInstructions, counters } = result;
  const residuals = result.ledger.residuals(clocks);
  if (residuals.some((ticks) => ticks !== 0)) throw new Error(`residual ${String(residuals)}`);
  const end = exit.signal?.message ?? `status ${String(exit.status)}`;
  return { end, clocks, userInstructions, kernelInstructions, counters };
}

/** What is wrong with the run of the program of a seed; undefined when nothing is. */
export function fuzzFailure(seed: number): string | undefined {
  const bytes = fuzzProgram(seed);
  try {
    const interpreted = outcomeOf(seed, bytes, 'interpreter');
    if (interpreted.end === '') return 'a signal without a description';
    const [one, other] = [interpreted, outcomeOf(seed, bytes, 'translator')].map((outcome) =>
      JSON.stringify(outcome),
    );
    return one === other ? undefined : `interpreter ${one ?? ''}, translator ${other ?? ''}`;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}
