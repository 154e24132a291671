/**
 * Identity and limits, after Linux 6.1 kernel/sys.c, kernel/pid.c and arch/x86/kernel/process_64.c
 * neighbours: getpid and friends, uname, getcpu, sysinfo.
 */
import { chargeReadClocksource } from './time/clocksources.ts';
import { copyToUser, putUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { ImageData, PerCpu } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Task } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { downRead, upRead } from './locking/rwsem.ts';
import { rcuReadLock, rcuReadUnlock } from './rcu/tree_plugin.ts';
import { monotonicNs } from './time/timekeeping.ts';
import { mapId } from './user_namespace.ts';

/** __task_pid_nr_ns */
function taskPidNr({ cpu }: Kernel, task: Task, thread: boolean): number {
  cpu.run(F.__task_pid_nr_ns, thread ? 45 : 47);
  rcuReadLock(cpu);
  cpu.read(task.address + 2304);
  cpu.read(task.pidAddress);
  if (!thread) cpu.read(task.signal.address);
  cpu.readImage(ImageData.INIT_PID_NS);
  rcuReadUnlock(cpu);
  return thread ? task.pid : task.tgid;
}

export function sysGetpid(kernel: Kernel): number {
  kernel.cpu.run(F.__x64_sys_getpid, 7);
  return taskPidNr(kernel, kernel.current, false);
}

export function sysGettid(kernel: Kernel): number {
  kernel.cpu.run(F.__x64_sys_gettid, 7);
  return taskPidNr(kernel, kernel.current, true);
}

export function sysGetppid(kernel: Kernel): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_getppid, 13);
  rcuReadLock(cpu);
  cpu.read(current.address + 2240);
  const pid = current.parent === null ? 0 : taskPidNr(kernel, current.parent, false);
  // The inner lock and unlock pair runs nested, three instructions short of the outer one.
  rcuReadUnlock(cpu);
  return pid;
}

/** getuid, geteuid, getgid, getegid. */
function getId(kernel: Kernel, which: 'uid' | 'euid' | 'gid' | 'egid'): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_getuid, 8);
  cpu.read(current.cred.address);
  cpu.run(F.from_kuid_munged, 5);
  mapId(kernel);
  return current.cred[which];
}

export const sysGetuid = (kernel: Kernel): number => getId(kernel, 'uid');
export const sysGeteuid = (kernel: Kernel): number => getId(kernel, 'euid');
export const sysGetgid = (kernel: Kernel): number => getId(kernel, 'gid');
export const sysGetegid = (kernel: Kernel): number => getId(kernel, 'egid');

/** What uname reports until the names are changed; each field has 65 bytes. */
export const UTS_NAME = {
  sysname: 'Linux',
  nodename: 'cyclelab',
  release: '6.1.0-cyclelab',
  version: '#1 SMP PREEMPT_DYNAMIC',
  machine: 'x86_64',
  domainname: '(none)',
} as const;
const UTS_FIELD_BYTES = 65;

export function sysNewuname(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_newuname, 3);
  cpu.run(F.__do_sys_newuname, 60);
  cpu.readImage(ImageData.INIT_UTS_NS);
  downRead(cpu, cpu.perCpu + PerCpu.TICK_DEVICE);
  upRead(cpu, cpu.perCpu + PerCpu.TICK_DEVICE);
  const fields = Object.values({ ...UTS_NAME, ...kernel.uts });
  const bytes = new Uint8Array(UTS_FIELD_BYTES * fields.length);
  fields.forEach((field, i) => {
    bytes.set(new TextEncoder().encode(field), i * UTS_FIELD_BYTES);
  });
  const result = copyToUser(kernel, args.unsigned(0), bytes);
  cpu.run(F.override_release, 17);
  return result;
}

export function sysGetcpu(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_getcpu, 25);
  const number = new Uint8Array(Uint32Array.of(cpu.number).buffer);
  const [cpuAddress, nodeAddress] = [args.unsigned(0), args.unsigned(1)];
  if (cpuAddress !== 0 && putUser(kernel, cpuAddress, number) < 0) return -Errno.EFAULT;
  if (nodeAddress === 0) return 0;
  return putUser(kernel, nodeAddress, new Uint8Array(4));
}

const SYSINFO_BYTES = 112;

export function sysSysinfo(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, buddy, memory, tasks } = kernel;
  cpu.run(F.__x64_sys_sysinfo, 3);
  cpu.run(F.__do_sys_sysinfo, 27);
  cpu.run(F.do_sysinfo, 167);
  cpu.run(F.ktime_get_with_offset, 46);
  chargeReadClocksource(kernel);
  cpu.run(F.ns_to_timespec64, 17);
  cpu.run(F.get_avenrun, 14);
  cpu.readImage(ImageData.AVENRUN);
  cpu.run(F.si_meminfo, 21);
  cpu.readImage(ImageData.VM_STAT);
  cpu.run(F.nr_blockdev_pages, 35);
  cpu.run(F.si_swapinfo, 18);
  const view = new DataView(new ArrayBuffer(SYSINFO_BYTES));
  view.setBigInt64(0, monotonicNs(kernel) / 1_000_000_000n, true);
  view.setBigUint64(32, BigInt(memory.bytes.length), true);
  view.setBigUint64(40, BigInt(buddy.freePages * 4096), true);
  view.setUint16(80, tasks.length, true);
  view.setUint32(104, 1, true);
  return copyToUser(kernel, args.unsigned(0), new Uint8Array(view.buffer));
}
