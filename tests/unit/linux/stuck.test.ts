/** A program that sleeps for ever does not look as if it had ended well. */
import { expect, it } from 'vitest';
import { runMachine } from '../../../machine/board/machine.ts';
import { SIMPLE } from '../../../machine/board/simple.ts';
import { buildExecutable } from '../../../workloads/lib/program.ts';

it.each([
  [1, ''],
  [4, ''],
  [1, 'nohz=off'],
  [4, 'nohz=off'],
  [2, 'idle=poll'],
])('is killed where nothing can wake it, with %i CPUs %s', (cpus, words) => {
  const { bytes } = buildExecutable(0, (guest) => {
    guest.syscall('pause');
  });
  const result = runMachine({
    board: SIMPLE,
    commandLine: `maxcpus=${cpus} ${words}`,
    seed: 1,
    program: { path: '/stuck', bytes, argv: ['stuck'], env: [] },
    phases: [],
    trace: { write: () => undefined },
    events: new Set(),
    tier: 'interpreter',
    filter: true,
    onConsole: () => undefined,
  });
  if (result.kind === 'refusal') throw new Error(result.message);
  expect(result.exit.status).toBe(137);
  expect(result.exit.signal?.message).toMatch(/every task sleeps and nothing will wake them/);
  expect(result.ledger.residuals(result.clocks)).toEqual(result.clocks.map(() => 0));
});
