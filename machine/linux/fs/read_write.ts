/**
 * read, write and their kin, lseek, after Linux 6.1 fs/read_write.c. Omits: flags of preadv2 and
 * pwritev2 but RWF_NOWAIT's refusal, direct I/O.
 */
import { In, notifyFile } from './notify/fsnotify.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileStruct, IoResult } from '../include/linux/fs.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { mutexLock, mutexUnlock } from '../kernel/locking/mutex.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import { inUserSpace, IovIter, iterOfVector, TRANSFER_BYTES_MAX } from '../lib/iov_iter.ts';
import { verifyArea } from '../security/security.ts';
import { fdget, fdgetPos, fdput } from './file.ts';
import { isDirectory } from './inode.ts';

export function sysRead(kernel: Kernel, args: SyscallArguments): IoResult {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_read, 5);
  const file = fdgetPos(kernel, args.int(0));
  cpu.run(F.ksys_read, file !== null && file.operations.stream ? 40 : 48);
  if (file === null) return -Errno.EBADF;
  const iter = userIter(args.unsigned(1), args.unsigned(2));
  return iter === null ? -Errno.EFAULT : positioned(kernel, file, iter, vfsRead);
}

export function sysWrite(kernel: Kernel, args: SyscallArguments): IoResult {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_write, 5);
  const file = fdgetPos(kernel, args.int(0));
  cpu.run(F.ksys_write, file !== null && file.operations.stream ? 40 : 48);
  if (file === null) return -Errno.EBADF;
  const iter = userIter(args.unsigned(1), args.unsigned(2));
  return iter === null ? -Errno.EFAULT : positioned(kernel, file, iter, vfsWrite);
}

type Transfer = (kernel: Kernel, file: FileStruct, iter: IovIter, position: number) => IoResult;

/** One range of user memory; null where it cannot be user memory. */
function userIter(address: number, length: number): IovIter | null {
  const count = Math.min(length, TRANSFER_BYTES_MAX);
  return inUserSpace(address, count) ? new IovIter([{ address, length: count }]) : null;
}

/** At the file's position, which moves; the file is held while the call sleeps. */
function positioned(kernel: Kernel, file: FileStruct, iter: IovIter, transfer: Transfer): IoResult {
  const result = transfer(kernel, file, iter, file.position);
  if (typeof result !== 'number') return holding(kernel, file, result);
  if (result > 0 && !file.operations.stream) file.position += result;
  return result;
}

/** A call that sleeps holds its file, which another thread may close meanwhile. */
function* holding(kernel: Kernel, file: FileStruct, work: Sleeping<number>): Sleeping<number> {
  file.references++;
  const result = yield* work;
  if (result > 0 && !file.operations.stream) file.position += result;
  fdput(kernel, file);
  return result;
}

export function sysPread64(kernel: Kernel, args: SyscallArguments): IoResult {
  kernel.cpu.run(F.__x64_sys_pread64, 44);
  return atPosition(kernel, args, vfsRead);
}

export function sysPwrite64(kernel: Kernel, args: SyscallArguments): IoResult {
  kernel.cpu.run(F.__x64_sys_pwrite64, 44);
  return atPosition(kernel, args, vfsWrite);
}

function atPosition(kernel: Kernel, args: SyscallArguments, transfer: Transfer): IoResult {
  const position = args.wide(3);
  if (position < 0) return -Errno.EINVAL;
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  if (file.operations.stream) return -Errno.ESPIPE;
  const iter = userIter(args.unsigned(1), args.unsigned(2));
  return iter === null ? -Errno.EFAULT : transfer(kernel, file, iter, position);
}

/** fsnotify_access and fsnotify_modify, once bytes have gone over. */
function notified(kernel: Kernel, file: FileStruct, result: IoResult, mask: In): IoResult {
  if (kernel.watches.size === 0) return result;
  if (typeof result !== 'number') return notifiedLater(kernel, file, result, mask);
  if (result > 0) notifyFile(kernel, file.dentry, mask);
  return result;
}

function* notifiedLater(
  kernel: Kernel,
  file: FileStruct,
  work: Sleeping<number>,
  mask: In,
): Sleeping<number> {
  const result = yield* work;
  if (result > 0) notifyFile(kernel, file.dentry, mask);
  return result;
}

export function vfsRead(
  kernel: Kernel,
  file: FileStruct,
  iter: IovIter,
  position: number,
): IoResult {
  const { cpu } = kernel;
  const { operations } = file;
  cpu.run(F.vfs_read, operations.plain ? 76 : operations.stream ? 112 : 116);
  cpu.read(file.address + 64);
  if ((file.flags & O.ACCMODE) === O.WRONLY) return -Errno.EBADF;
  if (operations.read === undefined) return isDirectory(file.inode) ? -Errno.EISDIR : -Errno.EINVAL;
  verifyArea(kernel, file, true);
  cpu.indirect(1);
  if (!operations.plain) cpu.run(F.__get_task_ioprio, 31);
  return notified(kernel, file, operations.read(kernel, file, iter, position), In.ACCESS);
}

export function vfsWrite(
  kernel: Kernel,
  file: FileStruct,
  iter: IovIter,
  position: number,
): IoResult {
  const { cpu } = kernel;
  const { operations } = file;
  cpu.run(F.vfs_write, operations.plain ? 85 : operations.stream ? 117 : 139);
  cpu.stack(256, 1);
  cpu.read(file.address + 64);
  if ((file.flags & O.ACCMODE) === O.RDONLY) return -Errno.EBADF;
  if (operations.write === undefined) return -Errno.EINVAL;
  verifyArea(kernel, file, false);
  cpu.indirect(1);
  if (!operations.plain) {
    if (!operations.stream) condResched(cpu);
    cpu.run(F.__get_task_ioprio, 31);
  }
  return notified(kernel, file, operations.write(kernel, file, iter, position), In.MODIFY);
}

export function sysReadv(kernel: Kernel, args: SyscallArguments): IoResult {
  kernel.cpu.run(F.__x64_sys_readv, 6);
  kernel.cpu.run(F.do_readv, 60);
  return vectored(kernel, args, vfsRead);
}

export function sysWritev(kernel: Kernel, args: SyscallArguments): IoResult {
  kernel.cpu.run(F.__x64_sys_writev, 6);
  kernel.cpu.run(F.do_writev, 60);
  return vectored(kernel, args, vfsWrite);
}

function vectored(kernel: Kernel, args: SyscallArguments, transfer: Transfer): IoResult {
  const file = fdgetPos(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  const iter = iterOfVector(kernel, args);
  return typeof iter === 'number' ? iter : positioned(kernel, file, iter, transfer);
}

/** preadv, pwritev and, with flags, preadv2 and pwritev2 (position -1: the file's own). */
function vectoredAt(kernel: Kernel, args: SyscallArguments, transfer: Transfer): IoResult {
  const position = args.wide(3);
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  if (position < 0) return -Errno.EINVAL;
  if (file.operations.stream) return -Errno.ESPIPE;
  const iter = iterOfVector(kernel, args);
  return typeof iter === 'number' ? iter : transfer(kernel, file, iter, position);
}

export const sysPreadv = (kernel: Kernel, args: SyscallArguments): IoResult =>
  vectoredAt(kernel, args, vfsRead);

export const sysPwritev = (kernel: Kernel, args: SyscallArguments): IoResult =>
  vectoredAt(kernel, args, vfsWrite);

/** RWF_HIPRI, RWF_DSYNC and RWF_SYNC change nothing in memory; others are refused. */
const IGNORED_FLAGS = 0x7;

function flagged(kernel: Kernel, args: SyscallArguments, transfer: Transfer): IoResult {
  if ((args.low(5) & ~IGNORED_FLAGS) !== 0) return -Errno.EOPNOTSUPP;
  if (args.wide(3) === -1) return vectored(kernel, args, transfer);
  return vectoredAt(kernel, args, transfer);
}

export const sysPreadv2 = (kernel: Kernel, args: SyscallArguments): IoResult =>
  flagged(kernel, args, vfsRead);

export const sysPwritev2 = (kernel: Kernel, args: SyscallArguments): IoResult =>
  flagged(kernel, args, vfsWrite);

const enum Seek {
  SET = 0,
  CUR = 1,
  END = 2,
  DATA = 3,
  HOLE = 4,
}

export function sysLseek(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_lseek, 5);
  cpu.run(F.ksys_lseek, 38);
  const file = fdgetPos(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  const whence = args.int(2);
  if (whence < Seek.SET || whence > Seek.HOLE) return -Errno.EINVAL;
  if (file.operations.stream) return -Errno.ESPIPE;
  const { kind } = file.operations;
  if (kind === 'null' || kind === 'zero') return 0;
  if (kind === 'anonymous') return 0;
  if (kind === 'regular') cpu.run(F.shmem_file_llseek, 24);
  cpu.run(F.generic_file_llseek_size, 23);
  const position = seekTarget(file, whence, args.wide(1));
  if (position < 0) return position;
  cpu.write(file.address + 64);
  file.position = position;
  return position;
}

function seekTarget(file: FileStruct, whence: Seek, offset: number): number {
  const size = file.operations.size?.(file) ?? 0;
  if (whence === Seek.DATA || whence === Seek.HOLE) return dataOrHole(file, whence, offset, size);
  const origin = whence === Seek.SET ? 0 : whence === Seek.CUR ? file.position : size;
  const position = origin + offset;
  return position < 0 ? -Errno.EINVAL : position;
}

const PAGE_BYTES = 4096;

/** mapping_seek_hole_data: pages that exist are data. */
function dataOrHole(file: FileStruct, whence: Seek, offset: number, size: number): number {
  if (offset < 0 || offset >= size) return -Errno.ENXIO;
  const { mapping } = file.inode;
  if (mapping === null) return whence === Seek.DATA ? offset : size;
  let at = offset;
  while (at < size) {
    const page = Math.floor(at / PAGE_BYTES);
    const present = mapping.pages.has(page) || page * PAGE_BYTES < mapping.bytes.length;
    if (present === (whence === Seek.DATA)) return at;
    at = (page + 1) * PAGE_BYTES;
  }
  return whence === Seek.DATA ? -Errno.ENXIO : size;
}

/** f_pos_lock of a directory that is read. */
export function lockPosition(kernel: Kernel, file: FileStruct): void {
  mutexLock(kernel.cpu, file.address + 128);
}

export function unlockPosition(kernel: Kernel): void {
  kernel.cpu.run(F.__f_unlock_pos, 3);
  mutexUnlock(kernel.cpu);
}
