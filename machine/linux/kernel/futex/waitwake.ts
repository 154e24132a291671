/** FUTEX_WAIT, FUTEX_WAKE and FUTEX_WAKE_OP, after Linux 6.1 kernel/futex/waitwake.c. */
import type { Ticks } from '../../../core/units.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { Restart } from '../../include/linux/errno.ts';
import type { Sleeping, Task } from '../../include/linux/sched.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../init/kernel.ts';
import { traceFutex } from '../../trace/futex.ts';
import { acquire, release } from '../locking/spinlock.ts';
import { schedule, wakeUpProcess } from '../sched/core.ts';
import { createHrTimer, hrtimerCancel, hrtimerStart, type HrTimer } from '../time/hrtimer.ts';
import {
  enqueue,
  type FutexBucket,
  type FutexKey,
  type FutexQ,
  type FutexResult,
  getFutexKey,
  hashKey,
  lockBoth,
  markWoken,
  newFutexQ,
  peekWord,
  readWord,
  sameKey,
  unlockBoth,
  unqueueMe,
  wakeUpQ,
  writeWord,
} from './core.ts';
import { tracePoint } from '../../trace/points.ts';
import { Point } from '../../trace/points-specs.ts';

/** What a wait is for. */
export interface FutexWait {
  readonly address: number;
  readonly isShared: boolean;
  readonly expected: number;
  readonly bitset: number;
  /** When it gives up; Infinity for never. */
  readonly until: Ticks;
  /** FUTEX_WAIT_REQUEUE_PI: the lock that it may be moved to. */
  readonly requeueTo?: FutexKey;
}

/** hrtimer_sleeper: a timer that wakes a task, and says whether it did. */
export interface Sleeper {
  readonly timer: HrTimer;
  expired: boolean;
}

/** futex_setup_timer and hrtimer_sleeper_start_expires; null without a limit. */
export function startSleeper(kernel: Kernel, task: Task, until: Ticks): Sleeper | null {
  const { cpu } = kernel;
  if (until === Infinity) return null;
  cpu.run(F.hrtimer_init_sleeper, 11);
  cpu.run(F.__hrtimer_init, 55);
  tracePoint(kernel, Point.HRTIMER_SETUP, 0, 0);
  cpu.run(F.hrtimer_sleeper_start_expires, 6);
  const timer = createHrTimer((at) => {
    at.cpu.run(F.hrtimer_wakeup, 9);
    sleeper.expired = true;
    wakeUpProcess(at, task);
  });
  const sleeper = { timer, expired: false };
  const slack = Math.round((task.sched.timerSlackNs * kernel.coreMHz * 64) / 1000);
  hrtimerStart(kernel, timer, Math.max(until, cpu.now), slack);
  return sleeper;
}

export function stopSleeper(kernel: Kernel, sleeper: Sleeper | null): void {
  if (sleeper === null) return;
  kernel.cpu.run(F.hrtimer_cancel, 8);
  hrtimerCancel(kernel, sleeper.timer);
}

/** futex_wait_setup: the waiter is queued and its bucket locked, or an error says why not. */
export function waitSetup(kernel: Kernel, wait: FutexWait): FutexQ | number {
  const { cpu, current } = kernel;
  cpu.run(F.futex_wait_setup, 47);
  const key = getFutexKey(kernel, wait.address, { isShared: wait.isShared, write: false });
  if (typeof key === 'number') return key;
  cpu.run(F.futex_q_lock, 15);
  const bucket = hashKey(kernel, key);
  acquire(cpu, bucket.lock);
  const value = readWord(kernel, wait.address);
  if (value !== wait.expected) {
    cpu.run(F.futex_q_unlock, 8);
    release(cpu, bucket.lock);
    return value < 0 ? value : -Errno.EAGAIN;
  }
  const { bitset, requeueTo } = wait;
  if (requeueTo !== undefined && sameKey(key, requeueTo)) {
    release(cpu, bucket.lock);
    return -Errno.EINVAL;
  }
  const q = newFutexQ(current, key, { bitset, ...(requeueTo && { requeueTo }) });
  current.state = 'S';
  enqueue(kernel, bucket, q);
  release(cpu, bucket.lock);
  return q;
}

/** futex_wait: 0 when woken, -EAGAIN, -ETIMEDOUT, or a restart. */
export function futexWait(kernel: Kernel, wait: FutexWait): FutexResult {
  const { cpu } = kernel;
  if (wait.bitset === 0) return -Errno.EINVAL;
  cpu.run(F.futex_wait, 92);
  cpu.run(F.futex_setup_timer, 5);
  const q = waitSetup(kernel, wait);
  if (typeof q === 'number') return q;
  traceFutex(kernel, { op: 'wait', address: wait.address, value: wait.expected, woken: 0 });
  return waitQueued(kernel, wait, q);
}

/** The rest of futex_wait, asleep. */
function* waitQueued(kernel: Kernel, wait: FutexWait, queued: FutexQ): Sleeping<number> {
  const { current } = kernel;
  let q = queued;
  const sleeper = startSleeper(kernel, current, wait.until);
  for (;;) {
    kernel.cpu.run(F.futex_wait_queue, 28);
    if (q.bucket !== null && sleeper?.expired !== true) yield* schedule(kernel);
    current.state = 'R';
    if (!unqueueMe(kernel, q)) return finishWait(kernel, sleeper, 0);
    if (sleeper?.expired === true) return finishWait(kernel, sleeper, -Errno.ETIMEDOUT);
    if (current.signalPending) return finishWait(kernel, sleeper, restartOf(kernel, wait));
    // Woken for no reason: it looks at the word again.
    const again = waitSetup(kernel, wait);
    if (typeof again === 'number') return finishWait(kernel, sleeper, again);
    q = again;
  }
}

function finishWait(kernel: Kernel, sleeper: Sleeper | null, result: number): number {
  stopSleeper(kernel, sleeper);
  return result;
}

/** An interrupted wait with a limit goes on by restart_syscall, to the same moment. */
function restartOf({ current }: Kernel, wait: FutexWait): number {
  if (wait.until === Infinity) return -Restart.SYS;
  current.restart = (kernel) => futexWait(kernel, wait);
  return -Restart.BLOCK;
}

/** Who is to be woken. */
export interface FutexWake {
  readonly address: number;
  readonly isShared: boolean;
  readonly count: number;
  readonly bitset: number;
}

/** futex_wake: how many were woken, or an error. */
export function futexWakeUp(kernel: Kernel, wake: FutexWake): number {
  const { cpu } = kernel;
  if (wake.bitset === 0) return -Errno.EINVAL;
  const key = getFutexKey(kernel, wake.address, { isShared: wake.isShared, write: false });
  if (typeof key === 'number') {
    cpu.run(F.futex_wake, 46);
    return key;
  }
  const bucket = hashKey(kernel, key);
  // Nobody waits there: the lock is not even taken.
  if (bucket.chain.length === 0) {
    cpu.run(F.futex_wake, 46);
    traceFutex(kernel, { op: 'wake', address: wake.address, value: wake.count, woken: 0 });
    return 0;
  }
  cpu.run(F.futex_wake, 85);
  acquire(cpu, bucket.lock);
  const woken: Task[] = [];
  const result = wakeMatching(kernel, bucket, woken, {
    count: wake.count,
    matches: (q) => sameKey(q.key, key),
    bitset: wake.bitset,
  });
  release(cpu, bucket.lock);
  wakeUpQ(kernel, woken);
  traceFutex(kernel, { op: 'wake', address: wake.address, value: wake.count, woken: woken.length });
  return result < 0 ? result : woken.length;
}

/** Takes waiters off a chain. -EINVAL at one that waits for a priority-inheriting lock. */
function wakeMatching(
  kernel: Kernel,
  bucket: FutexBucket,
  woken: Task[],
  wanted: {
    readonly count: number;
    readonly matches: (q: FutexQ) => boolean;
    readonly bitset: number;
  },
): number {
  let left = Math.max(1, wanted.count);
  for (const q of [...bucket.chain]) {
    if (!wanted.matches(q)) continue;
    if (q.isPi || q.requeueTo !== null) return -Errno.EINVAL;
    if ((q.bitset & wanted.bitset) === 0) continue;
    markWoken(kernel, q, woken);
    if (--left === 0) break;
  }
  return 0;
}

/** futex_wake for the kernel's own use (CLEARTID, robust lists): a shared key, as Linux does. */
export function futexWake(kernel: Kernel, address: number, count: number): number {
  return futexWakeUp(kernel, { address, isShared: true, count, bitset: -1 });
}

/** Bits of FUTEX_OP(). */
const enum WakeOp {
  ARGUMENT_SHIFT = 8,
}

const OPERATIONS: readonly ((old: number, argument: number) => number)[] = [
  (_old, argument) => argument,
  (old, argument) => old + argument,
  (old, argument) => old | argument,
  (old, argument) => old & ~argument,
  (old, argument) => old ^ argument,
];

const COMPARISONS: readonly ((old: number, argument: number) => boolean)[] = [
  (old, argument) => old === argument,
  (old, argument) => old !== argument,
  (old, argument) => old < argument,
  (old, argument) => old <= argument,
  (old, argument) => old > argument,
  (old, argument) => old >= argument,
];

/** futex_atomic_op_inuser. Returns 1 or 0 as the comparison says, or an error. */
function atomicOp(kernel: Kernel, encoded: number, address: number): number {
  const operation = (encoded >>> 28) & 7;
  const comparison = (encoded >>> 24) & 15;
  let argument = (encoded << WakeOp.ARGUMENT_SHIFT) >> 20;
  const against = (encoded << 20) >> 20;
  if (encoded < 0) {
    if (argument < 0 || argument > 31) argument &= 31;
    argument = 1 << argument;
  }
  if (operation >= OPERATIONS.length || comparison >= COMPARISONS.length) return -Errno.ENOSYS;
  const old = peekWord(kernel, address);
  if (old < 0) return old;
  const value = OPERATIONS[operation](old | 0, argument);
  if (writeWord(kernel, address, value >>> 0) < 0) return -Errno.EFAULT;
  return COMPARISONS[comparison](old | 0, against) ? 1 : 0;
}

/** futex_wake_op: changes the second word, wakes waiters of the first and, if it says so, of it too. */
export function futexWakeOp(
  kernel: Kernel,
  words: { readonly first: number; readonly second: number; readonly isShared: boolean },
  counts: { readonly first: number; readonly second: number; readonly operation: number },
): number {
  const { cpu } = kernel;
  cpu.run(F.futex_wake, 85);
  const { isShared } = words;
  const key1 = getFutexKey(kernel, words.first, { isShared, write: false });
  if (typeof key1 === 'number') return key1;
  const key2 = getFutexKey(kernel, words.second, { isShared, write: true });
  if (typeof key2 === 'number') return key2;
  const [bucket1, bucket2] = [hashKey(kernel, key1), hashKey(kernel, key2)];
  lockBoth(kernel, bucket1, bucket2);
  const outcome = atomicOp(kernel, counts.operation, words.second);
  const woken: Task[] = [];
  let result = Math.min(outcome, 0);
  const all = { bitset: -1 };
  if (outcome >= 0) {
    const matches = (q: FutexQ): boolean => sameKey(q.key, key1);
    result = wakeMatching(kernel, bucket1, woken, { ...all, count: counts.first, matches });
  }
  if (outcome > 0 && result === 0) {
    const matches = (q: FutexQ): boolean => sameKey(q.key, key2);
    result = wakeMatching(kernel, bucket2, woken, { ...all, count: counts.second, matches });
  }
  unlockBoth(kernel, bucket1, bucket2);
  wakeUpQ(kernel, woken);
  return result < 0 ? result : woken.length;
}
