/**
 * sendfile and copy_file_range, after Linux 6.1 fs/read_write.c (do_sendfile, vfs_copy_file_range) and
 * fs/splice.c (splice_direct_to_actor): rounds of up to 16 pages from a regular file. The bytes go
 * through a buffer, where Linux passes references to pages through a pipe of the task; the traffic is
 * that of reading and writing them. splice, vmsplice and tee are in splice-pipes.ts.
 */
import { getUser, putUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { FileMode, type FileStruct } from '../include/linux/fs.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { IovIter, TRANSFER_BYTES_MAX } from '../lib/iov_iter.ts';
import { fdget, fdput } from './file.ts';
import { isDirectory, isRegular } from './inode.ts';
import { vfsRead, vfsWrite } from './read_write.ts';

/** PIPE_DEF_BUFFERS pages: what the task's own pipe holds. */
const ROUND_BYTES = 16 * 4096;
const OFFSET_BYTES = 8;

/** One side of a copy: a file, and where in it. */
interface Side {
  readonly file: FileStruct;
  /** Where user memory keeps the position; 0 for the file's own. */
  readonly pointer: number;
  position: number;
}

const mayRead = ({ flags }: FileStruct): boolean => (flags & O.ACCMODE) !== O.WRONLY;
const mayWrite = ({ flags }: FileStruct): boolean => (flags & O.ACCMODE) !== O.RDONLY;

/** The file of `fd` with its position, or -EBADF, -EFAULT. */
function sideOf(kernel: Kernel, fd: number, pointer: number): Side | number {
  const file = fdget(kernel, fd);
  if (file === null) return -Errno.EBADF;
  if (pointer === 0) return { file, pointer, position: file.position };
  const bytes = new Uint8Array(OFFSET_BYTES);
  if (getUser(kernel, pointer, bytes) < 0) return -Errno.EFAULT;
  const position = Number(new DataView(bytes.buffer).getBigInt64(0, true));
  return { file, pointer, position };
}

/** Leaves the position where the caller finds it. Returns 0 or -EFAULT. */
function keepPosition(kernel: Kernel, { file, pointer, position }: Side): number {
  if (pointer === 0) {
    if (!file.operations.stream) file.position = position;
    return 0;
  }
  const bytes = new Uint8Array(OFFSET_BYTES);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(position), true);
  return putUser(kernel, pointer, bytes) < 0 ? -Errno.EFAULT : 0;
}

/** splice_direct_to_actor: copies until `count` bytes, the end of the input or a short write. */
function* splice(kernel: Kernel, from: Side, to: Side, count: number): Sleeping<number> {
  let done = 0;
  while (done < count) {
    kernel.cpu.run(F.splice_direct_to_actor, 60);
    const buffer = new Uint8Array(Math.min(ROUND_BYTES, count - done));
    const into = new IovIter([], buffer);
    const reading = vfsRead(kernel, from.file, into, from.position);
    const read = typeof reading === 'number' ? reading : yield* reading;
    if (read <= 0) return done > 0 ? done : read;
    const out = new IovIter([], buffer.subarray(0, read));
    const writing = vfsWrite(kernel, to.file, out, to.position);
    const written = typeof writing === 'number' ? writing : yield* writing;
    if (written < 0) return done > 0 ? done : written;
    from.position += written;
    to.position += written;
    done += written;
    if (written < buffer.length) return done;
  }
  return done;
}

/** The copy itself, both files held while it sleeps, and the positions after it. */
function* copy(kernel: Kernel, from: Side, to: Side, count: number): Sleeping<number> {
  from.file.references++;
  to.file.references++;
  const done = yield* splice(kernel, from, to, Math.min(count, TRANSFER_BYTES_MAX));
  const kept = Math.min(keepPosition(kernel, from), keepPosition(kernel, to));
  fdput(kernel, to.file);
  fdput(kernel, from.file);
  return kept < 0 ? kept : done;
}

/** sendfile: out_fd, in_fd, offset (0: the file's own position), count. */
export function sysSendfile(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  const count = args.unsigned(3);
  const from = sideOf(kernel, args.int(1), args.unsigned(2));
  kernel.cpu.run(F.do_sendfile, 110);
  if (typeof from === 'number') return from;
  if (!mayRead(from.file)) return -Errno.EBADF;
  if (from.pointer !== 0 && from.file.operations.stream) return -Errno.ESPIPE;
  if (from.position < 0) return -Errno.EINVAL;
  const to = sideOf(kernel, args.int(0), 0);
  if (typeof to === 'number') return to;
  if (!mayWrite(to.file)) return -Errno.EBADF;
  if ((from.file.inode.mode & FileMode.TYPE) !== FileMode.REGULAR) return -Errno.EINVAL;
  if ((to.file.flags & O.APPEND) !== 0) return -Errno.EINVAL;
  return copy(kernel, from, to, count);
}

/** generic_copy_file_checks: 0, or why these files cannot be copied between. */
function checkCopy(from: Side, to: Side): number {
  if (!mayRead(from.file) || !mayWrite(to.file)) return -Errno.EBADF;
  if ((to.file.flags & O.APPEND) !== 0) return -Errno.EBADF;
  const inodes = [from.file.inode, to.file.inode];
  if (inodes.some(isDirectory)) return -Errno.EISDIR;
  if (!inodes.every(isRegular)) return -Errno.EINVAL;
  if (inodes[0].superBlock !== inodes[1].superBlock) return -Errno.EXDEV;
  return from.position < 0 || to.position < 0 ? -Errno.EINVAL : 0;
}

const overlap = (from: Side, to: Side, count: number): boolean =>
  from.file.inode === to.file.inode &&
  from.position < to.position + count &&
  to.position < from.position + count;

/** copy_file_range: fd_in, off_in, fd_out, off_out, len, flags. */
export function sysCopyFileRange(
  kernel: Kernel,
  args: SyscallArguments,
): number | Sleeping<number> {
  const [length, flags] = [args.unsigned(4), args.low(5)];
  const from = sideOf(kernel, args.int(0), args.unsigned(1));
  if (typeof from === 'number') return from;
  const to = sideOf(kernel, args.int(2), args.unsigned(3));
  kernel.cpu.run(F.vfs_copy_file_range, 150);
  if (typeof to === 'number') return to;
  if (flags !== 0) return -Errno.EINVAL;
  const refused = checkCopy(from, to);
  if (refused !== 0) return refused;
  const size = from.file.operations.size?.(from.file) ?? 0;
  const count = Math.min(length, Math.max(0, size - from.position));
  if (overlap(from, to, count)) return -Errno.EINVAL;
  return count === 0 ? 0 : copy(kernel, from, to, count);
}
