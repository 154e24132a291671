/** open, openat, close, access, after Linux 6.1 fs/open.c. Omits: creation, writing to files. */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { getname } from '../lib/strncpy_from_user.ts';
import { closeFd, installFile } from './file.ts';
import { allocFile } from './file_table.ts';
import { findPath, lookupPath, normalize, pathWalkCost } from './namei.ts';

const O_ACCMODE = 3;
const O_RDONLY = 0;
const O_CREAT = 0o100;
const O_DIRECTORY = 0o200000;

export function sysOpen(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_open, 27);
  return doSysOpen(kernel, args.unsigned(0), args.int(1));
}

export function sysOpenat(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_openat, 27);
  return doSysOpen(kernel, args.unsigned(1), args.int(2));
}

function doSysOpen(kernel: Kernel, pathAddress: number, flags: number): number {
  const { cpu } = kernel;
  cpu.run(F.do_sys_openat2, 66);
  cpu.run(F.build_open_flags, 86);
  const name = getname(kernel, pathAddress);
  if (typeof name === 'number') return name;
  cpu.run(F.do_filp_open, 64);
  cpu.run(F.path_openat, 162);
  const path = normalize(name);
  pathWalkCost(kernel, path.split('/').length - 1);
  const found = findPath(kernel, path);
  if (found === null) return (flags & O_CREAT) !== 0 ? -Errno.EROFS : -Errno.ENOENT;
  if (found.kind === 'directory') {
    return (flags & O_ACCMODE) === O_RDONLY ? -Errno.EACCES : -Errno.EISDIR;
  }
  if ((flags & O_DIRECTORY) !== 0) return -Errno.ENOTDIR;
  if (found.kind === 'regular' && (flags & O_ACCMODE) !== O_RDONLY) return -Errno.EROFS;
  cpu.run(F.vfs_open, 14);
  cpu.run(F.do_dentry_open, 135);
  const target = path === '/proc/self/exe' ? kernel.executable.path : path;
  const file = allocFile(kernel, {
    kind: found.kind,
    path: target,
    inodeNumber: found.inodeNumber,
    mode: found.mode,
    flags,
    contents: kernel.files.get(target) ?? null,
    sink: 0,
  });
  if (file === null) return -Errno.ENFILE;
  return installFile(kernel, file);
}

export function sysClose(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_close, 13);
  return closeFd(kernel, args.int(0));
}

/** access and faccessat: what exists may be read and run, devices may be written. */
export function sysAccess(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.do_faccessat, 120);
  const name = getname(kernel, args.unsigned(0));
  if (typeof name === 'number') return name;
  return lookupPath(kernel, name) === null ? -Errno.ENOENT : 0;
}
