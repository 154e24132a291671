/**
 * fstat, newfstatat and readlink, after Linux 6.1 fs/stat.c. Files have the numbers that a pipe or a
 * device has; times are zero.
 */
import { copyToUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileStruct } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { mapId } from '../kernel/user_namespace.ts';
import { getname } from '../lib/strncpy_from_user.ts';
import { securityInodeGetattr } from '../security/security.ts';
import { fdget } from './file.ts';
import { lookupPath, pathWalkCost } from './namei.ts';

/** struct stat */
const STAT_BYTES = 144;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;

/** What stat reports of a file. */
export interface FileAttributes {
  readonly mode: number;
  readonly inodeNumber: number;
  readonly bytes: number;
  /** Device number of a character device. */
  readonly device: number;
}

export function attributesOf(file: FileStruct): FileAttributes {
  const device = file.kind === 'null' ? 0x103 : file.kind === 'zero' ? 0x105 : 0;
  const bytes = file.contents?.bytes.length ?? 0;
  return { mode: file.mode, inodeNumber: file.inodeNumber, bytes, device };
}

export function sysNewfstat(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_newfstat, 4);
  cpu.run(F.__do_sys_newfstat, 29);
  cpu.run(F.vfs_fstat, 31);
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  getattr(kernel, file);
  return copyStat(kernel, attributesOf(file), args.unsigned(1));
}

function getattr(kernel: Kernel, file: FileStruct | null): void {
  const { cpu } = kernel;
  securityInodeGetattr(kernel);
  cpu.run(F.vfs_getattr_nosec, 41);
  cpu.indirect(1);
  cpu.run(F.shmem_getattr, 41);
  cpu.run(F.generic_fillattr, 61);
  if (file !== null) {
    cpu.read(file.inode);
    cpu.read(file.inode + 64);
  }
  cpu.run(F.__shmem_is_huge, 28);
}

export function sysNewfstatat(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_newfstatat, 6);
  cpu.run(F.__do_sys_newfstatat, 30);
  cpu.run(F.vfs_fstatat, 35);
  const fd = args.int(0);
  const empty = (args.low(3) & AT_EMPTY_PATH) !== 0;
  const path = getname(kernel, args.unsigned(1), empty);
  if (typeof path === 'number') return path;
  if (path === '' && fd !== AT_FDCWD) {
    cpu.run(F.vfs_statx, 77);
    const file = fdget(kernel, fd);
    if (file === null) return -Errno.EBADF;
    pathWalkCost(kernel, 0);
    getattr(kernel, file);
    return copyStat(kernel, attributesOf(file), args.unsigned(2));
  }
  cpu.run(F.vfs_statx, 77);
  const found = lookupPath(kernel, path);
  if (found === null) return -Errno.ENOENT;
  getattr(kernel, null);
  return copyStat(kernel, found, args.unsigned(2));
}

/** cp_new_stat */
function copyStat(kernel: Kernel, attributes: FileAttributes, to: number): number {
  kernel.cpu.run(F.cp_new_stat, 88);
  kernel.cpu.run(F.from_kuid_munged, 5);
  mapId(kernel);
  kernel.cpu.run(F.from_kgid_munged, 6);
  mapId(kernel);
  const view = new DataView(new ArrayBuffer(STAT_BYTES));
  const block = 4096;
  view.setBigUint64(0, attributes.device === 0 ? 0xdn : 0x5n, true);
  view.setBigUint64(8, BigInt(attributes.inodeNumber), true);
  view.setBigUint64(16, 1n, true);
  view.setUint32(24, attributes.mode, true);
  view.setBigUint64(40, BigInt(attributes.device), true);
  view.setBigUint64(48, BigInt(attributes.bytes), true);
  view.setBigUint64(56, BigInt(block), true);
  view.setBigUint64(64, BigInt(Math.ceil(attributes.bytes / 512)), true);
  return copyToUser(kernel, to, new Uint8Array(view.buffer));
}

/** readlink: /proc/self/exe is the only link. */
export function sysReadlink(kernel: Kernel, args: SyscallArguments): number {
  return readlink(kernel, args.unsigned(0), args.unsigned(1), args.int(2));
}

export function sysReadlinkat(kernel: Kernel, args: SyscallArguments): number {
  return readlink(kernel, args.unsigned(1), args.unsigned(2), args.int(3));
}

function readlink(kernel: Kernel, pathAddress: number, buffer: number, size: number): number {
  const { cpu } = kernel;
  cpu.run(F.do_readlinkat, 60);
  if (size <= 0) return -Errno.EINVAL;
  const path = getname(kernel, pathAddress);
  if (typeof path === 'number') return path;
  pathWalkCost(kernel, path.split('/').length - 1);
  if (path !== '/proc/self/exe')
    return lookupPath(kernel, path) === null ? -Errno.ENOENT : -Errno.EINVAL;
  const target = new TextEncoder().encode(kernel.executable.path).subarray(0, size);
  return copyToUser(kernel, buffer, target) < 0 ? -Errno.EFAULT : target.length;
}
