/** sync, fsync and their kin, after Linux 6.1 fs/sync.c: in memory there is nothing to write back. */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { fdget } from './file.ts';
import { isDirectory, isRegular } from './inode.ts';

export const sysSync = (): number => 0;

export function sysFsync(kernel: Kernel, args: SyscallArguments): number {
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  return isRegular(file.inode) || isDirectory(file.inode) ? 0 : -Errno.EINVAL;
}

export function sysSyncfs(kernel: Kernel, args: SyscallArguments): number {
  return fdget(kernel, args.int(0)) === null ? -Errno.EBADF : 0;
}

/** posix_fadvise: pipes cannot be advised; for the others there is nothing to do. */
export function sysFadvise64(kernel: Kernel, args: SyscallArguments): number {
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  if (file.operations.stream) return -Errno.ESPIPE;
  return args.low(3) > 5 || args.wide(2) < 0 ? -Errno.EINVAL : 0;
}
