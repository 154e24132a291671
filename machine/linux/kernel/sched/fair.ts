/**
 * The fair class: SCHED_NORMAL, SCHED_BATCH and SCHED_IDLE, after Linux 6.1 kernel/sched/fair.c.
 * Which entity goes next is the business of fair-eevdf.ts or fair-cfs.ts; groups are queues within
 * queues. Omits: NUMA balancing, misfit tasks, hrtick, core scheduling.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { updateRqClock } from './clock.ts';
import { checkEnqueueThrottle, checkRuntime, isThrottledHierarchy } from './fair-bandwidth.ts';
import {
  dequeueEntity,
  enqueueEntity,
  policyOf,
  putPrevEntity,
  setNextEntity,
  updateCurr,
} from './fair-entity.ts';
import { attachLoad, detachLoad, updateCfsGroup, updateLoadAvg } from './fair-load.ts';
import { returnRuntime } from './fair-runtime.ts';
import { selectTaskRqFair } from './fair-select.ts';
import { Policy } from './prio.ts';
import { reschedCurr, reschedNow } from './resched.ts';
import {
  type CfsRq,
  Dequeue,
  Enqueue,
  type Rq,
  type SchedClass,
  type SchedEntity,
  type SchedHost,
  type SchedTask,
} from './entities.ts';

const isIdlePolicy = (task: SchedTask): boolean => task.sched.policy === Policy.IDLE;

/** Tells a queue and those above it of one task more or less. False below a throttled queue. */
function countUp(host: SchedHost, from: SchedEntity | null, by: 1 | -1, idle: number): boolean {
  for (let se = from; se !== null; se = se.parent) {
    const { cfsRq } = se;
    updateLoadAvg(host, cfsRq, se);
    updateCfsGroup(host, policyOf(host), se);
    cfsRq.hNrRunning += by;
    cfsRq.idleHNrRunning += by * idle;
    if (cfsRq.throttled) return false;
  }
  return true;
}

function enqueueTask(host: SchedHost, rq: Rq, task: SchedTask, flags: number): void {
  const { cpu } = host;
  cpu.run(F.enqueue_task_fair, 76);
  const idle = isIdlePolicy(task) ? 1 : 0;
  let entityFlags = flags;
  let se: SchedEntity | null = task.sched.se;
  for (; se !== null && !se.onRq; se = se.parent) {
    const { cfsRq }: SchedEntity = se;
    enqueueEntity(host, cfsRq, se, entityFlags);
    cfsRq.hNrRunning++;
    cfsRq.idleHNrRunning += idle;
    if (cfsRq.nrRunning === 1) checkEnqueueThrottle(host, cfsRq);
    if (cfsRq.throttled) return;
    entityFlags = Enqueue.WAKEUP;
  }
  if (countUp(host, se, 1, idle)) rq.nrRunning++;
  cpu.run(F.hrtick_update, 4);
}

function dequeueTask(host: SchedHost, rq: Rq, task: SchedTask, flags: number): void {
  const { cpu } = host;
  cpu.run(F.dequeue_task_fair, 105);
  const idle = isIdlePolicy(task) ? 1 : 0;
  let entityFlags = flags;
  let se: SchedEntity | null = task.sched.se;
  while (se !== null) {
    const { cfsRq }: SchedEntity = se;
    dequeueEntity(host, cfsRq, se, entityFlags);
    cfsRq.hNrRunning--;
    cfsRq.idleHNrRunning -= idle;
    returnRuntime(host, cfsRq);
    if (cfsRq.throttled) return;
    se = se.parent;
    // A queue with other entities keeps its own place above.
    if (cfsRq.load.weight > 0) break;
    entityFlags |= Dequeue.SLEEP;
  }
  if (countUp(host, se, -1, idle)) rq.nrRunning--;
  cpu.run(F.hrtick_update, 4);
}

/** Takes the running task's entities off the CPU, level by level. */
function putHierarchy(host: SchedHost, task: SchedTask): void {
  for (let se: SchedEntity | null = task.sched.se; se !== null; se = se.parent) {
    const { cfsRq }: SchedEntity = se;
    // Throttling may have put it back already.
    if (cfsRq.curr !== se) continue;
    putPrevEntity(host, cfsRq, se);
    checkRuntime(host, cfsRq);
  }
}

function setHierarchy(host: SchedHost, task: SchedTask): void {
  for (let se: SchedEntity | null = task.sched.se; se !== null; se = se.parent) {
    if (se.cfsRq.curr !== se) setNextEntity(host, se.cfsRq, se);
  }
}

/** The path from the root to what runs next, with the running entities still in place. */
function pickEntity(host: SchedHost, root: CfsRq): SchedTask | null {
  const { cpu } = host;
  let queue: CfsRq | null = root;
  let se: SchedEntity | null = null;
  while (queue !== null) {
    const cfsRq: CfsRq = queue;
    let { curr } = cfsRq;
    if (curr !== null) {
      if (curr.onRq) updateCurr(host, cfsRq);
      else curr = null;
      cpu.run(F.check_cfs_rq_runtime, 4);
      if (checkRuntime(host, cfsRq)) return null;
    }
    cpu.run(F.pick_next_entity, curr === null ? 37 : 40);
    cpu.read(cfsRq.rq.address + 320);
    se = policyOf(host).pick(host, cfsRq, curr);
    if (se === null) return null;
    cpu.read(se.address);
    queue = se.owned;
  }
  return se?.task ?? null;
}

/** pick_next_task_fair: the fast path compares before it puts anything back. */
function pickNextTask(host: SchedHost, rq: Rq, prev: SchedTask | null): SchedTask | null {
  const { cpu } = host;
  const isSet = prev?.sched.schedClass === FAIR && prev.sched.se.cfsRq.curr === prev.sched.se;
  let last = isSet ? prev : null;
  for (;;) {
    if (rq.cfs.nrRunning === 0) {
      cpu.run(F.pick_next_task_fair, 31);
      return null;
    }
    cpu.run(F.pick_next_task_fair, last === null ? 68 : 87);
    const next = pickEntity(host, rq.cfs);
    if (next !== null && next === last) return next;
    if (last !== null) putHierarchy(host, last);
    last = null;
    // A queue was throttled under way: look again, with nobody running.
    if (next === null || isThrottledHierarchy(next.sched.se.cfsRq)) continue;
    setHierarchy(host, next);
    cpu.run(F.__list_del_entry_valid, 20);
    cpu.run(F.__list_add_valid, 17);
    return next;
  }
}

function taskTick(host: SchedHost, rq: Rq, task: SchedTask): void {
  const { cpu } = host;
  cpu.run(F.task_tick_fair, rq.cfs.nrRunning > 1 ? 62 : 49);
  const policy = policyOf(host);
  for (let se: SchedEntity | null = task.sched.se; se !== null; se = se.parent) {
    const { cfsRq }: SchedEntity = se;
    updateCurr(host, cfsRq);
    updateLoadAvg(host, cfsRq, se);
    updateCfsGroup(host, policy, se);
    cpu.run(F.hrtimer_active, 17);
    if (cfsRq.nrRunning <= 1) continue;
    if (host.sched.settings.fair === 'cfs') {
      cpu.run(F.sched_slice, 58);
      cpu.run(F.__calc_delta, 34);
    }
    if (policy.tickExpired(host, cfsRq, se)) reschedCurr(host, rq);
  }
  if (rq.needReschedLazy) reschedNow(host, rq);
}

/** find_matching_se: the ancestors of both that share a queue. */
function matching(a: SchedEntity, b: SchedEntity): readonly [SchedEntity, SchedEntity] {
  let [x, y] = [a, b];
  while (x.depth > y.depth && x.parent !== null) x = x.parent;
  while (y.depth > x.depth && y.parent !== null) y = y.parent;
  while (x.cfsRq !== y.cfsRq && x.parent !== null && y.parent !== null) {
    x = x.parent;
    y = y.parent;
  }
  return [x, y];
}

/** set_next_buddy and set_last_buddy, at every level. */
function setBuddy(se: SchedEntity, which: 'next' | 'last'): void {
  for (let at: SchedEntity | null = se; at !== null && at.onRq; at = at.parent) {
    at.cfsRq[which] = at;
  }
}

/** check_preempt_wakeup */
function checkPreempt(host: SchedHost, rq: Rq, woken: SchedTask): void {
  const { cpu } = host;
  const { curr } = rq;
  if (curr === woken || isThrottledHierarchy(woken.sched.se.cfsRq)) return;
  const isCfs = host.sched.settings.fair === 'cfs';
  const isCrowded = rq.cfs.nrRunning >= 8;
  if (isCfs && isCrowded) setBuddy(woken.sched.se, 'next');
  if (rq.needResched) {
    cpu.run(F.check_preempt_wakeup, 37);
    return;
  }
  if (isIdlePolicy(curr) && !isIdlePolicy(woken)) {
    reschedCurr(host, rq);
    return;
  }
  // Batch and idle tasks do not preempt when they wake up.
  if (woken.sched.policy !== Policy.NORMAL) {
    cpu.run(F.check_preempt_wakeup, 37);
    return;
  }
  const [se, pse] = matching(curr.sched.se, woken.sched.se);
  updateCurr(host, se.cfsRq);
  const isPreempted = policyOf(host).preempts(host, se.cfsRq, se, pse);
  cpu.run(F.check_preempt_wakeup, isPreempted ? 47 : 37);
  if (!isPreempted) return;
  if (isCfs && !isCrowded) setBuddy(pse, 'next');
  reschedCurr(host, rq);
  if (isCfs && isCrowded) setBuddy(se, 'last');
}

function yieldTask(host: SchedHost, rq: Rq): void {
  const { cpu } = host;
  const { se } = rq.curr.sched;
  if (rq.nrRunning === 1) {
    cpu.run(F.yield_task_fair, 14);
    return;
  }
  cpu.run(F.yield_task_fair, 33);
  cpu.run(F.clear_buddies, 8);
  updateRqClock(host, rq);
  updateCurr(host, se.cfsRq);
  // schedule() follows at once and finds the clock up to date.
  rq.skipClockUpdate = true;
  policyOf(host).yielded(host, se.cfsRq, se);
}

/** A sleeping or switching task takes its load and its place in virtual time along. */
export function migrateEntity(host: SchedHost, task: SchedTask, to: CfsRq): void {
  const { se } = task.sched;
  const from = se.cfsRq;
  if (from === to) return;
  detachLoad(host, from, se);
  if (host.sched.settings.fair === 'cfs') se.vruntime += to.minVruntime - from.minVruntime;
  se.cfsRq = to;
  se.parent = to.owner;
  se.depth = to.owner === null ? 0 : to.owner.depth + 1;
  attachLoad(host, to, se);
}

export const FAIR: SchedClass = {
  name: 'fair',
  rank: 1,
  enqueueTask,
  dequeueTask,
  yieldTask,
  checkPreempt,
  pickNextTask,
  putPrevTask: (host, _rq, task) => {
    host.cpu.run(F.put_prev_task_fair, 13);
    putHierarchy(host, task);
  },
  setNextTask: (host, _rq, task) => {
    host.cpu.run(F.set_next_task_fair, 20);
    setHierarchy(host, task);
  },
  taskTick,
  selectTaskRq: selectTaskRqFair,
  updateCurr: (host, rq) => {
    if (rq.curr.sched.schedClass === FAIR) updateCurr(host, rq.curr.sched.se.cfsRq);
  },
  switchedTo: (host, rq, task) => {
    if (!task.sched.onRq) return;
    if (rq.curr === task) reschedCurr(host, rq);
    else checkPreempt(host, rq, task);
  },
};
