/**
 * Programs of random bytes (fuzz-programs.ts) never harm the machine: each ends in a signal that is
 * described, or by itself; the ledger balances; and both executors, which share no code for user
 * instructions, agree on the end, on every cycle and on every instruction. A few seeds here;
 * `npm run fuzz -- 10000` tries so many.
 */
import { describe, expect, it, vi } from 'vitest';
import { fuzzFailure } from './fuzz-outcome.ts';

const SEEDS = 12;

vi.setConfig({ testTimeout: 120_000 });

describe('a program of random bytes', () => {
  const seeds = Array.from({ length: SEEDS }, (_, seed) => seed);

  it.each(seeds)('ends in an orderly way, the same in both executors: seed %i', (seed) => {
    expect(fuzzFailure(seed)).toBeUndefined();
  });
});
