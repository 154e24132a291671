/**
 * Task, process and handler structures as objects, after Linux 6.1 kernel/fork.c (dup_task_struct,
 * copy_signal, copy_sighand) and init/init_task.c. Copying is in fork.ts.
 */
import { assert } from '../../core/assert.ts';
import { THREAD_WORDS } from '../arch/x86/kernel/process_64.ts';
import type { Cred, SignalStruct, Task, Usage } from '../include/linux/sched.ts';
import {
  noPending,
  type SighandStruct,
  type SignalAction,
  Ss,
} from '../include/linux/signal_types.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { initCred } from './cred.ts';
import { newFiles } from '../fs/file.ts';
import { newFs, UMASK_DEFAULT } from '../fs/fs_struct.ts';
import type { Dentry, FilesStruct, FsStruct } from '../include/linux/fs.ts';
import { attachPid, noGroup, type PidNamespace } from './pid.ts';
import type { SchedState } from './sched/entities.ts';
import { createTaskSched, schedFork } from './sched/init.ts';
import { initialLimits, type Limit } from '../include/linux/resource.ts';
import { waitQueueHead } from './sched/wait.ts';

/** What boot needs to make a task before there is a current one. */
export type TaskSource = Pick<
  Kernel,
  'cpu' | 'memory' | 'buddy' | 'caches' | 'tasks' | 'stacks' | 'sched'
> & {
  readonly pids: PidNamespace;
};

/** Bytes that a task costs at least, for the limit on their number (THREAD_SIZE * 8). */
const BYTES_PER_TASK = 16384 * 8;
const FUTEX_TID_MASK = 0x3fffffff;

/** set_max_threads: how many tasks may be there. */
export function threadsMax(memoryBytes: number): number {
  return Math.min(FUTEX_TID_MASK, Math.max(20, Math.floor(memoryBytes / BYTES_PER_TASK)));
}

const noAction = (): SignalAction => ({ handler: 0n, flags: 0n, restorer: 0n, mask: 0n });

export function noActions(): SignalAction[] {
  return Array.from({ length: Sig.MAX + 1 }, noAction);
}

export const noUsage = (): Usage => ({
  user: 0,
  system: 0,
  minorFaults: 0,
  majorFaults: 0,
  voluntarySwitches: 0,
  involuntarySwitches: 0,
  rssMax: 0,
});

/** A process without threads or children; the caller gives it its leader. */
export function newSignal(address: number, rlimits: readonly Limit[], leader: Task): SignalStruct {
  return {
    address,
    leader,
    threads: [],
    live: 0,
    children: [],
    waitChildExit: waitQueueHead(address + 128),
    shared: noPending(),
    nextTarget: 0,
    groupExit: false,
    groupExitCode: 0,
    killReason: '',
    groupExecTask: null,
    groupStopCount: 0,
    stopped: false,
    continued: false,
    tellParent: 0,
    unkillable: false,
    rlimits: [...rlimits],
    group: noGroup(),
    isSubreaper: false,
    timers: null,
    waitPidfd: null,
    posixTimers: new Map(),
    nextTimer: 0,
    ended: noUsage(),
    endedChildren: noUsage(),
  };
}

/** The objects of a task, which it does not share with another one. */
export interface TaskObjects {
  readonly address: number;
  readonly pidAddress: number;
  readonly files: FilesStruct;
  readonly fs: FsStruct;
  readonly stackTop: number;
}

/** Fields that a new task has whatever it is a copy of. `signal` is set by the caller. */
export function blankTask(
  objects: TaskObjects,
  identity: {
    readonly pid: number;
    readonly comm: string;
    readonly parent: Task | null;
    readonly cred: Cred;
    readonly sighand: SighandStruct;
    readonly startTick: number;
  },
  scheduling: { readonly state: SchedState; readonly like: Task | null; readonly cpu?: number },
): Task {
  return withSched(scheduling, {
    ...objects,
    ...identity,
    tgid: identity.pid,
    // The caller replaces it: a process and its leader name each other.
    signal: undefined as unknown as SignalStruct,
    state: 'S',
    killable: false,
    thread: new Uint32Array(THREAD_WORDS),
    fpuLoad: true,
    fpuCpu: -1,
    work: null,
    call: null,
    signalPending: false,
    notifyResume: false,
    mm: null,
    blocked: 0n,
    realBlocked: 0n,
    savedMask: null,
    pending: noPending(),
    jobctl: 0,
    altStack: { pointer: 0, bytes: 0, flags: Ss.DISABLE },
    restart: null,
    trap: { vector: 0, error: 0, address: 0n },
    exiting: false,
    kthread: false,
    reaped: false,
    offCpu: false,
    forkNoExec: false,
    exitSignal: 0,
    parentDeathSignal: 0,
    vforkDone: null,
    clearChildTid: 0,
    robustList: 0,
    rseq: 0,
    rseqBytes: 0,
    rseqSignature: 0,
    exitCode: 0,
    exitTick: null,
    usage: noUsage(),
    dumpable: 1,
    noNewPrivs: false,
    seccomp: null,
    personality: 0,
  });
}

/** Where the scheduler's entity lies in a task_struct. */
const ENTITY_OFFSET = 128;

/** sched_fork: scheduled as `like`, on `cpu` or the CPU of that task. */
function withSched(
  {
    state,
    like,
    cpu,
  }: { readonly state: SchedState; readonly like: Task | null; readonly cpu?: number },
  draft: Omit<Task, 'sched'>,
): Task {
  const task = draft as Task & { sched: Task['sched'] };
  const parent = like?.sched;
  task.sched = createTaskSched({
    task,
    group: parent?.group ?? state.root,
    cpu: cpu ?? parent?.cpu ?? 0,
    cpusMask: state.cpus & ~state.settings.isolated,
    entityOffset: ENTITY_OFFSET,
  });
  if (parent !== undefined && like?.pid !== 0) schedFork(task.sched, parent);
  return task;
}

/** A process of one task, made by the kernel itself: swapper, init, the target. */
export function createTask(
  kernel: TaskSource,
  options: {
    readonly pid: number;
    readonly parent: Task | null;
    readonly comm: string;
    readonly root: Dentry;
    /** Where an idle task or a bound kernel thread belongs. */
    readonly cpu?: number;
  },
): Task {
  const { caches, tasks, cpu, stacks, memory } = kernel;
  const { parent } = options;
  const objects = {
    address: caches.task.allocate(kernel),
    pidAddress: caches.pid.allocate(kernel),
    stackTop: stacks.allocate(),
  };
  const signalAddress = caches.signal.allocate(kernel);
  const sighandAddress = caches.sighand.allocate(kernel);
  const cred = parent?.cred ?? initCred(kernel);
  const files = newFiles(kernel);
  const fs = newFs(kernel, options.root, options.root, UMASK_DEFAULT);
  const { address, pidAddress, stackTop } = objects;
  const least = Math.min(address, pidAddress, stackTop, signalAddress, sighandAddress);
  assert(least >= 0, 'room for a task');
  assert(cred !== null, 'room for credentials');
  assert(files !== null, 'room for a table of descriptors');
  assert(fs !== null, 'room for a working directory');
  if (parent !== null) cred.references++;
  const sighand = {
    address: sighandAddress,
    references: 1,
    actions: noActions(),
    signalfd: waitQueueHead(sighandAddress + 64),
  };
  const { pid, comm } = options;
  const task = blankTask(
    { ...objects, files, fs },
    { pid, comm, parent, cred, sighand, startTick: cpu.now },
    {
      state: kernel.sched,
      like: parent,
      ...(options.cpu === undefined ? {} : { cpu: options.cpu }),
    },
  );
  const limits = parent?.signal.rlimits ?? initialLimits(threadsMax(memory.bytes.length));
  task.signal = newSignal(signalAddress, limits, task);
  task.signal.threads.push(task);
  task.signal.live = 1;
  if (parent !== null) parent.signal.children.push(task);
  if (options.pid !== 0) attachPid(kernel, task);
  tasks.push(task);
  return task;
}
