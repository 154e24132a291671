/**
 * futex, after Linux 6.1 kernel/futex/syscalls.c: which operation, with which time limit. Omits:
 * FUTEX_FD.
 */
import { copyFromUser } from '../../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../../arch/x86/entry/syscall-arguments.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import { ClockId } from '../../include/uapi/linux/time.ts';
import { type Kernel, warnOnce } from '../../init/kernel.ts';
import { clockToTicks, NS_MAX } from '../time/clock-times.ts';
import { Futex, type FutexResult } from './core.ts';
import { futexLockPi, futexUnlockPi } from './pi.ts';
import { futexRequeue } from './requeue.ts';
import { futexCmpRequeuePi, futexWaitRequeuePi } from './requeue-pi.ts';
import { futexWait, futexWakeOp, futexWakeUp } from './waitwake.ts';

const enum Op {
  WAIT = 0,
  WAKE = 1,
  REQUEUE = 3,
  CMP_REQUEUE = 4,
  WAKE_OP = 5,
  LOCK_PI = 6,
  UNLOCK_PI = 7,
  TRYLOCK_PI = 8,
  WAIT_BITSET = 9,
  WAKE_BITSET = 10,
  WAIT_REQUEUE_PI = 11,
  CMP_REQUEUE_PI = 12,
  LOCK_PI2 = 13,
}

/** Operations whose fourth argument is a time, of those that are modelled. */
const TIMED = new Set<number>([
  ...[Op.WAIT, Op.WAIT_BITSET, Op.LOCK_PI, Op.LOCK_PI2, Op.WAIT_REQUEUE_PI],
]);
/** Those that may name CLOCK_REALTIME. */
const REALTIME = new Set<number>([Op.WAIT_BITSET, Op.LOCK_PI2, Op.WAIT_REQUEUE_PI]);

const TIMESPEC = new DataView(new ArrayBuffer(16));
const TIMESPEC_BYTES = new Uint8Array(TIMESPEC.buffer);
const NS_PER_SEC = 1_000_000_000n;

/** The call's arguments, read before anything sleeps. */
interface Call {
  readonly command: Op;
  readonly address: number;
  readonly value: number;
  readonly count: number;
  readonly second: number;
  readonly secondCount: number;
  readonly value3: number;
  readonly isShared: boolean;
}

/** When the call gives up, in ticks; a negative error. Relative times begin now. */
function timeLimit(kernel: Kernel, command: number, operation: number, pointer: number): number {
  if (pointer === 0 || !TIMED.has(command)) return Infinity;
  if (copyFromUser(kernel, pointer, TIMESPEC_BYTES) < 0) return -Errno.EFAULT;
  const seconds = TIMESPEC.getBigInt64(0, true);
  const nanoseconds = TIMESPEC.getBigInt64(8, true);
  if (seconds < 0n || nanoseconds < 0n || nanoseconds >= NS_PER_SEC) return -Errno.EINVAL;
  const total = seconds * NS_PER_SEC + nanoseconds;
  const ns = total > NS_MAX ? NS_MAX : total;
  const isReal = (operation & Futex.CLOCK_REALTIME) !== 0 || command === Op.LOCK_PI;
  const clock = isReal ? ClockId.REALTIME : ClockId.MONOTONIC;
  return clockToTicks(kernel, ns, { clock, isRelative: command === Op.WAIT });
}

export function sysFutex(kernel: Kernel, args: SyscallArguments): FutexResult {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_futex, 44);
  const operation = args.int(1);
  const command: Op = operation & Futex.CMD_MASK;
  const isReal = (operation & Futex.CLOCK_REALTIME) !== 0;
  if (isReal && !REALTIME.has(command)) return -Errno.ENOSYS;
  const until = timeLimit(kernel, command, operation, args.unsigned(3));
  if (until < 0) return until;
  const call: Call = {
    command,
    address: args.unsigned(0),
    value: args.low(2),
    count: args.int(2),
    second: args.unsigned(4),
    secondCount: args.int(3),
    value3: args.low(5),
    isShared: (operation & Futex.PRIVATE_FLAG) === 0,
  };
  return doFutex(kernel, call, until);
}

/** do_futex */
function doFutex(kernel: Kernel, call: Call, until: number): FutexResult {
  const { cpu } = kernel;
  const { command, address, isShared, count } = call;
  const isWait = command === Op.WAIT || command === Op.WAIT_BITSET;
  cpu.run(F.do_futex, isWait ? 35 : 31);
  switch (command) {
    case Op.WAIT:
    case Op.WAIT_BITSET: {
      const bitset = command === Op.WAIT ? -1 : call.value3;
      return futexWait(kernel, { address, isShared, expected: call.value, bitset, until });
    }
    case Op.WAKE:
    case Op.WAKE_BITSET: {
      const bitset = command === Op.WAKE ? -1 : call.value3;
      return futexWakeUp(kernel, { address, isShared, count, bitset });
    }
    case Op.REQUEUE:
    case Op.CMP_REQUEUE:
      return futexRequeue(kernel, {
        from: address,
        to: call.second,
        isShared,
        wake: count,
        move: call.secondCount,
        expected: command === Op.CMP_REQUEUE ? call.value3 : null,
      });
    case Op.WAKE_OP:
      return futexWakeOp(
        kernel,
        { first: address, second: call.second, isShared },
        { first: count, second: call.secondCount, operation: call.value3 | 0 },
      );
    case Op.LOCK_PI:
    case Op.LOCK_PI2:
      return futexLockPi(kernel, { address, isShared, until, isTry: false });
    case Op.TRYLOCK_PI:
      return futexLockPi(kernel, { address, isShared, until: Infinity, isTry: true });
    case Op.UNLOCK_PI:
      return futexUnlockPi(kernel, address, isShared);
    case Op.WAIT_REQUEUE_PI:
      return futexWaitRequeuePi(kernel, {
        address,
        lock: call.second,
        isShared,
        expected: call.value,
        until,
      });
    case Op.CMP_REQUEUE_PI:
      return futexCmpRequeuePi(kernel, {
        from: address,
        to: call.second,
        isShared,
        wake: count,
        move: call.secondCount,
        expected: call.value3,
      });
    default:
      return unknownOperation(kernel, command);
  }
}

function unknownOperation(kernel: Kernel, command: number): number {
  warnOnce(kernel, `futex ${command}`, `futex operation ${command} is not modelled: -ENOSYS`);
  return -Errno.ENOSYS;
}
