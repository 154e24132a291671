/**
 * The completely fair scheduler, after Linux 6.1 kernel/sched/fair.c: the entity with the least
 * virtual time runs, for its share of a latency period; sleepers get some credit; buddies are
 * preferred where fairness allows. Omits: the idle-entity variants of the granularity.
 */
import { calcDelta, calcDeltaFair, setWeight, type LoadWeight } from './prio.ts';
import { Enqueue, type CfsRq, type Ns, type SchedEntity, type SchedHost } from './entities.ts';
import type { FairPolicy } from './fair-policy.ts';

/** sched_nr_latency: tasks that fit a latency period. */
const NR_LATENCY = 8;
/** SCHED_BATCH and SCHED_IDLE sleepers aside, a minute of sleep is more than vruntime should carry. */
const LONG_SLEEP_NS = 60e9;

/** __sched_period */
function period({ sched }: SchedHost, running: number): Ns {
  const { latencyNs, minGranularityNs } = sched.settings;
  return running > NR_LATENCY ? running * minGranularityNs : latencyNs;
}

const SCRATCH: LoadWeight = { weight: 0, inverse: 0 };

/** sched_slice: the part of the period that the entity's weight gives it, at every level. */
export function schedSlice(host: SchedHost, cfsRq: CfsRq, entity: SchedEntity): Ns {
  let slice = period(host, cfsRq.nrRunning + (entity.onRq ? 0 : 1));
  for (let se: SchedEntity | null = entity; se !== null; se = se.parent) {
    const { load } = se.cfsRq;
    setWeight(SCRATCH, load.weight + (se.onRq ? 0 : se.load.weight));
    slice = calcDelta(slice, se.load.weight, SCRATCH);
  }
  return Math.max(slice, host.sched.settings.minGranularityNs);
}

/** wakeup_gran: in the virtual time of the entity that wakes up. */
const wakeupGran = ({ sched }: SchedHost, se: SchedEntity): Ns =>
  calcDeltaFair(sched.settings.wakeupGranularityNs, se.load);

/** wakeup_preempt_entity: -1 not ahead, 0 ahead by less than the granularity, 1 by more. */
function ahead(host: SchedHost, curr: SchedEntity, se: SchedEntity): -1 | 0 | 1 {
  const lead = curr.vruntime - se.vruntime;
  if (lead <= 0) return -1;
  return lead > wakeupGran(host, se) ? 1 : 0;
}

function pick(host: SchedHost, cfsRq: CfsRq, running: SchedEntity | null): SchedEntity | null {
  const { timeline } = cfsRq;
  const curr = running;
  let left = timeline.first;
  if (left === null || (curr !== null && curr.vruntime < left.vruntime)) left = curr;
  if (left === null) return null;
  let chosen = left;
  if (cfsRq.skip === chosen) {
    let second: SchedEntity | null;
    if (chosen === curr) second = timeline.first;
    else {
      second = timeline.next(chosen.node)?.item ?? null;
      if (second === null || (curr !== null && curr.vruntime < second.vruntime)) second = curr;
    }
    if (second !== null && ahead(host, second, left) < 1) chosen = second;
  }
  if (cfsRq.next !== null && ahead(host, cfsRq.next, left) < 1) return cfsRq.next;
  if (cfsRq.last !== null && ahead(host, cfsRq.last, left) < 1) return cfsRq.last;
  return chosen;
}

/** check_preempt_tick */
function tickExpired(host: SchedHost, cfsRq: CfsRq, curr: SchedEntity): boolean {
  const ideal = schedSlice(host, cfsRq, curr);
  const ran = curr.sumExecRuntime - curr.prevSumExecRuntime;
  if (ran > ideal) {
    clearBuddies(cfsRq, curr);
    return true;
  }
  if (ran < host.sched.settings.minGranularityNs) return false;
  const { first } = cfsRq.timeline;
  if (first === null) return false;
  const lead = curr.vruntime - first.vruntime;
  return lead > ideal;
}

export function clearBuddies(cfsRq: CfsRq, se: SchedEntity): void {
  if (cfsRq.last === se) cfsRq.last = null;
  if (cfsRq.next === se) cfsRq.next = null;
  if (cfsRq.skip === se) cfsRq.skip = null;
}

/** place_entity: a new one starts a slice behind (START_DEBIT), a sleeper half a period ahead. */
function place(host: SchedHost, cfsRq: CfsRq, se: SchedEntity, flags: number): void {
  const isInitial = (flags & Enqueue.INITIAL) !== 0;
  if (!isInitial && (flags & Enqueue.WAKEUP) === 0) return;
  let vruntime = cfsRq.minVruntime;
  if (isInitial) vruntime += calcDeltaFair(schedSlice(host, cfsRq, se), se.load);
  else vruntime -= Math.floor(host.sched.settings.latencyNs / 2);
  const slept = cfsRq.rq.clock - se.execStart;
  se.vruntime = slept > LONG_SLEEP_NS ? vruntime : Math.max(se.vruntime, vruntime);
}

function updateMinVruntime(cfsRq: CfsRq): void {
  const { curr, timeline } = cfsRq;
  let vruntime = curr?.onRq === true ? curr.vruntime : Infinity;
  const { first } = timeline;
  if (first !== null) vruntime = Math.min(vruntime, first.vruntime);
  if (vruntime !== Infinity) cfsRq.minVruntime = Math.max(cfsRq.minVruntime, vruntime);
}

export const CFS: FairPolicy = {
  less: (a, b) => a.vruntime < b.vruntime,
  linked: () => undefined,
  unlinked: () => undefined,
  updateMinVruntime,
  served: () => false,
  place,
  leaving: (_host, cfsRq, se) => {
    clearBuddies(cfsRq, se);
  },
  pick,
  setNext: (cfsRq, se) => {
    clearBuddies(cfsRq, se);
    se.prevSumExecRuntime = se.sumExecRuntime;
  },
  tickExpired,
  preempts: (host, _cfsRq, curr, woken) => ahead(host, curr, woken) === 1,
  yielded: (_host, cfsRq, se) => {
    cfsRq.skip = se;
  },
  sliceNs: schedSlice,
  reweighed: () => undefined,
};
