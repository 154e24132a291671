/**
 * Groups of tasks with a weight and a quota, after Linux 6.1 kernel/sched/core.c (sched_create_group,
 * cpu_weight_write_u64, tg_set_cfs_bandwidth). Omits: real-time groups.
 */
import { RbNode, RbTree } from '../../lib/rbtree.ts';
import { periodTimer, slackTimer, unthrottle } from './fair-bandwidth.ts';
import { policyOf } from './fair-entity.ts';
import { reweightEntity, SHARES_MAX, SHARES_MIN } from './fair-load.ts';
import type { FairPolicy } from './fair-policy.ts';
import { createAvg } from './pelt.ts';
import { LOAD_SHIFT, NICE_0_LOAD, setWeight } from './prio.ts';
import type {
  CfsBandwidth,
  CfsRq,
  Ns,
  Rq,
  SchedEntity,
  SchedHost,
  SchedTask,
  SchedTimer,
  TaskGroup,
} from './entities.ts';

/** CGROUP_WEIGHT_DFL: the weight of nice 0. */
const WEIGHT_DEFAULT = 100;
const PERIOD_NS_DEFAULT: Ns = 100e6;

/** Bytes of a group's queue and entity, for their lines. */
const GROUP_BYTES = 1024;

/** An entity that is not on a queue yet. */
export function createEntity(options: {
  readonly task: SchedTask | null;
  readonly owned: CfsRq | null;
  readonly address: number;
  readonly cfsRq: CfsRq;
}): SchedEntity {
  const { cfsRq, owned, task, address } = options;
  const draft = {
    task,
    owned,
    address,
    parent: cfsRq.owner,
    depth: cfsRq.owner === null ? 0 : cfsRq.owner.depth + 1,
    cfsRq,
    load: { weight: NICE_0_LOAD, inverse: 2 ** 22 },
    onRq: false,
    execStart: 0,
    sumExecRuntime: 0,
    prevSumExecRuntime: 0,
    vruntime: 0,
    avg: createAvg(),
    deadline: 0,
    slice: 0,
    customSlice: false,
    vlag: 0,
    relDeadline: false,
    minVruntime: 0,
  };
  return selfNode(draft);
}

/** Gives an object the tree node that points back to it. */
function selfNode(draft: Omit<SchedEntity, 'node'>): SchedEntity {
  const entity = draft as SchedEntity & { node: RbNode<SchedEntity> };
  entity.node = new RbNode<SchedEntity>(entity);
  return entity;
}

/** Where a queue lies, and in what. */
export interface QueuePlace {
  readonly rq: Rq;
  readonly group: TaskGroup;
  readonly owner: SchedEntity | null;
}

/** init_cfs_rq */
export function createCfsRq(place: QueuePlace, policy: FairPolicy): CfsRq {
  const { less, augment } = policy;
  return {
    ...place,
    timeline: new RbTree(augment === undefined ? { less } : { less, augment }),
    load: { weight: 0, inverse: 0 },
    avg: createAvg(),
    nrRunning: 0,
    hNrRunning: 0,
    idleHNrRunning: 0,
    curr: null,
    next: null,
    last: null,
    skip: null,
    minVruntime: 0,
    avgVruntime: 0,
    avgLoad: 0,
    groupLoad: 0,
    runtimeEnabled: false,
    runtimeRemaining: 0,
    throttled: false,
    throttleCount: 0,
    throttledSince: 0,
  };
}

const NO_TIMER: SchedTimer = { start: () => undefined, cancel: () => undefined, armed: false };

export function createBandwidth(timers: {
  readonly periodTimer: SchedTimer;
  readonly slackTimer: SchedTimer;
}): CfsBandwidth {
  return {
    periodNs: PERIOD_NS_DEFAULT,
    quotaNs: Infinity,
    burstNs: 0,
    runtimeNs: 0,
    runtimeSnapNs: 0,
    periodActive: false,
    periodExpires: 0,
    slackStarted: false,
    idle: false,
    throttled: [],
    ...timers,
    nrPeriods: 0,
    nrThrottled: 0,
    throttledNs: 0,
    nrBurst: 0,
    burstTimeNs: 0,
  };
}

/** The group of all tasks that are in no other. Its queues are filled in as CPUs are made. */
export function createRootGroup(): TaskGroup {
  return {
    name: '/',
    parent: null,
    children: [],
    shares: NICE_0_LOAD,
    cfsRqs: [],
    entities: [],
    loadAvg: 0,
    bandwidth: createBandwidth({ periodTimer: NO_TIMER, slackTimer: NO_TIMER }),
  };
}

/** sched_create_group: a queue and an entity on each CPU. `address` is where they lie. */
export function createGroup(
  host: SchedHost,
  parent: TaskGroup,
  name: string,
  address: number,
): TaskGroup {
  const { sched, rqs } = host;
  const group: TaskGroup = {
    name,
    parent,
    children: [],
    shares: NICE_0_LOAD,
    cfsRqs: [],
    entities: [],
    loadAvg: 0,
    bandwidth: createBandwidth({
      periodTimer: sched.createTimer((rq) => {
        periodTimer(host, group, rq);
      }),
      slackTimer: sched.createTimer(() => {
        slackTimer(host, group);
      }),
    }),
  };
  for (const rq of rqs) addQueue(host, group, rq, address + rq.number * GROUP_BYTES);
  parent.children.push(group);
  sched.groups.push(group);
  return group;
}

function addQueue(host: SchedHost, group: TaskGroup, rq: Rq, address: number): void {
  const above = group.parent?.cfsRqs[rq.number];
  if (above === undefined) return;
  const place: { rq: Rq; group: TaskGroup; owner: SchedEntity | null } = { rq, group, owner: null };
  const queue = createCfsRq(place, policyOf(host)) as CfsRq & { owner: SchedEntity | null };
  const entity = createEntity({ task: null, owned: queue, address, cfsRq: above });
  setWeight(entity.load, group.shares);
  queue.owner = entity;
  queue.throttleCount = above.throttleCount;
  group.cfsRqs.push(queue);
  group.entities.push(entity);
}

/** cpu.weight: 100 is the weight of nice 0. */
export function setGroupWeight(host: SchedHost, group: TaskGroup, weight: number): void {
  const scaled = Math.round((weight * 1024) / WEIGHT_DEFAULT) * 2 ** LOAD_SHIFT;
  group.shares = Math.max(SHARES_MIN, Math.min(SHARES_MAX, scaled));
  const policy = policyOf(host);
  for (const entity of group.entities) {
    if (entity === null) continue;
    reweightEntity(host, policy, entity, group.shares);
  }
}

/** tg_set_cfs_bandwidth: `quotaNs` Infinity lifts the limit. */
export function setBandwidth(
  host: SchedHost,
  group: TaskGroup,
  limits: { readonly quotaNs: Ns; readonly periodNs: Ns; readonly burstNs: Ns },
): void {
  const { bandwidth } = group;
  bandwidth.quotaNs = limits.quotaNs;
  bandwidth.periodNs = limits.periodNs;
  bandwidth.burstNs = limits.burstNs;
  bandwidth.runtimeNs = limits.quotaNs === Infinity ? 0 : limits.quotaNs;
  bandwidth.runtimeSnapNs = bandwidth.runtimeNs;
  const isLimited = limits.quotaNs !== Infinity;
  for (const cfsRq of group.cfsRqs) {
    cfsRq.runtimeEnabled = isLimited;
    cfsRq.runtimeRemaining = 0;
    if (cfsRq.throttled) unthrottle(host, cfsRq);
  }
}
