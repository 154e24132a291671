/** fcntl, after Linux 6.1 fs/fcntl.c. Omits: owners and signals of descriptors, leases, seals. */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import type { FileStruct, IoResult } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { FcntlCommand, FD_CLOEXEC, O } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { dupFrom, fdgetRaw, filesLimit } from './file.ts';
import { getLock, setLock } from './locks.ts';
import { getPipeSize, setPipeSize } from './pipe-size.ts';

const SECURITY: Steps = [
  [F.security_file_fcntl, 40, 1, 2],
  [F.tomoyo_file_fcntl, 5],
  [F.bpf_lsm_file_fcntl, 3],
];

/** Status bits that F_SETFL changes. */
const SETFL_MASK = O.APPEND | O.NONBLOCK | O.ASYNC | O.DIRECT | O.NOATIME;
/** What F_GETFL leaves out. */
const HIDDEN = O.CLOEXEC;
/** Commands that work on an O_PATH descriptor. */
const PATH_COMMANDS: ReadonlySet<number> = new Set([
  FcntlCommand.DUPFD,
  FcntlCommand.DUPFD_CLOEXEC,
  FcntlCommand.GETFD,
  FcntlCommand.SETFD,
  FcntlCommand.GETFL,
]);

export function sysFcntl(kernel: Kernel, args: SyscallArguments): IoResult {
  const { cpu } = kernel;
  const [fd, command] = [args.int(0), args.low(1)];
  cpu.run(F.__x64_sys_fcntl, 46);
  const file = fdgetRaw(kernel, fd);
  if (file === null) return -Errno.EBADF;
  if ((file.flags & O.PATH) !== 0 && !PATH_COMMANDS.has(command)) return -Errno.EBADF;
  runSteps(cpu, SECURITY);
  cpu.run(F.do_fcntl, isLock(command) ? 54 : 41);
  return doFcntl(kernel, file, command, args);
}

const isLock = (command: number): boolean =>
  (command >= FcntlCommand.GETLK && command <= FcntlCommand.SETLKW) ||
  (command >= FcntlCommand.OFD_GETLK && command <= FcntlCommand.OFD_SETLKW);

function doFcntl(
  kernel: Kernel,
  file: FileStruct,
  command: number,
  args: SyscallArguments,
): IoResult {
  const { current } = kernel;
  const fd = args.int(0);
  const value = args.low(2);
  switch (command as FcntlCommand) {
    case FcntlCommand.DUPFD:
      return duplicate(kernel, fd, args.unsigned(2), 0);
    case FcntlCommand.DUPFD_CLOEXEC:
      return duplicate(kernel, fd, args.unsigned(2), O.CLOEXEC);
    case FcntlCommand.GETFD:
      return current.files.closeOnExec.has(fd) ? FD_CLOEXEC : 0;
    case FcntlCommand.SETFD:
      if ((value & FD_CLOEXEC) !== 0) current.files.closeOnExec.add(fd);
      else current.files.closeOnExec.delete(fd);
      return 0;
    case FcntlCommand.GETFL:
      return file.flags & ~HIDDEN;
    case FcntlCommand.SETFL:
      file.flags = (file.flags & ~SETFL_MASK) | (value & SETFL_MASK);
      return 0;
    case FcntlCommand.GETLK:
    case FcntlCommand.OFD_GETLK:
      return getLock(kernel, file, command, args.unsigned(2));
    case FcntlCommand.SETLK:
    case FcntlCommand.SETLKW:
    case FcntlCommand.OFD_SETLK:
    case FcntlCommand.OFD_SETLKW:
      return setLock(kernel, file, command, args.unsigned(2));
    case FcntlCommand.GETPIPE_SZ:
      return getPipeSize(file);
    case FcntlCommand.SETPIPE_SZ:
      return setPipeSize(file, value);
    case FcntlCommand.GETOWN:
    case FcntlCommand.GETSIG:
      return 0;
    case FcntlCommand.SETOWN:
    case FcntlCommand.SETSIG:
      return 0;
    case FcntlCommand.GETLEASE:
      return F_UNLCK;
    default:
      return -Errno.EINVAL;
  }
}

/** No lease. */
const F_UNLCK = 2;

function duplicate(kernel: Kernel, fd: number, from: number, flags: number): number {
  return from >= filesLimit(kernel) ? -Errno.EINVAL : dupFrom(kernel, fd, from, flags);
}
