/**
 * Hands the time to user mode, after Linux 6.1 kernel/time/vsyscall.c. The caller holds the
 * timekeeper's lock, as in Linux. Omits: architectures' own data, time namespaces.
 */
import {
  BaseTime,
  VDSO_DATA_OFFSET,
  VdsoBase,
  VdsoClockMode,
  VdsoData,
} from '../../include/vdso/datapage.ts';
import { ClockId } from '../../include/uapi/linux/time.ts';

const NSEC_PER_SEC = 1_000_000_000n;

/** The vvar page, by offset from its first byte; little-endian. A DataView will do behind it. */
export interface VvarPage {
  read32(offset: number): number;
  write32(offset: number, value: number): void;
  write64(offset: number, value: bigint): void;
}

/** What `update_vsyscall` takes from the timekeeper; units as in struct timekeeper. */
export interface VsyscallTimekeeper {
  readonly mult: number;
  readonly shift: number;
  /** Clocksource cycles at which the base times below were taken. */
  readonly cycleLast: bigint;
  /** Wall clock: seconds, and nanoseconds << shift beyond them. */
  readonly xtimeSeconds: bigint;
  readonly xtimeShiftedNs: bigint;
  /** Added to the wall clock to get CLOCK_MONOTONIC, in nanoseconds. */
  readonly wallToMonotonicNs: bigint;
  readonly rawSeconds: bigint;
  readonly rawShiftedNs: bigint;
  /** Added to CLOCK_MONOTONIC to get CLOCK_BOOTTIME, in nanoseconds. */
  readonly bootOffsetNs: bigint;
  readonly taiOffsetSeconds: number;
}

/** How user mode may read the clock source. */
export interface VsyscallClocksource {
  readonly clockMode: VdsoClockMode;
  readonly mask: bigint;
  /** CLOCK_MONOTONIC_RAW is never steered: its own multiplier, with the common shift. */
  readonly rawMult: number;
  /** hrtimer_resolution in nanoseconds: 1 with high-resolution timers, else a tick. */
  readonly resolutionNs: number;
}

const dataOffset = (base: VdsoBase): number => VDSO_DATA_OFFSET + base * VdsoData.BYTES;

const HRES = dataOffset(VdsoBase.HRES_COARSE);
const RAW = dataOffset(VdsoBase.RAW);

/** Writes a base time, carrying nanoseconds (in units of 1 / 2^shift) into seconds. */
function writeBaseTime(
  page: VvarPage,
  place: { readonly data: number; readonly clock: ClockId },
  time: { readonly seconds: bigint; readonly shiftedNs: bigint; readonly shift: number },
): void {
  const second = NSEC_PER_SEC << BigInt(time.shift);
  const remainder = ((time.shiftedNs % second) + second) % second;
  const carry = (time.shiftedNs - remainder) / second;
  const at = place.data + VdsoData.BASETIME + place.clock * BaseTime.BYTES;
  page.write64(at + BaseTime.SECONDS, time.seconds + carry);
  page.write64(at + BaseTime.NANOSECONDS, remainder);
}

/** `vdso_write_begin`: readers spin while the sequence count is odd. */
function bumpSequence(page: VvarPage): void {
  for (const data of [HRES, RAW]) {
    page.write32(data + VdsoData.SEQ, (page.read32(data + VdsoData.SEQ) + 1) >>> 0);
  }
}

/** `update_vdso_data`: what reading the counter in user mode needs. */
function updateVdsoData(
  page: VvarPage,
  tk: VsyscallTimekeeper,
  { mask, rawMult }: VsyscallClocksource,
): void {
  for (const [data, mult] of [
    [HRES, tk.mult],
    [RAW, rawMult],
  ]) {
    page.write64(data + VdsoData.CYCLE_LAST, tk.cycleLast);
    page.write64(data + VdsoData.MASK, mask);
    page.write32(data + VdsoData.MULT, mult);
    page.write32(data + VdsoData.SHIFT, tk.shift);
  }
  const { shift, xtimeSeconds, xtimeShiftedNs } = tk;
  const monotonic = xtimeShiftedNs + (tk.wallToMonotonicNs << BigInt(shift));
  const boot = monotonic + (tk.bootOffsetNs << BigInt(shift));
  const times = [
    { data: HRES, clock: ClockId.MONOTONIC, seconds: xtimeSeconds, shiftedNs: monotonic },
    { data: HRES, clock: ClockId.BOOTTIME, seconds: xtimeSeconds, shiftedNs: boot },
    {
      data: RAW,
      clock: ClockId.MONOTONIC_RAW,
      seconds: tk.rawSeconds,
      shiftedNs: tk.rawShiftedNs,
    },
    {
      data: HRES,
      clock: ClockId.TAI,
      seconds: xtimeSeconds + BigInt(tk.taiOffsetSeconds),
      shiftedNs: xtimeShiftedNs,
    },
  ];
  for (const time of times) writeBaseTime(page, time, { ...time, shift });
}

/** Publishes the timekeeper's state, as each tick and each change of the clock does. */
export function update_vsyscall(
  page: VvarPage,
  tk: VsyscallTimekeeper,
  clock: VsyscallClocksource,
): void {
  const { shift, xtimeSeconds: seconds, xtimeShiftedNs } = tk;
  const coarse = xtimeShiftedNs >> BigInt(shift);
  bumpSequence(page);
  page.write32(HRES + VdsoData.CLOCK_MODE, clock.clockMode);
  page.write32(RAW + VdsoData.CLOCK_MODE, clock.clockMode);
  const wall = { data: HRES, clock: ClockId.REALTIME };
  writeBaseTime(page, wall, { seconds, shiftedNs: xtimeShiftedNs, shift });
  const wallCoarse = { data: HRES, clock: ClockId.REALTIME_COARSE };
  writeBaseTime(page, wallCoarse, { seconds, shiftedNs: coarse, shift: 0 });
  const monotonicCoarse = { data: HRES, clock: ClockId.MONOTONIC_COARSE };
  const shiftedNs = coarse + tk.wallToMonotonicNs;
  writeBaseTime(page, monotonicCoarse, { seconds, shiftedNs, shift: 0 });
  page.write32(HRES + VdsoData.HRTIMER_RES, clock.resolutionNs);
  // Nobody reads the counter's data while there is no counter to read.
  if (clock.clockMode !== VdsoClockMode.NONE) updateVdsoData(page, tk, clock);
  bumpSequence(page);
}

/** Publishes the time zone, as settimeofday does. */
export function update_vsyscall_tz(page: VvarPage, minutesWest: number, dstTime: number): void {
  page.write32(HRES + VdsoData.TZ_MINUTESWEST, minutesWest);
  page.write32(HRES + VdsoData.TZ_DSTTIME, dstTime);
}
