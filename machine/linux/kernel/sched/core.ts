/**
 * Switching tasks and waking them, after Linux 6.1 kernel/sched/core.c. A task leaves the CPU by
 * yielding from schedule(); the run loop then calls switchTasks(), which is __schedule(). What runs
 * next is the classes' business (pick.ts, wakeup.ts). Omits: core scheduling.
 */
import { Context } from '../../../core/ledger/context.ts';
import type { Ticks } from '../../../core/units.ts';
import { switchMm } from '../../arch/x86/mm/tlbflush.ts';
import { switchTo } from '../../arch/x86/kernel/process_64.ts';
import { PerCpu } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Sleeping, Task } from '../../include/linux/sched.ts';
import type { Kernel } from '../../init/kernel.ts';
import { traceSwitch, traceWaking, traceWakeup } from '../../trace/sched.ts';
import { finishDeadTask } from '../dead-task.ts';
import { acquire, release, spinLockIrqsave, spinUnlockIrqrestore } from '../locking/spinlock.ts';
import { updateRqClock } from './clock.ts';
import { accountTime } from './cputime.ts';
import { Enqueue, WakeFlags } from './entities.ts';
import { FAIR } from './fair.ts';
import { moveTask } from './change.ts';
import { firstCpu } from './fair-select.ts';
import { chooseNext } from './pick.ts';
import { psiTaskChange, psiTaskSwitch } from './psi.ts';
import { queueWakeup } from './ttwu-queue.ts';
import { type Rq, thisRq } from './sched.ts';
import { activateWoken, moveForWakeup, selectTaskRq, wakeNewTask } from './wakeup.ts';
import { tracePoint } from '../../trace/points.ts';
import { Point } from '../../trace/points-specs.ts';

/** LOCAL_TIMER_VECTOR */
const TIMER_GATE = { stub: F.asm_sysvec_apic_timer_interrupt, vector: 0xec };

/** Ticks of simulated time in `ns` nanoseconds. */
export function ticksFromNs(kernel: Kernel, ns: number): Ticks {
  return Math.ceil((ns * kernel.coreMHz * 64) / 1000);
}

/**
 * cpu_relax of kernel code that polls for what other CPUs do: they act up to this moment. The task
 * keeps its CPU unless something else must run.
 */
export function* relax(kernel: Kernel): Sleeping<undefined> {
  thisRq(kernel).relaxing = true;
  yield;
  return undefined;
}

/** Takes the current task off the CPU unless its state is R; returns when it runs again. */
export function* schedule(kernel: Kernel): Sleeping<undefined> {
  kernel.cpu.run(F.schedule, kernel.current.state === 'R' ? 21 : 30);
  yield;
  return undefined;
}

/** Sleeps in the state that the task has set, for `ns` nanoseconds at most. Returns what is left of them. */
export function* scheduleTimeout(kernel: Kernel, ns: number): Sleeping<number> {
  if (ns === Infinity) {
    yield* schedule(kernel);
    return Infinity;
  }
  const { current, coreMHz } = kernel;
  const due = kernel.cpu.now + ticksFromNs(kernel, ns);
  const { events } = thisRq(kernel);
  const timer = events.schedule(due, () => {
    kernel.interrupt(kernel, TIMER_GATE, () => {
      wakeUpProcess(kernel, current);
    });
  });
  yield* schedule(kernel);
  events.cancel(timer);
  const left = due - kernel.cpu.now;
  return left <= 0 ? 0 : Math.floor((left * 1000) / (64 * coreMHz));
}

/** wake_up_process: try_to_wake_up of a task that sleeps. Returns false if it did not. */
export function wakeUpProcess(kernel: Kernel, task: Task): boolean {
  return tryToWakeUp(kernel, task, 0);
}

/** try_to_wake_up. `flags` are WakeFlags: SYNC says that the waker is about to sleep. */
export function tryToWakeUp(kernel: Kernel, task: Task, flags: number): boolean {
  const { cpu } = kernel;
  cpu.run(F.try_to_wake_up, 110);
  spinLockIrqsave(cpu, task.address + 1088);
  cpu.write(task.address + 64);
  if (task.state !== 'S' && task.state !== 'D') {
    spinUnlockIrqrestore(cpu);
    return false;
  }
  traceWaking(kernel, task);
  task.state = 'R';
  // Still on its way off the CPU: __schedule will find it runnable.
  if (task.sched.onRq) {
    traceWakeup(kernel, task);
    spinUnlockIrqrestore(cpu);
    return true;
  }
  cpu.run(F._find_first_bit, 13);
  const target = selectTaskRq(kernel, task, flags | WakeFlags.TTWU);
  const moved = moveForWakeup(kernel, task, target);
  const rq = kernel.rqs[target];
  if (!queueWakeup(kernel, rq, task)) ttwuQueue(kernel, rq, task, flags | moved);
  spinUnlockIrqrestore(cpu);
  return true;
}

/** ttwu_queue: onto the queue of `rq` now. */
function ttwuQueue(kernel: Kernel, rq: Rq, task: Task, flags: number): void {
  const { cpu } = kernel;
  acquire(cpu, rq.lock);
  updateRqClock(kernel, rq);
  psiTaskChange(kernel);
  activateWoken(kernel, rq, task, flags);
  traceWakeup(kernel, task);
  release(cpu, rq.lock);
}

/** wake_up_new_task: the first time that a task can run. */
export function wakeUpNewTask(kernel: Kernel, task: Task): void {
  const { cpu } = kernel;
  cpu.run(F.wake_up_new_task, 128);
  task.state = 'R';
  const rq = kernel.rqs[task.sched.cpu];
  acquire(cpu, rq.lock);
  cpu.run(F.attach_entity_load_avg, 74);
  psiTaskChange(kernel);
  wakeNewTask(kernel, task);
  tracePoint(kernel, Point.SCHED_WAKEUP_NEW, task.pid, task.sched.cpu);
  release(cpu, rq.lock);
}

/** The first task of a CPU, before anything runs there. */
export function startFirstTask(kernel: Kernel, rq: Rq, task: Task): void {
  task.sched.cpu = rq.number;
  task.sched.onRq = true;
  task.sched.onCpu = true;
  FAIR.enqueueTask(kernel, rq, task, Enqueue.INITIAL);
  FAIR.setNextTask(kernel, rq, task);
  rq.curr = task;
}

/** Instructions of __schedule itself: by whether the task sleeps and what runs before and after. */
const enum ScheduleCost {
  SAME_TASK = 109,
  SWITCH = 186,
  SLEEP = 212,
  TO_IDLE = 208,
  FROM_IDLE = 166,
}

/** __schedule: the task that should run next runs next. The CPU is in the kernel. */
export function switchTasks(kernel: Kernel): void {
  const { cpu } = kernel;
  const rq = thisRq(kernel);
  const { curr: prev, idle } = rq;
  cpu.continueIn(F.__schedule);
  cpu.stack(192, 2);
  tracePoint(kernel, Point.RCU_UTILIZATION, 1, 0);
  cpu.run(F.rcu_note_context_switch, 58);
  tracePoint(kernel, Point.RCU_UTILIZATION, 1, 1);
  cpu.writePerCpu(PerCpu.RCU_DATA);
  acquire(cpu, rq.lock);
  let isSleeping = prev !== idle && prev.state !== 'R';
  if (isSleeping && prev.state === 'S' && prev.signalPending) {
    prev.state = 'R';
    isSleeping = false;
  }
  const next = chooseNext(kernel, rq, isSleeping) as Task;
  if (next === prev) {
    cpu.run(F.__schedule, ScheduleCost.SAME_TASK);
  } else {
    const cost =
      next === idle
        ? ScheduleCost.TO_IDLE
        : prev === idle
          ? ScheduleCost.FROM_IDLE
          : isSleeping
            ? ScheduleCost.SLEEP
            : ScheduleCost.SWITCH;
    cpu.run(F.__schedule, cost);
    psiTaskSwitch(kernel, { isSleeping, fromIdle: prev === idle, toIdle: next === idle });
    contextSwitch(kernel, rq, prev, next);
  }
  release(cpu, rq.lock);
  if (next !== prev) finishSwitch(kernel, prev);
}

/** A task that has ended goes; one that may no longer run here goes elsewhere: migration_cpu_stop. */
function finishSwitch(kernel: Kernel, prev: Task): void {
  if (prev.state === 'Z' || prev.state === 'X') {
    finishDeadTask(kernel, prev);
    return;
  }
  const { sched } = prev;
  if (!sched.onRq || ((sched.cpusMask >>> sched.cpu) & 1) !== 0) return;
  moveTask(kernel, prev, firstCpu(sched.cpusMask & kernel.sched.cpus));
}

/** context_switch: address space, registers, stack; from here on time belongs to `next`. */
function contextSwitch(kernel: Kernel, rq: Rq, prev: Task, next: Task): void {
  const { cpu, platform } = kernel;
  traceSwitch(kernel, prev, next);
  accountTime(kernel, prev);
  if (prev.pid !== 0) kernel.counts.contextSwitches++;
  if (prev.state === 'R') prev.usage.involuntarySwitches++;
  else prev.usage.voluntarySwitches++;
  if (next.rseq !== 0) next.notifyResume = true;
  cpu.writePerCpu(PerCpu.CURRENT);
  switchMm(kernel, rq, next);
  switchTo(kernel, prev, next);
  kernel.current = next;
  cpu.attribute(next.pid, Context.KERNEL);
  platform.setTask(cpu.number, next.pid);
  next.sched.resumed = true;
  cpu.run(F.finish_task_switch, prev === rq.idle ? 52 : 44);
}
