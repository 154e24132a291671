/**
 * The time page that KVM shares with its guest, after Linux 6.1 arch/x86/include/asm/pvclock-abi.h and,
 * for what the hypervisor writes, kvm_get_time_scale of arch/x86/kvm/x86.c. One page serves all CPUs:
 * their TSCs agree. Nothing changes after boot. Omits: the wall clock page, steal time.
 */

/** struct pvclock_vcpu_time_info */
export const enum PvClockInfo {
  /** u32, odd while the hypervisor writes. */
  VERSION = 0,
  /** u64 */
  TSC_TIMESTAMP = 8,
  /** u64, nanoseconds */
  SYSTEM_TIME = 16,
  /** u32 */
  MULTIPLIER = 24,
  /** s8 */
  SHIFT = 28,
  /** u8 */
  FLAGS = 29,
  BYTES = 32,
}

/** PVCLOCK_TSC_STABLE_BIT: user mode may read it, on any CPU. */
export const PVCLOCK_TSC_STABLE = 1;

const NSEC_PER_SEC = 1_000_000_000n;
const WORD_MAX = 0xffff_ffffn;

/** How counts of the TSC become nanoseconds. */
export interface PvClock {
  readonly tscTimestamp: bigint;
  readonly systemNs: bigint;
  readonly multiplier: bigint;
  readonly shift: number;
}

/** kvm_get_time_scale: the frequency is brought between one and two counts a nanosecond. */
export function createPvClock(tscHz: number, tscNow: bigint): PvClock {
  let counts = BigInt(Math.round(tscHz));
  let shift = 0;
  while (counts > NSEC_PER_SEC * 2n || counts > WORD_MAX) {
    counts >>= 1n;
    shift--;
  }
  while (counts <= NSEC_PER_SEC) {
    counts <<= 1n;
    shift++;
  }
  return {
    tscTimestamp: tscNow,
    systemNs: 0n,
    multiplier: (NSEC_PER_SEC << 32n) / counts,
    shift,
  };
}

/** __pvclock_read_cycles: nanoseconds at a value of the TSC. */
export function pvclockRead(clock: PvClock, tsc: bigint): bigint {
  const delta = tsc - clock.tscTimestamp;
  const scaled = clock.shift < 0 ? delta >> BigInt(-clock.shift) : delta << BigInt(clock.shift);
  return clock.systemNs + ((scaled * clock.multiplier) >> 32n);
}

/** Writes the page as the hypervisor does, at boot. */
export function writePvClock(page: DataView, clock: PvClock): void {
  page.setUint32(PvClockInfo.VERSION, 2, true);
  page.setBigUint64(PvClockInfo.TSC_TIMESTAMP, clock.tscTimestamp, true);
  page.setBigUint64(PvClockInfo.SYSTEM_TIME, clock.systemNs, true);
  page.setUint32(PvClockInfo.MULTIPLIER, Number(clock.multiplier), true);
  page.setInt8(PvClockInfo.SHIFT, clock.shift);
  page.setUint8(PvClockInfo.FLAGS, PVCLOCK_TSC_STABLE);
}
