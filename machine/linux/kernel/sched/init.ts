/** The scheduler's objects at boot and for new tasks, after Linux 6.1 kernel/sched/core.c (sched_init, __sched_fork). */
import { createDlEntity, createDlRq } from './deadline.ts';
import { CFS } from './fair-cfs.ts';
import { EEVDF } from './fair-eevdf.ts';
import { FAIR } from './fair.ts';
import { createCfsRq, createEntity } from './groups.ts';
import { IDLE } from './idle-class.ts';
import { Policy, PRIO_DEFAULT, setLoadWeight } from './prio.ts';
import { createRtRq, RT } from './rt.ts';
import type { CfsRq, Rq, SchedSettings, SchedTask, TaskGroup, TaskSched } from './entities.ts';

/** Default slack of timers, in nanoseconds. */
const TIMER_SLACK_NS = 50_000;
/** A CPU's share of the search for work at boot: twice the migration cost. */
const AVG_IDLE_NS = 1e6;

/** Linux's defaults; latencies grow with the logarithm of the number of CPUs. */
export function defaultSettings(options: {
  readonly fair: 'eevdf' | 'cfs';
  readonly preempt: SchedSettings['preempt'];
  readonly hz: number;
  readonly cpus: number;
  readonly isolated: number;
}): SchedSettings {
  const factor = 1 + Math.floor(Math.log2(Math.min(options.cpus, 8)));
  return {
    fair: options.fair,
    preempt: options.preempt,
    tickNs: Math.round(1e9 / options.hz),
    isolated: options.isolated,
    baseSliceNs: 700_000 * factor,
    latencyNs: 6e6 * factor,
    minGranularityNs: 750_000 * factor,
    idleMinGranularityNs: 750_000,
    wakeupGranularityNs: 1e6 * factor,
    childRunsFirst: false,
    migrationCostNs: 500_000,
    nrMigrate: 32,
    bandwidthSliceNs: 5e6,
    rrTimesliceNs: 100e6,
    rtPeriodNs: 1e9,
    rtRuntimeNs: 950e6,
    runToParity: true,
    placeLag: true,
  };
}

/** What sched_fork gives a task: `parent` null for the first ones. */
export function createTaskSched(options: {
  readonly task: SchedTask;
  readonly group: TaskGroup;
  readonly cpu: number;
  readonly cpusMask: number;
  /** Where the entity lies in the task's structure. */
  readonly entityOffset: number;
}): TaskSched {
  const { task, group, cpu } = options;
  const address = task.address + options.entityOffset;
  const se = createEntity({ task, owned: null, address, cfsRq: group.cfsRqs[cpu] });
  setLoadWeight(se.load, Policy.NORMAL, 0);
  return {
    policy: Policy.NORMAL,
    nice: 0,
    rtPriority: 0,
    prio: PRIO_DEFAULT,
    normalPrio: PRIO_DEFAULT,
    resetOnFork: false,
    schedClass: FAIR,
    cpu,
    onRq: false,
    onCpu: false,
    resumed: false,
    cpusMask: options.cpusMask,
    group,
    se,
    dl: createDlEntity(task),
    rrTicks: 0,
    rtQueued: false,
    timerSlackNs: TIMER_SLACK_NS,
    runnableSince: 0,
    lastWakee: null,
    wakeeFlips: 0,
    wakeeFlipDecay: 0,
    recentUsedCpu: cpu,
    voluntarySwitches: 0,
    involuntarySwitches: 0,
    migrations: 0,
  };
}

/** sched_init for one CPU. `idle` gets its class here; the root group gets its queue. */
export function createRq(options: {
  readonly number: number;
  readonly address: number;
  readonly root: TaskGroup;
  readonly settings: SchedSettings;
  /** Makes the idle task once the queue is there. */
  readonly idle: (rq: Rq) => SchedTask;
}): Rq {
  const { number, address, root, settings } = options;
  const draft = {
    number,
    address,
    stop: null,
    needResched: false,
    needReschedLazy: false,
    nrRunning: 0,
    nrUninterruptible: 0,
    clock: 0,
    rt: createRtRq(),
    dl: createDlRq(),
    cfsTasks: [],
    skipClockUpdate: false,
    nrSwitches: 0,
    idleSince: 0,
    avgIdle: AVG_IDLE_NS,
    nextBalance: 0,
    balanceInterval: 0,
  };
  const rq = draft as unknown as Rq & { cfs: CfsRq; idle: SchedTask };
  const policy = settings.fair === 'eevdf' ? EEVDF : CFS;
  rq.cfs = createCfsRq({ rq, group: root, owner: null }, policy);
  root.cfsRqs[number] = rq.cfs;
  root.entities[number] = null;
  rq.idle = options.idle(rq);
  rq.idle.sched.schedClass = IDLE;
  rq.idle.sched.onCpu = true;
  rq.curr = rq.idle;
  return rq;
}

/** sched_fork: a child is scheduled as its parent, unless that asked otherwise. */
export function schedFork(child: TaskSched, parent: TaskSched): void {
  child.cpusMask = parent.cpusMask;
  child.timerSlackNs = parent.timerSlackNs;
  const isReset = parent.resetOnFork;
  const isPlain = parent.policy === Policy.NORMAL || parent.policy === Policy.BATCH;
  const keeps = !isReset && parent.policy !== Policy.DEADLINE;
  child.policy = keeps ? parent.policy : Policy.NORMAL;
  child.nice = isReset && (!isPlain || parent.nice < 0) ? 0 : parent.nice;
  child.rtPriority = keeps ? parent.rtPriority : 0;
  const isRealTime = child.policy === Policy.FIFO || child.policy === Policy.RR;
  child.normalPrio = isRealTime ? 99 - child.rtPriority : PRIO_DEFAULT + child.nice;
  child.prio = child.normalPrio;
  child.schedClass = isRealTime ? RT : FAIR;
  setLoadWeight(child.se.load, child.policy, child.nice);
  child.se.slice = parent.se.slice;
  child.se.customSlice = parent.se.customSlice;
  child.se.vruntime = parent.se.vruntime;
}
