/** What decides the time of kernel work, beyond instructions: mitigations, accounting, timer slack. */
import { describe, expect, it } from 'vitest';
import { runMachine } from '../../../machine/board/machine.ts';
import { ZEN4_VM } from '../../../machine/board/zen4-vm.ts';
import { qword, registers } from '../../../workloads/lib/assembly.ts';
import type { Guest } from '../../../workloads/lib/guest.ts';
import { buildExecutable } from '../../../workloads/lib/program.ts';

const PR_SET_TIMERSLACK = 29;

/** Cycles of each phase, from begin to end, on the first CPU. */
function cyclesOf(
  phases: readonly string[],
  kernel: string,
  emit: (guest: Guest) => void,
): number[] {
  const { bytes } = buildExecutable(phases.length, emit);
  const result = runMachine({
    board: ZEN4_VM,
    commandLine: kernel,
    seed: 1,
    program: { path: '/costs', bytes, argv: ['costs'], env: [] },
    phases,
    trace: { write: () => undefined },
    events: new Set(),
    tier: 'interpreter',
    filter: true,
    onConsole: () => undefined,
  });
  if (result.kind === 'refusal') throw new Error(result.message);
  expect(result.exit.status).toBe(0);
  return phases.map((name) => {
    const window = result.ledger.windows.find((each) => each.name === name);
    if (window === undefined) throw new Error(`no window ${name}`);
    return (window.end[0] - window.begin[0]) / 64;
  });
}

/** So many calls, after as many that warm up. */
function calls(count: number, emit: (guest: Guest) => void): (guest: Guest) => void {
  return (guest) => {
    const repeat = (): void => {
      guest.repeat(registers.rbx, count, () => {
        emit(guest);
      });
    };
    repeat();
    guest.phase(0, repeat);
    guest.asm.xor(registers.eax, registers.eax);
  };
}

describe('kernel time', () => {
  it('goes down when returns are predicted', () => {
    const emit = calls(100, (guest) => {
      guest.syscall('getppid');
    });
    const [safe] = cyclesOf(['calls'], '', emit);
    const [fast] = cyclesOf(['calls'], 'spec_rstack_overflow=off', emit);
    expect(fast).toBeLessThan(0.8 * safe);
  });

  it('goes down when kernel objects are not charged to control groups', () => {
    const emit = calls(20, (guest) => {
      guest.syscall('dup', 1);
      guest.syscall('mmap', 0x10000000, 4096, 1, 0x22, -1, 0);
      guest.syscall('munmap', 0x10000000, 4096);
    });
    const [charged] = cyclesOf(['calls'], 'norandmaps', emit);
    const [free] = cyclesOf(['calls'], 'norandmaps cgroup.memory=nokmem', emit);
    expect(free).toBeLessThan(charged);
  });

  it('goes down when copies of paths are not checked', () => {
    const emit = (guest: Guest): void => {
      const { label } = guest.constant('/proc\0');
      calls(20, () => {
        guest.syscall('access', label, 0);
      })(guest);
    };
    const [checked] = cyclesOf(['calls'], 'norandmaps', emit);
    const [unchecked] = cyclesOf(['calls'], 'norandmaps hardened_usercopy=off', emit);
    expect(unchecked).toBeLessThan(checked - 20 * 50);
  });

  it('goes down when pages and objects are not zeroed before they are filled', () => {
    const emit = (guest: Guest): void => {
      const ends = guest.variable('ends', 8);
      calls(20, () => {
        guest.syscall('pipe', ends);
        guest.syscall('write', 4, ends, 8);
        guest.syscall('close', 3);
        guest.syscall('close', 4);
      })(guest);
    };
    const [zeroed] = cyclesOf(['calls'], 'norandmaps', emit);
    const [unzeroed] = cyclesOf(['calls'], 'norandmaps init_on_alloc=0', emit);
    expect(unzeroed).toBeLessThan(zeroed - 20 * 100);
  });

  it('sleeps by the slack that prctl sets', () => {
    const [usual, exact] = cyclesOf(['50 us', '1 ns'], '', (guest) => {
      const { asm } = guest;
      const time = guest.variable('time', 16);
      asm.mov(qword(time, 8), 1000);
      guest.syscall('nanosleep', time, 0);
      guest.phase(0, () => {
        guest.syscall('nanosleep', time, 0);
      });
      guest.syscall('prctl', PR_SET_TIMERSLACK, 1, 0, 0, 0);
      guest.phase(1, () => {
        guest.syscall('nanosleep', time, 0);
      });
      asm.xor(registers.eax, registers.eax);
    });
    expect(usual - exact).toBeGreaterThan(0.9 * 50 * ZEN4_VM.core.coreMHz);
  });
});
