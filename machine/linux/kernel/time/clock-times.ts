/**
 * Ours, not Linux's: from the clocks that user programs name to the ticks that timers run on. A
 * timer never expires before its clock shows the time.
 */
import type { Ticks } from '../../../core/units.ts';
import { ClockId } from '../../include/uapi/linux/time.ts';
import type { Kernel } from '../../init/kernel.ts';
import { monotonicNs, wallNs } from './timekeeping.ts';

/** KTIME_MAX, as far as ticks can express it: about ten hours, which no run lasts. */
export const NS_MAX = 36_000_000_000_000n;

/** Cycles added so that rounding in the counter never lets a timer expire early. */
const MARGIN: Ticks = 4 * 64;

/** Nanoseconds that clock `clock` shows now, of those that can be slept on. Untimed. */
export function clockNs(kernel: Kernel, clock: ClockId): bigint {
  const isReal =
    clock === ClockId.REALTIME || clock === ClockId.TAI || clock === ClockId.REALTIME_ALARM;
  return isReal ? wallNs(kernel) : monotonicNs(kernel);
}

/** The tick at which `clock` will show `ns`, or at which so many will have passed from now. */
export function clockToTicks(
  kernel: Kernel,
  ns: bigint,
  options: { readonly clock: ClockId; readonly isRelative: boolean },
): Ticks {
  const delta = options.isRelative ? ns : ns - clockNs(kernel, options.clock);
  const { cpu, coreMHz } = kernel;
  if (delta <= 0n) return cpu.now;
  const capped = delta > NS_MAX ? NS_MAX : delta;
  return cpu.now + Math.ceil((Number(capped) * coreMHz * 64) / 1000) + MARGIN;
}

/** Nanoseconds from now until tick `due`, not below 0. */
export function nsUntil({ cpu, coreMHz }: Kernel, due: Ticks): number {
  return Math.max(0, Math.floor(((due - cpu.now) * 1000) / (64 * coreMHz)));
}
