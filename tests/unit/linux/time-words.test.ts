/** clocksource, tsc, nohz and idle change what they should, and nothing else. */
import { describe, expect, it } from 'vitest';
import { SIMPLE } from '../../../machine/board/simple.ts';
import { Cause } from '../../../machine/core/ledger/cause.ts';
import { dword } from '../../../workloads/lib/assembly.ts';
import { callsOf, clockOf, runGuest, runWorkload, ticksOf, type WordsRun } from './run-words.ts';

const READINGS = 50;

function readClock(words: string, method: 'vdso' | 'syscall'): WordsRun {
  const parameters = { clock: 'MONOTONIC', method, operations: String(READINGS), warmup: '0' };
  return runWorkload('vdso-vs-syscall', parameters, { words, events: ['syscalls'] });
}

describe('clocksource', () => {
  const tsc = readClock('', 'vdso');

  it('hpet and acpi_pm send the vDSO into the kernel, where a device is read', () => {
    for (const source of ['hpet', 'acpi_pm']) {
      const run = readClock(`clocksource=${source}`, 'vdso');
      expect(run.rows['syscalls'] - tsc.rows['syscalls']).toBeGreaterThanOrEqual(READINGS);
      expect(ticksOf(run, Cause.DEVICE_WAIT)).toBeGreaterThan(READINGS * 64 * 1000);
      expect(run.output).toBe(tsc.output);
      expect(run.result.exit.status).toBe(0);
    }
    expect(ticksOf(tsc, Cause.DEVICE_WAIT)).toBe(0);
  });

  it('each has its own function for the system call', () => {
    const functions = {
      tsc: 'read_tsc',
      hpet: 'read_hpet',
      acpi_pm: 'acpi_pm_read',
      'kvm-clock': 'pvclock_clocksource_read',
    };
    for (const [source, own] of Object.entries(functions)) {
      const run = readClock(`clocksource=${source}`, 'syscall');
      expect(callsOf(run, own), source).toBeGreaterThanOrEqual(READINGS);
      const others = Object.values(functions).filter((name) => name !== own);
      for (const other of others) expect(callsOf(run, other), source).toBe(0);
    }
  });

  it('kvm-clock is read in user mode, from the page of the hypervisor, for a little more', () => {
    const run = readClock('clocksource=kvm-clock', 'vdso');
    expect(run.rows['syscalls']).toBe(tsc.rows['syscalls']);
    expect(run.output).toBe(tsc.output);
    const more = run.result.userInstructions - tsc.result.userInstructions;
    expect(more).toBeGreaterThan(READINGS * 8);
    expect(more).toBeLessThan(READINGS * 40);
  });

  it.each(['tsc', 'kvm-clock', 'hpet', 'acpi_pm'])(
    '%s goes forward, at the same speed',
    (source) => {
      const run = runWorkload(
        'vdso-vs-syscall',
        { clock: 'all', method: 'both', operations: '5', warmup: '0' },
        { words: `clocksource=${source}` },
      );
      // The workload itself checks that times are possible and never go back.
      expect(run.result.exit.status).toBe(0);
    },
  );

  it('a TSC that is not to be trusted gives way to the next best', () => {
    expect(readClock('tsc=unstable', 'vdso').result.configuration).toMatchObject({
      clocksource: 'kvm-clock',
    });
    const parameters = { clock: 'MONOTONIC', method: 'vdso', operations: '5', warmup: '0' };
    const bare = { words: 'tsc=unstable', board: SIMPLE };
    expect(runWorkload('vdso-vs-syscall', parameters, bare).result.configuration).toMatchObject({
      clocksource: 'hpet',
    });
    const none = { words: 'tsc=unstable nohpet', board: SIMPLE };
    expect(runWorkload('vdso-vs-syscall', parameters, none).result.configuration).toMatchObject({
      clocksource: 'acpi_pm',
    });
  });

  it('tsc=reliable changes nothing: no board has a watchdog', () => {
    expect(readClock('tsc=reliable', 'vdso').result.clocks).toEqual(tsc.result.clocks);
  });
});

const SLEEP_NS = 100_000_000;

/** One task that sleeps; the boards have a CPU more. */
function sleep(words: string): WordsRun {
  return runGuest(
    (guest) => {
      const { asm } = guest;
      const time = guest.variable('time', 16);
      asm.mov(dword(time, 8), SLEEP_NS);
      guest.syscall('nanosleep', time, 0);
      guest.exit(0);
    },
    { words: `${words} maxcpus=2`, events: ['irq_handler'] },
  );
}

describe('nohz', () => {
  const on = sleep('');
  const off = sleep('nohz=off');

  it('off: every CPU takes every tick, asleep or not', () => {
    // 100 ms at 250 Hz are 25 ticks of each CPU.
    expect(on.rows['irq_handler']).toBeLessThan(5);
    expect(off.rows['irq_handler']).toBeGreaterThanOrEqual(50);
    expect(off.rows['irq_handler']).toBeLessThan(56);
    const fast = sleep('nohz=off CONFIG_HZ=1000');
    expect(fast.rows['irq_handler']).toBeGreaterThanOrEqual(200);
  });

  it('changes neither what the program does nor when it wakes up', () => {
    expect(off.result.exit).toEqual(on.result.exit);
    expect(off.result.userInstructions).toBe(on.result.userInstructions);
    expect(clockOf(off) / clockOf(on)).toBeCloseTo(1, 2);
  });
});

describe('idle=poll', () => {
  /** Two threads that hand a mutex to each other. */
  const contend = (words: string): WordsRun =>
    runWorkload('futex-contention', { threads: '2', operations: '200' }, { words });
  const halt = contend('maxcpus=2');
  const poll = contend('maxcpus=2 idle=poll');
  const IPI = 'native_send_call_func_single_ipi';

  it('wakes without an interrupt', () => {
    expect(callsOf(halt, IPI)).toBeGreaterThan(0);
    expect(callsOf(poll, IPI)).toBe(0);
    expect(callsOf(poll, 'cpu_idle_poll')).toBeGreaterThan(0);
    expect(callsOf(poll, 'asm_sysvec_call_function_single')).toBe(0);
  });

  it('is left at once: no way out of a halt', () => {
    expect(poll.result.exit.status).toBe(0);
    expect(clockOf(poll)).toBeLessThan(clockOf(halt) * 0.8);
  });

  it('halt and nomwait are what is so anyway', () => {
    expect(contend('maxcpus=2 idle=halt').result.clocks).toEqual(halt.result.clocks);
    expect(contend('maxcpus=2 idle=nomwait').result.clocks).toEqual(halt.result.clocks);
  });

  it('keeps its tick', () => {
    expect(sleep('idle=poll').rows['irq_handler']).toBeGreaterThanOrEqual(50);
  });
});
