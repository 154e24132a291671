/** Tasks, after Linux 6.1 include/linux/sched.h and sched/signal.h. */
import type { Ticks } from '../../../core/units.ts';
import type { Registers } from '../../arch/x86/model/registers.ts';
import type { FileStruct } from './fs.ts';
import type { MmStruct } from './mm_types.ts';

/** Kernel code that may sleep: it yields where schedule() takes it off the CPU. */
export type Sleeping<T> = Generator<undefined, T, undefined>;

/** A system call that sleeps, or that the scheduler or a signal follows. */
export interface PendingCall {
  /** orig_ax */
  readonly number: number;
  readonly begin: Ticks;
  /** The general registers at its entry: later they may be a signal handler's. */
  readonly arguments: Registers;
}

export type TaskState = 'R' | 'S' | 'D' | 'T' | 'Z' | 'X';

/** k_sigaction: what a process does with one signal. */
export interface SignalAction {
  /** 0 SIG_DFL, 1 SIG_IGN, else the handler's address. */
  handler: bigint;
  flags: bigint;
  restorer: bigint;
  mask: bigint;
}

/** signal_struct and sighand_struct: what the threads of a process share. */
export interface SignalStruct {
  readonly address: number;
  readonly actions: SignalAction[];
  /** Soft and hard limit by resource; null: those of a login. */
  limits: readonly (readonly [soft: bigint, hard: bigint])[] | null;
}

/** task_struct */
export interface Task {
  /** Physical address of the object. */
  readonly address: number;
  readonly pid: number;
  readonly tgid: number;
  readonly parent: Task | null;
  /** Physical addresses of struct pid, cred and files_struct. */
  readonly pidAddress: number;
  readonly credAddress: number;
  readonly filesAddress: number;
  /** Low half of the top of the kernel stack. */
  readonly stackTop: number;
  readonly signal: SignalStruct;
  comm: string;
  /** R runs or can run, S and D sleep (D not for signals), T is stopped, Z waits to be reaped, X is gone. */
  state: TaskState;
  /** The user registers while another task runs: the architectural part of a CPU block. */
  readonly thread: Uint32Array;
  /**
   * What the task does in the kernel, from where it left the CPU; null while it is in user mode. It
   * ends where user mode goes on; a kernel thread's never does.
   */
  work: Sleeping<undefined> | null;
  /** The system call that `work` is about, if it is about one. */
  call: PendingCall | null;
  /** The CPU that it runs on, or ran on last. */
  cpu: number;
  /** Whether it is on that CPU's run queue, the running one included. */
  onRq: boolean;
  /** TIF_SIGPENDING: a signal may have to be acted on before user mode goes on. */
  signalPending: boolean;
  mm: MmStruct | null;
  /** By descriptor. */
  readonly files: (FileStruct | null)[];
  /** Blocked and pending signals, bit n - 1 for signal n. */
  blocked: bigint;
  pending: bigint;
  clearChildTid: number;
  robustList: number;
  rseq: number;
  exitCode: number;
  startTick: Ticks;
  exitTick: Ticks | null;
}
