/**
 * Changing how a task is scheduled, after Linux 6.1 kernel/sched/core.c: __sched_setscheduler,
 * set_user_nice, rt_mutex_setprio, __set_cpus_allowed_ptr, sched_move_task. Each takes the task off
 * its queue, changes it, and puts it back. Callers have checked permissions and values.
 */
import { updateRqClock } from './clock.ts';
import { DEADLINE, isAdmitted } from './deadline.ts';
import { policyOf } from './fair-entity.ts';
import { reweightEntity } from './fair-load.ts';
import { FAIR, migrateEntity } from './fair.ts';
import { firstCpu } from './fair-select.ts';
import { IDLE } from './idle-class.ts';
import { activateTask, deactivateTask, setTaskCpu } from './move.ts';
import { DL_PRIO, nicePrio, Policy, setLoadWeight, type LoadWeight } from './prio.ts';
import { reschedNow } from './resched.ts';
import { RT, rrTicks } from './rt.ts';
import {
  Dequeue,
  Enqueue,
  type Ns,
  type Rq,
  type SchedClass,
  type SchedHost,
  type SchedTask,
  type TaskGroup,
} from './entities.ts';
import { checkPreemptCurr } from './wakeup.ts';

export const isRealTime = (policy: Policy): boolean =>
  policy === Policy.FIFO || policy === Policy.RR;

/** The class of a task by its effective priority. */
function classOf(prio: number): SchedClass {
  if (prio < 0) return DEADLINE;
  return prio < 100 ? RT : FAIR;
}

/** normal_prio */
export function normalPrio(policy: Policy, nice: number, rtPriority: number): number {
  if (policy === Policy.DEADLINE) return DL_PRIO;
  return isRealTime(policy) ? 99 - rtPriority : nicePrio(nice);
}

/** Runs `change` with the task off its queue and off its CPU's books. */
function offQueue(
  host: SchedHost,
  task: SchedTask,
  change: () => void,
): { readonly rq: Rq; readonly oldPrio: number } {
  const { sched } = task;
  const rq = host.rqs[sched.cpu];
  const oldPrio = sched.prio;
  updateRqClock(host, rq);
  const wasQueued = sched.onRq;
  const wasRunning = rq.curr === task && sched.schedClass !== IDLE;
  if (wasQueued) deactivateTask(host, rq, task, Dequeue.SAVE);
  if (wasRunning) sched.schedClass.putPrevTask(host, rq, task);
  change();
  if (wasQueued) activateTask(host, rq, task, Enqueue.RESTORE);
  if (wasRunning) sched.schedClass.setNextTask(host, rq, task);
  return { rq, oldPrio };
}

const WANTED: LoadWeight = { weight: 0, inverse: 0 };

/** Sets the effective priority and the class that goes with it. */
function setPrio(host: SchedHost, task: SchedTask, prio: number): void {
  const { sched } = task;
  sched.prio = prio;
  sched.schedClass = classOf(prio);
  if (sched.schedClass === FAIR) {
    setLoadWeight(WANTED, sched.policy, sched.nice);
    const { weight, inverse } = WANTED;
    if (sched.se.load.weight !== weight) reweightEntity(host, policyOf(host), sched.se, weight);
    sched.se.load.inverse = inverse;
  }
  if (sched.policy === Policy.RR) sched.rrTicks = rrTicks(host);
}

/** What __sched_setscheduler sets. */
export interface SchedAttributes {
  readonly policy: Policy;
  readonly nice: number;
  readonly rtPriority: number;
  readonly resetOnFork: boolean;
  /** SCHED_DEADLINE; for fair tasks under EEVDF `runtimeNs` asks for a slice. */
  readonly runtimeNs: Ns;
  readonly deadlineNs: Ns;
  readonly periodNs: Ns;
  readonly flags: number;
}

/** __sched_setscheduler. False when the deadline bandwidth does not fit. */
export function setScheduler(
  host: SchedHost,
  task: SchedTask,
  attributes: SchedAttributes,
): boolean {
  const { sched } = task;
  const { policy, nice, rtPriority, runtimeNs, deadlineNs } = attributes;
  const isDeadline = policy === Policy.DEADLINE;
  const periodNs = attributes.periodNs === 0 ? deadlineNs : attributes.periodNs;
  const bandwidth = isDeadline ? runtimeNs / periodNs : 0;
  const change = bandwidth - sched.dl.bandwidth;
  if (change > 0 && !isAdmitted(host, change)) return false;
  host.sched.dlBandwidth += change;
  const { rq, oldPrio } = offQueue(host, task, () => {
    sched.policy = policy;
    sched.resetOnFork = attributes.resetOnFork;
    if (!isDeadline && !isRealTime(policy)) sched.nice = nice;
    sched.rtPriority = isRealTime(policy) ? rtPriority : 0;
    sched.dl.bandwidth = bandwidth;
    if (isDeadline) startDeadline(host, task, { runtimeNs, deadlineNs, periodNs });
    else if (!isRealTime(policy)) setSlice(task, runtimeNs);
    sched.dl.flags = attributes.flags;
    sched.normalPrio = normalPrio(policy, nice, rtPriority);
    setPrio(host, task, sched.normalPrio);
  });
  sched.schedClass.switchedTo(host, rq, task, oldPrio);
  return true;
}

/** A fair task's own slice: between 0.1 ms and 100 ms, as Linux 6.12 clamps it. */
function setSlice({ sched }: SchedTask, runtimeNs: Ns): void {
  sched.se.customSlice = runtimeNs > 0;
  if (runtimeNs > 0) sched.se.slice = Math.max(100_000, Math.min(100_000_000, runtimeNs));
}

function startDeadline(
  host: SchedHost,
  { sched }: SchedTask,
  times: { readonly runtimeNs: Ns; readonly deadlineNs: Ns; readonly periodNs: Ns },
): void {
  const { dl } = sched;
  Object.assign(dl, times);
  dl.throttled = false;
  dl.yielded = false;
  dl.runtime = times.runtimeNs;
  dl.deadline = host.rqs[sched.cpu].clock + times.deadlineNs;
}

/** set_user_nice */
export function setUserNice(host: SchedHost, task: SchedTask, nice: number): void {
  const { sched } = task;
  if (sched.nice === nice) return;
  if (sched.schedClass !== FAIR) {
    sched.nice = nice;
    return;
  }
  const { rq, oldPrio } = offQueue(host, task, () => {
    sched.nice = nice;
    sched.normalPrio = nicePrio(nice);
    setPrio(host, task, sched.normalPrio);
  });
  sched.schedClass.switchedTo(host, rq, task, oldPrio);
}

/** rt_mutex_setprio: the priority that waiters lend, or the task's own again. */
export function setInheritedPrio(host: SchedHost, task: SchedTask, donor: SchedTask | null): void {
  const { sched } = task;
  const prio = Math.min(sched.normalPrio, donor?.sched.prio ?? Infinity);
  if (prio === sched.prio) return;
  const { rq, oldPrio } = offQueue(host, task, () => {
    if (prio < 0 && sched.normalPrio >= 0 && donor !== null) lendDeadline(task, donor);
    setPrio(host, task, prio);
  });
  sched.schedClass.switchedTo(host, rq, task, oldPrio);
}

/** A deadline donor's parameters serve the task for as long as it is boosted. */
function lendDeadline({ sched }: SchedTask, donor: SchedTask): void {
  const { runtimeNs, deadlineNs, periodNs, deadline } = donor.sched.dl;
  Object.assign(sched.dl, { runtimeNs, deadlineNs, periodNs, deadline, runtime: runtimeNs });
  sched.dl.throttled = false;
}

/** __set_cpus_allowed_ptr: `mask` holds an online CPU. Running tasks are moved by the caller. */
export function setCpusAllowed(host: SchedHost, task: SchedTask, mask: number): void {
  const { sched } = task;
  sched.cpusMask = mask;
  if (((mask >>> sched.cpu) & 1) !== 0) return;
  const rq = host.rqs[sched.cpu];
  if (rq.curr === task) {
    // It is moved when it leaves the CPU: the stopper's work.
    reschedNow(host, rq);
    return;
  }
  moveTask(host, task, firstCpu(mask & host.sched.cpus));
}

/** migration_cpu_stop: a queued or sleeping task to another CPU. */
export function moveTask(host: SchedHost, task: SchedTask, cpu: number): void {
  const { sched } = task;
  const from = host.rqs[sched.cpu];
  const to = host.rqs[cpu];
  if (from === to) return;
  const wasQueued = sched.onRq;
  updateRqClock(host, from);
  if (wasQueued) deactivateTask(host, from, task, Dequeue.MOVE);
  setTaskCpu(host, task, cpu);
  if (!wasQueued) return;
  updateRqClock(host, to);
  activateTask(host, to, task, Enqueue.MIGRATED | Enqueue.MOVE);
  checkPreemptCurr(host, to, task, 0);
}

/** sched_move_task: into another group, with what it is owed. */
export function moveToGroup(host: SchedHost, task: SchedTask, group: TaskGroup): void {
  const { sched } = task;
  if (sched.group === group) return;
  const { rq } = offQueue(host, task, () => {
    sched.group = group;
    migrateEntity(host, task, group.cfsRqs[sched.cpu]);
  });
  if (rq.curr === task) reschedNow(host, rq);
}
