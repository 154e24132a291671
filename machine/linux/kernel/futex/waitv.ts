/** futex_waitv: one wait for the first of several words, after Linux 6.1 kernel/futex/waitwake.c and syscalls.c. */
import type { Ticks } from '../../../core/units.ts';
import type { SyscallArguments } from '../../arch/x86/entry/syscall-arguments.ts';
import { copyFromUser } from '../../arch/x86/lib/usercopy.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { Restart } from '../../include/linux/errno.ts';
import type { Sleeping } from '../../include/linux/sched.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import { ClockId } from '../../include/uapi/linux/time.ts';
import type { Kernel } from '../../init/kernel.ts';
import { traceFutex } from '../../trace/futex.ts';
import { clockToTicks, NS_MAX } from '../time/clock-times.ts';
import { schedule } from '../sched/core.ts';
import { Futex, type FutexQ, type FutexResult, unqueueMe } from './core.ts';
import { startSleeper, stopSleeper, waitSetup } from './waitwake.ts';

/** FUTEX_WAITV_MAX */
const WAITERS_MAX = 128;
/** struct futex_waitv */
const WAITER_BYTES = 24;
/** FUTEX_32, the only size. */
const SIZE_32 = 2;
const NS_PER_SEC = 1_000_000_000n;

interface Word {
  readonly address: number;
  readonly expected: number;
  readonly isShared: boolean;
}

/** futex_parse_waitv */
function readWords(kernel: Kernel, pointer: number, count: number): Word[] | number {
  const words: Word[] = [];
  const bytes = new Uint8Array(WAITER_BYTES);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < count; i++) {
    if (copyFromUser(kernel, pointer + i * WAITER_BYTES, bytes) < 0) return -Errno.EFAULT;
    const flags = view.getUint32(16, true);
    if ((flags & ~(SIZE_32 | Futex.PRIVATE_FLAG)) !== 0) return -Errno.EINVAL;
    if ((flags & SIZE_32) === 0 || view.getUint32(20, true) !== 0) return -Errno.EINVAL;
    words.push({
      expected: view.getUint32(0, true),
      address: view.getUint32(8, true) + view.getUint32(12, true) * 2 ** 32,
      isShared: (flags & Futex.PRIVATE_FLAG) === 0,
    });
  }
  return words;
}

/** When the wait gives up, always by the clock itself; or an error. */
function timeLimit(kernel: Kernel, pointer: number, clock: number): Ticks {
  if (pointer === 0) return Infinity;
  if (clock !== (ClockId.MONOTONIC as number) && clock !== (ClockId.REALTIME as number)) {
    return -Errno.EINVAL;
  }
  const bytes = new Uint8Array(16);
  if (copyFromUser(kernel, pointer, bytes) < 0) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  const seconds = view.getBigInt64(0, true);
  const nanoseconds = view.getBigInt64(8, true);
  if (seconds < 0n || nanoseconds < 0n || nanoseconds >= NS_PER_SEC) return -Errno.EINVAL;
  const total = seconds * NS_PER_SEC + nanoseconds;
  return clockToTicks(kernel, total > NS_MAX ? NS_MAX : total, { clock, isRelative: false });
}

export function sysFutexWaitv(kernel: Kernel, args: SyscallArguments): FutexResult {
  const pointer = args.unsigned(0);
  const count = args.low(1);
  // An estimate from the source, as no counted path goes here: within a third.
  kernel.cpu.run(F.__x64_sys_futex_waitv, 60);
  if (args.low(2) !== 0) return -Errno.EINVAL;
  if (count === 0 || count > WAITERS_MAX || pointer === 0) return -Errno.EINVAL;
  const until = timeLimit(kernel, args.unsigned(3), args.int(4));
  if (until < 0) return until;
  const words = readWords(kernel, pointer, count);
  return typeof words === 'number' ? words : waitMultiple(kernel, words, until);
}

/** unqueue_multiple: the last that somebody has woken, or -1. */
function unqueueAll(kernel: Kernel, queued: readonly FutexQ[]): number {
  let woken = -1;
  queued.forEach((q, i) => {
    if (!unqueueMe(kernel, q)) woken = i;
  });
  return woken;
}

/** futex_wait_multiple_setup: all are queued, or an error or the one that was woken says why not. */
function queueAll(kernel: Kernel, words: readonly Word[]): FutexQ[] | number {
  const { current } = kernel;
  const queued: FutexQ[] = [];
  for (const word of words) {
    const q = waitSetup(kernel, { ...word, bitset: -1, until: Infinity });
    if (typeof q === 'number') {
      current.state = 'R';
      const woken = unqueueAll(kernel, queued);
      return woken >= 0 ? woken : q;
    }
    queued.push(q);
  }
  return queued;
}

/** futex_wait_multiple: the index of a word that was woken, or an error. */
function waitMultiple(kernel: Kernel, words: readonly Word[], until: Ticks): FutexResult {
  const queued = queueAll(kernel, words);
  if (typeof queued === 'number') return queued;
  const [first] = words;
  traceFutex(kernel, { op: 'wait', address: first.address, value: first.expected, woken: 0 });
  return sleepOnAll(kernel, words, queued, until);
}

function* sleepOnAll(
  kernel: Kernel,
  words: readonly Word[],
  first: readonly FutexQ[],
  until: Ticks,
): Sleeping<number> {
  const { current } = kernel;
  let queued = first;
  const sleeper = startSleeper(kernel, current, until);
  for (;;) {
    const isQueued = queued.every(({ bucket }) => bucket !== null);
    if (isQueued && sleeper?.expired !== true) yield* schedule(kernel);
    current.state = 'R';
    const woken = unqueueAll(kernel, queued);
    let result: number | null = woken >= 0 ? woken : null;
    if (result === null && sleeper?.expired === true) result = -Errno.ETIMEDOUT;
    if (result === null && current.signalPending) result = -Restart.SYS;
    if (result === null) {
      const again = queueAll(kernel, words);
      if (typeof again !== 'number') {
        queued = again;
        continue;
      }
      result = again;
    }
    stopSleeper(kernel, sleeper);
    return result;
  }
}
