/**
 * Real-time scheduling, SCHED_FIFO and SCHED_RR, after Linux 6.1 kernel/sched/rt.c: a queue for each
 * priority, throttling to rt_runtime in each rt_period. Omits: group scheduling, the pushable list
 * (waiting tasks are searched), sharing runtime between CPUs.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { firstCpu } from './fair-select.ts';
import { activateTask, deactivateTask, setTaskCpu } from './move.ts';
import { Policy, RT_PRIO_MAX } from './prio.ts';
import { reschedNow } from './resched.ts';
import {
  Dequeue,
  Enqueue,
  type Rq,
  type RtRq,
  type SchedClass,
  type SchedHost,
  type SchedTask,
} from './entities.ts';

/** Instructions of small operations that no counted path went through; sizes as their C suggests. */
const PRIO_SCAN = 14;

export function createRtRq(): RtRq {
  return {
    queues: Array.from({ length: RT_PRIO_MAX }, () => []),
    nrRunning: 0,
    nrRr: 0,
    rtTime: 0,
    throttled: false,
  };
}

/** Index of the queue of a real-time prio (0 highest). */
const queueOf = (rt: RtRq, task: SchedTask): SchedTask[] => rt.queues[task.sched.prio];

function highest(rt: RtRq): SchedTask | null {
  for (const queue of rt.queues) if (queue.length > 0) return queue[0];
  return null;
}

function enqueueTask(host: SchedHost, rq: Rq, task: SchedTask, flags: number): void {
  const { rt } = rq;
  host.cpu.write(task.address + 320);
  host.cpu.write(rq.address + 512);
  host.cpu.run(F.__list_add_valid, 17);
  const queue = queueOf(rt, task);
  if ((flags & Enqueue.HEAD) !== 0) queue.unshift(task);
  else queue.push(task);
  task.sched.rtQueued = true;
  rt.nrRunning++;
  if (!rt.throttled) rq.nrRunning++;
  const { sched } = host;
  if (!sched.rtPeriodActive && sched.settings.rtRuntimeNs !== Infinity) sched.startRtPeriod(rq);
  // A waiting task that is not the first may have room elsewhere.
  if ((flags & Enqueue.MIGRATED) === 0) pushRt(host, rq);
}

function dequeueTask(host: SchedHost, rq: Rq, task: SchedTask): void {
  const { rt } = rq;
  updateCurr(host, rq);
  host.cpu.write(task.address + 320);
  host.cpu.write(rq.address + 512);
  host.cpu.run(F.__list_del_entry_valid, 20);
  const queue = queueOf(rt, task);
  queue.splice(queue.indexOf(task), 1);
  task.sched.rtQueued = false;
  rt.nrRunning--;
  if (!rt.throttled) rq.nrRunning--;
}

/** update_curr_rt, with sched_rt_runtime_exceeded. */
function updateCurr(host: SchedHost, rq: Rq): void {
  const { curr } = rq;
  if (curr.sched.schedClass !== RT) return;
  const { se } = curr.sched;
  const delta = rq.clock - se.execStart;
  if (delta <= 0) return;
  se.execStart = rq.clock;
  se.sumExecRuntime += delta;
  host.cpu.run(F.cpuacct_charge, 13);
  host.sched.trace.runtime(rq, curr, delta);
  const { rtRuntimeNs } = host.sched.settings;
  if (rtRuntimeNs === Infinity) return;
  rq.rt.rtTime += delta;
  if (rq.rt.throttled || rq.rt.rtTime <= rtRuntimeNs) return;
  rq.rt.throttled = true;
  rq.nrRunning -= rq.rt.nrRunning;
  reschedNow(host, rq);
}

/** do_sched_rt_period_timer for one CPU: a period's runtime comes back. True while it is needed. */
export function rtPeriodTimer(host: SchedHost, rq: Rq, overruns: number): boolean {
  const { rt } = rq;
  const { rtRuntimeNs } = host.sched.settings;
  rt.rtTime -= Math.min(rt.rtTime, overruns * rtRuntimeNs);
  if (rt.throttled && rt.rtTime < rtRuntimeNs) {
    rt.throttled = false;
    rq.nrRunning += rt.nrRunning;
    if (rt.nrRunning > 0) reschedNow(host, rq);
  }
  return rt.rtTime > 0 || rt.nrRunning > 0;
}

function checkPreempt(host: SchedHost, rq: Rq, task: SchedTask): void {
  if (task.sched.prio < rq.curr.sched.prio) reschedNow(host, rq);
}

function pickNextTask(host: SchedHost, rq: Rq): SchedTask | null {
  const { rt } = rq;
  if (rt.nrRunning === 0 || rt.throttled) return null;
  host.cpu.run(F._find_first_bit, PRIO_SCAN);
  host.cpu.read(rq.address + 512);
  const task = highest(rt);
  if (task !== null) task.sched.se.execStart = rq.clock;
  return task;
}

function taskTick(host: SchedHost, rq: Rq, task: SchedTask): void {
  updateCurr(host, rq);
  const { sched } = task;
  if (sched.policy !== Policy.RR || --sched.rrTicks > 0) return;
  sched.rrTicks = rrTicks(host);
  const queue = queueOf(rq.rt, task);
  if (queue.length < 2) return;
  queue.splice(queue.indexOf(task), 1);
  queue.push(task);
  reschedNow(host, rq);
}

/** The round-robin slice in ticks of the timer. */
export function rrTicks({ sched }: SchedHost): number {
  return Math.max(1, Math.round(sched.settings.rrTimesliceNs / sched.settings.tickNs));
}

/** find_lowest_rq: the allowed CPU that runs the least urgent task, if `task` would preempt it. */
function lowestCpu(host: SchedHost, task: SchedTask): number {
  const mask = task.sched.cpusMask & host.sched.cpus;
  let best = -1;
  let bestPrio = task.sched.prio;
  for (const rq of host.rqs) {
    if (((mask >>> rq.number) & 1) === 0) continue;
    host.cpu.read(rq.address + 512);
    const waiting = highest(rq.rt);
    const isIdle = rq.curr === rq.idle && rq.nrRunning === 0;
    let prio = isIdle ? Infinity : rq.curr.sched.prio;
    if (waiting !== null && waiting !== task) prio = Math.min(prio, waiting.sched.prio);
    const isBetter = prio > bestPrio || (prio === bestPrio && rq.number === task.sched.cpu);
    if (isBetter && prio > task.sched.prio) {
      best = rq.number;
      bestPrio = prio;
    }
  }
  return best;
}

function selectTaskRq(host: SchedHost, task: SchedTask): number {
  const here = task.sched.cpu;
  const { curr } = host.rqs[here];
  const isAllowed = ((task.sched.cpusMask >>> here) & 1) !== 0;
  // It stays unless it would have to wait behind another real-time task.
  if (isAllowed && curr.sched.prio > task.sched.prio && curr.sched.prio >= RT_PRIO_MAX) return here;
  const target = lowestCpu(host, task);
  if (target >= 0) return target;
  return isAllowed ? here : firstCpu(task.sched.cpusMask & host.sched.cpus);
}

/** push_rt_task: a task that waits here may run elsewhere at once. */
function pushRt(host: SchedHost, rq: Rq): void {
  if (host.rqs.length === 1 || rq.rt.nrRunning < 2) return;
  for (const queue of rq.rt.queues) {
    for (const task of queue) {
      if (task === rq.curr || task.sched.onCpu || task === highest(rq.rt)) continue;
      const target = lowestCpu(host, task);
      if (target < 0 || target === rq.number) continue;
      moveTo(host, rq, host.rqs[target], task);
      return;
    }
  }
}

function moveTo(host: SchedHost, from: Rq, to: Rq, task: SchedTask): void {
  deactivateTask(host, from, task, Dequeue.MOVE);
  setTaskCpu(host, task, to.number);
  activateTask(host, to, task, Enqueue.MIGRATED);
  reschedNow(host, to);
}

/** pull_rt_task: before running something less urgent, looks for tasks that wait elsewhere. */
export function pullRt(host: SchedHost, rq: Rq): void {
  if (host.rqs.length === 1 || rq.rt.throttled) return;
  const prio = highest(rq.rt)?.sched.prio ?? RT_PRIO_MAX;
  for (const other of host.rqs) {
    if (other === rq || other.rt.nrRunning < 1) continue;
    const task = waitingRt(other, rq.number, prio);
    if (task !== null) moveTo(host, other, rq, task);
  }
}

function waitingRt(rq: Rq, cpu: number, prio: number): SchedTask | null {
  for (let level = 0; level < prio; level++) {
    for (const task of rq.rt.queues[level]) {
      if (task === rq.curr || task.sched.onCpu) continue;
      if (((task.sched.cpusMask >>> cpu) & 1) !== 0) return task;
    }
  }
  return null;
}

export const RT: SchedClass = {
  name: 'rt',
  rank: 2,
  enqueueTask,
  dequeueTask,
  yieldTask: (_host, rq) => {
    const queue = queueOf(rq.rt, rq.curr);
    queue.splice(queue.indexOf(rq.curr), 1);
    queue.push(rq.curr);
  },
  checkPreempt,
  pickNextTask,
  putPrevTask: (host, rq) => {
    updateCurr(host, rq);
  },
  setNextTask: (_host, rq, task) => {
    task.sched.se.execStart = rq.clock;
  },
  taskTick,
  selectTaskRq,
  updateCurr,
  switchedTo: (host, rq, task, oldPrio) => {
    if (!task.sched.onRq) return;
    if (rq.curr === task) {
      const waiting = highest(rq.rt);
      const isBehind = waiting !== null && waiting.sched.prio < task.sched.prio;
      if (isBehind || task.sched.prio > oldPrio) reschedNow(host, rq);
    } else if (task.sched.prio < rq.curr.sched.prio) reschedNow(host, rq);
  },
};
