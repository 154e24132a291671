/** ioctl, after Linux 6.1 fs/ioctl.c: what every file answers. Nothing here is a terminal. */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { copyFromUser } from '../arch/x86/lib/usercopy.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { securityFileIoctl } from '../security/security.ts';
import { fdget } from './file.ts';
import { Ioctl, putInt } from './ioctl-numbers.ts';
import { inodeSize, isRegular } from './inode.ts';

export function sysIoctl(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  const [fd, command, argument] = [args.int(0), args.low(1), args.unsigned(2)];
  cpu.run(F.__x64_sys_ioctl, command === Ioctl.FIONREAD ? 39 : 44);
  const file = fdget(kernel, fd);
  if (file === null) return -Errno.EBADF;
  securityFileIoctl(kernel);
  cpu.run(F.do_vfs_ioctl, command === Ioctl.FIONREAD ? 54 : 46);
  switch (command as Ioctl) {
    case Ioctl.FIOCLEX:
      current.files.closeOnExec.add(fd);
      return 0;
    case Ioctl.FIONCLEX:
      current.files.closeOnExec.delete(fd);
      return 0;
    case Ioctl.FIONBIO: {
      const word = new Uint8Array(4);
      if (copyFromUser(kernel, argument, word) < 0) return -Errno.EFAULT;
      const on = word.some((byte) => byte !== 0);
      file.flags = on ? file.flags | O.NONBLOCK : file.flags & ~O.NONBLOCK;
      return 0;
    }
    case Ioctl.FIONREAD:
      if (isRegular(file.inode)) {
        return putInt(kernel, argument, inodeSize(file.inode) - file.position);
      }
      break;
  }
  return file.operations.ioctl?.(kernel, file, command, argument) ?? -Errno.ENOTTY;
}
