/** Descriptors, after Linux 6.1 fs/file.c. Omits: growing the table by steps. */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FilesStruct, FileStruct } from '../include/linux/fs.ts';
import { rlimitSoft } from '../include/linux/resource.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import { Rlimit } from '../include/uapi/asm-generic/resource.ts';
import type { Kernel } from '../init/kernel.ts';
import { spinLock, spinUnlock } from '../kernel/locking/spinlock.ts';
import { rcuReadLock, rcuReadUnlock } from '../kernel/rcu/tree_plugin.ts';
import { fileClose, fput } from './file_table.ts';

/** RLIMIT_NOFILE as processes are given it, soft. */
export const FILES_MAX = 1024;
const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;

/** An empty table; null without memory. Untimed but for the object. */
export function newFiles(
  kernel: Pick<Kernel, 'cpu' | 'memory' | 'buddy' | 'caches'>,
): FilesStruct | null {
  const address = kernel.caches.filesStruct.allocate(kernel);
  return address < 0 ? null : { address, references: 1, fd: [], closeOnExec: new Set() };
}

/** dup_fd's result: every file has one more descriptor. */
export function copyFiles(kernel: Kernel, from: FilesStruct): FilesStruct | null {
  const files = newFiles(kernel);
  if (files === null) return null;
  for (const [fd, file] of from.fd.entries()) {
    files.fd[fd] = file;
    if (file === null) continue;
    file.references++;
    kernel.cpu.write(file.address);
  }
  for (const fd of from.closeOnExec) files.closeOnExec.add(fd);
  return files;
}

/** put_files_struct: the last user closes everything. */
export function putFiles(kernel: Kernel, files: FilesStruct): void {
  files.references--;
  if (files.references > 0) return;
  for (const [fd, file] of files.fd.entries()) {
    if (file === null) continue;
    files.fd[fd] = null;
    fileClose(kernel, file);
  }
  kernel.caches.filesStruct.free(kernel, files.address);
}

/** do_close_on_exec, of the current task. */
export function closeOnExec(kernel: Kernel, files: FilesStruct): void {
  for (const fd of [...files.closeOnExec].sort((a, b) => a - b)) {
    const file = files.fd[fd];
    files.fd[fd] = null;
    if (file !== null) fileClose(kernel, file);
  }
  files.closeOnExec.clear();
}

/** The file of a descriptor or null, untimed. */
export function fileOf({ current }: Kernel, fd: number): FileStruct | null {
  const { files } = current;
  return fd >= 0 && fd < files.fd.length ? files.fd[fd] : null;
}

function lookup(kernel: Kernel, fd: number): FileStruct | null {
  const { cpu, current } = kernel;
  cpu.run(F.__fget_light, 34);
  cpu.read(current.files.address);
  cpu.read(current.files.address + 64);
  const file = fileOf(kernel, fd);
  if (file !== null) cpu.read(file.address);
  return file;
}

const withoutPath = (file: FileStruct | null): FileStruct | null =>
  file === null || (file.flags & O.PATH) !== 0 ? null : file;

/** __fdget; files opened with O_PATH are none. */
export function fdget(kernel: Kernel, fd: number): FileStruct | null {
  kernel.cpu.run(F.__fdget, 3);
  return withoutPath(lookup(kernel, fd));
}

/** __fdget_raw: O_PATH will do. */
export function fdgetRaw(kernel: Kernel, fd: number): FileStruct | null {
  kernel.cpu.run(F.__fdget_raw, 3);
  return lookup(kernel, fd);
}

/** __fdget_pos: with the file's position lock for regular files. */
export function fdgetPos(kernel: Kernel, fd: number): FileStruct | null {
  const file = withoutPath(fileOf(kernel, fd));
  kernel.cpu.run(F.__fdget_pos, file?.operations.kind === 'regular' ? 20 : 12);
  return withoutPath(lookup(kernel, fd));
}

/** Ends a hold that a sleeping call took. */
export function fdput(kernel: Kernel, file: FileStruct): void {
  fput(kernel, file);
}

/** The caller's soft limit on descriptors: every descriptor is below it when it is made. */
export function filesLimit({ current }: Kernel): number {
  return rlimitSoft(current, Rlimit.NOFILE);
}

/** alloc_fd: the lowest free descriptor from `from` on, or -EMFILE. */
export function allocFd(kernel: Kernel, from = 0): number {
  const { cpu, current } = kernel;
  const { files } = current;
  cpu.run(F.alloc_fd, 87);
  spinLock(cpu, files.address);
  cpu.runCalls(F._find_next_zero_bit, 40, 2);
  cpu.run(F.expand_files, 27);
  cpu.write(files.address + 64);
  spinUnlock(cpu);
  let fd = from;
  while (fd < files.fd.length && files.fd[fd] !== null) fd++;
  return fd >= filesLimit(kernel) ? -Errno.EMFILE : fd;
}

/** get_unused_fd_flags: a descriptor to be installed, or -EMFILE. */
export function getUnusedFd(kernel: Kernel): number {
  kernel.cpu.run(F.get_unused_fd_flags, 7);
  return allocFd(kernel);
}

/** fd_install */
export function fdInstall(kernel: Kernel, fd: number, file: FileStruct, flags: number): void {
  const { cpu, current } = kernel;
  const { files } = current;
  cpu.run(F.fd_install, 27);
  while (files.fd.length <= fd) files.fd.push(null);
  files.fd[fd] = file;
  if ((flags & O.CLOEXEC) !== 0) files.closeOnExec.add(fd);
  else files.closeOnExec.delete(fd);
}

/** close_fd */
export function closeFd(kernel: Kernel, fd: number): number {
  const { cpu, current } = kernel;
  const { files } = current;
  cpu.run(F.close_fd, 24);
  spinLock(cpu, files.address);
  const file = fileOf(kernel, fd);
  cpu.run(F.pick_file, file === null ? 8 : 28);
  spinUnlock(cpu);
  if (file === null) return -Errno.EBADF;
  files.fd[fd] = null;
  files.closeOnExec.delete(fd);
  fileClose(kernel, file);
  return 0;
}

export function sysClose(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_close, 13);
  return closeFd(kernel, args.int(0));
}

export function sysCloseRange(kernel: Kernel, args: SyscallArguments): number {
  const [first, last, flags] = [args.low(0), args.low(1), args.low(2)];
  if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) !== 0) return -Errno.EINVAL;
  if (last < first) return -Errno.EINVAL;
  const { current } = kernel;
  if ((flags & CLOSE_RANGE_UNSHARE) !== 0 && current.files.references > 1) {
    const files = copyFiles(kernel, current.files);
    if (files === null) return -Errno.ENOMEM;
    current.files.references--;
    current.files = files;
  }
  const end = Math.min(last + 1, current.files.fd.length);
  for (let fd = first; fd < end; fd++) {
    if (current.files.fd[fd] === null) continue;
    if ((flags & CLOSE_RANGE_CLOEXEC) !== 0) current.files.closeOnExec.add(fd);
    else closeFd(kernel, fd);
  }
  return 0;
}

/** fget_raw */
function fgetRaw(kernel: Kernel, fd: number): FileStruct | null {
  const { cpu, current } = kernel;
  cpu.run(F.fget_raw, 41);
  rcuReadLock(cpu);
  cpu.read(current.files.address);
  const file = fileOf(kernel, fd);
  if (file !== null) cpu.write(file.address);
  rcuReadUnlock(cpu);
  return file;
}

export function sysDup(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_dup, 25);
  return dupFrom(kernel, args.int(0), 0, 0);
}

/** f_dupfd and dup: a second descriptor from `from` on. */
export function dupFrom(kernel: Kernel, old: number, from: number, flags: number): number {
  const file = fgetRaw(kernel, old);
  if (file === null) return -Errno.EBADF;
  const fd = allocFd(kernel, from);
  if (fd < 0) return fd;
  file.references++;
  fdInstall(kernel, fd, file, flags);
  return fd;
}

export function sysDup2(kernel: Kernel, args: SyscallArguments): number {
  const [old, fd] = [args.int(0), args.int(1)];
  if (old === fd) return fileOf(kernel, old) === null ? -Errno.EBADF : fd;
  return dup3(kernel, old, fd, 0);
}

export function sysDup3(kernel: Kernel, args: SyscallArguments): number {
  const [old, fd, flags] = [args.int(0), args.int(1), args.low(2)];
  if ((flags & ~O.CLOEXEC) !== 0 || old === fd) return -Errno.EINVAL;
  return dup3(kernel, old, fd, flags);
}

/** do_dup2: what the descriptor was before is closed. */
function dup3(kernel: Kernel, old: number, fd: number, flags: number): number {
  if (fd < 0 || fd >= filesLimit(kernel)) return -Errno.EBADF;
  const { cpu, current } = kernel;
  cpu.run(F.expand_files, 27);
  spinLock(cpu, current.files.address);
  const file = fileOf(kernel, old);
  spinUnlock(cpu);
  if (file === null) return -Errno.EBADF;
  const before = fileOf(kernel, fd);
  file.references++;
  cpu.write(file.address);
  fdInstall(kernel, fd, file, flags);
  if (before !== null) fileClose(kernel, before);
  return fd;
}
