/**
 * Ours, not Linux's: runs the CPUs in the order of simulated time. The CPU with the smallest clock
 * goes first. Kernel operations, interrupts included, begin in that order and run whole; user code may
 * run ahead of the other CPUs by a quantum.
 */
import { assert, MachineBug } from '../../../../core/assert.ts';
import type { Ticks } from '../../../../core/units.ts';
import { ExitReason } from '../../../../hardware/layout.ts';
import type { Kernel } from '../../../init/kernel.ts';
import { switchTasks } from '../../../kernel/sched/core.ts';
import { hasOnlyTick, keepsTick } from '../../../kernel/sched/idle.ts';
import type { Rq } from '../../../kernel/sched/sched.ts';
import { startTick, stopTick } from '../../../kernel/time/tick-sched.ts';
import { syscall, type SyscallGate } from '../entry/common.ts';
import { SyscallArguments } from '../entry/syscall-arguments.ts';
import { SYSCALL_TABLE } from '../entry/syscalls/syscall-table.ts';
import { exception } from '../kernel/traps.ts';
import { pageFault } from '../mm/fault.ts';

/** The longest stretch without a look at the clock, in ticks: about 18 minutes of a 4 GHz core. */
const STRETCH_MAX = 2 ** 48;
/** How far user code may run ahead of the other CPUs: 2,000 cycles. */
const QUANTUM: Ticks = 2000 * 64;

/** One CPU as the loop drives it. */
interface Driver {
  readonly rq: Rq;
  readonly gate: SyscallGate;
  /** A trap that user mode has taken and the kernel has not seen yet; BUDGET is none. */
  trap: ExitReason;
}

/** Runs until the target has ended, or nothing can ever happen again. */
export function runCpus(kernel: Kernel, onMarker: (marker: number) => void): void {
  const drivers = kernel.rqs.map((rq): Driver => {
    const { registers } = rq.cpu;
    const gate = { registers, args: new SyscallArguments(registers), table: SYSCALL_TABLE };
    return { rq, gate, trap: ExitReason.BUDGET };
  });
  while (!kernel.ended) {
    const first = earliest(drivers);
    // Every task sleeps and nothing will wake them: the target has not ended and never will.
    if (timeOf(first.rq) === Infinity) break;
    if (!new Turn(kernel, drivers, first, onMarker).run()) break;
  }
  for (const { rq } of drivers) if (rq.cpu.inKernel) rq.cpu.leave();
}

/** When the CPU will do something next. */
function timeOf(rq: Rq): Ticks {
  return isIdle(rq) ? Math.max(rq.events.nextTick, rq.cpu.clock) : rq.cpu.clock;
}

/** One that another CPU has work for is idle until the interrupt arrives: its clock stands in the past. */
function isIdle(rq: Rq): boolean {
  return rq.curr === rq.idle && (!rq.needResched || rq.cpu.clock < rq.kicked);
}

/** The CPU that acts first; of equals the one with the lower number. */
function earliest(drivers: readonly Driver[]): Driver {
  return drivers.reduce((first, other) => (timeOf(other.rq) < timeOf(first.rq) ? other : first));
}

/** One CPU until another one must go first. */
class Turn {
  constructor(
    private readonly kernel: Kernel,
    private readonly drivers: readonly Driver[],
    private readonly driver: Driver,
    private readonly onMarker: (marker: number) => void,
  ) {}

  /** False when only ticks are left, which change nothing: no task will ever run again. */
  run(): boolean {
    const { kernel, driver } = this;
    const { rq } = driver;
    kernel.cpu = rq.cpu;
    kernel.current = rq.curr;
    while (!kernel.ended) {
      const others = this.othersTime();
      const { clock } = rq.cpu;
      if (timeOf(rq) > others) return true;
      if (rq.curr === rq.idle && this.isStuck()) return false;
      // A trap is older than what came due meanwhile, and it belongs to the task that took it.
      if (driver.trap !== ExitReason.BUDGET) this.trap();
      else if (rq.events.nextTick <= clock) rq.events.fireDue(clock);
      else if (rq.curr.work !== null) this.kernelMode();
      else if (rq.curr === rq.idle) this.idle();
      else this.userMode(others);
      if (timeOf(rq) === Infinity) return true;
    }
    return true;
  }

  /** Idle CPUs that keep their ticks would go on for ever. */
  private isStuck(): boolean {
    const { kernel, drivers } = this;
    return (
      keepsTick(kernel.config) &&
      drivers.every(({ rq, trap }) => trap === ExitReason.BUDGET && hasOnlyTick(rq))
    );
  }

  /** When the first of the other CPUs acts. */
  private othersTime(): Ticks {
    const { drivers, driver } = this;
    if (drivers.length === 1) return Infinity;
    let time = Infinity;
    for (const other of drivers) if (other !== driver) time = Math.min(time, timeOf(other.rq));
    return time;
  }

  /** The kernel goes on for the current task until it leaves the CPU or for user mode. */
  private kernelMode(): void {
    const { kernel, driver } = this;
    const { rq } = driver;
    const { curr } = rq;
    const { work } = curr;
    assert(work !== null, 'a task in the kernel has something to do there');
    if (work.next().done === true) curr.work = null;
    else if (rq.relaxing && !rq.needResched) rq.relaxing = false;
    else if (!kernel.ended) this.switch();
  }

  private idle(): void {
    const { rq } = this.driver;
    if (!isIdle(rq)) {
      rq.cpu.enter();
      this.switch();
      return;
    }
    if (rq.events.nextTick < Infinity) rq.cpu.idle(rq.events.nextTick);
  }

  private switch(): void {
    const { kernel, driver } = this;
    const { rq } = driver;
    const wasIdle = rq.curr === rq.idle;
    rq.relaxing = false;
    switchTasks(kernel);
    const idle = rq.curr === rq.idle;
    if (idle) rq.cpu.leave();
    if (keepsTick(kernel.config)) return;
    if (idle) stopTick(kernel, rq);
    else if (wasIdle) startTick(kernel, rq, rq.cpu.clock);
  }

  private userMode(others: Ticks): void {
    const { kernel, driver } = this;
    const { cpu, events } = driver.rq;
    const limit = Math.min(events.nextTick, others + QUANTUM, cpu.clock + STRETCH_MAX);
    driver.trap = kernel.platform.context.run(cpu.number, limit, others);
  }

  private trap(): void {
    const { kernel, driver } = this;
    const reason = driver.trap;
    driver.trap = ExitReason.BUDGET;
    switch (reason) {
      case ExitReason.SYSCALL:
        syscall(kernel, driver.gate);
        break;
      case ExitReason.PAGE_FAULT:
        pageFault(kernel);
        break;
      case ExitReason.EXCEPTION:
        exception(kernel, kernel.cpu.registers.exitInfo);
        break;
      case ExitReason.MARKER:
        this.marker();
        break;
      default:
        throw new MachineBug(`user mode ended for reason ${String(reason)}`);
    }
  }

  private marker(): void {
    const { kernel } = this;
    const marker = kernel.cpu.registers.exitInfo;
    for (const { cpu } of kernel.rqs) cpu.settle();
    kernel.platform.harvestUser();
    this.onMarker(marker);
  }
}
