/**
 * Earliest eligible virtual deadline first, after Linux 6.12 kernel/sched/fair.c, with the yield of
 * 6.18. Each entity asks for a slice; it may run while it is owed service (its vruntime is not above
 * the weighted average), and of those that may, the one with the earliest deadline does. Omits:
 * delayed dequeue (a sleeper's lag does not decay), slice protection finer than RUN_TO_PARITY.
 */
import { calcDeltaFair, scaleLoadDown } from './prio.ts';
import { Enqueue, type CfsRq, type SchedEntity, type SchedHost } from './entities.ts';
import type { FairPolicy } from './fair-policy.ts';

const keyOf = (cfsRq: CfsRq, se: SchedEntity): number => se.vruntime - cfsRq.minVruntime;

/** Sum of keys and weights, the running entity included. */
function sums(cfsRq: CfsRq): { average: number; load: number } {
  const { curr } = cfsRq;
  let { avgVruntime: average, avgLoad: load } = cfsRq;
  if (curr?.onRq === true) {
    const weight = scaleLoadDown(curr.load.weight);
    average += keyOf(cfsRq, curr) * weight;
    load += weight;
  }
  return { average, load };
}

/** avg_vruntime: the virtual time at which everybody would have had the same service. */
export function avgVruntime(cfsRq: CfsRq): number {
  const { average, load } = sums(cfsRq);
  return cfsRq.minVruntime + (load === 0 ? 0 : Math.floor(average / load));
}

/** entity_eligible, without the division. */
export function isEligible(cfsRq: CfsRq, vruntime: number): boolean {
  const { average, load } = sums(cfsRq);
  return average >= (vruntime - cfsRq.minVruntime) * load;
}

/** update_entity_lag: bounded by two slices, or a tick. */
function updateLag(host: SchedHost, cfsRq: CfsRq, se: SchedEntity): void {
  const { settings } = host.sched;
  const limit = calcDeltaFair(Math.max(2 * se.slice, settings.tickNs), se.load);
  const lag = avgVruntime(cfsRq) - se.vruntime;
  se.vlag = Math.max(-limit, Math.min(limit, lag));
}

/** Whether a subtree holds anything that may run. */
function holdsEligible(cfsRq: CfsRq, se: SchedEntity | undefined): boolean {
  return se !== undefined && isEligible(cfsRq, se.minVruntime);
}

/** pick_eevdf */
function pick({ sched }: SchedHost, cfsRq: CfsRq, running: SchedEntity | null): SchedEntity | null {
  const { timeline } = cfsRq;
  const curr = running !== null && isEligible(cfsRq, running.vruntime) ? running : null;
  if (timeline.first === null) return running;
  // vlag holds the deadline with which the entity began: as long as they agree it is not served yet.
  if (sched.settings.runToParity && curr !== null && curr.vlag === curr.deadline) return curr;
  const best = earliest(cfsRq);
  if (best === null) return curr ?? running;
  return curr !== null && curr.deadline < best.deadline ? curr : best;
}

/** The eligible entity of the tree with the earliest deadline. */
function earliest(cfsRq: CfsRq): SchedEntity | null {
  const { timeline } = cfsRq;
  const { first } = timeline;
  if (first !== null && isEligible(cfsRq, first.vruntime)) return first;
  let node = timeline.root;
  while (node !== null) {
    if (holdsEligible(cfsRq, node.left?.item)) {
      node = node.left;
      continue;
    }
    if (isEligible(cfsRq, node.item.vruntime)) return node.item;
    node = node.right;
  }
  return null;
}

/** The running entity's deadline has passed: it asks for another slice. */
function served(host: SchedHost, _cfsRq: CfsRq, se: SchedEntity): boolean {
  if (se.vruntime < se.deadline) return false;
  if (!se.customSlice) se.slice = host.sched.settings.baseSliceNs;
  se.deadline = se.vruntime + calcDeltaFair(se.slice, se.load);
  return true;
}

/**
 * place_entity: a lag L is kept across a sleep; adding the entity moves the average, so what it is
 * placed with is L * (W + w) / W.
 */
function place({ sched }: SchedHost, cfsRq: CfsRq, se: SchedEntity, flags: number): void {
  const { settings } = sched;
  if (!se.customSlice) se.slice = settings.baseSliceNs;
  let slice = calcDeltaFair(se.slice, se.load);
  const average = avgVruntime(cfsRq);
  let lag = 0;
  if (settings.placeLag && cfsRq.nrRunning > 0 && se.vlag !== 0) {
    const { curr } = cfsRq;
    let load = cfsRq.avgLoad;
    if (curr?.onRq === true) load += scaleLoadDown(curr.load.weight);
    if (load === 0) load = 1;
    lag = Math.trunc((se.vlag * (load + scaleLoadDown(se.load.weight))) / load);
  }
  se.vruntime = average - lag;
  if (se.relDeadline) {
    se.deadline += se.vruntime;
    se.relDeadline = false;
    return;
  }
  // A new entity competes sooner: half a slice.
  if ((flags & Enqueue.INITIAL) !== 0) slice = Math.floor(slice / 2);
  se.deadline = se.vruntime + slice;
}

function updateMinVruntime(cfsRq: CfsRq): void {
  const { curr, timeline } = cfsRq;
  let vruntime = curr?.onRq === true ? curr.vruntime : Infinity;
  if (timeline.root !== null) vruntime = Math.min(vruntime, timeline.root.item.minVruntime);
  if (vruntime === Infinity || vruntime <= cfsRq.minVruntime) return;
  cfsRq.avgVruntime -= cfsRq.avgLoad * (vruntime - cfsRq.minVruntime);
  cfsRq.minVruntime = vruntime;
}

export const EEVDF: FairPolicy = {
  less: (a, b) => a.deadline < b.deadline,
  augment: (se, left, right) => {
    const before = se.minVruntime;
    se.minVruntime = Math.min(
      se.vruntime,
      left?.minVruntime ?? Infinity,
      right?.minVruntime ?? Infinity,
    );
    return se.minVruntime !== before;
  },
  linked: (cfsRq, se) => {
    const weight = scaleLoadDown(se.load.weight);
    cfsRq.avgVruntime += keyOf(cfsRq, se) * weight;
    cfsRq.avgLoad += weight;
  },
  unlinked: (cfsRq, se) => {
    const weight = scaleLoadDown(se.load.weight);
    cfsRq.avgVruntime -= keyOf(cfsRq, se) * weight;
    cfsRq.avgLoad -= weight;
  },
  updateMinVruntime,
  served,
  place,
  leaving: updateLag,
  pick,
  setNext: (_cfsRq, se) => {
    se.vlag = se.deadline;
  },
  // A served request has already asked to be rescheduled, in update_curr.
  tickExpired: () => false,
  preempts: (host, cfsRq, curr, woken) => {
    if (!host.sched.settings.runToParity && woken.deadline < curr.deadline) return true;
    return pick(host, cfsRq, curr.onRq ? curr : null) === woken;
  },
  yielded: (_host, cfsRq, se) => {
    // It forgoes the rest of what it asked for.
    if (isEligible(cfsRq, se.vruntime)) se.vruntime = se.deadline;
    se.deadline += calcDeltaFair(se.slice, se.load);
    updateMinVruntime(cfsRq);
  },
  sliceNs: (_host, _cfsRq, se) => se.slice,
  reweighed: (se, oldWeight, newWeight) => {
    se.vlag = Math.trunc((se.vlag * oldWeight) / newWeight);
    if (se.relDeadline) se.deadline = Math.trunc((se.deadline * oldWeight) / newWeight);
  },
};
