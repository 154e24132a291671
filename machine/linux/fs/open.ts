/**
 * open and its kin, access, truncate, fallocate, chdir, chmod, chown, after Linux 6.1 fs/open.c.
 * Omits: permissions other than execution (everybody is root), chroot, openat2's resolve flags.
 */
import { In, notifyFile } from './notify/fsnotify.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { type Dentry, FileMode, type Inode } from '../include/linux/fs.ts';
import type { IoResult } from '../include/linux/fs.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { At, O } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { getname, putname, takeName } from '../lib/strncpy_from_user.ts';
import { FILE_BYTES_MAX } from '../mm/shmem.ts';
import { framedPage, shmemWritePage } from '../mm/shmem-pages.ts';
import { punchPage, resizeFile } from '../mm/truncate.ts';
import { fdget, fdgetRaw, fdInstall, getUnusedFd } from './file.ts';
import { fput } from './file_table.ts';
import { setPwd } from './fs_struct.ts';
import { isDirectory, isRegular, stampChange } from './inode.ts';
import { filenameLookup, inodePermission, putPath } from './namei.ts';
import { doFilpOpen } from './namei-open.ts';

const PAGE_BYTES = 4096;

export function sysOpen(kernel: Kernel, args: SyscallArguments): IoResult {
  kernel.cpu.run(F.__x64_sys_open, 27);
  return doSysOpen(kernel, At.FDCWD, args.unsigned(0), [args.low(1), args.low(2)]);
}

export function sysOpenat(kernel: Kernel, args: SyscallArguments): IoResult {
  kernel.cpu.run(F.__x64_sys_openat, 27);
  return doSysOpen(kernel, args.int(0), args.unsigned(1), [args.low(2), args.low(3)]);
}

export function sysCreat(kernel: Kernel, args: SyscallArguments): IoResult {
  kernel.cpu.run(F.__x64_sys_open, 27);
  const flags = O.CREAT | O.WRONLY | O.TRUNC;
  return doSysOpen(kernel, At.FDCWD, args.unsigned(0), [flags, args.low(1)]);
}

/** do_sys_openat2: the descriptor is found before the path is walked. */
function doSysOpen(
  kernel: Kernel,
  dirfd: number,
  address: number,
  how: readonly [flags: number, mode: number],
): IoResult {
  const { cpu } = kernel;
  const flags = buildOpenFlags(how[0]);
  cpu.run(F.do_sys_openat2, 66);
  cpu.run(F.build_open_flags, (flags & O.CREAT) === 0 ? 86 : 87);
  if (flags < 0) return flags;
  const { path, buffer } = takeName(kernel, address);
  if (buffer < 0) return -Errno.ENOMEM;
  const result =
    path === ''
      ? -Errno.ENOENT
      : typeof path === 'number'
        ? path
        : openPath(kernel, { dirfd, path, flags, mode: how[1] });
  putname(kernel, buffer);
  return result;
}

interface OpenRequest {
  readonly dirfd: number;
  readonly path: string;
  readonly flags: number;
  readonly mode: number;
}

function openPath(kernel: Kernel, request: OpenRequest): IoResult {
  const { flags } = request;
  const fd = getUnusedFd(kernel);
  if (fd < 0) return fd;
  const file = doFilpOpen(kernel, request);
  if (typeof file === 'number') return file;
  const opened = (flags & O.PATH) !== 0 ? 0 : (file.operations.open?.(kernel, file) ?? 0);
  if (typeof opened !== 'number') return openSlowly(kernel, file, opened, flags);
  if (opened < 0) {
    fput(kernel, file);
    return opened;
  }
  if ((flags & O.PATH) === 0) notifyFile(kernel, file.dentry, In.OPEN);
  fdInstall(kernel, fd, file, flags);
  return fd;
}

/** An open that has to wait for the other side (a FIFO). */
function* openSlowly(
  kernel: Kernel,
  file: Parameters<typeof fdInstall>[2],
  work: Sleeping<number>,
  flags: number,
): Sleeping<number> {
  const opened = yield* work;
  const fd = opened < 0 ? opened : getUnusedFd(kernel);
  if (fd < 0) fput(kernel, file);
  else fdInstall(kernel, fd, file, flags);
  return fd;
}

/** build_open_flags: unknown bits are ignored; -EINVAL for combinations without a meaning. */
function buildOpenFlags(flags: number): number {
  if ((flags & O.TMPFILE_BIT) !== 0) {
    if ((flags & O.TMPFILE) !== O.TMPFILE) return -Errno.EINVAL;
    if ((flags & O.ACCMODE) === O.RDONLY) return -Errno.EINVAL;
  }
  if ((flags & O.CREAT) !== 0 && (flags & O.DIRECTORY) !== 0 && (flags & O.PATH) === 0) {
    // Linux 6.1 makes a regular file here; later kernels refuse.
    return flags & ~O.DIRECTORY;
  }
  if ((flags & O.PATH) !== 0) {
    return flags & (O.PATH | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC);
  }
  return flags;
}

/** A path and what it names, for the calls on paths: `work` gets the entry. */
function onPath(
  kernel: Kernel,
  at: { readonly dirfd: number; readonly address: number; readonly flags?: number },
  work: (dentry: Dentry) => number,
): number {
  const flags = at.flags ?? 0;
  const path = getname(kernel, at.address, (flags & At.EMPTY_PATH) !== 0);
  if (typeof path === 'number') return path;
  if (path === '') {
    const file = at.dirfd === At.FDCWD ? null : fdgetRaw(kernel, at.dirfd);
    if (at.dirfd !== At.FDCWD && file === null) return -Errno.EBADF;
    return work(file?.dentry ?? kernel.current.fs.pwd);
  }
  const follow = (flags & At.SYMLINK_NOFOLLOW) === 0;
  const dentry = filenameLookup(kernel, at.dirfd, path, { follow });
  if (typeof dentry === 'number') return dentry;
  const result = work(dentry);
  putPath(kernel);
  return result;
}

const X_OK = 1;
const ACCESS_BITS = 7;

/** access, faccessat and, with flags, faccessat2. */
function doFaccessat(
  kernel: Kernel,
  at: { readonly dirfd: number; readonly address: number; readonly flags?: number },
  mode: number,
): number {
  kernel.cpu.run(F.do_faccessat, 120);
  const known = At.REMOVEDIR | At.SYMLINK_NOFOLLOW | At.EMPTY_PATH;
  if ((mode & ~ACCESS_BITS) !== 0 || ((at.flags ?? 0) & ~known) !== 0) return -Errno.EINVAL;
  return onPath(kernel, at, (dentry) => inodePermission(kernel, dentry, (mode & X_OK) !== 0));
}

export const sysAccess = (kernel: Kernel, args: SyscallArguments): number =>
  doFaccessat(kernel, { dirfd: At.FDCWD, address: args.unsigned(0) }, args.low(1));

export const sysFaccessat = (kernel: Kernel, args: SyscallArguments): number =>
  doFaccessat(kernel, { dirfd: args.int(0), address: args.unsigned(1) }, args.low(2));

export const sysFaccessat2 = (kernel: Kernel, args: SyscallArguments): number =>
  doFaccessat(
    kernel,
    { dirfd: args.int(0), address: args.unsigned(1), flags: args.low(3) },
    args.low(2),
  );

function truncateInode(kernel: Kernel, dentry: Dentry, size: number): number {
  const { inode } = dentry;
  if (size < 0) return -Errno.EINVAL;
  if (isDirectory(inode)) return -Errno.EISDIR;
  if (!isRegular(inode) || inode.mapping === null) return -Errno.EINVAL;
  if (size > FILE_BYTES_MAX) return -Errno.EFBIG;
  resizeFile(kernel, inode.mapping, size);
  stampChange(kernel, inode);
  notifyFile(kernel, dentry, In.MODIFY);
  return 0;
}

export const sysTruncate = (kernel: Kernel, args: SyscallArguments): number =>
  onPath(kernel, { dirfd: At.FDCWD, address: args.unsigned(0) }, (dentry) =>
    dentry.inode.writers < 0 ? -Errno.ETXTBSY : truncateInode(kernel, dentry, args.wide(1)),
  );

export function sysFtruncate(kernel: Kernel, args: SyscallArguments): number {
  const size = args.wide(1);
  if (size < 0) return -Errno.EINVAL;
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  const writable = (file.flags & O.ACCMODE) !== O.RDONLY;
  if (!isRegular(file.inode) || !writable) return -Errno.EINVAL;
  return truncateInode(kernel, file.dentry, size);
}

const enum Fallocate {
  KEEP_SIZE = 1,
  PUNCH_HOLE = 2,
}

export function sysFallocate(kernel: Kernel, args: SyscallArguments): number {
  const [mode, offset, length] = [args.low(1), args.wide(2), args.wide(3)];
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  if (offset < 0 || length <= 0) return -Errno.EINVAL;
  if ((mode & ~(Fallocate.KEEP_SIZE | Fallocate.PUNCH_HOLE)) !== 0) return -Errno.EOPNOTSUPP;
  if (mode === Fallocate.PUNCH_HOLE) return -Errno.EOPNOTSUPP;
  if ((file.flags & O.ACCMODE) === O.RDONLY) return -Errno.EBADF;
  const { mapping } = file.inode;
  if (file.operations.stream) return -Errno.ESPIPE;
  if (isDirectory(file.inode)) return -Errno.EISDIR;
  if (mapping === null) return -Errno.ENODEV;
  if (offset + length > FILE_BYTES_MAX) return -Errno.EFBIG;
  const end = offset + length;
  for (let index = Math.floor(offset / PAGE_BYTES); index * PAGE_BYTES < end; index++) {
    if ((mode & Fallocate.PUNCH_HOLE) === 0) {
      if (shmemWritePage(kernel, mapping, index) < 0) return -Errno.ENOSPC;
      continue;
    }
    const from = Math.max(offset - index * PAGE_BYTES, 0);
    const to = Math.min(end - index * PAGE_BYTES, PAGE_BYTES);
    if (from === 0 && to === PAGE_BYTES) {
      punchPage(kernel, mapping, index);
      continue;
    }
    if (framedPage(kernel, mapping, index) < 0) continue;
    const frame = shmemWritePage(kernel, mapping, index);
    if (frame < 0) return -Errno.ENOSPC;
    kernel.memory.bytes.fill(0, frame * PAGE_BYTES + from, frame * PAGE_BYTES + to);
  }
  if ((mode & Fallocate.KEEP_SIZE) === 0 && end > mapping.size) mapping.size = end;
  stampChange(kernel, file.inode);
  return 0;
}

function changeDirectory(kernel: Kernel, dentry: Dentry): number {
  if (!isDirectory(dentry.inode)) return -Errno.ENOTDIR;
  setPwd(kernel, kernel.current.fs, dentry);
  return 0;
}

export const sysChdir = (kernel: Kernel, args: SyscallArguments): number =>
  onPath(kernel, { dirfd: At.FDCWD, address: args.unsigned(0) }, (dentry) =>
    changeDirectory(kernel, dentry),
  );

export function sysFchdir(kernel: Kernel, args: SyscallArguments): number {
  const file = fdgetRaw(kernel, args.int(0));
  return file === null ? -Errno.EBADF : changeDirectory(kernel, file.dentry);
}

export function sysUmask({ current }: Kernel, args: SyscallArguments): number {
  const before = current.fs.umask;
  current.fs.umask = args.low(0) & 0o777;
  return before;
}

function changeMode(kernel: Kernel, dentry: Dentry, mode: number): number {
  const { inode } = dentry;
  inode.mode = (inode.mode & FileMode.TYPE) | (mode & FileMode.CHANGEABLE);
  stampChangeOnly(kernel, inode);
  notifyFile(kernel, dentry, In.ATTRIB);
  return 0;
}

/** A change of attributes moves the change time alone. */
function stampChangeOnly(kernel: Kernel, inode: Inode): void {
  const { modifyNs } = inode;
  stampChange(kernel, inode);
  inode.modifyNs = modifyNs;
}

export const sysChmod = (kernel: Kernel, args: SyscallArguments): number =>
  onPath(kernel, { dirfd: At.FDCWD, address: args.unsigned(0) }, (dentry) =>
    changeMode(kernel, dentry, args.low(1)),
  );

export const sysFchmodat = (kernel: Kernel, args: SyscallArguments): number =>
  onPath(kernel, { dirfd: args.int(0), address: args.unsigned(1) }, (dentry) =>
    changeMode(kernel, dentry, args.low(2)),
  );

export function sysFchmod(kernel: Kernel, args: SyscallArguments): number {
  const file = fdget(kernel, args.int(0));
  return file === null ? -Errno.EBADF : changeMode(kernel, file.dentry, args.low(1));
}

/** -1 leaves an id as it is. Writing as another user would, chown takes set-id bits away. */
function changeOwner(kernel: Kernel, dentry: Dentry, uid: number, gid: number): number {
  const { inode } = dentry;
  if (uid !== -1) inode.uid = uid >>> 0;
  if (gid !== -1) inode.gid = gid >>> 0;
  if (!isDirectory(inode)) {
    inode.mode &= ~FileMode.SET_USER;
    const groupExecutes = (inode.mode & 0o010) !== 0;
    if (groupExecutes) inode.mode &= ~FileMode.SET_GROUP;
  }
  stampChangeOnly(kernel, inode);
  notifyFile(kernel, dentry, In.ATTRIB);
  return 0;
}

export const sysChown = (kernel: Kernel, args: SyscallArguments): number =>
  onPath(kernel, { dirfd: At.FDCWD, address: args.unsigned(0) }, (dentry) =>
    changeOwner(kernel, dentry, args.int(1), args.int(2)),
  );

export const sysLchown = (kernel: Kernel, args: SyscallArguments): number =>
  onPath(
    kernel,
    { dirfd: At.FDCWD, address: args.unsigned(0), flags: At.SYMLINK_NOFOLLOW },
    (dentry) => changeOwner(kernel, dentry, args.int(1), args.int(2)),
  );

export const sysFchownat = (kernel: Kernel, args: SyscallArguments): number =>
  onPath(kernel, { dirfd: args.int(0), address: args.unsigned(1), flags: args.low(4) }, (dentry) =>
    changeOwner(kernel, dentry, args.int(2), args.int(3)),
  );

export function sysFchown(kernel: Kernel, args: SyscallArguments): number {
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  return changeOwner(kernel, file.dentry, args.int(1), args.int(2));
}
