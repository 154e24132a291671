/**
 * The run queue of a CPU as the rest of the kernel sees it, after Linux 6.1 kernel/sched/sched.h.
 * What the scheduling classes keep in it is in entities.ts.
 */
import type { EventQueue } from '../../../core/event-queue.ts';
import type { Ticks } from '../../../core/units.ts';
import type { KernelCpu } from '../../arch/x86/model/kernel-cpu.ts';
import type { MmStruct } from '../../include/linux/mm_types.ts';
import type { Task } from '../../include/linux/sched.ts';
import type { Kernel } from '../../init/kernel.ts';
import type { SpinLock } from '../locking/spinlock.ts';
import type { HrTimer, HrTimerBase } from '../time/hrtimer.ts';
import type { Rq as ClassRq } from './entities.ts';

/** struct rq */
export interface Rq extends ClassRq {
  readonly cpu: KernelCpu;
  /** What is due on this CPU: each event is an interrupt of its user mode or idle loop. */
  readonly events: EventQueue;
  readonly lock: SpinLock;
  readonly idle: Task;
  /** The task that runs. */
  curr: Task;
  /** The address space that is loaded; a kernel thread borrows its predecessor's. */
  activeMm: MmStruct | null;
  readonly hrtimers: HrTimerBase;
  /** The periodic tick's timer, once it has run. */
  tick: HrTimer | null;
  /** Woken tasks that this CPU will put on its queue when the interrupt arrives. */
  readonly wakeList: Task[];
  /** Softirqs that are raised, a bit each. */
  softirqs: number;
  /** The running task polls: it stays, but others act first. */
  relaxing: boolean;
  /** When the last interrupt that asks for another task arrives here. */
  kicked: Ticks;
}

/** The run queue of the CPU whose kernel code runs. */
export function thisRq(kernel: Kernel): Rq {
  return kernel.rqs[kernel.cpu.number];
}
