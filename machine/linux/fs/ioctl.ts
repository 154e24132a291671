/** ioctl, after Linux 6.1 fs/ioctl.c: nothing here is a terminal. */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { securityFileIoctl } from '../security/security.ts';
import { fdget } from './file.ts';

export function sysIoctl(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_ioctl, 44);
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  securityFileIoctl(kernel);
  cpu.run(F.do_vfs_ioctl, 46);
  return -Errno.ENOTTY;
}
