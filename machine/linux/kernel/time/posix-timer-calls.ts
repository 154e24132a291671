/**
 * timer_create and its relatives, after Linux 6.1 kernel/time/posix-timers.c. Omits: timers on CPU
 * clocks and on alarm clocks.
 */
import { copyFromUser, putUser } from '../../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../../arch/x86/entry/syscall-arguments.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { SignalStruct, Task } from '../../include/linux/sched.ts';
import { SigInfo, type SigQueue } from '../../include/linux/signal_types.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import { Sig } from '../../include/uapi/asm-generic/signal.ts';
import { ClockId } from '../../include/uapi/linux/time.ts';
import type { Kernel } from '../../init/kernel.ts';
import { sendSigqueue } from '../signal-send.ts';
import { IntervalTimer, readSetting, writeSetting } from './interval.ts';

const TIMER_ABSTIME = 1;
const OVERRUN_MAX = 0x7fff_ffff;

const enum Notify {
  SIGNAL = 0,
  NONE = 1,
  THREAD_ID = 4,
}

/** struct sigevent: value, signal, how, thread. */
const enum SigEvent {
  VALUE = 0,
  SIGNO = 8,
  NOTIFY = 12,
  THREAD_ID = 16,
  BYTES = 64,
}

const CLOCKS: ReadonlySet<number> = new Set([
  ClockId.REALTIME,
  ClockId.MONOTONIC,
  ClockId.BOOTTIME,
  ClockId.TAI,
]);
const CPU_CLOCKS: ReadonlySet<number> = new Set([
  ClockId.PROCESS_CPUTIME_ID,
  ClockId.THREAD_CPUTIME_ID,
]);

interface Event {
  readonly notify: Notify;
  readonly signal: number;
  readonly value: bigint;
  readonly target: Task | null;
}

/** struct k_itimer */
export class PosixTimer {
  readonly timer: IntervalTimer;
  /** Expiries that were missed while the last signal waited; and as the last signal reported it. */
  private missed = 0;
  overrun = 0;

  constructor(
    readonly id: number,
    readonly clock: ClockId,
    private readonly process: SignalStruct,
    private readonly event: Event,
  ) {
    this.timer = new IntervalTimer((kernel) => this.expire(kernel));
  }

  /** posix_timer_fn: the timer goes on when its signal is taken. */
  private expire(kernel: Kernel): boolean {
    kernel.cpu.run(F.posix_timer_fn, 60);
    const { notify, signal, value, target } = this.event;
    if (notify === Notify.NONE) return true;
    const queued: SigQueue = {
      address: 0,
      info: SigInfo.timer(signal, this.id, 0, value),
      reason: 'a timer has expired',
      onDequeue: (later, info) => {
        this.taken(later, info);
      },
    };
    const isForThread = notify === Notify.THREAD_ID && target !== null;
    const to = isForThread ? target : this.process.leader;
    if (!to.reaped) sendSigqueue(kernel, to, queued, !isForThread);
    return false;
  }

  /** posixtimer_rearm: what was missed meanwhile is counted. */
  private taken(kernel: Kernel, info: SigInfo): void {
    if (this.timer.intervalNs > 0n) {
      this.missed = this.timer.forward(kernel) - 1;
    }
    this.overrun = Math.min(this.missed, OVERRUN_MAX);
    this.missed = 0;
    info.setOverrun(this.overrun);
  }
}

function readEvent(kernel: Kernel, address: number, id: number): Event | number {
  const { current } = kernel;
  if (address === 0) {
    return { notify: Notify.SIGNAL, signal: Sig.ALRM, value: BigInt(id), target: null };
  }
  const view = new DataView(new ArrayBuffer(SigEvent.BYTES));
  if (copyFromUser(kernel, address, new Uint8Array(view.buffer)) < 0) return -Errno.EFAULT;
  const notify = view.getInt32(SigEvent.NOTIFY, true);
  const signal = view.getInt32(SigEvent.SIGNO, true);
  const value = view.getBigUint64(SigEvent.VALUE, true);
  const tid = view.getInt32(SigEvent.THREAD_ID, true);
  const isKnown = [Notify.SIGNAL, Notify.NONE, Notify.THREAD_ID].includes(notify);
  if (!isKnown) return -Errno.EINVAL;
  const needsSignal = notify !== (Notify.NONE as number);
  if (needsSignal && (signal < 1 || signal > (Sig.MAX as number))) return -Errno.EINVAL;
  const target = current.signal.threads.find(({ pid }) => pid === tid) ?? null;
  if (notify === (Notify.THREAD_ID as number) && target === null) return -Errno.EINVAL;
  return { notify, signal, value, target };
}

export function sysTimerCreate(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_timer_create, 180);
  const clock = args.int(0);
  if (!CLOCKS.has(clock)) return CPU_CLOCKS.has(clock) ? -Errno.EOPNOTSUPP : -Errno.EINVAL;
  const { signal: process } = current;
  const id = process.nextTimer;
  const event = readEvent(kernel, args.unsigned(1), id);
  if (typeof event === 'number') return event;
  const error = putUser(kernel, args.unsigned(2), new Uint8Array(Int32Array.of(id).buffer));
  if (error < 0) return error;
  process.nextTimer++;
  process.posixTimers.set(id, new PosixTimer(id, clock, process, event));
  return 0;
}

function timerOf({ current }: Kernel, args: SyscallArguments): PosixTimer | undefined {
  return current.signal.posixTimers.get(args.int(0));
}

export function sysTimerSettime(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_timer_settime, 120);
  const setting = readSetting(kernel, args.unsigned(2), 1n);
  if (typeof setting === 'number') return setting;
  const found = timerOf(kernel, args);
  if (found === undefined) return -Errno.EINVAL;
  const isRelative = (args.int(1) & TIMER_ABSTIME) === 0;
  const before = found.timer.set(kernel, setting, { clock: found.clock, isRelative });
  return writeSetting(kernel, args.unsigned(3), before, 1n);
}

export function sysTimerGettime(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_timer_gettime, 80);
  const found = timerOf(kernel, args);
  if (found === undefined) return -Errno.EINVAL;
  return writeSetting(kernel, args.unsigned(1), found.timer.left(kernel), 1n);
}

export function sysTimerGetoverrun(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_timer_gettime, 40);
  return timerOf(kernel, args)?.overrun ?? -Errno.EINVAL;
}

export function sysTimerDelete(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_timer_delete, 90);
  const found = timerOf(kernel, args);
  if (found === undefined) return -Errno.EINVAL;
  found.timer.drop(kernel);
  kernel.current.signal.posixTimers.delete(found.id);
  return 0;
}

/** exit_itimers: at execve and at the end of the process. */
export function dropPosixTimers(kernel: Kernel, process: SignalStruct): void {
  for (const { timer } of process.posixTimers.values()) timer.drop(kernel);
  process.posixTimers.clear();
}
