/** Resource limits, after Linux 6.1 include/uapi/asm-generic/resource.h and kernel/sys.c. */

export const enum Rlimit {
  CPU,
  FSIZE,
  DATA,
  STACK,
  CORE,
  RSS,
  NPROC,
  NOFILE,
  MEMLOCK,
  AS,
  LOCKS,
  SIGPENDING,
  MSGQUEUE,
  NICE,
  RTPRIO,
  RTTIME,
  COUNT,
}

/** Soft and hard limit. */
export type Limit = readonly [soft: bigint, hard: bigint];

export const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;
const MIB = 1n << 20n;

/**
 * By resource, as init starts a login with. The limits on tasks and queued signals follow from the
 * memory (`threadsMax` of fork_init), half of it each.
 */
export function initialLimits(threadsMax: number): Limit[] {
  const half = BigInt(Math.floor(threadsMax / 2));
  return [
    [RLIM_INFINITY, RLIM_INFINITY],
    [RLIM_INFINITY, RLIM_INFINITY],
    [RLIM_INFINITY, RLIM_INFINITY],
    [8n * MIB, RLIM_INFINITY],
    [0n, RLIM_INFINITY],
    [RLIM_INFINITY, RLIM_INFINITY],
    [half, half],
    [1024n, 524288n],
    [8n * MIB, 8n * MIB],
    [RLIM_INFINITY, RLIM_INFINITY],
    [RLIM_INFINITY, RLIM_INFINITY],
    [half, half],
    [819200n, 819200n],
    [0n, 0n],
    [0n, 0n],
    [RLIM_INFINITY, RLIM_INFINITY],
  ];
}
