/**
 * Ours, not Linux's: runs user mode until it traps, and hands each trap to its entry point, as the
 * hardware does; interrupts that are due come in between.
 */
import { MachineBug } from '../../../../core/assert.ts';
import { ExitReason } from '../../../../hardware/layout.ts';
import type { Kernel } from '../../../init/kernel.ts';
import { scheduleTick, timerInterrupt } from '../../../kernel/time/tick-sched.ts';
import { pageFault } from '../mm/fault.ts';
import { exception } from '../kernel/traps.ts';
import { syscall, type SyscallGate } from './common.ts';
import { SyscallArguments } from './syscall-arguments.ts';
import { SYSCALL_TABLE } from './syscalls/syscall-table.ts';

/** The longest stretch without a look at the clock, in ticks: about 18 minutes of a 4 GHz core. */
const STRETCH_MAX = 2 ** 48;

/** Runs the current task until it is gone. */
export function runUser(kernel: Kernel, onMarker: (marker: number) => void): void {
  const { cpu, platform, events, current } = kernel;
  const { registers } = cpu;
  const { state } = cpu.hardware;
  const gate: SyscallGate = {
    registers,
    args: new SyscallArguments(registers),
    table: SYSCALL_TABLE,
    stopped: () => current.mm === null,
  };
  const tick = (): void => {
    timerInterrupt(kernel);
    scheduleTick(kernel, state.clock, tick);
  };
  scheduleTick(kernel, state.clock, tick);
  while (current.mm !== null) {
    const next = events.nextTick;
    const { clock } = state;
    if (next <= clock) {
      events.fireDue(clock);
      continue;
    }
    const reason = platform.context.run(cpu.number, Math.min(next, clock + STRETCH_MAX));
    switch (reason) {
      case ExitReason.BUDGET:
        break;
      case ExitReason.SYSCALL:
        syscall(kernel, gate);
        break;
      case ExitReason.PAGE_FAULT:
        pageFault(kernel);
        break;
      case ExitReason.EXCEPTION:
        exception(kernel, registers.exitInfo);
        break;
      case ExitReason.MARKER: {
        const marker = registers.exitInfo;
        cpu.settle();
        platform.harvestUser();
        onMarker(marker);
        break;
      }
      default:
        throw new MachineBug(`user mode ended for reason ${String(reason)}`);
    }
  }
}
