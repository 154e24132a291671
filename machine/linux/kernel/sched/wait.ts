/**
 * Wait queues, after Linux 6.1 kernel/sched/wait.c: who sleeps on something, woken in order, the
 * exclusive ones one at a time.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Sleeping, Task } from '../../include/linux/sched.ts';
import { Restart } from '../../include/linux/errno.ts';
import type { Kernel } from '../../init/kernel.ts';
import { acquire, release, spinLockAt, type SpinLock } from '../locking/spinlock.ts';
import { scheduleTimeout, wakeUpProcess } from './core.ts';

export interface WaitQueueEntry {
  readonly task: Task;
  readonly exclusive: boolean;
  /** What a wake-up does; returns whether it woke someone. Default: wakeUpProcess of the task. */
  readonly wake?: (kernel: Kernel) => boolean;
}

export interface WaitQueueHead {
  readonly lock: SpinLock;
  readonly entries: WaitQueueEntry[];
}

/** A queue inside the object at physical address `address`. */
export function waitQueueHead(address: number): WaitQueueHead {
  return { lock: spinLockAt(address), entries: [] };
}

/** Exclusive entries go last, so that the others are woken first. */
export function addWaitQueue(kernel: Kernel, head: WaitQueueHead, entry: WaitQueueEntry): void {
  const { cpu } = kernel;
  acquire(cpu, head.lock);
  cpu.run(F.prepare_to_wait_event, 40);
  if (entry.exclusive) head.entries.push(entry);
  else head.entries.unshift(entry);
  release(cpu, head.lock);
}

export function removeWaitQueue(kernel: Kernel, head: WaitQueueHead, entry: WaitQueueEntry): void {
  const { cpu } = kernel;
  acquire(cpu, head.lock);
  cpu.run(F.finish_wait, 20);
  const at = head.entries.indexOf(entry);
  if (at >= 0) head.entries.splice(at, 1);
  release(cpu, head.lock);
}

/** autoremove_wake_function: who wakes takes the entry off. */
function autoremoveWake(kernel: Kernel, { task }: WaitQueueEntry): boolean {
  const { cpu } = kernel;
  cpu.run(F.autoremove_wake_function, 25);
  cpu.run(F.__list_del_entry_valid, 20);
  return wakeUpProcess(kernel, task);
}

/** __wake_up: every entry that is not exclusive and `exclusive` of the others. Returns those woken. */
export function wakeUp(kernel: Kernel, head: WaitQueueHead, exclusive = 1): number {
  const { cpu } = kernel;
  acquire(cpu, head.lock);
  cpu.run(F.__wake_up_common, 43);
  let woken = 0;
  let left = exclusive;
  for (const entry of [...head.entries]) {
    const wakes = entry.wake?.(kernel) ?? autoremoveWake(kernel, entry);
    if (!wakes) continue;
    woken++;
    if (entry.exclusive && --left === 0) break;
  }
  release(cpu, head.lock);
  return woken;
}

/** __wake_up_sync_key: as wakeUp, by a waker that is about to sleep or has done its part. */
export function wakeUpSync(kernel: Kernel, head: WaitQueueHead, exclusive = 1): number {
  kernel.cpu.run(F.__wake_up_sync_key, 7);
  kernel.cpu.run(F.__wake_up_common_lock, 52);
  return wakeUp(kernel, head, exclusive);
}

/**
 * wait_event_interruptible: sleeps until `condition` holds. Returns 0, or -ERESTARTSYS when a signal
 * came first, or -ETIME (-62) when `timeoutNs` passed.
 */
export function* waitEventInterruptible(
  kernel: Kernel,
  head: WaitQueueHead,
  condition: () => boolean,
  options: { readonly timeoutNs?: number; readonly exclusive?: boolean } = {},
): Sleeping<number> {
  if (condition()) return 0;
  const { current } = kernel;
  const entry = { task: current, exclusive: options.exclusive ?? false };
  let left = options.timeoutNs ?? Infinity;
  addWaitQueue(kernel, head, entry);
  let result = 0;
  for (;;) {
    current.state = 'S';
    if (condition()) break;
    if (current.signalPending) result = -Restart.SYS;
    else if (left === 0) result = -Restart.TIMEOUT;
    if (result !== 0) break;
    left = yield* scheduleTimeout(kernel, left);
  }
  current.state = 'R';
  removeWaitQueue(kernel, head, entry);
  return result;
}
