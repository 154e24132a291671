/**
 * The way through an interrupt: entry, accounting, the handler, and out again to user mode, the idle
 * loop or the kernel code that was interrupted; after Linux 6.1 arch/x86/kernel/irq.c,
 * kernel/entry/common.c and kernel/softirq.c.
 */
import { Cause } from '../../../../core/ledger/cause.ts';
import { Context } from '../../../../core/ledger/context.ts';
import type { Kernel } from '../../../init/kernel.ts';
import {
  exitToUserModeLoop,
  hasExitWork,
  irqentryEnter,
  irqentryExit,
} from '../../../kernel/entry/common.ts';
import { thisRq } from '../../../kernel/sched/sched.ts';
import { invokeSoftirq } from '../../../kernel/softirq.ts';
import type { InterruptGate } from '../../../include/linux/interrupt.ts';
import type { Sleeping } from '../../../include/linux/sched.ts';
import { traceIrq } from '../../../trace/irq.ts';
import { exceptionEntry, exceptionExit } from '../entry/entry_64.ts';
import { F } from '../model/generated/function-ids.ts';

/** One interrupt on the CPU that runs, the whole way. */
export function interrupt(kernel: Kernel, gate: InterruptGate, handler: () => void): void {
  const { cpu, current } = kernel;
  const wasInKernel = cpu.inKernel;
  const wasIdle = !wasInKernel && current === thisRq(kernel).idle;
  cpu.attribute(current.pid, Context.HARDIRQ);
  const began = wasInKernel ? cpu.now : cpu.hardware.state.clock;
  exceptionEntry(kernel, gate.stub, 8, true);
  // A halted virtual CPU is out of the machine, and the hypervisor has to schedule it again.
  if (wasIdle && !kernel.config.idlePoll) cpu.charge(Cause.TRANSITION, cpu.ticks.haltWake);
  irqentryEnter(kernel);
  cpu.interruptedKernel = wasInKernel;
  cpu.run(F.irq_enter_rcu, 7);
  handler();
  cpu.run(F.irq_exit_rcu, 2);
  cpu.run(F.__irq_exit_rcu, 21);
  cpu.run(F.idle_cpu, 10);
  traceIrq(kernel, began, gate.vector);
  invokeSoftirq(kernel);
  if (wasInKernel) {
    cpu.attribute(current.pid, Context.KERNEL);
    return;
  }
  if (wasIdle) {
    cpu.leave();
    cpu.attribute(current.pid, Context.KERNEL);
    return;
  }
  if (hasExitWork(kernel)) {
    cpu.attribute(current.pid, Context.KERNEL);
    current.work = returnToUser(kernel);
    return;
  }
  irqentryExit(kernel);
  exceptionExit(kernel);
  cpu.attribute(current.pid, Context.KERNEL);
}

/** irqentry_exit with something to do first. Also the way back from a fault. */
export function* returnToUser(kernel: Kernel): Sleeping<undefined> {
  irqentryExit(kernel);
  yield* exitToUserModeLoop(kernel);
  exceptionExit(kernel);
  return undefined;
}
