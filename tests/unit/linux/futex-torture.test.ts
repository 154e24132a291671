/**
 * No wake-up is lost, whatever the schedule. The number of seeds is FUTEX_SEEDS: few here, 10,000 by
 * `FUTEX_SEEDS=10000 npx vitest run --config tests/architecture/vitest.config.ts futex-torture`.
 */
import { describe, expect, it } from 'vitest';
import { torture } from './futex-torture.ts';

const SEEDS = Number(process.env['FUTEX_SEEDS'] ?? '42');
/** Rounds for each worker: a seed is one machine. */
const ROUNDS = 12;

describe('a lock made of a futex', () => {
  it(
    `loses no wake-up and lets nobody in twice, with ${SEEDS} seeds on 2 to 8 CPUs`,
    () => {
      const wrong: unknown[] = [];
      let waits = 0;
      for (let seed = 1; seed <= SEEDS; seed++) {
        const cpus = 2 + (seed % 7);
        const result = torture({ seed, cpus, workers: cpus + (seed % 3), rounds: ROUNDS });
        waits += result.waits;
        const isRight =
          result.finished === result.workers &&
          result.violations === 0 &&
          result.leftWaiting === 0 &&
          result.residuals.every((residual) => residual === 0);
        if (!isRight) wrong.push({ seed, cpus, ...result });
      }
      expect(wrong).toEqual([]);
      expect(waits).toBeGreaterThan(SEEDS);
    },
    60_000 + SEEDS * 1000,
  );
});
