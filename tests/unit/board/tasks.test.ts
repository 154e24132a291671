/** Every task of a run is in its result, those that were reaped too. */
import { expect, it } from 'vitest';
import { runMachine } from '../../../machine/board/machine.ts';
import { SIMPLE } from '../../../machine/board/simple.ts';
import { findWorkload } from '../../../workloads/registry.ts';

it('lists threads that have ended, with when they began and ended', () => {
  const program = findWorkload('futex-contention')?.build({ threads: '4', operations: '10' });
  if (program?.kind !== 'program') throw new Error('cannot be built');
  const result = runMachine({
    board: SIMPLE,
    commandLine: 'maxcpus=2',
    seed: 1,
    program: { path: '/x', bytes: program.bytes, argv: ['x'], env: [] },
    phases: program.phases.map(({ name }) => name),
    trace: { write: () => undefined },
    events: new Set(),
    tier: 'auto',
    filter: true,
    onConsole: () => undefined,
  });
  if (result.kind === 'refusal') throw new Error(result.message);
  const threads = result.tasks.filter(({ tgid }) => tgid === 100);
  expect(threads.length).toBeGreaterThanOrEqual(4);
  const end = Math.max(...result.clocks);
  for (const { startTick, exitTick } of threads) {
    expect(exitTick).toBeGreaterThan(startTick);
    expect(exitTick).toBeLessThanOrEqual(end);
  }
  expect(result.tasks.find(({ tid }) => tid === 100)?.startTick).toBe(0);
  expect(result.tasks.find(({ tid }) => tid === 1)?.startTick).toBe(0);
  const booked = new Set(result.ledger.rows.map(({ tid }) => tid));
  const known = new Set(result.tasks.map(({ tid }) => tid));
  expect([...booked].filter((tid) => !known.has(tid))).toEqual([]);
  const { counters } = result;
  expect(counters['context-switches']).toBeGreaterThan(0);
  expect(counters['page-faults']).toBeGreaterThan(0);
});
