/**
 * setitimer, getitimer and alarm, after Linux 6.1 kernel/time/itimer.c and posix-cpu-timers.c: of the
 * clock, and of the time that a process has used, which is looked at on each tick.
 */
import type { Ticks } from '../../../core/units.ts';
import type { SyscallArguments } from '../../arch/x86/entry/syscall-arguments.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { SignalStruct } from '../../include/linux/sched.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import { Sig } from '../../include/uapi/asm-generic/signal.ts';
import { ClockId } from '../../include/uapi/linux/time.ts';
import type { Kernel } from '../../init/kernel.ts';
import { accountTime, processUsage } from '../sched/cputime.ts';
import { sendKernelSignal } from '../signal-send.ts';
import { DISARMED, IntervalTimer, readSetting, type Setting, writeSetting } from './interval.ts';

const NS_PER_SECOND = 1_000_000_000n;
const MICROSECONDS = 1000n;

const enum Which {
  REAL = 0,
  VIRTUAL = 1,
  PROF = 2,
}

/** A timer on used time: when it expires, in ticks of the core; Infinity when it is not armed. */
interface CpuTimer {
  readonly signal: number;
  readonly includesSystem: boolean;
  due: Ticks;
  interval: Ticks;
}

/** What a process has set. */
export class ProcessTimers {
  readonly real: IntervalTimer;
  readonly cpu: readonly CpuTimer[] = [
    { signal: Sig.VTALRM, includesSystem: false, due: Infinity, interval: 0 },
    { signal: Sig.PROF, includesSystem: true, due: Infinity, interval: 0 },
  ];

  constructor(process: SignalStruct) {
    this.real = new IntervalTimer((kernel) => {
      kernel.cpu.run(F.it_real_fn, 30);
      const options = { group: true, reason: 'ITIMER_REAL has expired' };
      sendKernelSignal(kernel, process.leader, Sig.ALRM, options);
      return true;
    });
  }
}

function timersOf({ current }: Kernel): ProcessTimers {
  const { signal: process } = current;
  process.timers ??= new ProcessTimers(process);
  return process.timers;
}

/** Time that the process has used, as a timer counts it. */
function used(process: SignalStruct, { includesSystem }: CpuTimer): Ticks {
  const { user, system } = processUsage(process);
  return includesSystem ? user + system : user;
}

const toNs = ({ coreMHz }: Kernel, ticks: Ticks): bigint =>
  BigInt(Math.max(0, Math.ceil((ticks * 1000) / (64 * coreMHz))));

const toTicks = ({ coreMHz }: Kernel, ns: bigint): Ticks => (Number(ns) * coreMHz * 64) / 1000;

function cpuTimerLeft(kernel: Kernel, timer: CpuTimer): Setting {
  if (timer.due === Infinity) return DISARMED;
  const left = toNs(kernel, timer.due - used(kernel.current.signal, timer));
  return { valueNs: left > 0n ? left : 1000n, intervalNs: toNs(kernel, timer.interval) };
}

function setCpuTimer(kernel: Kernel, timer: CpuTimer, setting: Setting): Setting {
  accountTime(kernel, kernel.current);
  const before = cpuTimerLeft(kernel, timer);
  timer.interval = toTicks(kernel, setting.intervalNs);
  timer.due =
    setting.valueNs === 0n
      ? Infinity
      : used(kernel.current.signal, timer) + toTicks(kernel, setting.valueNs);
  return before;
}

/** run_posix_cpu_timers, on a tick that met the process. */
export function runCpuTimers(kernel: Kernel): void {
  const { cpu, current } = kernel;
  cpu.run(F.run_posix_cpu_timers, 31);
  const { timers } = current.signal;
  if (timers === null) return;
  if (timers.cpu.every(({ due }) => due === Infinity)) return;
  accountTime(kernel, current);
  for (const timer of timers.cpu) {
    if (used(current.signal, timer) < timer.due) continue;
    timer.due = timer.interval > 0 ? timer.due + timer.interval : Infinity;
    const reason = 'a timer on used time has expired';
    sendKernelSignal(kernel, current.signal.leader, timer.signal, { group: true, reason });
  }
}

function cpuTimerOf(timers: ProcessTimers, which: Which): CpuTimer {
  return timers.cpu[which - 1];
}

const REAL_OPTIONS = { clock: ClockId.MONOTONIC, isRelative: true };

export function sysSetitimer(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_setitimer, 100);
  const which = args.int(0);
  const address = args.unsigned(1);
  const setting = address === 0 ? DISARMED : readSetting(kernel, address, MICROSECONDS);
  if (typeof setting === 'number') return setting;
  if (which < Which.REAL || which > Which.PROF) return -Errno.EINVAL;
  const timers = timersOf(kernel);
  const before =
    which === Which.REAL
      ? timers.real.set(kernel, setting, REAL_OPTIONS)
      : setCpuTimer(kernel, cpuTimerOf(timers, which), setting);
  return writeSetting(kernel, args.unsigned(2), before, MICROSECONDS);
}

export function sysGetitimer(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_setitimer, 80);
  const which = args.int(0);
  if (which < Which.REAL || which > Which.PROF) return -Errno.EINVAL;
  const timers = timersOf(kernel);
  accountTime(kernel, kernel.current);
  const left =
    which === Which.REAL
      ? timers.real.left(kernel)
      : cpuTimerLeft(kernel, cpuTimerOf(timers, which));
  return writeSetting(kernel, args.unsigned(1), left, MICROSECONDS);
}

/** Seconds left of the last alarm, rounded but never to 0. */
export function sysAlarm(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_setitimer, 70);
  const setting = { valueNs: BigInt(args.low(0) >>> 0) * NS_PER_SECOND, intervalNs: 0n };
  const { valueNs } = timersOf(kernel).real.set(kernel, setting, REAL_OPTIONS);
  if (valueNs === 0n) return 0;
  const seconds = Number((valueNs + NS_PER_SECOND / 2n) / NS_PER_SECOND);
  return Math.max(1, seconds);
}

/** exit_itimers' other half: the process has ended. */
export function dropProcessTimers(kernel: Kernel, process: SignalStruct): void {
  process.timers?.real.drop(kernel);
  process.timers = null;
}
