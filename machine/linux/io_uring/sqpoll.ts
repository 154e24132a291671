/**
 * The thread that takes submissions by itself, after Linux 6.1 io_uring/sqpoll.c: it polls while there
 * is work and for sq_thread_idle after, then sleeps until it is woken. Omits: threads that several rings
 * share.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Sleeping, Task } from '../include/linux/sched.ts';
import { IoringSq } from '../include/uapi/linux/io_uring.ts';
import type { Kernel } from '../init/kernel.ts';
import { kthreadRun } from '../kernel/kthread.ts';
import { mutexLock, mutexUnlock } from '../kernel/locking/mutex.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import { relax, schedule, ticksFromNs } from '../kernel/sched/core.ts';
import { waitEventInterruptible } from '../kernel/sched/wait.ts';
import { flushOverflow, type IoRing, submit, waitingSubmissions } from './io_uring.ts';
import { RingField } from './rings.ts';

/** IORING_SQPOLL_CAP_ENTRIES_VALUE: what one turn takes at most. */
const TURN_MAX = 8;
const NSEC_PER_MSEC = 1_000_000;
/** Default sq_thread_idle: HZ jiffies, one second. */
const IDLE_MS_DEFAULT = 1000;

export interface PollOptions {
  readonly cpu: number;
  readonly pid: number;
  /** sq_thread_idle; 0 for the default. */
  readonly idleMs: number;
}

/** io_sq_offload_create: the thread starts polling at once. */
export function startPolling(kernel: Kernel, ring: IoRing, options: PollOptions): Task {
  const { cpu, pid } = options;
  const owner = kernel.current.pid;
  return kthreadRun(kernel, { pid, comm: `iou-sqp-${owner}`, cpu }, () =>
    sqThread(kernel, ring, (options.idleMs || IDLE_MS_DEFAULT) * NSEC_PER_MSEC),
  );
}

/** io_sq_thread */
function* sqThread(kernel: Kernel, ring: IoRing, idleNs: number): Sleeping<never> {
  const idleTicks = ticksFromNs(kernel, idleNs);
  let deadline = kernel.cpu.now + idleTicks;
  while (!ring.closed) {
    const taken = pollOnce(kernel, ring);
    if (taken > 0) deadline = kernel.cpu.now + idleTicks;
    if (taken > 0 || kernel.cpu.now < deadline) {
      yield* relax(kernel);
      continue;
    }
    yield* sleep(kernel, ring);
    deadline = kernel.cpu.now + idleTicks;
  }
  // The ring is gone and nothing wakes the thread any more.
  for (;;) {
    kernel.current.state = 'D';
    yield* schedule(kernel);
  }
}

/** __io_sq_thread and the rest of a turn. Returns submissions taken. */
function pollOnce(kernel: Kernel, ring: IoRing): number {
  const { cpu } = kernel;
  const waiting = waitingSubmissions(ring);
  let taken = 0;
  if (waiting > 0 && !ring.disabled) {
    mutexLock(cpu, ring.address);
    flushOverflow(ring);
    taken = submit(kernel, ring, Math.min(waiting, TURN_MAX));
    mutexUnlock(cpu);
  }
  cpu.run(F.io_run_task_work, 13);
  condResched(cpu);
  return taken;
}

/** Tells the user that a wake-up is needed, and sleeps unless something came meanwhile. */
function* sleep(kernel: Kernel, ring: IoRing): Sleeping<undefined> {
  const { rings } = ring;
  rings.write(RingField.SQ_FLAGS, rings.peek(RingField.SQ_FLAGS) | IoringSq.NEED_WAKEUP);
  const woken = (): boolean =>
    ring.closed || (rings.peek(RingField.SQ_FLAGS) & IoringSq.NEED_WAKEUP) === 0;
  if (waitingSubmissions(ring) === 0) {
    yield* waitEventInterruptible(kernel, ring.threadWait, woken);
  }
  rings.write(RingField.SQ_FLAGS, rings.peek(RingField.SQ_FLAGS) & ~IoringSq.NEED_WAKEUP);
  return undefined;
}
