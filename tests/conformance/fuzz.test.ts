/**
 * Programs of random bytes (fuzz-programs.ts) never harm the machine: each ends in a signal that is
 * described, or by itself; the ledger balances; and both executors, which share no code for user
 * instructions, agree on the end, on every cycle and on every instruction. FUZZ_SEEDS says how many:
 * few here, 10,000 by
 * `FUZZ_SEEDS=10000 npx vitest run --config tests/architecture/vitest.config.ts fuzz`.
 */
import { describe, expect, it, vi } from 'vitest';
import { runMachine } from '../../machine/board/machine.ts';
import type { Tier } from '../../machine/board/machine-api.ts';
import { ZEN4_VM } from '../../machine/board/zen4-vm.ts';
import { fuzzProgram } from './fuzz-programs.ts';

const SEEDS = Number(process.env['FUZZ_SEEDS'] ?? '30');
const FIRST = Number(process.env['FUZZ_FIRST'] ?? '0');
/** Seeds in one test. */
const SLICE = 10;

vi.setConfig({ testTimeout: 120_000 });

interface Outcome {
  readonly end: string;
  readonly clocks: readonly number[];
  readonly userInstructions: number;
  readonly kernelInstructions: number;
  readonly counters: Readonly<Record<string, number>>;
}

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
  expect(result.ledger.residuals(clocks)).toEqual(clocks.map(() => 0));
  if (exit.signal !== undefined) expect(exit.signal.message).not.toBe('');
  const end = exit.signal?.message ?? `status ${String(exit.status)}`;
  return { end, clocks, userInstructions, kernelInstructions, counters };
}

describe('a program of random bytes', () => {
  const slices = Array.from({ length: Math.ceil(SEEDS / SLICE) }, (_, n) => FIRST + n * SLICE);

  it.each(slices)('ends in an orderly way, the same in both executors, seeds from %i', (first) => {
    for (let seed = first; seed < Math.min(first + SLICE, FIRST + SEEDS); seed++) {
      const bytes = fuzzProgram(seed);
      const interpreted = outcomeOf(seed, bytes, 'interpreter');
      expect([seed, outcomeOf(seed, bytes, 'translator')]).toEqual([seed, interpreted]);
    }
  });
});
