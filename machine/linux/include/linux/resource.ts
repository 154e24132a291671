/** Resource limits of a process, after Linux 6.1 include/asm-generic/resource.h and linux/sched/signal.h. */
import { RLIM_INFINITY, type Rlimit } from '../uapi/asm-generic/resource.ts';
import type { Task } from './sched.ts';

const MIB = 1n << 20n;

/** Soft and hard limit of one resource. */
export type Limit = readonly [soft: bigint, hard: bigint];

/**
 * By resource, as init starts a login with. The limits on tasks and queued signals follow from the
 * memory (`threadsMax` of fork_init), half of it each.
 */
export function initialLimits(threadsMax: number): Limit[] {
  const half = BigInt(Math.floor(threadsMax / 2));
  return [
    [RLIM_INFINITY, RLIM_INFINITY], // CPU
    [RLIM_INFINITY, RLIM_INFINITY], // FSIZE
    [RLIM_INFINITY, RLIM_INFINITY], // DATA
    [8n * MIB, RLIM_INFINITY], // STACK
    [0n, RLIM_INFINITY], // CORE
    [RLIM_INFINITY, RLIM_INFINITY], // RSS
    [half, half], // NPROC
    [1024n, 524288n], // NOFILE
    [8n * MIB, 8n * MIB], // MEMLOCK
    [RLIM_INFINITY, RLIM_INFINITY], // AS
    [RLIM_INFINITY, RLIM_INFINITY], // LOCKS
    [half, half], // SIGPENDING
    [819200n, 819200n], // MSGQUEUE
    [0n, 0n], // NICE
    [0n, 0n], // RTPRIO
    [RLIM_INFINITY, RLIM_INFINITY], // RTTIME
  ];
}

export function limitsOf({ signal }: Task, resource: number): Limit {
  return signal.rlimits[resource];
}

/** rlimit(): the soft limit, Infinity where there is none. */
export function rlimitSoft(task: Task, resource: Rlimit): number {
  const [soft] = limitsOf(task, resource);
  return soft === RLIM_INFINITY ? Infinity : Number(soft);
}
