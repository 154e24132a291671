/**
 * Load balancing of fair tasks, after Linux 6.1 kernel/sched/fair.c (load_balance, newidle,
 * rebalance_domains) for one domain of alike CPUs. Omits: groups of CPUs, active balancing by the
 * stopper, NUMA, the statistics that tune the intervals.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { updateRqClock } from './clock.ts';
import { isThrottledHierarchy } from './fair-bandwidth.ts';
import { activateTask, deactivateTask, setTaskCpu } from './move.ts';
import { Dequeue, Enqueue, type Ns, type Rq, type SchedHost, type SchedTask } from './entities.ts';

/** A busy CPU balances so many times less often (sd->busy_factor). */
const BUSY_FACTOR = 16;
/** Nanoseconds between two attempts of an idle CPU: sd->min_interval, the number of CPUs in ms. */
const MIN_INTERVAL_NS: Ns = 1e6;
/** Tasks that one attempt looks at. */
const LOOP_MAX = 32;

const includes = (mask: number, cpu: number): boolean => ((mask >>> cpu) & 1) !== 0;

/** The CPU with the most fair tasks, at least two of which one waits. */
function busiestRq(host: SchedHost, self: Rq): Rq | null {
  let busiest: Rq | null = null;
  for (const rq of host.rqs) {
    if (rq === self || includes(host.sched.settings.isolated, rq.number)) continue;
    host.cpu.read(rq.address + 448);
    if (rq.cfs.hNrRunning < 2) continue;
    if (busiest === null || isBusier(rq, busiest)) busiest = rq;
  }
  return busiest;
}

function isBusier(a: Rq, b: Rq): boolean {
  if (a.cfs.hNrRunning !== b.cfs.hNrRunning) return a.cfs.hNrRunning > b.cfs.hNrRunning;
  return a.cfs.avg.loadAvg > b.cfs.avg.loadAvg;
}

/** can_migrate_task: not running, allowed here, not throttled, not just off the CPU. */
function canMigrate(host: SchedHost, task: SchedTask, from: Rq, to: Rq): boolean {
  if (from.curr === task || task.sched.onCpu) return false;
  if (!includes(task.sched.cpusMask, to.number)) return false;
  const { group } = task.sched;
  if (isThrottledHierarchy(group.cfsRqs[from.number])) return false;
  if (isThrottledHierarchy(group.cfsRqs[to.number])) return false;
  // task_hot: what it left in the cache is still there.
  const ranSince = from.clock - task.sched.se.execStart;
  return ranSince >= host.sched.settings.migrationCostNs || to.nrRunning === 0;
}

/** How many tasks should move so that both have about the same. */
function imbalance(from: Rq, to: Rq): number {
  return Math.floor((from.cfs.hNrRunning - to.cfs.hNrRunning) / 2);
}

/** load_balance: pulls tasks to `rq`. Returns how many. */
export function loadBalance(host: SchedHost, rq: Rq): number {
  const { cpu } = host;
  cpu.run(F.load_balance, 107);
  const from = busiestRq(host, rq);
  if (from === null) return 0;
  const isHereIdle = rq.nrRunning === 0;
  const wanted = isHereIdle ? Math.max(1, imbalance(from, rq)) : imbalance(from, rq);
  if (wanted <= 0) return 0;
  updateRqClock(host, from);
  let moved = 0;
  let looked = 0;
  // The tail was queued longest ago: the coldest.
  for (let i = from.cfsTasks.length - 1; i >= 0; i--) {
    if (moved >= wanted || looked++ >= Math.min(LOOP_MAX, host.sched.settings.nrMigrate)) break;
    const task = from.cfsTasks[i];
    if (!canMigrate(host, task, from, rq)) continue;
    deactivateTask(host, from, task, Dequeue.MOVE);
    setTaskCpu(host, task, rq.number);
    updateRqClock(host, rq);
    activateTask(host, rq, task, Enqueue.MIGRATED | Enqueue.MOVE);
    rq.curr.sched.schedClass.checkPreempt(host, rq, task, 0);
    moved++;
  }
  return moved;
}

/** sched_balance_newidle: a CPU that is about to idle looks for work first. */
export function newidleBalance(host: SchedHost, rq: Rq): number {
  const { cpu, rqs, sched } = host;
  cpu.run(F.sched_balance_newidle, rqs.length === 1 ? 62 : 85);
  rq.idleSince = rq.clock;
  if (rqs.length === 1 || includes(sched.settings.isolated, rq.number)) return 0;
  // Not worth it when this CPU never idles long enough.
  if (rq.avgIdle < sched.settings.migrationCostNs) return 0;
  return loadBalance(host, rq);
}

/** update_avg_idle, when the idle time ends. */
export function endIdle(host: SchedHost, rq: Rq): void {
  if (rq.idleSince === 0) return;
  const idle = rq.clock - rq.idleSince;
  const cap = 2 * host.sched.settings.migrationCostNs;
  rq.avgIdle = Math.min(cap, rq.avgIdle + Math.trunc((idle - rq.avgIdle) / 8));
  rq.idleSince = 0;
}

/** trigger_load_balance, at the tick: whether the interval is over and the softirq must be raised. */
export function triggerLoadBalance(host: SchedHost, rq: Rq): boolean {
  const { cpu, rqs, sched } = host;
  cpu.run(F.trigger_load_balance, rqs.length === 1 ? 5 : 34);
  if (rqs.length === 1) return false;
  return !includes(sched.settings.isolated, rq.number) && rq.clock >= rq.nextBalance;
}

/** rebalance_domains, in the softirq. */
export function rebalanceDomains(host: SchedHost, rq: Rq): void {
  const { cpu, rqs, sched } = host;
  const interval = rqs.length * MIN_INTERVAL_NS * (rq.nrRunning > 0 ? BUSY_FACTOR : 1);
  rq.nextBalance = rq.clock + Math.max(sched.settings.tickNs, interval);
  cpu.run(F.rebalance_domains, 125);
  loadBalance(host, rq);
}
