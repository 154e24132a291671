/**
 * Ours, not Linux's: a timer that expires once and then at an interval, as timerfd, POSIX timers and
 * ITIMER_REAL share it; and struct itimerspec and itimerval.
 */
import type { Ticks } from '../../../core/units.ts';
import { copyFromUser, copyToUser } from '../../arch/x86/lib/usercopy.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import type { ClockId } from '../../include/uapi/linux/time.ts';
import type { Kernel } from '../../init/kernel.ts';
import { clockToTicks, NS_MAX, nsUntil } from './clock-times.ts';
import {
  armTimer,
  createHrTimer,
  type HrTimer,
  hrtimerCancel,
  hrtimerStart,
  unlink,
} from './hrtimer.ts';

export interface Setting {
  readonly valueNs: bigint;
  readonly intervalNs: bigint;
}

export const DISARMED: Setting = { valueNs: 0n, intervalNs: 0n };

/** A timer on a clock that goes by itself. */
export class IntervalTimer {
  intervalNs = 0n;
  private due: Ticks = Infinity;
  private readonly timer: HrTimer;

  /** `onExpiry` runs in interrupt context; it says whether the timer goes on by itself. */
  constructor(onExpiry: (kernel: Kernel) => boolean) {
    this.timer = createHrTimer((kernel) => {
      if (onExpiry(kernel) && this.intervalNs > 0n) this.forward(kernel);
    });
  }

  /** Starts, or with a value of 0 stops, the timer. Returns what was left of it. */
  set(
    kernel: Kernel,
    setting: Setting,
    options: { readonly clock: ClockId; readonly isRelative: boolean },
  ): Setting {
    const before = this.left(kernel);
    hrtimerCancel(kernel, this.timer);
    this.intervalNs = setting.intervalNs;
    this.due = Infinity;
    if (setting.valueNs === 0n) return before;
    this.due = clockToTicks(kernel, setting.valueNs, options);
    hrtimerStart(kernel, this.timer, this.due, 0);
    return before;
  }

  /** Until the next expiry: at least 1 ns while armed. */
  left(kernel: Kernel): Setting {
    const isArmed = this.timer.cpu >= 0;
    const valueNs = isArmed ? BigInt(Math.max(1, nsUntil(kernel, this.due))) : 0n;
    return { valueNs, intervalNs: this.intervalNs };
  }

  /** hrtimer_forward_now and a restart: the next expiry after now. Returns how many have passed. */
  forward(kernel: Kernel): number {
    const { cpu, coreMHz } = kernel;
    cpu.run(F.hrtimer_forward, 32);
    const period = (Number(this.intervalNs) * coreMHz * 64) / 1000;
    const passed = Math.max(1, Math.floor((cpu.now - this.due) / period) + 1);
    this.due += passed * period;
    const due = Math.ceil(this.due);
    armTimer(kernel, this.timer, { cpu: cpu.number, due, softDue: due });
    return passed;
  }

  get isArmed(): boolean {
    return this.timer.cpu >= 0;
  }

  /** Without a charge: its owner is gone. */
  drop(kernel: Kernel): void {
    unlink(kernel, this.timer);
  }
}

const NS_PER_SECOND = 1_000_000_000n;
const BYTES = 32;

/** Nanoseconds in a unit of the small field: 1 of timespec, 1000 of timeval. */
type Unit = 1n | 1000n;

const capped = (ns: bigint): bigint => (ns > NS_MAX ? NS_MAX : ns);

/** struct itimerspec or itimerval: the interval, then the value. */
export function readSetting(kernel: Kernel, address: number, unit: Unit): Setting | number {
  kernel.cpu.run(F.get_itimerspec64, 13);
  const view = new DataView(new ArrayBuffer(BYTES));
  if (copyFromUser(kernel, address, new Uint8Array(view.buffer)) < 0) return -Errno.EFAULT;
  const times = [0, 16].map((at) => {
    const [seconds, small] = [view.getBigInt64(at, true), view.getBigInt64(at + 8, true)];
    const isGood = seconds >= 0n && small >= 0n && small * unit < NS_PER_SECOND;
    return isGood ? capped(seconds * NS_PER_SECOND + small * unit) : -1n;
  });
  const [intervalNs, valueNs] = times;
  return intervalNs < 0n || valueNs < 0n ? -Errno.EINVAL : { intervalNs, valueNs };
}

export function writeSetting(
  kernel: Kernel,
  address: number,
  setting: Setting,
  unit: Unit,
): number {
  if (address === 0) return 0;
  const view = new DataView(new ArrayBuffer(BYTES));
  for (const [at, ns] of [
    [0, setting.intervalNs],
    [16, setting.valueNs],
  ] as const) {
    view.setBigInt64(at, ns / NS_PER_SECOND, true);
    view.setBigInt64(at + 8, (ns % NS_PER_SECOND) / unit, true);
  }
  return copyToUser(kernel, address, new Uint8Array(view.buffer));
}
