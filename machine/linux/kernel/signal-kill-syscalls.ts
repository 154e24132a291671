/**
 * Sending signals from user code, after Linux 6.1 kernel/signal.c (the calls). Omits: pidfds, audit
 * records, security modules beyond their cost.
 */
import { copyFromUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { SignalStruct, Task } from '../include/linux/sched.ts';
import { SiCode, SigInfo, SIGINFO_BYTES } from '../include/linux/signal_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Sig, signalName } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { findTask } from './pid.ts';
import { mapId } from './user_namespace.ts';
import { sendSignalInfo } from './signal-send.ts';

/** check_kill_permission: root may; others to their own, and SIGCONT within the session. */
function checkKillPermission(kernel: Kernel, task: Task, info: SigInfo): number {
  const { cpu, current } = kernel;
  const { signal } = info;
  cpu.run(F.check_kill_permission, 37);
  if (signal < 0 || signal > Sig.MAX) return -Errno.EINVAL;
  cpu.run(F.audit_signal_info, 21);
  cpu.run(F.audit_signal_info_syscall, 21);
  cpu.run(F.security_task_kill, 45);
  cpu.indirect(2);
  cpu.run(F.apparmor_task_kill, 48);
  cpu.run(F.aa_get_task_label, 25);
  cpu.read(task.cred.address);
  cpu.run(F.aa_may_signal, 84);
  cpu.runCalls(F.profile_signal_perm, 66, 2);
  cpu.run(F.bpf_lsm_task_kill, 3);
  cpu.runCalls(F.__rcu_read_lock, 18, 3);
  cpu.runCalls(F.__rcu_read_unlock, 25, 5);
  const { cred } = current;
  const allowed =
    task.signal === current.signal ||
    cred.euid === 0 ||
    cred.euid === task.cred.suid ||
    cred.euid === task.cred.uid ||
    cred.uid === task.cred.suid ||
    cred.uid === task.cred.uid ||
    (signal === Sig.CONT && task.signal.group.session === current.signal.group.session);
  return allowed ? 0 : -Errno.EPERM;
}

function reasonOf({ current }: Kernel, task: Task, signal: number): string {
  const to = task.signal === current.signal ? 'itself' : `process ${task.tgid}`;
  const from = task.signal === current.signal ? 'the process' : `process ${current.tgid}`;
  return `${from} sent ${signalName(signal)} to ${to}`;
}

/** group_send_sig_info and the same for one thread: checked, then sent unless it is 0. */
function checkAndSend(kernel: Kernel, task: Task, info: SigInfo, group: boolean): number {
  const denied = checkKillPermission(kernel, task, info);
  if (denied !== 0 || info.signal === 0) return denied;
  const reason = reasonOf(kernel, task, info.signal);
  return sendSignalInfo(kernel, task, { info, group, force: false, special: false, reason });
}

/** The siginfo of kill() and tkill(). */
function ownInfo(kernel: Kernel, signal: number, code: SiCode): SigInfo {
  const { current, cpu } = kernel;
  cpu.run(F.__task_pid_nr_ns, 47);
  cpu.run(F.__rcu_read_lock, 6);
  cpu.run(F.__rcu_read_unlock, 8);
  cpu.run(F.from_kuid_munged, 5);
  mapId(kernel);
  return SigInfo.from(signal, code, current.tgid, current.cred.uid);
}

export function sysKill(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current, pids } = kernel;
  const [pid, signal] = [args.int(0), args.int(1)];
  cpu.run(F.__x64_sys_kill, 41);
  const info = ownInfo(kernel, signal, SiCode.USER);
  cpu.run(F.kill_something_info, 32);
  if (pid > 0) {
    cpu.run(F.__rcu_read_lock, 6);
    const task = findTask(kernel, pid);
    const result = killPidInfo(kernel, task, info);
    cpu.run(F.__rcu_read_unlock, 8);
    return result;
  }
  // -INT_MIN has no positive counterpart.
  if (pid === -(2 ** 31)) return -Errno.ESRCH;
  if (pid !== -1) {
    const id = pid === 0 ? current.signal.group.id : -pid;
    const group = pids.groups.get(id);
    return group === undefined ? -Errno.ESRCH : killGroup(kernel, [...group.members], info);
  }
  return killAll(kernel, info);
}

/** kill_pid_info: a thread's number stands for its process. */
function killPidInfo(kernel: Kernel, task: Task | null, info: SigInfo): number {
  const { cpu } = kernel;
  cpu.run(F.kill_pid_info, 44);
  cpu.runCalls(F.__rcu_read_lock, 12, 2);
  cpu.run(F.pid_task, 12);
  return task === null ? -Errno.ESRCH : checkAndSend(kernel, task, info, true);
}

/** __kill_pgrp_info: succeeds if one member could be signalled. */
function killGroup(kernel: Kernel, members: readonly SignalStruct[], info: SigInfo): number {
  let result: number = -Errno.ESRCH;
  let success = false;
  for (const { leader } of members) {
    kernel.cpu.run(F.__kill_pgrp_info, 12);
    const sent = checkAndSend(kernel, leader, SigInfo.raw(info.bytes), true);
    if (sent === 0) success = true;
    result = sent;
  }
  return success ? 0 : result;
}

/** kill(-1): every process but init and the caller's. */
function killAll(kernel: Kernel, info: SigInfo): number {
  const { current } = kernel;
  let count = 0;
  let result = 0;
  for (const task of [...kernel.tasks]) {
    const { signal: process } = task;
    if (process.leader !== task || task.kthread) continue;
    if (task.pid <= 1 || process === current.signal) continue;
    const sent = checkAndSend(kernel, task, SigInfo.raw(info.bytes), true);
    count++;
    if (sent !== -Errno.EPERM) result = sent;
  }
  return count === 0 ? -Errno.ESRCH : result;
}

/** do_tkill and do_send_specific. `tgid` 0 matches every process. */
function sendSpecific(kernel: Kernel, tgid: number, pid: number, info: SigInfo): number {
  const { cpu } = kernel;
  cpu.run(F.do_send_specific, 39);
  cpu.run(F.__rcu_read_lock, 6);
  const task = findTask(kernel, pid);
  cpu.run(F.__rcu_read_unlock, 8);
  if (task === null || (tgid > 0 && task.tgid !== tgid)) return -Errno.ESRCH;
  const result = checkAndSend(kernel, task, info, false);
  // It ended between the look-up and the lock: as if the signal had come just before.
  return result === -Errno.ESRCH ? 0 : result;
}

export function sysTgkill(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_tgkill, 41);
  const [tgid, pid] = [args.int(0), args.int(1)];
  if (tgid <= 0 || pid <= 0) return -Errno.EINVAL;
  return sendSpecific(kernel, tgid, pid, ownInfo(kernel, args.int(2), SiCode.TKILL));
}

export function sysTkill(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_tkill, 36);
  const pid = args.int(0);
  if (pid <= 0) return -Errno.EINVAL;
  return sendSpecific(kernel, 0, pid, ownInfo(kernel, args.int(1), SiCode.TKILL));
}

/** The siginfo that a program made up, with the number of the call; null on a fault. */
function copyInfo(kernel: Kernel, signal: number, address: number): SigInfo | null {
  const bytes = new Uint8Array(SIGINFO_BYTES);
  if (copyFromUser(kernel, address, bytes) < 0) return null;
  const info = SigInfo.raw(bytes);
  info.signal = signal;
  return info;
}

/** Only to itself may a process send what looks as if it came from the kernel or from kill(). */
const isForged = ({ code }: SigInfo): boolean => code >= 0 || code === SiCode.TKILL;

export function sysRtSigqueueinfo(kernel: Kernel, args: SyscallArguments): number {
  const [pid, signal, address] = [args.int(0), args.int(1), args.unsigned(2)];
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_rt_sigqueueinfo, 40);
  const info = copyInfo(kernel, signal, address);
  if (info === null) return -Errno.EFAULT;
  if (isForged(info) && current.tgid !== pid) return -Errno.EPERM;
  const task = findTask(kernel, pid);
  return killPidInfo(kernel, task, info);
}

export function sysRtTgsigqueueinfo(kernel: Kernel, args: SyscallArguments): number {
  const [tgid, pid, signal] = [args.int(0), args.int(1), args.int(2)];
  const address = args.unsigned(3);
  kernel.cpu.run(F.__x64_sys_rt_tgsigqueueinfo, 45);
  const info = copyInfo(kernel, signal, address);
  if (info === null) return -Errno.EFAULT;
  if (tgid <= 0 || pid <= 0) return -Errno.EINVAL;
  if (isForged(info) && kernel.current.pid !== pid) return -Errno.EPERM;
  return sendSpecific(kernel, tgid, pid, info);
}
