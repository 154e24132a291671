/** Threads on two CPUs that fight over a line: the ledger balances in every tier, to the same ticks. */
import { expect, test } from 'vitest';
import { loadBinary } from './fixtures.ts';
import { runProgram } from './run-program.ts';

test('a contended line costs the same in every tier', () => {
  const ticks = (['interpreter', 'translator', 'auto'] as const).map((tier) => {
    const result = runProgram({
      elf: loadBinary('contended-musl'),
      path: '/bin/contended',
      argv: ['contended'],
      env: [],
      board: 'zen4-vm',
      kernel: 'maxcpus=2',
      seed: 1,
      tier,
      filter: true,
    });
    expect(result.stdout).toBe('done\n');
    return result.ticks;
  });
  expect(new Set(ticks).size).toBe(1);
});
