/**
 * clock_gettime and clock_getres as system calls, after Linux 6.1 kernel/time/posix-timers.c,
 * posix-stubs.c and posix-cpu-timers.c. Omits: setting clocks, timers, dynamic and CPU clocks of
 * other processes (the CPU clocks of the caller are there).
 */
import { chargeReadClocksource } from './clocksources.ts';
import { copyToUser } from '../../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../../arch/x86/entry/syscall-arguments.ts';
import { ImageData, PerCpu } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import { ClockId } from '../../include/uapi/linux/time.ts';
import type { Kernel } from '../../init/kernel.ts';
import { spinLock, spinUnlock } from '../locking/spinlock.ts';
import { rcuReadLock, rcuReadUnlock } from '../rcu/tree_plugin.ts';
import { processCpuNs, taskCpuNs } from '../sched/cputime.ts';
import { monotonicNs, monotonicRawNs, wallCoarseNs, wallNs } from './timekeeping.ts';

const NSEC_PER_SEC = 1_000_000_000n;

/** How the kernel serves one clock: what it costs and what it returns. */
interface Clock {
  readonly read: (kernel: Kernel) => bigint;
  readonly cost: (kernel: Kernel) => void;
  readonly coarse?: boolean;
}

function highResolution(
  outer: F,
  outerInstructions: number,
  inner: F,
  innerInstructions: number,
): (kernel: Kernel) => void {
  return (kernel) => {
    const { cpu } = kernel;
    cpu.run(outer, outerInstructions);
    cpu.run(inner, innerInstructions);
    cpu.indirect(1);
    cpu.readImage(ImageData.TK_CORE);
    cpu.readImage(ImageData.TK_CORE + 64);
    chargeReadClocksource(kernel);
  };
}

const monotonicRead = highResolution(F.posix_get_monotonic_timespec, 31, F.ktime_get_ts64, 47);
const monotonicCost = (kernel: Kernel): void => {
  monotonicRead(kernel);
  kernel.cpu.run(F.set_normalized_timespec64, 9);
};

const offsetRead = highResolution(F.posix_get_boottime_timespec, 20, F.ktime_get_with_offset, 46);
const offsetCost = (kernel: Kernel): void => {
  offsetRead(kernel);
  kernel.cpu.run(F.ns_to_timespec64, 17);
};

const coarseCost = (kernel: Kernel): void => {
  kernel.cpu.run(F.posix_get_coarse_res, 5);
  kernel.cpu.run(F.ktime_get_coarse_ts64, 30);
  kernel.cpu.readImage(ImageData.TK_CORE);
};

/** posix_cpu_clock_get for the calling process or thread. */
function cpuClockCost({ cpu, current }: Kernel): void {
  cpu.run(F.process_cpu_clock_get, 3);
  cpu.run(F.posix_cpu_clock_get, 43);
  rcuReadLock(cpu);
  cpu.run(F.pid_for_clock, 24);
  cpu.run(F.pid_task, 12);
  cpu.run(F.cpu_clock_sample_group, 39);
  cpu.run(F.thread_group_cputime, 71);
  cpu.run(F.task_sched_runtime, 48);
  cpu.run(F.task_rq_lock, 42);
  spinLock(cpu, current.address + 1088);
  spinLock(cpu, cpu.perCpu + PerCpu.RUN_QUEUE);
  cpu.run(F.update_rq_clock, 31);
  cpu.run(F.sched_clock_cpu, 10);
  cpu.run(F.native_sched_clock, 30);
  cpu.run(F.update_curr_fair, 4);
  cpu.run(F.update_curr, 50);
  cpu.run(F.update_min_vruntime, 18);
  cpu.run(F.cpuacct_charge, 13);
  spinUnlock(cpu);
  spinUnlock(cpu);
  rcuReadLock(cpu);
  cpu.run(F.task_cputime, 19);
  rcuReadUnlock(cpu);
  rcuReadUnlock(cpu);
  cpu.run(F.ns_to_timespec64, 17);
}

const wallCoarseMonotonic = (kernel: Kernel): bigint =>
  wallCoarseNs(kernel) + kernel.timekeeper.wallToMonotonicNs;

const realtimeCost = highResolution(F.posix_get_realtime_timespec, 5, F.ktime_get_real_ts64, 46);

const CLOCKS: Readonly<Partial<Record<ClockId, Clock>>> = {
  [ClockId.REALTIME]: { read: wallNs, cost: realtimeCost },
  [ClockId.MONOTONIC]: { read: monotonicNs, cost: monotonicCost },
  [ClockId.PROCESS_CPUTIME_ID]: { read: processCpuNs, cost: cpuClockCost },
  [ClockId.THREAD_CPUTIME_ID]: { read: taskCpuNs, cost: cpuClockCost },
  [ClockId.MONOTONIC_RAW]: {
    read: monotonicRawNs,
    cost: highResolution(F.posix_get_monotonic_raw, 5, F.ktime_get_raw_ts64, 46),
  },
  [ClockId.REALTIME_COARSE]: { read: wallCoarseNs, cost: coarseCost, coarse: true },
  [ClockId.MONOTONIC_COARSE]: { read: wallCoarseMonotonic, cost: coarseCost, coarse: true },
  [ClockId.BOOTTIME]: { read: monotonicNs, cost: offsetCost },
  [ClockId.REALTIME_ALARM]: { read: wallNs, cost: realtimeCost },
  [ClockId.BOOTTIME_ALARM]: { read: monotonicNs, cost: offsetCost },
  [ClockId.TAI]: {
    read: (kernel) => wallNs(kernel) + BigInt(kernel.timekeeper.taiOffsetSeconds) * NSEC_PER_SEC,
    cost: offsetCost,
  },
};

const TIMESPEC = new DataView(new ArrayBuffer(16));
const TIMESPEC_BYTES = new Uint8Array(TIMESPEC.buffer);

/** put_timespec64 */
function putTimespec(kernel: Kernel, address: number, ns: bigint): number {
  kernel.cpu.run(F.put_timespec64, 21);
  TIMESPEC.setBigInt64(0, ns / NSEC_PER_SEC, true);
  TIMESPEC.setBigInt64(8, ns % NSEC_PER_SEC, true);
  return copyToUser(kernel, address, TIMESPEC_BYTES);
}

export function sysClockGettime(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_clock_gettime, 42);
  cpu.indirect(1);
  const clock = CLOCKS[args.int(0) as ClockId];
  if (clock === undefined) return -Errno.EINVAL;
  clock.cost(kernel);
  return putTimespec(kernel, args.unsigned(1), clock.read(kernel));
}

export function sysClockGetres(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_clock_getres, 40);
  cpu.indirect(1);
  const clock = CLOCKS[args.int(0) as ClockId];
  if (clock === undefined) return -Errno.EINVAL;
  const address = args.unsigned(1);
  if (address === 0) return 0;
  const tickNs = NSEC_PER_SEC / BigInt(kernel.config.hz);
  return putTimespec(kernel, address, clock.coarse === true ? tickNs : 1n);
}

export function sysGettimeofday(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_gettimeofday, 40);
  const [time, zone] = [args.unsigned(0), args.unsigned(1)];
  if (time !== 0) {
    cpu.run(F.ktime_get_real_ts64, 46);
    chargeReadClocksource(kernel);
    const ns = wallNs(kernel);
    TIMESPEC.setBigInt64(0, ns / NSEC_PER_SEC, true);
    TIMESPEC.setBigInt64(8, (ns % NSEC_PER_SEC) / 1000n, true);
    if (copyToUser(kernel, time, TIMESPEC_BYTES) < 0) return -Errno.EFAULT;
  }
  return zone === 0 ? 0 : copyToUser(kernel, zone, new Uint8Array(8));
}

export function sysTime(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_time, 20);
  kernel.cpu.readImage(ImageData.TK_CORE);
  const seconds = wallCoarseNs(kernel) / NSEC_PER_SEC;
  const address = args.unsigned(0);
  if (address !== 0) {
    const bytes = new Uint8Array(BigInt64Array.of(seconds).buffer);
    if (copyToUser(kernel, address, bytes) < 0) return -Errno.EFAULT;
  }
  return Number(seconds);
}
