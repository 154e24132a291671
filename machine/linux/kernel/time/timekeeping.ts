/**
 * Timekeeping, after Linux 6.1 kernel/time/timekeeping.c: wall clock, monotonic, raw, boot and TAI
 * time on the clocksource. Omits: NTP steering (the multiplier stays as computed), suspend, leap seconds.
 */
import { ImageData } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { ClocksourceName, Timekeeper } from '../../include/linux/timekeeper_internal.ts';
import type { Kernel } from '../../init/kernel.ts';
import { multShift } from './clocksource.ts';
import { readClocksource, vdsoClockMode } from './clocksources.ts';
import { update_vsyscall, type VvarPage } from './vsyscall.ts';

const NSEC_PER_SEC = 1_000_000_000n;
/** Counters are 64 bits wide: none of them wraps. */
const COUNTER_MASK = 0xffff_ffff_ffff_ffffn;
/** TAI is ahead of UTC by this, once NTP has said so; Linux starts without knowing it. */
const TAI_OFFSET_SECONDS = 0;

/** timekeeping_init and tk_setup_internals, at counter value `now`, wall clock `wallNs`. */
export function createTimekeeper(options: {
  readonly clocksource: ClocksourceName;
  readonly frequencyHz: number;
  readonly hz: number;
  readonly wallNs: bigint;
  readonly now: bigint;
}): Timekeeper {
  const { mult, shift } = multShift(options.frequencyHz);
  const tickNs = NSEC_PER_SEC / BigInt(options.hz);
  const cycleInterval = ((tickNs << BigInt(shift)) + BigInt(mult) / 2n) / BigInt(mult);
  return {
    clocksource: options.clocksource,
    frequencyHz: options.frequencyHz,
    mult,
    shift,
    cycleInterval: cycleInterval === 0n ? 1n : cycleInterval,
    xtimeInterval: cycleInterval * BigInt(mult),
    cycleLast: options.now,
    xtimeSeconds: options.wallNs / NSEC_PER_SEC,
    xtimeShiftedNs: (options.wallNs % NSEC_PER_SEC) << BigInt(shift),
    wallToMonotonicNs: -options.wallNs,
    rawSeconds: 0n,
    rawShiftedNs: 0n,
    bootOffsetNs: 0n,
    taiOffsetSeconds: TAI_OFFSET_SECONDS,
    // INITIAL_JIFFIES: five minutes before the counter wraps.
    jiffies: (-300 * options.hz) >>> 0,
  };
}

/** Nanoseconds << shift since cycleLast. */
function deltaShifted(kernel: Kernel): bigint {
  const tk = kernel.timekeeper;
  const delta = readClocksource(kernel) - tk.cycleLast;
  return delta > 0n ? delta * BigInt(tk.mult) : 0n;
}

/** ktime_get_real: nanoseconds since 1970. Untimed; callers charge. */
export function wallNs(kernel: Kernel): bigint {
  const tk = kernel.timekeeper;
  const shifted = tk.xtimeShiftedNs + deltaShifted(kernel);
  return tk.xtimeSeconds * NSEC_PER_SEC + (shifted >> BigInt(tk.shift));
}

export function monotonicNs(kernel: Kernel): bigint {
  return wallNs(kernel) + kernel.timekeeper.wallToMonotonicNs;
}

export function monotonicRawNs(kernel: Kernel): bigint {
  const tk = kernel.timekeeper;
  const shifted = tk.rawShiftedNs + deltaShifted(kernel);
  return tk.rawSeconds * NSEC_PER_SEC + (shifted >> BigInt(tk.shift));
}

/** The wall clock as of the last tick. */
export function wallCoarseNs({ timekeeper: tk }: Pick<Kernel, 'timekeeper'>): bigint {
  return tk.xtimeSeconds * NSEC_PER_SEC + (tk.xtimeShiftedNs >> BigInt(tk.shift));
}

/** timekeeping_advance: takes in the whole tick intervals that have passed. True if there were any. */
export function timekeepingAdvance(kernel: Kernel): boolean {
  const tk = kernel.timekeeper;
  const intervals = (readClocksource(kernel) - tk.cycleLast) / tk.cycleInterval;
  if (intervals <= 0n) return false;
  const second = NSEC_PER_SEC << BigInt(tk.shift);
  tk.cycleLast += intervals * tk.cycleInterval;
  tk.xtimeShiftedNs += intervals * tk.xtimeInterval;
  tk.xtimeSeconds += tk.xtimeShiftedNs / second;
  tk.xtimeShiftedNs %= second;
  tk.rawShiftedNs += intervals * tk.xtimeInterval;
  tk.rawSeconds += tk.rawShiftedNs / second;
  tk.rawShiftedNs %= second;
  return true;
}

/** timekeeping_update with update_vsyscall: writes the vvar page, under its sequence count. */
export function timekeepingUpdate(kernel: Kernel): void {
  const { cpu, vdso } = kernel;
  cpu.run(F.timekeeping_update, 55);
  cpu.writeImage(ImageData.TK_CORE);
  cpu.run(F.ntp_get_next_leap, 5);
  cpu.run(F.update_vsyscall, 93);
  if (vdso !== null) {
    for (let line = 2; line < 10; line++) cpu.write(vdso.dataPhysical + line * 64);
  }
  publish(kernel);
  cpu.run(F.raw_notifier_call_chain, 15);
  cpu.runCalls(F.update_fast_timekeeper, 66, 2);
}

/** Writes the vvar page, untimed: at boot, and by timekeepingUpdate. */
export function publish(kernel: Kernel): void {
  const { vdso, timekeeper, memory } = kernel;
  if (vdso === null) return;
  const page: VvarPage = {
    read32: (offset) => memory.words[(vdso.dataPhysical + offset) >>> 2],
    write32: (offset, value) => {
      memory.words[(vdso.dataPhysical + offset) >>> 2] = value;
    },
    write64: (offset, value) => {
      memory.setBigUint64(vdso.dataPhysical + offset, BigInt.asUintN(64, value));
    },
  };
  update_vsyscall(page, timekeeper, {
    clockMode: vdsoClockMode(timekeeper.clocksource),
    mask: COUNTER_MASK,
    rawMult: timekeeper.mult,
    resolutionNs: 1,
  });
}
