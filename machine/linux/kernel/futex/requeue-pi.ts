/**
 * FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI, after Linux 6.1 kernel/futex/requeue.c: a waiter on a
 * plain word is moved to a priority-inheriting lock, or is given it at once, and wakes up as its owner:
 * what condition variables with such mutexes need. Omits: owners that died in between.
 */
import type { Ticks } from '../../../core/units.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { Restart } from '../../include/linux/errno.ts';
import type { Sleeping, Task } from '../../include/linux/sched.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../init/kernel.ts';
import { acquire, release } from '../locking/spinlock.ts';
import { setInheritedPrio } from '../sched/change.ts';
import { schedule } from '../sched/core.ts';
import {
  dequeue,
  Futex,
  type FutexBucket,
  type FutexKey,
  type FutexQ,
  type FutexResult,
  getFutexKey,
  hashKey,
  lockBoth,
  markWoken,
  moveWaiter,
  peekWord,
  readWord,
  sameKey,
  unlockBoth,
  wakeUpQ,
  writeWord,
} from './core.ts';
import { adjustChain } from './pi.ts';
import { startSleeper, stopSleeper, waitSetup } from './waitwake.ts';

/** What the waiter asks for. */
export interface WaitRequeuePi {
  readonly address: number;
  /** The lock that it wants in the end. */
  readonly lock: number;
  readonly isShared: boolean;
  readonly expected: number;
  readonly until: Ticks;
}

/** futex_wait_requeue_pi: 0 with the lock taken, or an error without it. */
export function futexWaitRequeuePi(kernel: Kernel, wait: WaitRequeuePi): FutexResult {
  const { isShared } = wait;
  if (wait.address === wait.lock) return -Errno.EINVAL;
  kernel.cpu.run(F.futex_wait, 92);
  const key = getFutexKey(kernel, wait.lock, { isShared, write: true });
  if (typeof key === 'number') return key;
  const q = waitSetup(kernel, { ...wait, bitset: -1, requeueTo: key });
  return typeof q === 'number' ? q : waitForLock(kernel, q, wait.until);
}

function* waitForLock(kernel: Kernel, q: FutexQ, until: Ticks): Sleeping<number> {
  const { current } = kernel;
  const sleeper = startSleeper(kernel, current, until);
  let result = 0;
  while (q.bucket !== null) {
    if (sleeper?.expired === true) result = -Errno.ETIMEDOUT;
    else if (current.signalPending) result = q.requeued ? -Errno.EAGAIN : -Restart.NOINTR;
    if (result !== 0) break;
    current.state = 'S';
    kernel.cpu.run(F.futex_wait_queue, 28);
    yield* schedule(kernel);
  }
  current.state = 'R';
  stopSleeper(kernel, sleeper);
  const { bucket } = q;
  // Nobody else takes it off its chain but with the lock in hand.
  if (bucket === null) return 0;
  acquire(kernel.cpu, bucket.lock);
  dequeue(kernel, q);
  if (q.requeued) {
    adjustChain(kernel, kernel.futexPi.remove(current));
    setInheritedPrio(kernel, current, kernel.futexPi.topDonor(current));
  }
  release(kernel.cpu, bucket.lock);
  return result;
}

export interface RequeuePi {
  readonly from: number;
  readonly to: number;
  readonly isShared: boolean;
  readonly wake: number;
  readonly move: number;
  readonly expected: number;
}

/** One of the two words, found. */
interface Place {
  readonly address: number;
  readonly key: FutexKey;
  readonly bucket: FutexBucket;
}

function placeOf(
  kernel: Kernel,
  address: number,
  access: { readonly isShared: boolean; readonly write: boolean },
): Omit<Place, 'bucket'> | number {
  const key = getFutexKey(kernel, address, access);
  return typeof key === 'number' ? key : { address, key };
}

/** futex_requeue with requeue_pi: how many got the lock or were moved, or an error. */
export function futexCmpRequeuePi(kernel: Kernel, requeue: RequeuePi): number {
  const { isShared } = requeue;
  if (requeue.wake < 0 || requeue.move < 0) return -Errno.EINVAL;
  // The lock can have one owner, so one is woken; and moving to where one waits is no move.
  if (requeue.from === requeue.to || requeue.wake !== 1) return -Errno.EINVAL;
  kernel.cpu.run(F.futex_wake, 85);
  const first = placeOf(kernel, requeue.from, { isShared, write: false });
  if (typeof first === 'number') return first;
  const second = placeOf(kernel, requeue.to, { isShared, write: true });
  if (typeof second === 'number') return second;
  if (sameKey(first.key, second.key)) return -Errno.EINVAL;
  const from: Place = { ...first, bucket: hashKey(kernel, first.key) };
  const to: Place = { ...second, bucket: hashKey(kernel, second.key) };
  lockBoth(kernel, from.bucket, to.bucket);
  const woken: Task[] = [];
  const value = readWord(kernel, requeue.from);
  const result =
    value === requeue.expected
      ? moveWaiters(kernel, from, to, requeue.move, woken)
      : value < 0
        ? value
        : -Errno.EAGAIN;
  unlockBoth(kernel, from.bucket, to.bucket);
  wakeUpQ(kernel, woken);
  return result;
}

/** The first waiter takes a free lock; all others wait for its owner, up to `move` of them. */
function moveWaiters(kernel: Kernel, from: Place, to: Place, move: number, woken: Task[]): number {
  const waiters = from.bucket.chain.filter((q) => sameKey(q.key, from.key));
  let owner: Task | null = null;
  let moved = 0;
  for (const q of waiters) {
    if (woken.length + moved >= 1 + move) break;
    if (q.isPi || q.requeueTo === null || !sameKey(q.requeueTo, to.key)) {
      return woken.length + moved > 0 ? woken.length + moved : -Errno.EINVAL;
    }
    if (owner === null) {
      const found = ownerFor(kernel, to.address, q, move > 0);
      if (typeof found === 'number') return found;
      owner = found;
      if (owner === q.task) {
        q.requeued = true;
        markWoken(kernel, q, woken);
        continue;
      }
    }
    if (owner === q.task) return -Errno.EDEADLK;
    q.requeued = true;
    q.isPi = true;
    moveWaiter(kernel, q, to.bucket, to.key);
    kernel.futexPi.add(q.task, owner);
    adjustChain(kernel, owner);
    moved++;
  }
  return woken.length + moved;
}

/** futex_proxy_trylock_atomic: who owns the lock now, which may be the waiter itself; or an error. */
function ownerFor(kernel: Kernel, address: number, q: FutexQ, hasMore: boolean): Task | number {
  const value = peekWord(kernel, address);
  if (value < 0) return value;
  const holder = (value & Futex.TID_MASK) >>> 0;
  if (holder === 0) {
    const waiters = hasMore || (value & Futex.WAITERS) !== 0 ? Futex.WAITERS : 0;
    const died = value & Futex.OWNER_DIED;
    const error = writeWord(kernel, address, (q.task.pid | waiters | died) >>> 0);
    return error < 0 ? error : q.task;
  }
  if (holder === q.task.pid) return -Errno.EDEADLK;
  const owner = kernel.tasks.find(({ pid, state }) => pid === holder && state !== 'X');
  if (owner === undefined) return -Errno.ESRCH;
  const error = writeWord(kernel, address, (value | Futex.WAITERS) >>> 0);
  return error < 0 ? error : owner;
}
