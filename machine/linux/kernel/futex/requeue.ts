/**
 * FUTEX_REQUEUE and FUTEX_CMP_REQUEUE, after Linux 6.1 kernel/futex/requeue.c: wakes some waiters of a
 * word and moves others, asleep, to another word. requeue-pi.ts has FUTEX_CMP_REQUEUE_PI.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Task } from '../../include/linux/sched.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../init/kernel.ts';
import {
  getFutexKey,
  hashKey,
  lockBoth,
  markWoken,
  moveWaiter,
  readWord,
  sameKey,
  unlockBoth,
  wakeUpQ,
} from './core.ts';

export interface Requeue {
  readonly from: number;
  readonly to: number;
  readonly isShared: boolean;
  readonly wake: number;
  readonly move: number;
  /** FUTEX_CMP_REQUEUE: the value that the first word must have; null for any. */
  readonly expected: number | null;
}

/** futex_requeue: how many were woken or moved, or an error. */
export function futexRequeue(kernel: Kernel, requeue: Requeue): number {
  const { cpu } = kernel;
  const { isShared } = requeue;
  if (requeue.wake < 0 || requeue.move < 0) return -Errno.EINVAL;
  cpu.run(F.futex_wake, 85);
  const fromKey = getFutexKey(kernel, requeue.from, { isShared, write: false });
  if (typeof fromKey === 'number') return fromKey;
  const toKey = getFutexKey(kernel, requeue.to, { isShared, write: false });
  if (typeof toKey === 'number') return toKey;
  const [from, to] = [hashKey(kernel, fromKey), hashKey(kernel, toKey)];
  lockBoth(kernel, from, to);
  if (requeue.expected !== null) {
    const value = readWord(kernel, requeue.from);
    if (value !== requeue.expected) {
      unlockBoth(kernel, from, to);
      return value < 0 ? value : -Errno.EAGAIN;
    }
  }
  const woken: Task[] = [];
  let moved = 0;
  let result = 0;
  for (const q of [...from.chain]) {
    if (woken.length + moved >= requeue.wake + requeue.move) break;
    if (!sameKey(q.key, fromKey)) continue;
    if (q.isPi || q.requeueTo !== null) {
      result = -Errno.EINVAL;
      break;
    }
    if (woken.length < requeue.wake) markWoken(kernel, q, woken);
    else {
      moveWaiter(kernel, q, to, toKey);
      moved++;
    }
  }
  unlockBoth(kernel, from, to);
  wakeUpQ(kernel, woken);
  return result < 0 ? result : woken.length + moved;
}
