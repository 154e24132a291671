/** Tasks, after Linux 6.1 include/linux/sched.h and sched/signal.h. */
import type { Ticks } from '../../../core/units.ts';
import type { FilesStruct, FsStruct } from './fs.ts';
import type { MmStruct } from './mm_types.ts';

/** Kernel code that may sleep: it yields where schedule() takes it off the CPU. */
export type Sleeping<T> = Generator<undefined, T, undefined>;

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
}

/** task_struct */
export interface Task {
  /** Physical address of the object. */
  readonly address: number;
  readonly pid: number;
  readonly tgid: number;
  readonly parent: Task | null;
  /** Physical addresses of struct pid and cred. */
  readonly pidAddress: number;
  readonly credAddress: number;
  /** Low half of the top of the kernel stack. */
  readonly stackTop: number;
  readonly signal: SignalStruct;
  comm: string;
  state: TaskState;
  mm: MmStruct | null;
  files: FilesStruct;
  fs: FsStruct;
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
