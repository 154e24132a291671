/** What tasks have used, as user code sees it, after Linux 6.1 kernel/sys.c (getrusage, times). */
import { copyToUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Usage } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { accountTime, nsFromTicks, processUsage, USER_HZ } from './sched/cputime.ts';
import { monotonicNs } from './time/timekeeping.ts';

/** thread_group_cputime_adjusted of a process of one thread, and what getrusage asks of its mm. */
const GROUP_TIMES: Steps = [
  [F.thread_group_cputime_adjusted, 30],
  [F.thread_group_cputime, 71],
  [F.__rcu_read_lock, 12, 2],
  [F.__rcu_read_unlock, 16, 2],
  [F.task_sched_runtime, 48],
  [F.task_rq_lock, 42],
  [F._raw_spin_lock_irqsave, 32, 2],
  [F._raw_spin_lock, 14, 2],
  [F.update_rq_clock, 31],
  [F.sched_clock_cpu, 10],
  [F.sched_clock, 1],
  [F.native_sched_clock, 30],
  [F.update_curr_fair, 4],
  [F.update_curr, 50],
  [F.update_min_vruntime, 18],
  [F.cpuacct_charge, 13],
  [F._raw_spin_unlock, 12, 2],
  [F._raw_spin_unlock_irqrestore, 20, 2],
  [F.task_cputime, 19],
  [F.cputime_adjust, 46],
  [F.ns_to_kernel_old_timeval, 32, 2],
  [F.get_task_mm, 21],
  [F.mmput, 8],
  [F.__cond_resched, 6],
];

const RUSAGE_BYTES = 144;
const KIB_PER_PAGE = 4;

/** Offsets in struct rusage. */
const enum Field {
  USER = 0,
  SYSTEM = 16,
  RSS_MAX = 32,
  MINOR_FAULTS = 64,
  MAJOR_FAULTS = 72,
  VOLUNTARY = 128,
  INVOLUNTARY = 136,
}

/** struct rusage */
export function rusageBytes(kernel: Kernel, usage: Usage): Uint8Array {
  const view = new DataView(new ArrayBuffer(RUSAGE_BYTES));
  const put = (at: Field, value: number): void => {
    view.setBigInt64(at, BigInt(value), true);
  };
  const time = (at: Field, ticks: number): void => {
    const us = Math.floor(nsFromTicks(kernel, ticks) / 1000);
    put(at, Math.floor(us / 1e6));
    view.setBigInt64(at + 8, BigInt(us % 1e6), true);
  };
  time(Field.USER, usage.user);
  time(Field.SYSTEM, usage.system);
  put(Field.RSS_MAX, usage.rssMax * KIB_PER_PAGE);
  put(Field.MINOR_FAULTS, usage.minorFaults);
  put(Field.MAJOR_FAULTS, usage.majorFaults);
  put(Field.VOLUNTARY, usage.voluntarySwitches);
  put(Field.INVOLUNTARY, usage.involuntarySwitches);
  return new Uint8Array(view.buffer);
}

const enum Who {
  SELF = 0,
  CHILDREN = -1,
  THREAD = 1,
}

export function sysGetrusage(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_getrusage, 4);
  cpu.run(F.__do_sys_getrusage, 37);
  cpu.run(F.getrusage, 159);
  // For the children Linux adds up less; how much less has not been counted.
  runSteps(cpu, GROUP_TIMES);
  accountTime(kernel, current);
  const { signal: process, mm } = current;
  const rssMax = mm?.rssMax ?? 0;
  let usage: Usage;
  switch (args.int(0) as Who) {
    case Who.SELF:
      usage = { ...processUsage(process), rssMax };
      break;
    case Who.CHILDREN:
      usage = process.endedChildren;
      break;
    case Who.THREAD:
      usage = { ...current.usage, rssMax };
      break;
    default:
      return -Errno.EINVAL;
  }
  return copyToUser(kernel, args.unsigned(1), rusageBytes(kernel, usage));
}

export function sysTimes(kernel: Kernel, args: SyscallArguments): number {
  const { current } = kernel;
  kernel.cpu.run(F.__x64_sys_times, 60);
  accountTime(kernel, current);
  const clockTicks = (ticks: number): bigint =>
    BigInt(Math.floor((nsFromTicks(kernel, ticks) * USER_HZ) / 1e9));
  const own = processUsage(current.signal);
  const { endedChildren } = current.signal;
  const values = [own.user, own.system, endedChildren.user, endedChildren.system].map(clockTicks);
  const address = args.unsigned(0);
  const bytes = new Uint8Array(BigInt64Array.from(values).buffer);
  if (address !== 0 && copyToUser(kernel, address, bytes) < 0) return -Errno.EFAULT;
  return Number((monotonicNs(kernel) * BigInt(USER_HZ)) / 1_000_000_000n);
}
