/** CPU time of tasks, after Linux 6.1 kernel/sched/cputime.c, precise to the tick of the model. */
import type { Ticks } from '../../../core/units.ts';
import type { SignalStruct, Task, Usage } from '../../include/linux/sched.ts';
import type { Kernel } from '../../init/kernel.ts';

/** USER_HZ: what times() and siginfo count in. */
export const USER_HZ = 100;

/** Books what the CPU has done since the last booking on `task`, which ran on it. */
export function accountTime({ cpu }: Pick<Kernel, 'cpu'>, task: Task): void {
  const { usage } = task;
  usage.user += cpu.takeUserTicks();
  usage.system += cpu.takeKernelTicks();
}

export function nsFromTicks(kernel: Pick<Kernel, 'coreMHz'>, ticks: Ticks): number {
  return Math.floor((ticks * 1000) / (64 * kernel.coreMHz));
}

/** Nanoseconds that so many ticks of the core take. */
export function ticksToNs({ coreMHz }: Kernel, ticks: Ticks): bigint {
  return BigInt(Math.floor((ticks * 1000) / (64 * coreMHz)));
}

/** Nanoseconds that the current task has run, user and kernel, up to now. */
export function taskCpuNs(kernel: Kernel): bigint {
  accountTime(kernel, kernel.current);
  const { user, system } = kernel.current.usage;
  return BigInt(nsFromTicks(kernel, user + system));
}

/** The same of all threads of the process, ended ones included. */
export function processCpuNs(kernel: Kernel): bigint {
  accountTime(kernel, kernel.current);
  const { user, system } = processUsage(kernel.current.signal);
  return BigInt(nsFromTicks(kernel, user + system));
}

/** Adds `from` to `to`. */
export function addUsage(to: Usage, from: Usage): void {
  to.user += from.user;
  to.system += from.system;
  to.minorFaults += from.minorFaults;
  to.majorFaults += from.majorFaults;
  to.voluntarySwitches += from.voluntarySwitches;
  to.involuntarySwitches += from.involuntarySwitches;
  to.rssMax = Math.max(to.rssMax, from.rssMax);
}

/** thread_group_cputime: ended threads and those that are there. */
export function processUsage(process: SignalStruct): Usage {
  const sum = { ...process.ended };
  for (const { usage } of process.threads) addUsage(sum, usage);
  return sum;
}
