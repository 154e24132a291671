/**
 * read, write, writev, lseek, after Linux 6.1 fs/read_write.c. Omits: preadv and the like, splice,
 * O_APPEND (regular files are read-only).
 */
import { Cause } from '../../core/ledger/cause.ts';
import { copyOut, readUserBytes } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileStruct } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import { verifyArea } from '../security/security.ts';
import { fdget, fdgetPos } from './file.ts';
import { pipeRead, pipeWrite } from './pipe.ts';

/** MAX_RW_COUNT: what one call transfers at most. */
const TRANSFER_BYTES_MAX = 0x7ffff000;
const IOVECS_MAX = 1024;
const IOVEC_BYTES = 16;
const O_ACCMODE = 3;
const O_WRONLY = 1;
const O_RDONLY = 0;

export function sysRead(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_read, 5);
  cpu.run(F.ksys_read, 48);
  const file = fdgetPos(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  return vfsRead(kernel, file, args.unsigned(1), args.unsigned(2));
}

export function sysWrite(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  const fd = args.int(0);
  cpu.run(F.__x64_sys_write, 5);
  const file = fdgetPos(kernel, fd);
  cpu.run(F.ksys_write, file?.kind === 'pipe-out' ? 40 : 48);
  if (file === null) return -Errno.EBADF;
  return vfsWrite(kernel, file, args.unsigned(1), args.unsigned(2));
}

const inUserSpace = (address: number, length: number): boolean =>
  address >= 0 && address + length <= TASK_SIZE;

function vfsRead(kernel: Kernel, file: FileStruct, buffer: number, length: number): number {
  const { cpu } = kernel;
  cpu.run(F.vfs_read, 76);
  cpu.read(file.address + 64);
  if ((file.flags & O_ACCMODE) === O_WRONLY) return -Errno.EBADF;
  const count = Math.min(length, TRANSFER_BYTES_MAX);
  if (!inUserSpace(buffer, count)) return -Errno.EFAULT;
  verifyArea(kernel, file, true);
  cpu.indirect(1);
  if (file.kind === 'null') {
    cpu.run(F.read_null, 3);
    return 0;
  }
  if (file.kind === 'zero') return readZero(kernel, buffer, count);
  if (file.kind === 'pipe-in') return pipeRead(kernel, file);
  return readRegular(kernel, file, buffer, count);
}

/** read_zero of /dev/zero: clear_user page by page. */
function readZero(kernel: Kernel, buffer: number, count: number): number {
  const { cpu } = kernel;
  let done = 0;
  while (done < count) {
    const chunk = Math.min(count - done, 4096);
    cpu.run(F.read_zero, 45);
    cpu.run(F.clear_user_erms, 13);
    cpu.charge(Cause.ZERO, Math.ceil(chunk / 64) * cpu.ticks.zeroPerLine);
    if (copyOut(kernel, buffer + done, new Uint8Array(chunk)) < 0) return done || -Errno.EFAULT;
    done += chunk;
    condResched(cpu);
  }
  return done;
}

function readRegular(kernel: Kernel, file: FileStruct, buffer: number, count: number): number {
  const { cpu } = kernel;
  const bytes = file.contents?.bytes ?? new Uint8Array();
  const available = Math.max(0, Math.min(count, bytes.length - file.position));
  cpu.run(F.generic_file_read_iter, 28);
  cpu.run(F.filemap_read, 112 + 53 * Math.max(1, Math.ceil(available / 4096)));
  if (available === 0) return 0;
  const slice = bytes.subarray(file.position, file.position + available);
  if (copyOut(kernel, buffer, slice) < 0) return -Errno.EFAULT;
  file.position += available;
  return available;
}

function vfsWrite(kernel: Kernel, file: FileStruct, buffer: number, length: number): number {
  const { cpu } = kernel;
  const isPipe = file.kind === 'pipe-out';
  cpu.run(F.vfs_write, isPipe ? 117 : 85);
  cpu.stack(256, 1);
  cpu.read(file.address + 64);
  if ((file.flags & O_ACCMODE) === O_RDONLY) return -Errno.EBADF;
  const count = Math.min(length, TRANSFER_BYTES_MAX);
  if (!inUserSpace(buffer, count)) return -Errno.EFAULT;
  verifyArea(kernel, file, false);
  cpu.indirect(1);
  if (!isPipe) {
    cpu.run(F.write_null, 3);
    return count;
  }
  cpu.run(F.__get_task_ioprio, 31);
  return pipeWrite(kernel, file, [{ address: buffer, length: count }]);
}

/** writev: the vectors are imported, then written as one. */
export function sysWritev(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_writev, 6);
  cpu.run(F.do_writev, 60);
  const file = fdgetPos(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  const vectors = importIovec(kernel, args.unsigned(1), args.unsigned(2));
  if (typeof vectors === 'number') return vectors;
  const total = vectors.reduce((sum, { length }) => sum + length, 0);
  cpu.run(F.vfs_writev, 70);
  cpu.run(F.do_iter_write, 80);
  if ((file.flags & O_ACCMODE) === O_RDONLY) return -Errno.EBADF;
  verifyArea(kernel, file, false);
  cpu.indirect(1);
  if (file.kind !== 'pipe-out') return total;
  return pipeWrite(kernel, file, vectors);
}

export function sysReadv(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_readv, 6);
  cpu.run(F.do_readv, 60);
  const file = fdgetPos(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  const vectors = importIovec(kernel, args.unsigned(1), args.unsigned(2));
  if (typeof vectors === 'number') return vectors;
  let done = 0;
  for (const { address, length } of vectors) {
    const count = vfsRead(kernel, file, address, length);
    if (count < 0) return done > 0 ? done : count;
    done += count;
    if (count < length) break;
  }
  return done;
}

export interface UserRange {
  readonly address: number;
  readonly length: number;
}

/** __import_iovec */
function importIovec(kernel: Kernel, address: number, count: number): UserRange[] | number {
  kernel.cpu.run(F.__import_iovec, 40 + 14 * Math.min(count, IOVECS_MAX));
  if (count > IOVECS_MAX) return -Errno.EINVAL;
  const bytes = new Uint8Array(count * IOVEC_BYTES);
  if (readUserBytes(kernel, address, bytes) < 0) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  const vectors: UserRange[] = [];
  for (let at = 0; at < bytes.length; at += IOVEC_BYTES) {
    const base = Number(view.getBigUint64(at, true));
    const length = Number(view.getBigInt64(at + 8, true));
    if (length < 0) return -Errno.EINVAL;
    if (!inUserSpace(base, length)) return -Errno.EFAULT;
    vectors.push({ address: base, length });
  }
  return vectors;
}

const SEEK_SET = 0;
const SEEK_CUR = 1;
const SEEK_END = 2;

export function sysLseek(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_lseek, 5);
  cpu.run(F.ksys_lseek, 38);
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  if (file.kind === 'pipe-in' || file.kind === 'pipe-out') return -Errno.ESPIPE;
  if (file.kind !== 'regular') return 0;
  cpu.run(F.generic_file_llseek_size, 23);
  const offset = args.wide(1);
  const size = file.contents?.bytes.length ?? 0;
  const origins: Readonly<Record<number, number>> = {
    [SEEK_SET]: 0,
    [SEEK_CUR]: file.position,
    [SEEK_END]: size,
  };
  const whence = args.int(2);
  if (!(whence in origins)) return -Errno.EINVAL;
  const position = origins[whence] + offset;
  if (position < 0) return -Errno.EINVAL;
  file.position = position;
  return position;
}
