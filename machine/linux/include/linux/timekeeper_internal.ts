/** What the timekeeper keeps, after Linux 6.1 include/linux/timekeeper_internal.h. */

export type ClocksourceName = 'tsc' | 'hpet' | 'kvm-clock' | 'acpi_pm';

/** Linear time since `cycleLast`: ns = (cycles * mult + remainder) >> shift. */
export interface Timekeeper {
  readonly clocksource: ClocksourceName;
  /** Clock counts per second, and how they become nanoseconds. */
  readonly frequencyHz: number;
  readonly mult: number;
  readonly shift: number;
  /** Clocksource cycles of one tick. */
  readonly cycleInterval: bigint;
  /** Nanoseconds << shift of one tick. */
  readonly xtimeInterval: bigint;
  cycleLast: bigint;
  /** Nanoseconds << shift beyond xtimeSeconds at cycleLast. */
  xtimeShiftedNs: bigint;
  xtimeSeconds: bigint;
  /** Added to the wall clock to get CLOCK_MONOTONIC, in nanoseconds (negative). */
  wallToMonotonicNs: bigint;
  /** CLOCK_MONOTONIC_RAW: seconds, and nanoseconds << shift beyond them, at cycleLast. */
  rawSeconds: bigint;
  rawShiftedNs: bigint;
  /** Added to CLOCK_MONOTONIC to get CLOCK_BOOTTIME: time spent suspended, always 0 here. */
  readonly bootOffsetNs: bigint;
  readonly taiOffsetSeconds: number;
  jiffies: number;
}
