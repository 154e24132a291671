/**
 * Runtime of a group under a quota, after Linux 6.1 kernel/sched/fair.c (CFS bandwidth control): each
 * CPU's queue draws slices from the group's pool and gives back what it does not need. Throttling
 * itself is in fair-bandwidth.ts.
 */
import { reschedCurr } from './resched.ts';
import type { CfsBandwidth, CfsRq, Ns, SchedHost } from './entities.ts';

/** min_cfs_rq_runtime: what an empty queue keeps. */
const MIN_RUNTIME_NS: Ns = 1e6;
/** cfs_bandwidth_slack_period and min_bandwidth_expiration */
const SLACK_PERIOD_NS: Ns = 5e6;
const MIN_EXPIRATION_NS: Ns = 2e6;

/** start_cfs_bandwidth: the period timer runs while somebody uses the pool. */
export function startPeriod(bandwidth: CfsBandwidth, cpu: number, now: Ns): void {
  if (bandwidth.periodActive) return;
  bandwidth.periodActive = true;
  forwardPeriod(bandwidth, now);
  bandwidth.periodTimer.start(cpu, bandwidth.periodExpires);
}

/** hrtimer_forward: periods that have ended by `now`. */
export function forwardPeriod(bandwidth: CfsBandwidth, now: Ns): number {
  const { periodNs } = bandwidth;
  if (now < bandwidth.periodExpires) return 0;
  const overruns = Math.floor((now - bandwidth.periodExpires) / periodNs) + 1;
  bandwidth.periodExpires += overruns * periodNs;
  return overruns;
}

/** __assign_cfs_rq_runtime: fills the queue up to `target`. True if it may run. */
export function assignRuntime(cfsRq: CfsRq, target: Ns, cpu: number): boolean {
  const { bandwidth } = cfsRq.group;
  const wanted = target - cfsRq.runtimeRemaining;
  let amount = 0;
  if (bandwidth.quotaNs === Infinity) amount = wanted;
  else {
    startPeriod(bandwidth, cpu, cfsRq.rq.clock);
    if (bandwidth.runtimeNs > 0) {
      amount = Math.min(bandwidth.runtimeNs, wanted);
      bandwidth.runtimeNs -= amount;
      bandwidth.idle = false;
    }
  }
  cfsRq.runtimeRemaining += amount;
  return cfsRq.runtimeRemaining > 0;
}

/** account_cfs_rq_runtime: out of runtime and of supply means leaving the CPU soon. */
export function accountRuntime(host: SchedHost, cfsRq: CfsRq, delta: Ns): void {
  cfsRq.runtimeRemaining -= delta;
  if (cfsRq.runtimeRemaining > 0 || cfsRq.throttled) return;
  const { bandwidthSliceNs } = host.sched.settings;
  if (!assignRuntime(cfsRq, bandwidthSliceNs, host.cpu.number) && cfsRq.curr !== null) {
    reschedCurr(host, cfsRq.rq);
  }
}

/** return_cfs_rq_runtime: an empty queue keeps a millisecond and returns the rest. */
export function returnRuntime(host: SchedHost, cfsRq: CfsRq): void {
  if (!cfsRq.runtimeEnabled || cfsRq.nrRunning > 0) return;
  const { bandwidth } = cfsRq.group;
  const slack = cfsRq.runtimeRemaining - MIN_RUNTIME_NS;
  if (slack <= 0) return;
  if (bandwidth.quotaNs !== Infinity) {
    bandwidth.runtimeNs += slack;
    const isWanted = bandwidth.runtimeNs > host.sched.settings.bandwidthSliceNs;
    if (isWanted && bandwidth.throttled.length > 0) {
      startSlack(bandwidth, host.cpu.number, cfsRq.rq.clock);
    }
  }
  cfsRq.runtimeRemaining -= slack;
}

/** start_cfs_slack_bandwidth: not when a refill is about to come anyway. */
function startSlack(bandwidth: CfsBandwidth, cpu: number, now: Ns): void {
  if (bandwidth.periodExpires - now <= SLACK_PERIOD_NS + MIN_EXPIRATION_NS) return;
  if (bandwidth.slackStarted) return;
  bandwidth.slackStarted = true;
  bandwidth.slackTimer.start(cpu, now + SLACK_PERIOD_NS);
}
