/** CPU time of tasks, after Linux 6.1 kernel/sched/cputime.c, precise to the tick of the model. */
import type { Ticks } from '../../../core/units.ts';
import type { Kernel } from '../../init/kernel.ts';

/** Nanoseconds that so many ticks of the core take. */
export function ticksToNs({ coreMHz }: Kernel, ticks: Ticks): bigint {
  return BigInt(Math.floor((ticks * 1000) / (64 * coreMHz)));
}

/** Nanoseconds that the current task has run, user and kernel, up to now. */
export function taskCpuNs(kernel: Kernel): bigint {
  const { cpu, current } = kernel;
  return ticksToNs(kernel, cpu.now - current.startTick);
}
