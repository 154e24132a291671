/** Clock ids and time structures, after Linux 6.1 include/uapi/linux/time.h. */

export const enum ClockId {
  REALTIME = 0,
  MONOTONIC = 1,
  PROCESS_CPUTIME_ID = 2,
  THREAD_CPUTIME_ID = 3,
  MONOTONIC_RAW = 4,
  REALTIME_COARSE = 5,
  MONOTONIC_COARSE = 6,
  BOOTTIME = 7,
  REALTIME_ALARM = 8,
  BOOTTIME_ALARM = 9,
  TAI = 11,
}

/** MAX_CLOCKS: ids below it are system clocks, negative ids name the clock of a process or device. */
export const CLOCKS_MAX = 16;

/** By id; index 10 is the retired CLOCK_SGI_CYCLE. */
export const CLOCK_NAMES: readonly (string | undefined)[] = [
  'REALTIME',
  'MONOTONIC',
  'PROCESS_CPUTIME_ID',
  'THREAD_CPUTIME_ID',
  'MONOTONIC_RAW',
  'REALTIME_COARSE',
  'MONOTONIC_COARSE',
  'BOOTTIME',
  'REALTIME_ALARM',
  'BOOTTIME_ALARM',
  undefined,
  'TAI',
];

/** struct timespec and struct __kernel_timespec: two i64. */
export const enum Timespec {
  SECONDS = 0,
  NANOSECONDS = 8,
  BYTES = 16,
}

/** struct timeval: two i64. */
export const enum Timeval {
  SECONDS = 0,
  MICROSECONDS = 8,
  BYTES = 16,
}

/** struct timezone: two i32. */
export const enum Timezone {
  MINUTES_WEST = 0,
  DST_TIME = 4,
  BYTES = 8,
}
