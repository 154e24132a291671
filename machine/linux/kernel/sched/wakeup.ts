/**
 * Waking tasks up, after Linux 6.1 kernel/sched/core.c: the part of try_to_wake_up that deals with
 * queues, and wake_up_new_task. Which states a wake-up is for is the caller's business.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { updateRqClock } from './clock.ts';
import { firstCpu } from './fair-select.ts';
import { initUtil } from './fair-load.ts';
import { FAIR } from './fair.ts';
import { activateTask, setTaskCpu } from './move.ts';
import { reschedNow } from './resched.ts';
import { Enqueue, type Rq, type SchedHost, type SchedTask, WakeFlags } from './entities.ts';

/** check_preempt_curr: a higher class preempts, the same class decides for itself. */
export function checkPreemptCurr(host: SchedHost, rq: Rq, task: SchedTask, flags: number): void {
  const { cpu } = host;
  const current = rq.curr.sched.schedClass;
  const own = task.sched.schedClass;
  cpu.run(F.check_preempt_curr, 19);
  if (own === current) current.checkPreempt(host, rq, task, flags);
  else if (own.rank > current.rank) reschedNow(host, rq);
  // The clock that the wake-up has read serves the switch that follows.
  if (rq.needResched && rq.number === cpu.number) rq.skipClockUpdate = true;
}

/** select_task_rq: the class's choice, if the task may run there. */
export function selectTaskRq(host: SchedHost, task: SchedTask, flags: number): number {
  const { sched } = task;
  const mask = sched.cpusMask & host.sched.cpus;
  // Pinned tasks have no choice: Linux does not ask the class either.
  if ((mask & (mask - 1)) === 0) return firstCpu(mask);
  const target = sched.schedClass.selectTaskRq(host, task, flags);
  return ((mask >>> target) & 1) !== 0 ? target : firstCpu(mask);
}

/** ttwu_do_activate: onto the queue and, if it is more urgent, onto the CPU. */
export function activateWoken(host: SchedHost, rq: Rq, task: SchedTask, flags: number): void {
  host.cpu.run(F.ttwu_do_activate, 63);
  const migrated = (flags & Enqueue.MIGRATED) !== 0 ? Enqueue.MIGRATED : 0;
  activateTask(host, rq, task, Enqueue.WAKEUP | migrated);
  host.cpu.run(F.ttwu_do_wakeup, rq.curr === rq.idle ? 41 : 21);
  checkPreemptCurr(host, rq, task, flags);
}

/** Moves a sleeping task to the CPU that it should wake up on. Returns Enqueue flags. */
export function moveForWakeup(host: SchedHost, task: SchedTask, target: number): number {
  if (task.sched.cpu === target) return 0;
  setTaskCpu(host, task, target);
  return Enqueue.MIGRATED;
}

/** wake_up_new_task: the first time on a queue. */
export function wakeNewTask(host: SchedHost, task: SchedTask): void {
  const { sched } = task;
  const target = selectTaskRq(host, task, WakeFlags.FORK);
  if (target !== sched.cpu) setTaskCpu(host, task, target);
  const rq = host.rqs[sched.cpu];
  updateRqClock(host, rq);
  if (sched.schedClass === FAIR) initUtil(sched.se.cfsRq, sched.se);
  activateTask(host, rq, task, Enqueue.INITIAL);
  checkPreemptCurr(host, rq, task, WakeFlags.FORK);
}
