/** Tasks, after Linux 6.1 include/linux/sched.h and sched/signal.h. */
import type { Seccomp } from '../../kernel/seccomp.ts';
import type { ProcessTimers } from '../../kernel/time/itimer.ts';
import type { PosixTimer } from '../../kernel/time/posix-timer-calls.ts';
import type { Ticks } from '../../../core/units.ts';
import type { Registers } from '../../arch/x86/model/registers.ts';
import type { Kernel } from '../../init/kernel.ts';
import type { Limit } from './resource.ts';
import type { WaitQueueHead } from '../../kernel/sched/wait.ts';
import type { FilesStruct, FsStruct } from './fs.ts';
import type { MmStruct } from './mm_types.ts';
import type { TaskSched } from '../../kernel/sched/entities.ts';
import type { ChildCode, SighandStruct, SigPending } from './signal_types.ts';

/** Kernel code that may sleep: it yields where schedule() takes it off the CPU. */
export type Sleeping<T> = Generator<undefined, T, undefined>;

/** A system call that sleeps, or that the scheduler or a signal follows. */
export interface PendingCall {
  /** orig_ax */
  readonly number: number;
  readonly begin: Ticks;
  /** The general registers at its entry: later they may be a signal handler's. */
  readonly arguments: Registers;
  /** rt_sigreturn has set the registers: nothing is left to be begun again (orig_ax is -1). */
  restored: boolean;
}

export type TaskState = 'R' | 'S' | 'D' | 'T' | 'Z' | 'X';

/**
 * A result that is none: the call has set the user registers itself, all of them (rt_sigreturn).
 * It is the only result that differs from itself.
 */
export const KEEP_REGISTERS = NaN;

/** cred: who a task is, and what it may do. Shared until it changes. */
export interface Cred {
  /** Physical addresses of the object and of the user_struct that its limits are counted in. */
  readonly address: number;
  readonly userAddress: number;
  references: number;
  uid: number;
  gid: number;
  euid: number;
  egid: number;
  suid: number;
  sgid: number;
  fsuid: number;
  fsgid: number;
  groups: readonly number[];
  /** Capabilities, bit n for number n. */
  capEffective: bigint;
  capPermitted: bigint;
  capInheritable: bigint;
}

/** CPU time and events of a task, or of a process's ended threads and children. */
export interface Usage {
  /** Ticks in user mode and in the kernel. */
  user: Ticks;
  system: Ticks;
  minorFaults: number;
  majorFaults: number;
  voluntarySwitches: number;
  involuntarySwitches: number;
  /** Most pages that were resident. */
  rssMax: number;
}

/** signal_struct: what the threads of a process share. */
export interface SignalStruct {
  readonly address: number;
  /** The first thread, whose task has the process's number; execve may replace it. */
  leader: Task;
  /** Every thread that has not been released, the leader included. */
  readonly threads: Task[];
  /** Threads that have not begun to end. */
  live: number;
  /** Processes that its threads made, and those that it inherited; oldest first. */
  readonly children: Task[];
  /** Its parent's threads wait here for it and its siblings: its own threads for its children. */
  readonly waitChildExit: WaitQueueHead;
  readonly shared: SigPending;
  /** Where the search for a thread to take a signal begins. */
  nextTarget: number;
  /** SIGNAL_GROUP_EXIT: every thread is to end with groupExitCode. */
  groupExit: boolean;
  groupExitCode: number;
  /** Why, for the report. */
  killReason: string;
  /** The thread whose execve waits for all others to end. */
  groupExecTask: Task | null;
  /** Threads that still have to stop. */
  groupStopCount: number;
  /** SIGNAL_STOP_STOPPED and SIGNAL_STOP_CONTINUED. */
  stopped: boolean;
  continued: boolean;
  /** A stop or continuation that the parent has not been told of; 0 for none. */
  tellParent: ChildCode | 0;
  /** SIGNAL_UNKILLABLE: init. */
  unkillable: boolean;
  readonly rlimits: Limit[];
  group: ProcessGroup;
  isSubreaper: boolean;
  /** Interval timers, once one was set; POSIX timers by id. */
  timers: ProcessTimers | null;
  /** Those who poll a descriptor of the process; null while there never was one. */
  waitPidfd: WaitQueueHead | null;
  readonly posixTimers: Map<number, PosixTimer>;
  nextTimer: number;
  /** Of ended threads; of reaped children and theirs. */
  readonly ended: Usage;
  readonly endedChildren: Usage;
}

/** A process group, and the session that it belongs to: struct pid with its lists of processes. */
export interface ProcessGroup {
  readonly id: number;
  readonly session: Session;
  readonly members: Set<SignalStruct>;
}

export interface Session {
  readonly id: number;
  leader: SignalStruct | null;
  readonly groups: Set<ProcessGroup>;
}

/** completion of vfork: done once, with one waiter. */
export interface Completion {
  done: boolean;
  waiter: Task | null;
}

/** task_struct */
export interface Task {
  /** Physical address of the object. */
  readonly address: number;
  pid: number;
  tgid: number;
  /** real_parent: the thread that made it, or that inherited it. */
  parent: Task | null;
  /** Physical address of struct pid. */
  pidAddress: number;
  cred: Cred;
  /** Low half of the top of the kernel stack. */
  readonly stackTop: number;
  signal: SignalStruct;
  sighand: SighandStruct;
  comm: string;
  /** R runs or can run, S and D sleep (D not for signals), T is stopped, Z waits to be reaped, X is gone. */
  state: TaskState;
  /** A fatal signal ends this D: TASK_KILLABLE. */
  killable: boolean;
  /** The user registers while another task runs: the architectural part of a CPU block. */
  readonly thread: Uint32Array;
  /** TIF_NEED_FPU_LOAD: the vector registers hold another's state, or may. */
  fpuLoad: boolean;
  /** The CPU whose vector registers held its state last. */
  fpuCpu: number;
  /**
   * What the task does in the kernel, from where it left the CPU; null while it is in user mode. It
   * ends where user mode goes on; a kernel thread's never does.
   */
  work: Sleeping<undefined> | null;
  /** The system call that `work` is about, if it is about one. */
  call: PendingCall | null;
  /** What the scheduler keeps of it: policy, CPU, queue state. */
  readonly sched: TaskSched;
  /** TIF_SIGPENDING: a signal may have to be acted on before user mode goes on. */
  signalPending: boolean;
  /** TIF_NOTIFY_RESUME: rseq has to be looked at before user mode goes on. */
  notifyResume: boolean;
  mm: MmStruct | null;
  files: FilesStruct;
  fs: FsStruct;
  /** Blocked signals, bit n - 1 for signal n; and while rt_sigtimedwait waits, those without its set. */
  blocked: bigint;
  realBlocked: bigint;
  /** The mask to restore once a handler has been set up, or none was needed. */
  savedMask: bigint | null;
  /** Signals for this thread alone. */
  readonly pending: SigPending;
  /** JobControl bits. */
  jobctl: number;
  altStack: { readonly pointer: number; readonly bytes: number; readonly flags: number };
  /** What restart_syscall goes on with. */
  restart: ((kernel: Kernel) => number | Sleeping<number>) | null;
  /** The last exception, as a signal frame shows it. */
  trap: { vector: number; error: number; address: bigint };
  /** PF_EXITING; PF_KTHREAD; whether it has been taken off every list; PF_FORKNOEXEC. */
  exiting: boolean;
  kthread: boolean;
  reaped: boolean;
  /** It has ended and left its CPU. */
  offCpu: boolean;
  forkNoExec: boolean;
  /** The signal that its end sends to the parent; -1 for threads. */
  exitSignal: number;
  /** The signal that it gets when its parent ends; 0 for none. */
  parentDeathSignal: number;
  /** Where a vfork() waits until this task leaves its parent's memory. */
  vforkDone: Completion | null;
  clearChildTid: number;
  robustList: number;
  /** Address, size and signature of the registered rseq area; address 0 for none. */
  rseq: number;
  rseqBytes: number;
  rseqSignature: number;
  exitCode: number;
  startTick: Ticks;
  exitTick: Ticks | null;
  readonly usage: Usage;
  /** PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, personality. */
  dumpable: number;
  noNewPrivs: boolean;
  seccomp: Seccomp | null;
  personality: number;
}
