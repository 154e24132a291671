/**
 * Layout of the data that the vDSO reads, after Linux 6.1 include/vdso/datapage.h, clocksource.h and
 * arch/x86/include/asm/vvar.h. All offsets are what user code sees in memory. Omits: the time
 * namespace's offsets (a union with the base times) and the pages of paravirtual clocks.
 */

/** struct vdso_data: two of them, one per VdsoBase, from VDSO_DATA_OFFSET of the vvar page on. */
export const enum VdsoData {
  /** u32, odd while the kernel changes the data. */
  SEQ = 0,
  /** s32, a VdsoClockMode. */
  CLOCK_MODE = 4,
  /** u64 */
  CYCLE_LAST = 8,
  /** u64 */
  MASK = 16,
  /** u32 */
  MULT = 24,
  /** u32 */
  SHIFT = 28,
  /** A BaseTime for each clock id below 12 (VDSO_BASES). */
  BASETIME = 32,
  /** s32 */
  TZ_MINUTESWEST = 224,
  /** s32 */
  TZ_DSTTIME = 228,
  /** u32, nanoseconds */
  HRTIMER_RES = 232,
  BYTES = 240,
}

/** struct vdso_timestamp. */
export const enum BaseTime {
  /** u64 */
  SECONDS = 0,
  /** u64: shifted left by VdsoData.SHIFT for the high-resolution clocks, plain for coarse ones. */
  NANOSECONDS = 8,
  BYTES = 16,
  /** log2 of BYTES. */
  SHIFT = 4,
}

/** Which of the two vdso_data serves a clock. */
export const enum VdsoBase {
  HRES_COARSE = 0,
  RAW = 1,
}

export const enum VdsoClockMode {
  /** The clock source cannot be read in user mode. */
  NONE = 0,
  TSC = 1,
  PVCLOCK = 2,
  HVCLOCK = 3,
  /** The page is that of a time namespace. */
  TIMENS = 0x7fffffff,
}

/** Masks of clock ids by how the vDSO serves them: VDSO_HRES, VDSO_COARSE, VDSO_RAW. */
export const enum VdsoClocks {
  /** REALTIME, MONOTONIC, BOOTTIME, TAI */
  HRES = 0x883,
  /** REALTIME_COARSE, MONOTONIC_COARSE */
  COARSE = 0x060,
  /** MONOTONIC_RAW */
  RAW = 0x010,
}

const PAGE_BYTES = 4096;

/** The special pages below the image, in order; distances are from the image's first byte. */
export const VVAR_PAGES = [
  { name: 'vvar', offset: -4 * PAGE_BYTES },
  { name: 'pvclock', offset: -3 * PAGE_BYTES },
  { name: 'hvclock', offset: -2 * PAGE_BYTES },
  { name: 'timens', offset: -1 * PAGE_BYTES },
] as const;

/** Distance from the image to the vvar page. */
export const VVAR_OFFSET = -4 * PAGE_BYTES;
export const PVCLOCK_OFFSET = -3 * PAGE_BYTES;
export const TIMENS_OFFSET = -1 * PAGE_BYTES;

/** Place of the first vdso_data within the vvar page (and within that of a time namespace). */
export const VDSO_DATA_OFFSET = 128;
