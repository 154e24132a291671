/** Resource limits of a process, after Linux 6.1 include/asm-generic/resource.h and linux/sched/signal.h. */
import { RLIM_INFINITY, type Rlimit } from '../uapi/asm-generic/resource.ts';
import type { Task } from './sched.ts';

const MIB = 1n << 20n;

/** Soft and hard limit of one resource. */
export type Limits = readonly [soft: bigint, hard: bigint];

/** What init gives a login, by resource. */
export const INITIAL_LIMITS: readonly Limits[] = [
  [RLIM_INFINITY, RLIM_INFINITY], // CPU
  [RLIM_INFINITY, RLIM_INFINITY], // FSIZE
  [RLIM_INFINITY, RLIM_INFINITY], // DATA
  [8n * MIB, RLIM_INFINITY], // STACK
  [0n, RLIM_INFINITY], // CORE
  [RLIM_INFINITY, RLIM_INFINITY], // RSS
  [7823n, 7823n], // NPROC
  [1024n, 524288n], // NOFILE
  [8n * MIB, 8n * MIB], // MEMLOCK
  [RLIM_INFINITY, RLIM_INFINITY], // AS
  [RLIM_INFINITY, RLIM_INFINITY], // LOCKS
  [7823n, 7823n], // SIGPENDING
  [819200n, 819200n], // MSGQUEUE
  [0n, 0n], // NICE
  [0n, 0n], // RTPRIO
  [RLIM_INFINITY, RLIM_INFINITY], // RTTIME
];

export function limitsOf({ signal }: Task, resource: number): Limits {
  return (signal.limits ?? INITIAL_LIMITS)[resource];
}

/** rlimit(): the soft limit, Infinity where there is none. */
export function rlimitSoft(task: Task, resource: Rlimit): number {
  const [soft] = limitsOf(task, resource);
  return soft === RLIM_INFINITY ? Infinity : Number(soft);
}
