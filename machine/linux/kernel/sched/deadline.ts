/**
 * SCHED_DEADLINE, after Linux 6.1 kernel/sched/deadline.c: earliest deadline first with constant
 * bandwidth servers. A task that has used its runtime waits for its next period. Omits: reclaiming
 * unused bandwidth (GRUB), the zero-lag timer, the deadline server of 6.8 for fair tasks.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { RbNode, RbTree } from '../../lib/rbtree.ts';
import { advanceClock } from './clock.ts';
import { chargeErase, chargeInsert } from './fair-entity.ts';
import { firstCpu } from './fair-select.ts';
import { activateTask, deactivateTask, setTaskCpu } from './move.ts';
import { reschedNow } from './resched.ts';
import {
  Dequeue,
  type DlEntity,
  type DlRq,
  Enqueue,
  type Rq,
  type SchedClass,
  type SchedHost,
  type SchedTask,
} from './entities.ts';

export function createDlRq(): DlRq {
  const less = (a: SchedTask, b: SchedTask): boolean => a.sched.dl.deadline < b.sched.dl.deadline;
  return { tree: new RbTree({ less }), nrRunning: 0, thisBw: 0 };
}

/** The node needs its task, which does not exist yet: `task` is filled in by its maker. */
export function createDlEntity(task: SchedTask): DlEntity {
  return {
    node: new RbNode(task),
    runtimeNs: 0,
    deadlineNs: 0,
    periodNs: 0,
    bandwidth: 0,
    flags: 0,
    runtime: 0,
    deadline: 0,
    throttled: false,
    yielded: false,
    timer: null,
    overruns: 0,
  };
}

/** replenish_dl_entity: whole periods until there is runtime again. */
function replenish(rq: Rq, dl: DlEntity): void {
  if (dl.yielded && dl.runtime > 0) dl.runtime = 0;
  while (dl.runtime <= 0) {
    dl.deadline += dl.periodNs;
    dl.runtime += dl.runtimeNs;
  }
  if (dl.deadline < rq.clock) newInstance(rq, dl);
  dl.yielded = false;
  dl.throttled = false;
}

function newInstance(rq: Rq, dl: DlEntity): void {
  dl.deadline = rq.clock + dl.deadlineNs;
  dl.runtime = dl.runtimeNs;
}

/** update_dl_entity: at a wake-up, what is left may be used only if that keeps the bandwidth. */
function wakeEntity(rq: Rq, dl: DlEntity): void {
  const left = dl.deadline - rq.clock;
  const isOverflow = dl.runtime * dl.periodNs > left * dl.runtimeNs;
  if (left < 0 || isOverflow) newInstance(rq, dl);
}

function link(host: SchedHost, rq: Rq, task: SchedTask): void {
  const { dl } = task.sched;
  host.cpu.write(task.address + 384);
  host.cpu.write(rq.address + 576);
  chargeInsert(host, rq.dl.tree.insert(dl.node));
  rq.dl.nrRunning++;
  rq.nrRunning++;
}

function unlink(host: SchedHost, rq: Rq, task: SchedTask): void {
  const { node } = task.sched.dl;
  if (!node.linked) return;
  host.cpu.write(task.address + 384);
  chargeErase(host, rq.dl.tree.remove(node));
  rq.dl.nrRunning--;
  rq.nrRunning--;
}

function enqueueTask(host: SchedHost, rq: Rq, task: SchedTask, flags: number): void {
  const { dl } = task.sched;
  if ((flags & Enqueue.REPLENISH) !== 0) replenish(rq, dl);
  else if (dl.throttled) return;
  else if ((flags & (Enqueue.WAKEUP | Enqueue.INITIAL)) !== 0) wakeEntity(rq, dl);
  else if ((flags & Enqueue.RESTORE) !== 0 && dl.deadline < rq.clock) newInstance(rq, dl);
  link(host, rq, task);
}

function dequeueTask(host: SchedHost, rq: Rq, task: SchedTask): void {
  updateCurr(host, rq);
  unlink(host, rq, task);
}

/** update_curr_dl: out of runtime means out of the tree until the next period. */
function updateCurr(host: SchedHost, rq: Rq): void {
  const { curr } = rq;
  if (curr.sched.schedClass !== DEADLINE) return;
  const { se, dl } = curr.sched;
  const delta = rq.clock - se.execStart;
  if (delta <= 0 && !dl.yielded) return;
  se.execStart = rq.clock;
  se.sumExecRuntime += delta;
  host.cpu.run(F.cpuacct_charge, 13);
  host.sched.trace.runtime(rq, curr, delta);
  dl.runtime -= delta;
  if (dl.runtime > 0 && !dl.yielded) return;
  if (dl.runtime <= 0) dl.overruns++;
  dl.throttled = true;
  unlink(host, rq, curr);
  if (!startTimer(host, rq, curr)) enqueueTask(host, rq, curr, Enqueue.REPLENISH);
  if (rq.dl.tree.first !== curr) reschedNow(host, rq);
}

/** start_dl_timer: at the start of the next period. False when that has passed. */
function startTimer(host: SchedHost, rq: Rq, task: SchedTask): boolean {
  const { dl } = task.sched;
  const next = dl.deadline - dl.deadlineNs + dl.periodNs;
  if (next <= rq.clock) return false;
  dl.timer ??= host.sched.createTimer((at) => {
    dlTaskTimer(host, at, task);
  });
  dl.timer.start(rq.number, next);
  return true;
}

/** dl_task_timer: a new period for a throttled task. */
function dlTaskTimer(host: SchedHost, at: Rq, task: SchedTask): void {
  const { sched } = task;
  if (sched.schedClass !== DEADLINE || !sched.dl.throttled) return;
  const rq = host.rqs[sched.cpu];
  advanceClock(host, at);
  if (rq !== at) advanceClock(host, rq);
  if (!sched.onRq) {
    replenish(rq, sched.dl);
    return;
  }
  enqueueTask(host, rq, task, Enqueue.REPLENISH);
  if (rq.curr.sched.schedClass === DEADLINE) checkPreempt(host, rq, task);
  else reschedNow(host, rq);
}

function checkPreempt(host: SchedHost, rq: Rq, task: SchedTask): void {
  const { curr } = rq;
  const isEarlier = task.sched.dl.deadline < curr.sched.dl.deadline;
  if (curr.sched.schedClass !== DEADLINE || isEarlier) reschedNow(host, rq);
}

function pickNextTask(host: SchedHost, rq: Rq): SchedTask | null {
  const { first } = rq.dl.tree;
  if (first === null) return null;
  host.cpu.read(rq.address + 576);
  first.sched.se.execStart = rq.clock;
  return first;
}

/** The CPU whose running task is least urgent to `task`: none of deadline, or the latest one. */
function latestCpu(host: SchedHost, task: SchedTask): number {
  const mask = task.sched.cpusMask & host.sched.cpus;
  let best = -1;
  let latest = task.sched.dl.deadline;
  for (const rq of host.rqs) {
    if (((mask >>> rq.number) & 1) === 0) continue;
    host.cpu.read(rq.address + 576);
    const first = rq.dl.tree.first;
    const deadline = first === null || first === task ? Infinity : first.sched.dl.deadline;
    if (deadline > latest || (deadline === latest && rq.number === task.sched.cpu)) {
      best = rq.number;
      latest = deadline;
    }
  }
  return best;
}

/** pull_dl_task: an earlier deadline that waits on another CPU runs here. */
export function pullDl(host: SchedHost, rq: Rq): void {
  if (host.rqs.length === 1) return;
  const mine = rq.dl.tree.first?.sched.dl.deadline ?? Infinity;
  for (const other of host.rqs) {
    if (other === rq || other.dl.nrRunning < 2) continue;
    const task = waitingDl(other, rq.number);
    if (task === null || task.sched.dl.deadline >= mine) continue;
    deactivateTask(host, other, task, Dequeue.MOVE);
    setTaskCpu(host, task, rq.number);
    activateTask(host, rq, task, Enqueue.MIGRATED);
    return;
  }
}

function waitingDl(rq: Rq, cpu: number): SchedTask | null {
  for (const task of rq.dl.tree.items()) {
    if (task === rq.curr || task.sched.onCpu) continue;
    if (((task.sched.cpusMask >>> cpu) & 1) !== 0) return task;
  }
  return null;
}

/** dl_overflow: whether `bandwidth` more (in CPUs) fits; the same share as real-time tasks. */
export function isAdmitted({ sched }: SchedHost, change: number): boolean {
  const { rtRuntimeNs, rtPeriodNs } = sched.settings;
  if (rtRuntimeNs === Infinity) return true;
  let cpus = 0;
  for (let mask = sched.cpus; mask !== 0; mask &= mask - 1) cpus++;
  // Doubles carry the sums; Linux's fixed point has an error of 2^-20.
  return sched.dlBandwidth + change <= (cpus * rtRuntimeNs) / rtPeriodNs + 2 ** -20;
}

export const DEADLINE: SchedClass = {
  name: 'dl',
  rank: 3,
  enqueueTask,
  dequeueTask,
  yieldTask: (host, rq) => {
    // The rest of the instance is given back: it sleeps until the next period.
    rq.curr.sched.dl.yielded = true;
    advanceClock(host, rq);
    updateCurr(host, rq);
  },
  checkPreempt,
  pickNextTask,
  putPrevTask: (host, rq) => {
    updateCurr(host, rq);
  },
  setNextTask: (_host, rq, task) => {
    task.sched.se.execStart = rq.clock;
  },
  taskTick: (host, rq) => {
    updateCurr(host, rq);
  },
  selectTaskRq: (host, task) => {
    const target = latestCpu(host, task);
    return target >= 0 ? target : firstCpu(task.sched.cpusMask & host.sched.cpus);
  },
  updateCurr,
  switchedTo: (host, rq, task) => {
    if (!task.sched.onRq) return;
    if (rq.curr === task) {
      if (rq.dl.tree.first !== task) reschedNow(host, rq);
    } else checkPreempt(host, rq, task);
  },
};
