/**
 * The run queue of a CPU and what a scheduling class does, after Linux 6.1 kernel/sched/sched.h.
 */
import type { EventQueue, ScheduledEvent } from '../../../core/event-queue.ts';
import type { KernelCpu } from '../../arch/x86/model/kernel-cpu.ts';
import type { MmStruct } from '../../include/linux/mm_types.ts';
import type { Task } from '../../include/linux/sched.ts';
import type { Kernel } from '../../init/kernel.ts';
import type { SpinLock } from '../locking/spinlock.ts';

/** struct rq */
export interface Rq {
  readonly cpu: KernelCpu;
  /** What is due on this CPU: each event is an interrupt of its user mode or idle loop. */
  readonly events: EventQueue;
  readonly lock: SpinLock;
  readonly idle: Task;
  /** The task that runs. */
  curr: Task;
  /** The address space that is loaded; a kernel thread borrows its predecessor's. */
  activeMm: MmStruct | null;
  /** TIF_NEED_RESCHED of the running task. */
  needResched: boolean;
  /** The running task polls: it stays, but others act first. */
  relaxing: boolean;
  /** Runnable tasks, the running one included, the idle task not. */
  nrRunning: number;
  /** The next periodic tick, or null while it is stopped. */
  tick: ScheduledEvent | null;
}

export const enum Enqueue {
  NONE = 0,
  WAKEUP = 1,
  NEW = 2,
}

export const enum Dequeue {
  NONE = 0,
  SLEEP = 1,
}

/** sched_class. Each runs under the lock of `rq`. */
export interface SchedClass {
  enqueueTask(kernel: Kernel, rq: Rq, task: Task, flags: Enqueue): void;
  dequeueTask(kernel: Kernel, rq: Rq, task: Task, flags: Dequeue): void;
  /** sched_yield of the running task. */
  yieldTask(kernel: Kernel, rq: Rq): void;
  /** Whether `task`, which became runnable, should preempt the running one. */
  checkPreempt(kernel: Kernel, rq: Rq, task: Task): boolean;
  /** The task to run next, or null when the class has none. It stays queued. */
  pickNextTask(kernel: Kernel, rq: Rq): Task | null;
  /** The running task leaves the CPU; it may still be runnable. */
  putPrevTask(kernel: Kernel, rq: Rq, task: Task): void;
  setNextTask(kernel: Kernel, rq: Rq, task: Task): void;
  /** The periodic tick while `task` runs. */
  taskTick(kernel: Kernel, rq: Rq, task: Task): void;
  /** The CPU for a task that wakes or is new. */
  selectTaskRq(kernel: Kernel, task: Task): number;
}

/** The run queue of the CPU whose kernel code runs. */
export function thisRq(kernel: Kernel): Rq {
  return kernel.rqs[kernel.cpu.number];
}
