/**
 * nanosleep and clock_nanosleep, after Linux 6.1 kernel/time/hrtimer.c and posix-timers.c. Omits: sleeping
 * on the CPU clock of a process.
 */
import { copyFromUser, copyToUser } from '../../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../../arch/x86/entry/syscall-arguments.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Ticks } from '../../../core/units.ts';
import { Restart } from '../../include/linux/errno.ts';
import type { Sleeping } from '../../include/linux/sched.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import { ClockId } from '../../include/uapi/linux/time.ts';
import type { Kernel } from '../../init/kernel.ts';
import { schedule, wakeUpProcess } from '../sched/core.ts';
import { clockToTicks, NS_MAX, nsUntil } from './clock-times.ts';
import { createHrTimer, hrtimerCancel, hrtimerStart } from './hrtimer.ts';
import { tracePoint } from '../../trace/points.ts';
import { Point } from '../../trace/points-specs.ts';

const TIMER_ABSTIME = 1;
const NS_PER_SEC = 1_000_000_000n;
const TIMESPEC = new DataView(new ArrayBuffer(16));
const TIMESPEC_BYTES = new Uint8Array(TIMESPEC.buffer);

/** Clocks that can be slept on; CLOCK_THREAD_CPUTIME_ID is refused, coarse and raw ones too. */
const SLEEPABLE: ReadonlySet<number> = new Set([
  ClockId.REALTIME,
  ClockId.MONOTONIC,
  ClockId.BOOTTIME,
  ClockId.TAI,
  ClockId.REALTIME_ALARM,
  ClockId.BOOTTIME_ALARM,
]);
const KNOWN: ReadonlySet<number> = new Set([
  ClockId.MONOTONIC_RAW,
  ClockId.REALTIME_COARSE,
  ClockId.MONOTONIC_COARSE,
]);

/** One sleep: until when, and where what is left of it goes (0 for nowhere). */
interface Sleep {
  readonly until: Ticks;
  readonly remainder: number;
  readonly isAbsolute: boolean;
}

/** get_timespec64: nanoseconds, or a negative error. */
function readTimespec(kernel: Kernel, pointer: number): bigint {
  kernel.cpu.run(F.get_timespec64, 32);
  if (copyFromUser(kernel, pointer, TIMESPEC_BYTES) < 0) return BigInt(-Errno.EFAULT);
  const seconds = TIMESPEC.getBigInt64(0, true);
  const nanoseconds = TIMESPEC.getBigInt64(8, true);
  if (seconds < 0n || nanoseconds < 0n || nanoseconds >= NS_PER_SEC) return BigInt(-Errno.EINVAL);
  const total = seconds * NS_PER_SEC + nanoseconds;
  return total > NS_MAX ? NS_MAX : total;
}

/** hrtimer_nanosleep and do_nanosleep. */
function* doNanosleep(kernel: Kernel, sleep: Sleep): Sleeping<number> {
  const { current, coreMHz } = kernel;
  const { sched } = current;
  kernel.cpu.run(F.hrtimer_nanosleep, 51);
  kernel.cpu.run(F.__hrtimer_init, 55);
  tracePoint(kernel, Point.HRTIMER_SETUP, 0, 0);
  kernel.cpu.run(F.do_nanosleep, 46);
  let expired = false;
  const timer = createHrTimer((at) => {
    at.cpu.run(F.hrtimer_wakeup, 9);
    expired = true;
    wakeUpProcess(at, current);
  });
  // Real-time and deadline tasks have no slack.
  const slackNs = sched.schedClass.name === 'fair' ? sched.timerSlackNs : 0;
  const slack = Math.round((slackNs * coreMHz * 64) / 1000);
  current.state = 'S';
  hrtimerStart(kernel, timer, sleep.until, slack);
  while (!expired && !current.signalPending) {
    yield* schedule(kernel);
    if (!expired && !current.signalPending) current.state = 'S';
  }
  current.state = 'R';
  hrtimerCancel(kernel, timer);
  if (expired) return 0;
  return interrupted(kernel, sleep);
}

/** A signal came first: what is left is reported, and a relative sleep can go on. */
function interrupted(kernel: Kernel, sleep: Sleep): number {
  if (sleep.isAbsolute) return -Restart.NOHAND;
  const left = nsUntil(kernel, sleep.until);
  if (left === 0) return 0;
  if (sleep.remainder !== 0) {
    TIMESPEC.setBigInt64(0, BigInt(Math.floor(left / 1e9)), true);
    TIMESPEC.setBigInt64(8, BigInt(left % 1e9), true);
    if (copyToUser(kernel, sleep.remainder, TIMESPEC_BYTES) < 0) return -Errno.EFAULT;
  }
  kernel.current.restart = (later) => doNanosleep(later, sleep);
  return -Restart.BLOCK;
}

export function sysNanosleep(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  kernel.cpu.run(F.__x64_sys_nanosleep, 52);
  const ns = readTimespec(kernel, args.unsigned(0));
  if (ns < 0n) return Number(ns);
  const until = clockToTicks(kernel, ns, { clock: ClockId.MONOTONIC, isRelative: true });
  return doNanosleep(kernel, { until, remainder: args.unsigned(1), isAbsolute: false });
}

export function sysClockNanosleep(
  kernel: Kernel,
  args: SyscallArguments,
): number | Sleeping<number> {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_clock_nanosleep, 64);
  cpu.indirect(1);
  const clock = args.int(0);
  if (!SLEEPABLE.has(clock)) return KNOWN.has(clock) ? -Errno.EOPNOTSUPP : -Errno.EINVAL;
  const isAbsolute = (args.int(1) & TIMER_ABSTIME) !== 0;
  const remainder = args.unsigned(3);
  const ns = readTimespec(kernel, args.unsigned(2));
  if (ns < 0n) return Number(ns);
  cpu.run(F.common_nsleep_timens, 22);
  const until = clockToTicks(kernel, ns, { clock, isRelative: !isAbsolute });
  return doNanosleep(kernel, { until, remainder: isAbsolute ? 0 : remainder, isAbsolute });
}
