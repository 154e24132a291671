/**
 * The scheduler's objects, after Linux 6.1 kernel/sched/sched.h and include/linux/sched.h. Times are
 * nanoseconds, in doubles that hold integers. Omits: core scheduling, uclamp, NUMA balancing,
 * delayed dequeue, capacity and frequency scaling (all CPUs are alike).
 */
import type { KernelCpu } from '../../arch/x86/model/kernel-cpu.ts';
import type { RbNode, RbTree } from '../../lib/rbtree.ts';
import type { LoadWeight, Policy } from './prio.ts';

/** Nanoseconds. */
export type Ns = number;

/** struct sched_avg: sums decay by half in 32 ms. */
export interface SchedAvg {
  lastUpdate: Ns;
  loadSum: number;
  runnableSum: number;
  utilSum: number;
  /** Of the period that has begun, in units of 1024 ns. */
  periodContrib: number;
  loadAvg: number;
  runnableAvg: number;
  utilAvg: number;
}

/** Something that a fair queue holds: a task or a group's share of one CPU. */
export interface SchedEntity {
  readonly task: SchedTask | null;
  /** my_q: the queue below a group's entity. */
  readonly owned: CfsRq | null;
  /** Physical address, for the cache lines that it touches. */
  readonly address: number;
  readonly node: RbNode<SchedEntity>;
  parent: SchedEntity | null;
  depth: number;
  /** The queue that it is on. */
  cfsRq: CfsRq;
  readonly load: LoadWeight;
  onRq: boolean;
  execStart: Ns;
  sumExecRuntime: Ns;
  prevSumExecRuntime: Ns;
  vruntime: Ns;
  readonly avg: SchedAvg;
  /** EEVDF. */
  deadline: Ns;
  slice: Ns;
  customSlice: boolean;
  /** While off the queue: how much service it was owed, in virtual time. */
  vlag: Ns;
  relDeadline: boolean;
  /** Augmented: the smallest vruntime in its subtree. */
  minVruntime: Ns;
}

/** struct cfs_rq */
export interface CfsRq {
  readonly rq: Rq;
  readonly group: TaskGroup;
  /** The group's entity that stands for this queue one level up; null for the root's. */
  readonly owner: SchedEntity | null;
  readonly timeline: RbTree<SchedEntity>;
  readonly load: LoadWeight;
  readonly avg: SchedAvg;
  /** Entities on the queue, the running one included. */
  nrRunning: number;
  /** Tasks at this level and below. */
  hNrRunning: number;
  idleHNrRunning: number;
  curr: SchedEntity | null;
  next: SchedEntity | null;
  last: SchedEntity | null;
  skip: SchedEntity | null;
  minVruntime: Ns;
  /** EEVDF: sum of (vruntime - minVruntime) * weight, and of weight, over the tree. */
  avgVruntime: number;
  avgLoad: number;
  /** What this queue last contributed to the group's load. */
  groupLoad: number;
  /** Bandwidth. */
  runtimeEnabled: boolean;
  runtimeRemaining: Ns;
  throttled: boolean;
  throttleCount: number;
  throttledSince: Ns;
}

/** struct cfs_bandwidth */
export interface CfsBandwidth {
  periodNs: Ns;
  /** Infinity when there is no limit. */
  quotaNs: Ns;
  burstNs: Ns;
  runtimeNs: Ns;
  runtimeSnapNs: Ns;
  periodActive: boolean;
  /** When the current period ends. */
  periodExpires: Ns;
  slackStarted: boolean;
  idle: boolean;
  readonly throttled: CfsRq[];
  readonly periodTimer: SchedTimer;
  readonly slackTimer: SchedTimer;
  nrPeriods: number;
  nrThrottled: number;
  throttledNs: Ns;
  nrBurst: number;
  burstTimeNs: Ns;
}

/** struct task_group */
export interface TaskGroup {
  readonly name: string;
  readonly parent: TaskGroup | null;
  readonly children: TaskGroup[];
  /** In load units. */
  shares: number;
  /** By CPU. */
  readonly cfsRqs: CfsRq[];
  /** By CPU; null for the root. */
  readonly entities: (SchedEntity | null)[];
  /** Sum of the queues' contributions. */
  loadAvg: number;
  readonly bandwidth: CfsBandwidth;
}

/** A timer of the scheduler: an hrtimer in the running kernel. */
export interface SchedTimer {
  /** Runs `callback` at `expires` of CPU `cpu`; an armed timer moves. */
  start(cpu: number, expires: Ns): void;
  cancel(): void;
  readonly armed: boolean;
}

export interface RtRq {
  /** By priority index (0 is the highest): tasks in order. */
  readonly queues: SchedTask[][];
  nrRunning: number;
  nrRr: number;
  rtTime: Ns;
  throttled: boolean;
}

export interface DlRq {
  readonly tree: RbTree<SchedTask>;
  nrRunning: number;
  /** Bandwidth of the tasks on this queue, as a fraction of a CPU. */
  thisBw: number;
}

/** struct sched_dl_entity */
export interface DlEntity {
  readonly node: RbNode<SchedTask>;
  runtimeNs: Ns;
  deadlineNs: Ns;
  periodNs: Ns;
  /** runtime / period. */
  bandwidth: number;
  flags: number;
  /** Left of the current instance. */
  runtime: Ns;
  /** Absolute. */
  deadline: Ns;
  throttled: boolean;
  yielded: boolean;
  timer: SchedTimer | null;
  overruns: number;
}

/** What the scheduler keeps of a task. */
export interface TaskSched {
  policy: Policy;
  nice: number;
  /** 1 to 99 for FIFO and RR, else 0. */
  rtPriority: number;
  /** Effective; lower is more urgent. Differs from normalPrio under priority inheritance. */
  prio: number;
  normalPrio: number;
  resetOnFork: boolean;
  schedClass: SchedClass;
  cpu: number;
  /** Queued (or running); false while asleep or throttled by its own class. */
  onRq: boolean;
  onCpu: boolean;
  /** It has just come back to a CPU: the way to user mode restores its registers. */
  resumed: boolean;
  /** Allowed CPUs, a bit each. */
  cpusMask: number;
  group: TaskGroup;
  readonly se: SchedEntity;
  readonly dl: DlEntity;
  /** Of the round-robin slice, in ticks of the timer. */
  rrTicks: number;
  rtQueued: boolean;
  timerSlackNs: Ns;
  /** When it last began to be runnable, and to run. */
  runnableSince: Ns;
  lastWakee: SchedTask | null;
  wakeeFlips: number;
  wakeeFlipDecay: Ns;
  recentUsedCpu: number;
  voluntarySwitches: number;
  involuntarySwitches: number;
  migrations: number;
}

/** What the scheduler needs to know of a task. */
export interface SchedTask {
  readonly address: number;
  readonly pid: number;
  readonly comm: string;
  readonly sched: TaskSched;
}

/** struct rq */
export interface Rq {
  readonly number: number;
  /** Physical address of the CPU's run queue. */
  readonly address: number;
  curr: SchedTask;
  readonly idle: SchedTask;
  stop: SchedTask | null;
  needResched: boolean;
  /** TIF_NEED_RESCHED_LAZY: honoured on the way to user mode and at the tick. */
  needReschedLazy: boolean;
  nrRunning: number;
  nrUninterruptible: number;
  clock: Ns;
  readonly cfs: CfsRq;
  readonly rt: RtRq;
  readonly dl: DlRq;
  /** Fair tasks on this CPU. */
  readonly cfsTasks: SchedTask[];
  /** Skips the next clock update, after a yield. */
  skipClockUpdate: boolean;
  nrSwitches: number;
  idleSince: Ns;
  avgIdle: Ns;
  nextBalance: Ns;
  balanceInterval: Ns;
}

export const enum Enqueue {
  WAKEUP = 1,
  RESTORE = 2,
  MOVE = 4,
  HEAD = 16,
  REPLENISH = 32,
  MIGRATED = 64,
  INITIAL = 128,
}

export const enum Dequeue {
  SLEEP = 1,
  SAVE = 2,
  MOVE = 4,
}

/** Why a CPU is chosen for a task. */
export const enum WakeFlags {
  EXEC = 2,
  FORK = 4,
  TTWU = 8,
  SYNC = 16,
}

/** struct sched_class. Methods run with the queue's lock held. */
export interface SchedClass {
  readonly name: 'stop' | 'dl' | 'rt' | 'fair' | 'idle';
  /** Higher classes go first. */
  readonly rank: number;
  enqueueTask(host: SchedHost, rq: Rq, task: SchedTask, flags: number): void;
  dequeueTask(host: SchedHost, rq: Rq, task: SchedTask, flags: number): void;
  yieldTask(host: SchedHost, rq: Rq): void;
  checkPreempt(host: SchedHost, rq: Rq, task: SchedTask, flags: number): void;
  /** The task to run next, already set. `prev` is still set, or null once it has been put. */
  pickNextTask(host: SchedHost, rq: Rq, prev: SchedTask | null): SchedTask | null;
  putPrevTask(host: SchedHost, rq: Rq, task: SchedTask): void;
  setNextTask(host: SchedHost, rq: Rq, task: SchedTask): void;
  taskTick(host: SchedHost, rq: Rq, task: SchedTask): void;
  selectTaskRq(host: SchedHost, task: SchedTask, flags: number): number;
  updateCurr(host: SchedHost, rq: Rq): void;
  /** The task has come to this class, or its priority within the class has changed. */
  switchedTo(host: SchedHost, rq: Rq, task: SchedTask, oldPrio: number): void;
}

/** The CPU that the scheduler's code runs on, as far as it costs. */
export type SchedCpu = Pick<
  KernelCpu,
  'number' | 'now' | 'run' | 'read' | 'write' | 'indirect' | 'readPerCpu' | 'writePerCpu'
>;

/** sysctls, features and the boot's choices. */
export interface SchedSettings {
  readonly fair: 'eevdf' | 'cfs';
  preempt: 'none' | 'voluntary' | 'full' | 'lazy';
  readonly tickNs: Ns;
  /** CPUs that load balancing leaves alone, a bit each. */
  readonly isolated: number;
  baseSliceNs: Ns;
  latencyNs: Ns;
  minGranularityNs: Ns;
  idleMinGranularityNs: Ns;
  wakeupGranularityNs: Ns;
  childRunsFirst: boolean;
  migrationCostNs: Ns;
  nrMigrate: number;
  bandwidthSliceNs: Ns;
  rrTimesliceNs: Ns;
  rtPeriodNs: Ns;
  /** Infinity without throttling. */
  rtRuntimeNs: Ns;
  readonly runToParity: boolean;
  readonly placeLag: boolean;
}

/** What the classes know of the machine they run on: the kernel, or a test's. */
export interface SchedHost {
  readonly cpu: SchedCpu;
  readonly coreMHz: number;
  readonly rqs: readonly Rq[];
  readonly sched: SchedState;
}

/** The scheduler's state beyond the queues. */
export interface SchedState {
  readonly settings: SchedSettings;
  readonly root: TaskGroup;
  readonly groups: TaskGroup[];
  /** Online CPUs, a bit each. */
  readonly cpus: number;
  /** Deadline bandwidth that has been admitted, in CPUs. */
  dlBandwidth: number;
  rtPeriodActive: boolean;
  /** The first real-time task has come: runtime is given back each period from now on. */
  startRtPeriod: (rq: Rq) => void;
  /** A remote CPU is told to reschedule. */
  readonly kick: (rq: Rq) => void;
  /** A task's entity moves to another queue: migrate_task_rq and set_task_rq. */
  readonly migrate: (host: SchedHost, task: SchedTask, to: CfsRq) => void;
  readonly createTimer: (callback: (rq: Rq) => void) => SchedTimer;
  readonly trace: SchedTrace;
}

/** What the scheduler reports as it happens. */
export interface SchedTrace {
  runtime(rq: Rq, task: SchedTask, ns: Ns): void;
  migrate(task: SchedTask, from: number, to: number): void;
}
