/** Process groups and sessions, after Linux 6.1 kernel/sys.c (setpgid, getpgid, setsid, getsid). */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Task } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { joinGroup, startGroup, startSession } from './pid.ts';

/**
 * Instructions of each call, without a counted path: an assumption from their length in the source
 * beside that of getppid and sched_getaffinity, within a factor of two.
 */
const enum Cost {
  LOOK_UP = 45,
  SET_GROUP = 140,
  NEW_SESSION = 180,
}

function findTask({ cpu, current, pids }: Kernel, pid: number): Task | undefined {
  cpu.run(F.find_task_by_vpid, Cost.LOOK_UP);
  return pid === 0 ? current : pids.tasks.get(pid);
}

export function sysGetpgid(kernel: Kernel, args: SyscallArguments): number {
  const task = findTask(kernel, args.int(0));
  return task === undefined ? -Errno.ESRCH : task.signal.group.id;
}

export function sysGetpgrp(kernel: Kernel): number {
  return findTask(kernel, 0)?.signal.group.id ?? 0;
}

export function sysGetsid(kernel: Kernel, args: SyscallArguments): number {
  const task = findTask(kernel, args.int(0));
  return task === undefined ? -Errno.ESRCH : task.signal.group.session.id;
}

export function sysSetpgid(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current, pids } = kernel;
  cpu.run(F.__x64_sys_setpgid, Cost.SET_GROUP);
  const pid = args.int(0) === 0 ? current.tgid : args.int(0);
  const pgid = args.int(1) === 0 ? pid : args.int(1);
  if (pgid < 0) return -Errno.EINVAL;
  const task = pids.tasks.get(pid);
  if (task === undefined) return -Errno.ESRCH;
  if (task.pid !== task.tgid) return -Errno.EINVAL;
  const { signal: process } = task;
  const { session } = current.signal.group;
  if (task.parent?.signal === current.signal) {
    if (process.group.session !== session) return -Errno.EPERM;
    if (!task.forkNoExec) return -Errno.EACCES;
  } else if (process !== current.signal) return -Errno.ESRCH;
  if (process.group.session.leader === process) return -Errno.EPERM;
  if (pgid === process.group.id) return 0;
  const group = pids.groups.get(pgid);
  if (group !== undefined) {
    if (group.session !== session) return -Errno.EPERM;
    joinGroup(kernel, process, group);
    return 0;
  }
  if (pgid !== pid) return -Errno.EPERM;
  startGroup(kernel, session, process, pgid);
  return 0;
}

export function sysSetsid(kernel: Kernel): number {
  const { cpu, current, pids } = kernel;
  cpu.run(F.ksys_setsid, Cost.NEW_SESSION);
  const { signal: process, tgid } = current;
  if (process.group.session.leader === process || pids.groups.has(tgid)) return -Errno.EPERM;
  startSession(kernel, process, tgid);
  return tgid;
}
