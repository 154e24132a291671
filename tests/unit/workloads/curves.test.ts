/** The shape of each family's curve on zen4-vm: what it is there to show, whatever the figures. */
import { describe, expect, it } from 'vitest';
import { runMachine } from '../../../machine/board/machine.ts';
import { ZEN4_VM } from '../../../machine/board/zen4-vm.ts';
import { Context } from '../../../machine/core/ledger/context.ts';
import { findWorkload } from '../../../workloads/registry.ts';
import { WHY_NOT_NATIVE, runNatively } from '../linux/run-natively.ts';

const TICKS_PER_CYCLE = 64;

interface Point {
  readonly phase: string;
  /** Cycles of each operation. */
  readonly user: number;
  readonly kernel: number;
  /** From the phase's begin to its end. */
  readonly elapsed: number;
}

const built = (name: string, parameters: Record<string, string>) => {
  const program = findWorkload(name)?.build(parameters);
  if (program?.kind !== 'program') throw new Error(`${name} cannot be built`);
  return program;
};

/** Runs a workload and returns its phases, with cycles by operation. */
function curve(name: string, parameters: Record<string, string> = {}, commandLine = ''): Point[] {
  const { bytes, phases } = built(name, parameters);
  const result = runMachine({
    board: ZEN4_VM,
    commandLine,
    seed: 1,
    program: { path: `/${name}`, bytes, argv: [name], env: [] },
    phases: phases.map((phase) => phase.name),
    trace: { write: () => undefined },
    events: new Set(),
    tier: 'auto',
    filter: true,
    onConsole: () => undefined,
  });
  if (result.kind === 'refusal') throw new Error(result.message);
  expect(result.exit.status).toBe(0);
  const { ledger } = result;
  return phases.map(({ name: phase, operations }, index) => {
    const window = 1 + 2 * index;
    const cycles = (wanted: (context: Context) => boolean): number => {
      const rows = ledger.rows.filter((row) => row.window === window && wanted(row.context));
      const ticks = rows.reduce((sum, row) => row.ticks.reduce((a, b) => a + b, sum), 0);
      return ticks / TICKS_PER_CYCLE / operations;
    };
    const { begin, end } = ledger.windows[window];
    return {
      phase,
      user: cycles((context) => context === Context.USER),
      kernel: cycles((context) => context !== Context.USER && context !== Context.IDLE),
      elapsed: (end[0] - begin[0]) / TICKS_PER_CYCLE / operations,
    };
  });
}

const at = (points: readonly Point[], phase: string): Point => {
  const point = points.find((each) => each.phase === phase);
  if (point === undefined) throw new Error(`no phase ${phase}`);
  return point;
};

describe('vdso-vs-syscall', () => {
  it('reads a clock several times cheaper without entering the kernel', () => {
    const points = curve('vdso-vs-syscall', { operations: '1000' });
    const vdso = at(points, 'MONOTONIC/vdso');
    const call = at(points, 'MONOTONIC/syscall');
    expect(call.elapsed).toBeGreaterThan(4 * vdso.elapsed);
    expect(vdso.kernel).toBeLessThan(0.1 * vdso.elapsed);
  });
});

describe('syscall-storm', () => {
  const points = curve('syscall-storm', { operations: '100' });

  it('slows user code down the more lines the call before it touches', () => {
    const user = points.map((point) => point.user);
    const sorted = [...user].sort((a, b) => a - b);
    user.forEach((cycles, i) => {
      expect(cycles).toBeGreaterThan(0.9 * sorted[i]);
    });
    expect(at(points, 'open-close').user).toBeGreaterThan(1.2 * at(points, 'none').user);
    expect(at(points, 'pread-64k').user).toBeGreaterThan(1.8 * at(points, 'none').user);
  });
});

describe('tlb-thrash', () => {
  const points = curve('tlb-thrash', { operations: '8192' });
  const load = (pages: number): number => at(points, `pages=${pages}`).elapsed;

  it('is level up to 72 pages and steps up behind them', () => {
    expect(load(64)).toBeLessThan(1.1 * load(1));
    expect(load(128)).toBeGreaterThan(1.5 * load(64));
  });

  // Others have some of the 3,072 entries, so that the step begins a little before.
  it('is level up to 2,560 pages and steps up around 3,072', () => {
    expect(load(2560)).toBeLessThan(1.2 * load(1024));
    expect(load(3072)).toBeGreaterThan(1.3 * load(2560));
    expect(load(4096)).toBeGreaterThan(2 * load(2560));
  });
});

describe('futex-contention', () => {
  const section = (points: readonly Point[], threads: number): number =>
    at(points, `threads=${threads}`).elapsed;

  it('falls off a cliff when a second CPU wants the lock', () => {
    const points = curve('futex-contention', { operations: '3000' });
    expect(section(points, 2)).toBeGreaterThan(3 * section(points, 1));
    expect(section(points, 4)).toBeGreaterThan(3 * section(points, 1));
    // Alone, nobody makes a call; in company, they do.
    expect(at(points, 'threads=1').kernel).toBeLessThan(0.1 * section(points, 1));
    expect(at(points, 'threads=2').kernel).toBeGreaterThan(0.5 * section(points, 1));
  });

  it('does not with one CPU: threads that take turns seldom meet', () => {
    const points = curve('futex-contention', { operations: '3000' }, 'maxcpus=1');
    expect(section(points, 4)).toBeLessThan(2 * section(points, 1));
  });
});

describe('io-uring-batching', () => {
  it('makes NOPs cheaper with the batch, then levels off', () => {
    const points = curve('io-uring-batching', { operations: '1024' });
    const nop = (batch: number): number => at(points, `default/batch=${batch}`).elapsed;
    expect(nop(1)).toBeGreaterThan(1.5 * nop(4));
    expect(nop(4)).toBeGreaterThan(1.15 * nop(16));
    expect(Math.abs(nop(256) / nop(32) - 1)).toBeLessThan(0.25);
  });

  it('does so with a polling thread on the second CPU', () => {
    const points = curve('io-uring-batching', { mode: 'sqpoll', operations: '512' });
    const nop = (batch: number): number => at(points, `sqpoll/batch=${batch}`).elapsed;
    expect(nop(1)).toBeGreaterThan(2 * nop(8));
    expect(Math.abs(nop(256) / nop(32) - 1)).toBeLessThan(0.25);
  });
});

describe.skipIf(WHY_NOT_NATIVE !== undefined)('on a real kernel', () => {
  it.each([
    ['syscall-storm', { operations: '20' }],
    ['tlb-thrash', { operations: '512', pages: '256' }],
    ['futex-contention', { operations: '100' }],
  ])('%s does what it says', (name, parameters) => {
    const program = built(name, parameters);
    const { status, stdout } = runNatively(program.bytes);
    expect(status).toBe(0);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(':')[0]),
    ).toEqual(program.phases.map(({ name: phase }) => phase));
  });

  it('io-uring-batching does what it says, or that there is no io_uring', () => {
    const { bytes, phases } = built('io-uring-batching', { operations: '256' });
    const { status, stdout } = runNatively(bytes);
    if (status === 2) expect(stdout).toBe('no io_uring\n');
    else expect([status, stdout.trim().split('\n').length]).toEqual([0, phases.length]);
  });
});
