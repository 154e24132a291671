/** CPU time of tasks, after Linux 6.1 kernel/sched/cputime.c, precise to the tick of the model. */
import type { Kernel } from '../../init/kernel.ts';

/** Nanoseconds that the current task has run, user and kernel, up to now. */
export function taskCpuNs(kernel: Kernel): bigint {
  const { cpu, current, coreMHz } = kernel;
  const ticks = cpu.now - current.startTick;
  return BigInt(Math.floor((ticks * 1000) / (64 * coreMHz)));
}
