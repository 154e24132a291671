/**
 * Switching tasks and waking them, after Linux 6.1 kernel/sched/core.c. A task leaves the CPU by
 * yielding from schedule(); the run loop then calls switchTasks(), which is __schedule().
 * Omits: core scheduling, migration of running tasks.
 */
import { Context } from '../../../core/ledger/context.ts';
import type { Ticks } from '../../../core/units.ts';
import { switchMm } from '../../arch/x86/mm/tlbflush.ts';
import { switchTo } from '../../arch/x86/kernel/process_64.ts';
import { sendReschedule } from '../../arch/x86/kernel/smp.ts';
import { PerCpu } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Sleeping, Task } from '../../include/linux/sched.ts';
import type { Kernel } from '../../init/kernel.ts';
import { acquire, release } from '../locking/spinlock.ts';
import { finishDeadTask } from '../dead-task.ts';
import { accountTime } from './cputime.ts';
import { Dequeue, Enqueue, type Rq, thisRq } from './sched.ts';

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
  kernel.cpu.run(F.schedule, 21);
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

/** set_tsk_need_resched and, for another CPU, the interrupt that makes it look. */
export function reschedule(kernel: Kernel, rq: Rq): void {
  if (rq.needResched) return;
  rq.needResched = true;
  if (rq.cpu !== kernel.cpu) sendReschedule(kernel, rq);
}

/** set_need_resched of the task that runs here. */
export function setNeedResched(kernel: Kernel): void {
  thisRq(kernel).needResched = true;
}

/** try_to_wake_up of a task that sleeps. Returns false if it did not. */
export function wakeUpProcess(kernel: Kernel, task: Task): boolean {
  const { cpu } = kernel;
  cpu.run(F.try_to_wake_up, 120);
  cpu.write(task.address + 64);
  if (task.state !== 'S' && task.state !== 'D') return false;
  task.state = 'R';
  // Still on its way off the CPU: __schedule will find it runnable.
  if (task.onRq) return true;
  placeTask(kernel, task, Enqueue.WAKEUP);
  return true;
}

/** wake_up_new_task: the first time that a task can run. */
export function wakeUpNewTask(kernel: Kernel, task: Task): void {
  kernel.cpu.run(F.wake_up_new_task, 60);
  task.state = 'R';
  placeTask(kernel, task, Enqueue.NEW);
}

function placeTask(kernel: Kernel, task: Task, flags: Enqueue): void {
  const { schedClass, cpu } = kernel;
  task.cpu = schedClass.selectTaskRq(kernel, task);
  const rq = kernel.rqs[task.cpu];
  acquire(cpu, rq.lock);
  activateTask(kernel, rq, task, flags);
  const preempts = rq.curr === rq.idle || schedClass.checkPreempt(kernel, rq, task);
  if (preempts) reschedule(kernel, rq);
  release(cpu, rq.lock);
}

function activateTask(kernel: Kernel, rq: Rq, task: Task, flags: Enqueue): void {
  kernel.schedClass.enqueueTask(kernel, rq, task, flags);
  task.onRq = true;
  rq.nrRunning++;
}

function deactivateTask(kernel: Kernel, rq: Rq, task: Task): void {
  kernel.schedClass.dequeueTask(kernel, rq, task, Dequeue.SLEEP);
  task.onRq = false;
  rq.nrRunning--;
}

/** __schedule: the task that should run next runs next. The CPU is in the kernel. */
export function switchTasks(kernel: Kernel): void {
  const { cpu, schedClass } = kernel;
  const rq = thisRq(kernel);
  const { curr: prev, idle } = rq;
  cpu.run(F.__schedule, 109);
  cpu.stack(192, 2);
  acquire(cpu, rq.lock);
  rq.needResched = false;
  if (prev !== idle && prev.state !== 'R') {
    if (prev.state === 'S' && prev.signalPending) prev.state = 'R';
    else deactivateTask(kernel, rq, prev);
  }
  if (prev !== idle) schedClass.putPrevTask(kernel, rq, prev);
  const next = schedClass.pickNextTask(kernel, rq) ?? idle;
  if (next !== idle) schedClass.setNextTask(kernel, rq, next);
  if (next !== prev) contextSwitch(kernel, rq, prev, next);
  release(cpu, rq.lock);
}

/** context_switch: address space, registers, stack; from here on time belongs to `next`. */
function contextSwitch(kernel: Kernel, rq: Rq, prev: Task, next: Task): void {
  const { cpu, platform } = kernel;
  accountTime(kernel, prev);
  if (prev.state === 'R') prev.usage.involuntarySwitches++;
  else prev.usage.voluntarySwitches++;
  if (next.rseq !== 0) next.notifyResume = true;
  rq.curr = next;
  cpu.writePerCpu(PerCpu.CURRENT);
  switchMm(kernel, rq, next);
  switchTo(kernel, prev, next);
  kernel.current = next;
  next.cpu = cpu.number;
  cpu.attribute(next.pid, Context.KERNEL);
  platform.setTask(cpu.number, next.pid);
  cpu.run(F.finish_task_switch, 48);
  if (prev.state === 'Z' || prev.state === 'X') finishDeadTask(kernel, prev);
}
