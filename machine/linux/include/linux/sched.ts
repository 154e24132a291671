/** Tasks, after Linux 6.1 include/linux/sched.h and sched/signal.h. */
import type { Ticks } from '../../../core/units.ts';
import type { FileStruct } from './fs.ts';
import type { MmStruct } from './mm_types.ts';

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
  state: TaskState;
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
