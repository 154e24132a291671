/** Descriptors, after Linux 6.1 fs/file.c. */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileStruct } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { spinLock, spinUnlock } from '../kernel/locking/spinlock.ts';
import { fileClose } from './file_table.ts';

/** RLIMIT_NOFILE, soft. */
export const FILES_MAX = 1024;

function lookup({ cpu, current }: Kernel, fd: number): FileStruct | null {
  cpu.run(F.__fget_light, 34);
  cpu.read(current.filesAddress);
  cpu.read(current.filesAddress + 64);
  const file = fd >= 0 && fd < current.files.length ? current.files[fd] : null;
  if (file !== null) cpu.read(file.address);
  return file;
}

/** __fdget */
export function fdget(kernel: Kernel, fd: number): FileStruct | null {
  kernel.cpu.run(F.__fdget, 3);
  return lookup(kernel, fd);
}

/** __fdget_pos: with the file's position lock for regular files. */
export function fdgetPos(kernel: Kernel, fd: number): FileStruct | null {
  kernel.cpu.run(F.__fdget_pos, 12);
  return lookup(kernel, fd);
}

/** get_unused_fd_flags and fd_install. Returns the descriptor or -EMFILE. */
export function installFile(kernel: Kernel, file: FileStruct): number {
  const { cpu, current } = kernel;
  cpu.run(F.get_unused_fd_flags, 7);
  cpu.run(F.alloc_fd, 87);
  spinLock(cpu, current.filesAddress);
  cpu.runCalls(F._find_next_zero_bit, 40, 2);
  cpu.run(F.expand_files, 27);
  spinUnlock(cpu);
  let fd = current.files.indexOf(null);
  if (fd < 0) fd = current.files.length;
  if (fd >= FILES_MAX) return -Errno.EMFILE;
  cpu.run(F.fd_install, 27);
  current.files[fd] = file;
  return fd;
}

/** close_fd */
export function closeFd(kernel: Kernel, fd: number): number {
  const { cpu, current } = kernel;
  cpu.run(F.close_fd, 23);
  spinLock(cpu, current.filesAddress);
  const file = fd >= 0 && fd < current.files.length ? current.files[fd] : null;
  cpu.run(F.pick_file, file === null ? 8 : 28);
  spinUnlock(cpu);
  if (file === null) return -Errno.EBADF;
  current.files[fd] = null;
  fileClose(kernel, file);
  return 0;
}
