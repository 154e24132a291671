/** On every CPU the postings add up to the clock: with interrupts, sleeping, io_uring and its thread. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BOARDS } from '../../../machine/board/boards.ts';
import { runMachine } from '../../../machine/board/machine.ts';
import { findWorkload } from '../../../workloads/registry.ts';

const TARGETS: readonly (readonly [string, Record<string, string>])[] = [
  ['io-uring-batching', { mode: 'sqpoll', operations: '64', warmup: '8' }],
  ['io-uring-batching', { mode: 'both', operations: '64', warmup: '8' }],
  ['futex-contention', { threads: '8', operations: '20' }],
];
const KERNELS = ['', 'pti=on', 'preempt=none', 'preempt=full', 'CONFIG_HZ=1000', 'sched=cfs'];

interface Run {
  readonly board: number;
  readonly cpus: number;
  readonly kernel: string;
  readonly seed: number;
}

function residuals(target: (typeof TARGETS)[number], run: Run): readonly number[] {
  const [name, parameters] = target;
  const program = findWorkload(name)?.build(parameters);
  if (program?.kind !== 'program') throw new Error(`${name} cannot be built`);
  const result = runMachine({
    board: BOARDS[run.board],
    commandLine: `maxcpus=${String(run.cpus)} ${run.kernel}`,
    seed: run.seed,
    program: { path: `/${name}`, bytes: program.bytes, argv: [name], env: [] },
    phases: program.phases.map((phase) => phase.name),
    trace: { write: () => undefined },
    events: new Set(),
    tier: 'auto',
    filter: true,
    onConsole: () => undefined,
  });
  if (result.kind === 'refusal') throw new Error(result.message);
  expect(result.exit.status).toBe(0);
  expect(result.clocks).toHaveLength(run.cpus);
  return result.ledger.residuals(result.clocks);
}

describe.each(TARGETS)('%s %j', (...target) => {
  it.each([1, 2, 3, 4, 8])('leaves nothing over on %i CPUs', (cpus) => {
    fc.assert(
      fc.property(
        fc.nat(BOARDS.length - 1),
        fc.constantFrom(...KERNELS),
        fc.nat(1_000_000),
        (board, kernel, seed) => {
          const none = new Array<number>(cpus).fill(0);
          expect(residuals(target, { board, cpus, kernel, seed })).toEqual(none);
        },
      ),
      { numRuns: 1, seed: cpus },
    );
  });
});
