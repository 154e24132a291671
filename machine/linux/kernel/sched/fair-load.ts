/**
 * Load tracking and group weights of the fair class, after Linux 6.1 kernel/sched/fair.c
 * (update_load_avg, update_tg_load_avg, update_cfs_group). Omits: propagation of a group's utilisation
 * beyond its own averages, the decayed removal of migrated load.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { LOAD_SHIFT, scaleLoadDown, setWeight } from './prio.ts';
import { peltDivider, PeltStep, updateAverages, updateLoadSum } from './pelt.ts';
import type { FairPolicy } from './fair-policy.ts';
import type { CfsRq, SchedEntity, SchedHost } from './entities.ts';

/** MIN_SHARES and MAX_SHARES, in load units. */
export const SHARES_MIN = 2 * 2 ** LOAD_SHIFT;
export const SHARES_MAX = 2 ** 18 * 2 ** LOAD_SHIFT;

/** Instructions by PeltStep: an entity that runs, one that only waits, a queue. */
const SE_RUNNING = [19, 71, 137] as const;
const SE_WAITING = [19, 69, 120] as const;
const SE_SLEEPING = [19, 53, 115] as const;
const QUEUE_BUSY = [19, 68, 124] as const;
const QUEUE_IDLE = [19, 47, 110] as const;

/** update_load_avg of an entity and its queue. */
export function updateLoadAvg(host: SchedHost, cfsRq: CfsRq, se: SchedEntity): void {
  const { cpu } = host;
  const now = cfsRq.rq.clock;
  const isCurr = cfsRq.curr === se;
  cpu.run(F.update_load_avg, 52);
  const step = updateLoadSum(now, se.avg, se.onRq ? 1 : 0, runnableOf(se), isCurr ? 1 : 0);
  const table = isCurr ? SE_RUNNING : se.onRq ? SE_WAITING : SE_SLEEPING;
  cpu.run(F.__update_load_avg_se, table[step]);
  cpu.write(se.address + 192);
  if (step === PeltStep.DECAYED) updateAverages(se.avg, scaleLoadDown(se.load.weight));
  updateQueueLoad(host, cfsRq);
}

/** Tasks that an entity stands for. */
const runnableOf = (se: SchedEntity): number =>
  se.owned === null ? (se.onRq ? 1 : 0) : se.owned.hNrRunning;

/** __update_load_avg_cfs_rq, and the group's sum when it has changed. */
export function updateQueueLoad({ cpu }: SchedHost, cfsRq: CfsRq): void {
  const { avg, load, curr } = cfsRq;
  const step = updateLoadSum(
    cfsRq.rq.clock,
    avg,
    scaleLoadDown(load.weight),
    cfsRq.hNrRunning,
    curr === null ? 0 : 1,
  );
  const table = load.weight > 0 ? QUEUE_BUSY : QUEUE_IDLE;
  cpu.run(F.__update_load_avg_cfs_rq, table[step]);
  cpu.write(cfsRq.rq.address + 448);
  if (step !== PeltStep.DECAYED) return;
  updateAverages(avg, 1);
  updateGroupLoad(cfsRq);
}

/** update_tg_load_avg: only when it has changed by more than 1/64. */
function updateGroupLoad(cfsRq: CfsRq): void {
  const { group, avg } = cfsRq;
  if (group.parent === null) return;
  const change = avg.loadAvg - cfsRq.groupLoad;
  if (Math.abs(change) <= cfsRq.groupLoad / 64) return;
  group.loadAvg += change;
  cfsRq.groupLoad = avg.loadAvg;
}

/** attach_entity_load_avg: the queue takes over what the entity brings. */
export function attachLoad({ cpu }: SchedHost, cfsRq: CfsRq, se: SchedEntity): void {
  cpu.run(F.attach_entity_load_avg, 70);
  const divider = peltDivider(cfsRq.avg);
  const { avg } = se;
  avg.lastUpdate = cfsRq.avg.lastUpdate;
  avg.periodContrib = cfsRq.avg.periodContrib;
  const weight = scaleLoadDown(se.load.weight);
  avg.utilSum = avg.utilAvg * divider;
  avg.runnableSum = avg.runnableAvg * divider;
  avg.loadSum = weight === 0 ? 0 : Math.floor((avg.loadAvg * divider) / weight);
  addToQueue(cfsRq, se, 1);
}

/** detach_entity_load_avg */
export function detachLoad({ cpu }: SchedHost, cfsRq: CfsRq, se: SchedEntity): void {
  cpu.run(F.detach_entity_load_avg, 70);
  addToQueue(cfsRq, se, -1);
}

function addToQueue(cfsRq: CfsRq, se: SchedEntity, sign: 1 | -1): void {
  const divider = peltDivider(cfsRq.avg);
  const { avg } = cfsRq;
  avg.loadAvg = Math.max(0, avg.loadAvg + sign * se.avg.loadAvg);
  avg.runnableAvg = Math.max(0, avg.runnableAvg + sign * se.avg.runnableAvg);
  avg.utilAvg = Math.max(0, avg.utilAvg + sign * se.avg.utilAvg);
  avg.loadSum = avg.loadAvg * divider;
  avg.runnableSum = avg.runnableAvg * divider;
  avg.utilSum = avg.utilAvg * divider;
}

/** post_init_entity_util_avg: a new task counts as if it had run half of what is left. */
export function initUtil(cfsRq: CfsRq, se: SchedEntity): void {
  const cap = Math.floor((1024 - cfsRq.avg.utilAvg) / 2);
  const { avg } = se;
  if (cap > 0) {
    if (cfsRq.avg.utilAvg === 0) avg.utilAvg = cap;
    else {
      const scaled = (cfsRq.avg.utilAvg * scaleLoadDown(se.load.weight)) / (cfsRq.avg.loadAvg + 1);
      avg.utilAvg = Math.min(cap, Math.floor(scaled));
    }
  }
  avg.runnableAvg = avg.utilAvg;
  avg.loadAvg = scaleLoadDown(se.load.weight);
}

/**
 * calc_group_shares: a group's weight is divided among the CPUs as its load is; what is on this
 * queue now counts when it is more than the average knows.
 */
function groupShares(cfsRq: CfsRq): number {
  const { group, load: queueLoad } = cfsRq;
  const load = Math.max(scaleLoadDown(queueLoad.weight), cfsRq.avg.loadAvg);
  const total = group.loadAvg - cfsRq.groupLoad + load;
  const shares = total === 0 ? group.shares : Math.floor((group.shares * load) / total);
  return Math.max(SHARES_MIN, Math.min(group.shares, shares));
}

/** update_cfs_group: the weight of a group's entity follows its queue. */
export function updateCfsGroup(host: SchedHost, policy: FairPolicy, se: SchedEntity): void {
  host.cpu.run(F.update_cfs_group, 6);
  if (se.owned === null || se.owned.throttled) return;
  const shares = groupShares(se.owned);
  if (shares !== se.load.weight) reweightEntity(host, policy, se, shares);
}

/** reweight_entity: out of the sums with the old weight, back with the new one, lag kept. */
export function reweightEntity(
  host: SchedHost,
  policy: FairPolicy,
  se: SchedEntity,
  weight: number,
): void {
  const { cfsRq } = se;
  const isCurr = cfsRq.curr === se;
  const oldWeight = se.load.weight;
  if (se.onRq) {
    policy.leaving(host, cfsRq, se);
    if (host.sched.settings.fair === 'eevdf') {
      se.deadline -= se.vruntime;
      se.relDeadline = true;
    }
    cfsRq.nrRunning--;
    if (!isCurr) unlinkEntity(policy, cfsRq, se);
    setWeight(cfsRq.load, cfsRq.load.weight - oldWeight);
  }
  policy.reweighed(se, oldWeight, weight);
  setWeight(se.load, weight);
  if (!se.onRq) return;
  // While it is placed, the running entity must not count itself.
  se.onRq = false;
  policy.place(host, cfsRq, se, 0);
  se.onRq = true;
  setWeight(cfsRq.load, cfsRq.load.weight + weight);
  if (!isCurr) linkEntity(policy, cfsRq, se);
  cfsRq.nrRunning++;
  policy.updateMinVruntime(cfsRq);
}

/** __enqueue_entity. Returns the tree's rebalancing steps. */
export function linkEntity(policy: FairPolicy, cfsRq: CfsRq, se: SchedEntity): number {
  policy.linked(cfsRq, se);
  se.minVruntime = se.vruntime;
  return cfsRq.timeline.insert(se.node);
}

/** __dequeue_entity */
export function unlinkEntity(policy: FairPolicy, cfsRq: CfsRq, se: SchedEntity): number {
  const steps = cfsRq.timeline.remove(se.node);
  policy.unlinked(cfsRq, se);
  return steps;
}
