/**
 * Throttling of groups under a quota, after Linux 6.1 kernel/sched/fair.c: throttle_cfs_rq,
 * unthrottle_cfs_rq, the period timer with its burst, the slack timer. Omits: freezing the load
 * averages of throttled queues.
 */
import { updateRqClock } from './clock.ts';
import { dequeueEntity, enqueueEntity } from './fair-entity.ts';
import { updateLoadAvg } from './fair-load.ts';
import { accountRuntime, assignRuntime, forwardPeriod } from './fair-runtime.ts';
import { reschedCurr } from './resched.ts';
import {
  type CfsBandwidth,
  type CfsRq,
  Dequeue,
  Enqueue,
  type Rq,
  type SchedEntity,
  type SchedHost,
  type TaskGroup,
} from './entities.ts';

/** throttled_hierarchy */
export const isThrottledHierarchy = (cfsRq: CfsRq): boolean => cfsRq.throttleCount > 0;

/** Changes the count of throttled ancestors of every queue of `group` and below on one CPU. */
function walkGroups(group: TaskGroup, cpu: number, change: 1 | -1): void {
  group.cfsRqs[cpu].throttleCount += change;
  for (const child of group.children) walkGroups(child, cpu, change);
}

/** check_cfs_rq_runtime: throttles a queue that has used up its runtime. True if it is throttled. */
export function checkRuntime(host: SchedHost, cfsRq: CfsRq): boolean {
  if (!cfsRq.runtimeEnabled || cfsRq.runtimeRemaining > 0) return false;
  if (cfsRq.throttled) return true;
  return throttle(host, cfsRq);
}

/** check_enqueue_throttle: the first task of a queue may find no runtime. */
export function checkEnqueueThrottle(host: SchedHost, cfsRq: CfsRq): void {
  if (!cfsRq.runtimeEnabled || cfsRq.curr !== null || cfsRq.throttled) return;
  accountRuntime(host, cfsRq, 0);
  if (cfsRq.runtimeRemaining <= 0) throttle(host, cfsRq);
}

/** throttle_cfs_rq: the queue's entity leaves its parents, as far as they become empty. */
function throttle(host: SchedHost, cfsRq: CfsRq): boolean {
  const { rq, group, owner } = cfsRq;
  const { bandwidth } = group;
  if (assignRuntime(cfsRq, 1, host.cpu.number)) return false;
  bandwidth.throttled.push(cfsRq);
  walkGroups(group, rq.number, 1);
  const tasks = cfsRq.hNrRunning;
  const idle = cfsRq.idleHNrRunning;
  let se = owner;
  let isLeaving = true;
  for (; se !== null && isLeaving; se = se.parent) {
    const queue = se.cfsRq;
    if (!se.onRq) break;
    dequeueEntity(host, queue, se, Dequeue.SLEEP);
    queue.hNrRunning -= tasks;
    queue.idleHNrRunning -= idle;
    isLeaving = queue.load.weight === 0;
  }
  const reachedTop = adjustParents(host, se, { isLeaving, tasks: -tasks, idle: -idle });
  if (reachedTop) rq.nrRunning -= tasks;
  cfsRq.throttled = true;
  cfsRq.throttledSince = rq.clock;
  return true;
}

/** The parents that keep their own entities: only their counts change. True at the root. */
function adjustParents(
  host: SchedHost,
  from: SchedEntity | null,
  change: { readonly isLeaving: boolean; readonly tasks: number; readonly idle: number },
): boolean {
  let se = from;
  // The loop above stopped at an entity that was off its queue: a throttled parent.
  if (se !== null && !se.onRq && change.isLeaving) return false;
  for (; se !== null; se = se.parent) {
    const queue = se.cfsRq;
    updateLoadAvg(host, queue, se);
    queue.hNrRunning += change.tasks;
    queue.idleHNrRunning += change.idle;
    if (queue.throttled) return false;
  }
  return true;
}

/** unthrottle_cfs_rq */
export function unthrottle(host: SchedHost, cfsRq: CfsRq): void {
  const { rq, group, owner } = cfsRq;
  const { bandwidth } = group;
  cfsRq.throttled = false;
  updateRqClock(host, rq);
  bandwidth.throttledNs += rq.clock - cfsRq.throttledSince;
  bandwidth.throttled.splice(bandwidth.throttled.indexOf(cfsRq), 1);
  walkGroups(group, rq.number, -1);
  if (cfsRq.load.weight === 0) return;
  const tasks = cfsRq.hNrRunning;
  const idle = cfsRq.idleHNrRunning;
  let se = owner;
  for (; se !== null && !se.onRq; se = se.parent) {
    const queue = se.cfsRq;
    enqueueEntity(host, queue, se, Enqueue.WAKEUP);
    queue.hNrRunning += tasks;
    queue.idleHNrRunning += idle;
    if (queue.throttled) return;
  }
  if (!adjustParents(host, se, { isLeaving: false, tasks, idle })) return;
  rq.nrRunning += tasks;
  if (rq.curr === rq.idle && rq.cfs.nrRunning > 0) reschedCurr(host, rq);
}

/** distribute_cfs_runtime: enough for each throttled queue to go on, as far as there is any. */
function distribute(host: SchedHost, bandwidth: CfsBandwidth): void {
  for (const cfsRq of [...bandwidth.throttled]) {
    const runtime = Math.min(1 - cfsRq.runtimeRemaining, bandwidth.runtimeNs);
    bandwidth.runtimeNs -= runtime;
    cfsRq.runtimeRemaining += runtime;
    if (cfsRq.runtimeRemaining > 0) unthrottle(host, cfsRq);
    if (bandwidth.runtimeNs <= 0) return;
  }
}

/** __refill_cfs_bandwidth_runtime: what was not used adds up, as far as the burst allows. */
export function refill(bandwidth: CfsBandwidth): void {
  const { quotaNs, burstNs } = bandwidth;
  if (quotaNs === Infinity) return;
  bandwidth.runtimeNs += quotaNs;
  const over = bandwidth.runtimeSnapNs - bandwidth.runtimeNs;
  if (over > 0) {
    bandwidth.burstTimeNs += over;
    bandwidth.nrBurst++;
  }
  bandwidth.runtimeNs = Math.min(bandwidth.runtimeNs, quotaNs + burstNs);
  bandwidth.runtimeSnapNs = bandwidth.runtimeNs;
}

/** sched_cfs_period_timer, on the CPU of `rq`. */
export function periodTimer(host: SchedHost, group: TaskGroup, rq: Rq): void {
  const { bandwidth } = group;
  updateRqClock(host, rq);
  const overruns = forwardPeriod(bandwidth, rq.clock);
  bandwidth.nrPeriods += overruns;
  const wasThrottled = bandwidth.throttled.length > 0;
  refill(bandwidth);
  if (bandwidth.quotaNs === Infinity || (bandwidth.idle && !wasThrottled)) {
    bandwidth.periodActive = false;
    return;
  }
  if (wasThrottled) {
    bandwidth.nrThrottled += overruns;
    distribute(host, bandwidth);
    bandwidth.idle = false;
  } else bandwidth.idle = true;
  bandwidth.periodTimer.start(rq.number, bandwidth.periodExpires);
}

/** sched_cfs_slack_timer */
export function slackTimer(host: SchedHost, group: TaskGroup): void {
  const { bandwidth } = group;
  bandwidth.slackStarted = false;
  if (bandwidth.runtimeNs <= host.sched.settings.bandwidthSliceNs) return;
  distribute(host, bandwidth);
}
