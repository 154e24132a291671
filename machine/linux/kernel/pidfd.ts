/**
 * Descriptors of processes, after Linux 6.1 kernel/fork.c (pidfd_create) and kernel/signal.c
 * (pidfd_send_signal): they become readable when their process has ended. Instructions are estimates from
 * the source, within a third: no counted path goes here. Omits: pidfd_getfd, /proc/PID as such a descriptor.
 */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { copyFromUser } from '../arch/x86/lib/usercopy.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { fdget, fdInstall, getUnusedFd } from '../fs/file.ts';
import { anonFile } from '../fs/file_table.ts';
import type { FileOperations, FileStruct, PollTable } from '../include/linux/fs.ts';
import type { Task } from '../include/linux/sched.ts';
import { SigInfo, SiCode, SIGINFO_BYTES } from '../include/linux/signal_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import { Poll } from '../include/uapi/asm-generic/poll.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { sendSignalInfo } from './signal-send.ts';
import { waitQueueHead } from './sched/wait.ts';

/** A process as a descriptor knows it: its first thread. */
class PidFile {
  constructor(readonly task: Task) {}
}

/** Whether the process has ended as a whole. */
const hasEnded = ({ signal, reaped, state }: Task): boolean =>
  reaped || (state === 'Z' && signal.threads.length === 1) || state === 'X';

function poll(kernel: Kernel, file: FileStruct, table: PollTable | null): number {
  const { task } = file.data as PidFile;
  kernel.cpu.run(F.pidfd_poll, 40);
  task.signal.waitPidfd ??= waitQueueHead(task.signal.address + 128);
  table?.queue(kernel, file, task.signal.waitPidfd);
  return hasEnded(task) ? Poll.IN | Poll.RDNORM : 0;
}

const PIDFD: FileOperations = { kind: 'anonymous', stream: false, plain: true, poll };

/** pidfd_create: a descriptor, or an error. */
export function pidfdCreate(kernel: Kernel, task: Task, flags: number): number {
  kernel.cpu.run(F.pidfd_create, 40);
  const fd = getUnusedFd(kernel);
  if (fd < 0) return fd;
  const status = O.RDWR | (flags & O.NONBLOCK);
  const file = anonFile(kernel, '[pidfd]', PIDFD, { data: new PidFile(task), flags: status });
  if (file === null) return -Errno.ENFILE;
  fdInstall(kernel, fd, file, flags | O.CLOEXEC);
  return fd;
}

export function sysPidfdOpen(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_pidfd_open, 60);
  const flags = args.low(1);
  const pid = args.int(0);
  if ((flags & ~O.NONBLOCK) !== 0 || pid <= 0) return -Errno.EINVAL;
  const task = kernel.pids.tasks.get(pid);
  if (task === undefined) return -Errno.ESRCH;
  return task.pid === task.tgid ? pidfdCreate(kernel, task, flags) : -Errno.EINVAL;
}

/** The process of a descriptor, or -EBADF. */
export function pidfdTask(kernel: Kernel, fd: number): { task: Task; flags: number } | number {
  const file = fdget(kernel, fd);
  if (file?.operations !== PIDFD) return -Errno.EBADF;
  return { task: (file.data as PidFile).task, flags: file.flags };
}

export function sysPidfdSendSignal(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_pidfd_send_signal, 90);
  const signal = args.int(1);
  const pointer = args.unsigned(2);
  if (args.low(3) !== 0) return -Errno.EINVAL;
  const found = pidfdTask(kernel, args.int(0));
  if (typeof found === 'number') return found;
  const { task } = found;
  let info = SigInfo.from(signal, SiCode.USER, current.tgid, current.cred.uid);
  if (pointer !== 0) {
    const bytes = new Uint8Array(SIGINFO_BYTES);
    if (copyFromUser(kernel, pointer, bytes) < 0) return -Errno.EFAULT;
    info = SigInfo.raw(bytes);
    if (info.signal !== signal) return -Errno.EINVAL;
    // Only to itself may a process pretend to be the kernel, or kill.
    if (task.signal !== current.signal && (info.code >= 0 || info.code === SiCode.TKILL)) {
      return -Errno.EPERM;
    }
  }
  if (signal < 0 || signal > (Sig.MAX as number)) return -Errno.EINVAL;
  if (task.reaped) return -Errno.ESRCH;
  if (signal === 0) return 0;
  const reason = `pidfd_send_signal from process ${current.tgid}`;
  return sendSignalInfo(kernel, task, { info, group: true, force: false, special: false, reason });
}
