/**
 * Priority-inheriting futexes, after Linux 6.1 kernel/futex/pi.c and kernel/locking/rtmutex.c: the
 * owner's thread id is in the word; waiters queue by priority and lend theirs to the owner, along the
 * chain of locks that owners wait for. Omits: deadlock detection beyond the chain, lock stealing.
 */
import type { Ticks } from '../../../core/units.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { Restart } from '../../include/linux/errno.ts';
import type { Sleeping, Task } from '../../include/linux/sched.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../init/kernel.ts';
import { traceFutex } from '../../trace/futex.ts';
import { acquire, release } from '../locking/spinlock.ts';
import { setInheritedPrio } from '../sched/change.ts';
import { schedule, wakeUpProcess } from '../sched/core.ts';
import {
  dequeue,
  enqueue,
  Futex,
  type FutexBucket,
  type FutexKey,
  type FutexQ,
  type FutexResult,
  getFutexKey,
  hashKey,
  newFutexQ,
  peekWord,
  sameKey,
  writeWord,
} from './core.ts';
import { startSleeper, stopSleeper } from './waitwake.ts';

export interface LockPi {
  readonly address: number;
  readonly isShared: boolean;
  readonly until: Ticks;
  readonly isTry: boolean;
}

/** MAX_LOCK_DEPTH: how far a chain of owners is followed. */
const CHAIN_MAX = 1024;

const waitersOf = (bucket: FutexBucket, key: FutexKey): FutexQ[] =>
  bucket.chain.filter((q) => q.isPi && sameKey(q.key, key));

/** The most urgent waiter; of equals the first. */
function topWaiter(bucket: FutexBucket, key: FutexKey): FutexQ | null {
  let top: FutexQ | null = null;
  for (const q of waitersOf(bucket, key)) {
    if (top === null || q.task.sched.prio < top.task.sched.prio) top = q;
  }
  return top;
}

/** What the kernel knows of locks with waiters: who holds each, and what each task waits for. */
export class PiState {
  /** By waiter: the owner of the lock that it waits for. */
  readonly blockedOn = new Map<Task, Task>();
  /** By owner: everybody who waits for one of its locks. */
  readonly donors = new Map<Task, Set<Task>>();

  add(waiter: Task, owner: Task): void {
    this.blockedOn.set(waiter, owner);
    let set = this.donors.get(owner);
    if (set === undefined) this.donors.set(owner, (set = new Set()));
    set.add(waiter);
  }

  remove(waiter: Task): Task | null {
    const owner = this.blockedOn.get(waiter);
    if (owner === undefined) return null;
    this.blockedOn.delete(waiter);
    const set = this.donors.get(owner);
    set?.delete(waiter);
    if (set?.size === 0) this.donors.delete(owner);
    return owner;
  }

  /** The most urgent of those who wait for `owner`. */
  topDonor(owner: Task): Task | null {
    let top: Task | null = null;
    for (const task of this.donors.get(owner) ?? []) {
      if (top === null || task.sched.prio < top.sched.prio) top = task;
    }
    return top;
  }
}

/** rt_mutex_adjust_prio_chain: `from` and all that it waits for take the priority of their waiters. */
export function adjustChain(kernel: Kernel, from: Task | null): void {
  const { futexPi } = kernel;
  let task = from;
  for (let depth = 0; task !== null && depth < CHAIN_MAX; depth++) {
    kernel.cpu.run(F.rt_mutex_adjust_prio_chain, 120);
    setInheritedPrio(kernel, task, futexPi.topDonor(task));
    task = futexPi.blockedOn.get(task) ?? null;
  }
}

/** Whether `owner` waits, directly or not, for `task`. */
function isDeadlock({ futexPi }: Kernel, owner: Task, task: Task): boolean {
  let at: Task | undefined = owner;
  for (let depth = 0; at !== undefined && depth < CHAIN_MAX; depth++) {
    if (at === task) return true;
    at = futexPi.blockedOn.get(at);
  }
  return false;
}

/** futex_lock_pi: 0 with the lock taken, or an error. */
export function futexLockPi(kernel: Kernel, lock: LockPi): FutexResult {
  const { cpu, current } = kernel;
  cpu.run(F.futex_wait, 92);
  const key = getFutexKey(kernel, lock.address, { isShared: lock.isShared, write: true });
  if (typeof key === 'number') return key;
  const bucket = hashKey(kernel, key);
  acquire(cpu, bucket.lock);
  const taken = tryLock(kernel, lock, bucket, key);
  if (typeof taken === 'number') {
    release(cpu, bucket.lock);
    return taken;
  }
  const q = newFutexQ(current, key, { isPi: true });
  current.state = 'S';
  enqueue(kernel, bucket, q);
  kernel.futexPi.add(current, taken);
  adjustChain(kernel, taken);
  release(cpu, bucket.lock);
  traceFutex(kernel, { op: 'lock_pi', address: lock.address, value: taken.pid, woken: 0 });
  return waitForLock(kernel, lock, q);
}

/** futex_lock_pi_atomic: 0 when taken, an error, or the owner to wait for. */
function tryLock(kernel: Kernel, lock: LockPi, bucket: FutexBucket, key: FutexKey): number | Task {
  const { current } = kernel;
  const value = peekWord(kernel, lock.address);
  if (value < 0) return value;
  const holder = (value & Futex.TID_MASK) >>> 0;
  const hasWaiters = waitersOf(bucket, key).length > 0;
  if (holder === 0) {
    const keep = hasWaiters ? Futex.WAITERS : 0;
    const died = (value & Futex.OWNER_DIED) >>> 0;
    return writeWord(kernel, lock.address, (current.pid | keep | died) >>> 0);
  }
  if (holder === current.pid) return -Errno.EDEADLK;
  if (lock.isTry) return -Errno.EAGAIN;
  const owner = kernel.tasks.find(({ pid, state }) => pid === holder && state !== 'X');
  if (owner === undefined) return -Errno.ESRCH;
  if (isDeadlock(kernel, owner, current)) return -Errno.EDEADLK;
  if (writeWord(kernel, lock.address, (value | Futex.WAITERS) >>> 0) < 0) return -Errno.EFAULT;
  return owner;
}

/** rt_mutex_wait_proxy_lock: asleep until the owner hands the lock over. */
function* waitForLock(kernel: Kernel, lock: LockPi, q: FutexQ): Sleeping<number> {
  const { current } = kernel;
  const sleeper = startSleeper(kernel, current, lock.until);
  let result = 0;
  while (q.bucket !== null) {
    if (sleeper?.expired === true) result = -Errno.ETIMEDOUT;
    else if (current.signalPending) result = -Restart.NOINTR;
    if (result !== 0) break;
    current.state = 'S';
    yield* schedule(kernel);
  }
  current.state = 'R';
  stopSleeper(kernel, sleeper);
  // Off the chain means that the lock has been handed over.
  if (q.bucket === null) return 0;
  const { bucket } = q;
  acquire(kernel.cpu, bucket.lock);
  dequeue(kernel, q);
  adjustChain(kernel, kernel.futexPi.remove(current));
  setInheritedPrio(kernel, current, kernel.futexPi.topDonor(current));
  release(kernel.cpu, bucket.lock);
  return result;
}

/** futex_unlock_pi: the most urgent waiter becomes the owner. */
export function futexUnlockPi(kernel: Kernel, address: number, isShared: boolean): number {
  const { cpu, current } = kernel;
  cpu.run(F.futex_wake, 85);
  const value = peekWord(kernel, address);
  if (value < 0) return value;
  if ((value & Futex.TID_MASK) >>> 0 !== current.pid) return -Errno.EPERM;
  const key = getFutexKey(kernel, address, { isShared, write: true });
  if (typeof key === 'number') return key;
  const bucket = hashKey(kernel, key);
  acquire(cpu, bucket.lock);
  const woken = handOver(kernel, bucket, key, address, 0);
  release(cpu, bucket.lock);
  if (woken !== null) wakeUpProcess(kernel, woken);
  traceFutex(kernel, { op: 'unlock_pi', address, value: current.pid, woken: woken ? 1 : 0 });
  return 0;
}

/** wake_futex_pi: writes the next owner into the word and gives priorities back. Returns that owner. */
function handOver(
  kernel: Kernel,
  bucket: FutexBucket,
  key: FutexKey,
  address: number,
  died: number,
): Task | null {
  const { futexPi, current } = kernel;
  const next = topWaiter(bucket, key);
  if (next === null) {
    writeWord(kernel, address, died);
    return null;
  }
  dequeue(kernel, next);
  const others = waitersOf(bucket, key);
  const flags = (others.length > 0 ? Futex.WAITERS : 0) | died;
  writeWord(kernel, address, (next.task.pid | flags) >>> 0);
  futexPi.remove(next.task);
  for (const { task } of others) {
    futexPi.remove(task);
    futexPi.add(task, next.task);
  }
  setInheritedPrio(kernel, current, futexPi.topDonor(current));
  adjustChain(kernel, next.task);
  return next.task;
}

/** The owner of a lock has ended (robust lists, exit_pi_state_list): the next one gets it, marked. */
export function futexOwnerDied(kernel: Kernel, address: number): void {
  const { cpu } = kernel;
  const key = getFutexKey(kernel, address, { isShared: true, write: true });
  if (typeof key === 'number') return;
  const bucket = hashKey(kernel, key);
  acquire(cpu, bucket.lock);
  const woken = handOver(kernel, bucket, key, address, Futex.OWNER_DIED);
  release(cpu, bucket.lock);
  if (woken !== null) wakeUpProcess(kernel, woken);
}
