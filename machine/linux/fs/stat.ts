/** stat and its kin, statx, readlink, after Linux 6.1 fs/stat.c. Omits: birth times, attributes. */
import { copyToUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Dentry } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { At } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { mapId } from '../kernel/user_namespace.ts';
import { getname } from '../lib/strncpy_from_user.ts';
import { securityInodeGetattr } from '../security/security.ts';
import { filePath } from './d_path.ts';
import { dentryPath } from './dcache.ts';
import { fdgetRaw } from './file.ts';
import { inodeSize, isSymlink } from './inode.ts';
import { emptyPathCost, filenameLookup, putPath } from './namei.ts';

/** struct stat, struct statx */
const STAT_BYTES = 144;
const STATX_BYTES = 256;
const BLOCK_BYTES = 4096;
const SECTOR_BYTES = 512;
const NSEC_PER_SEC = 1_000_000_000n;

/** What stat reports. */
interface Attributes {
  readonly device: number;
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blocks: number;
  readonly accessNs: bigint;
  readonly modifyNs: bigint;
  readonly changeNs: bigint;
}

function attributesOf(dentry: Dentry): Attributes {
  const { inode } = dentry;
  const size = inodeSize(inode, dentry.children?.size ?? 0);
  const { mapping } = inode;
  const pages = mapping === null ? 0 : pagesOf(mapping.pages, mapping.bytes.length);
  return {
    device: inode.superBlock.device,
    inode: inode.number,
    mode: inode.mode,
    links: inode.links,
    uid: inode.uid,
    gid: inode.gid,
    rdev: inode.device,
    size,
    blocks: pages * (BLOCK_BYTES / SECTOR_BYTES),
    accessNs: inode.accessNs,
    modifyNs: inode.modifyNs,
    changeNs: inode.changeNs,
  };
}

/** Pages that a file has: those with frames, and those whose contents wait for one. */
function pagesOf(pages: ReadonlyMap<number, number>, bytes: number): number {
  const waiting = Math.ceil(bytes / BLOCK_BYTES);
  let count = waiting;
  for (const index of pages.keys()) if (index >= waiting) count++;
  return count;
}

/** vfs_getattr: security, then shmem_getattr or generic_fillattr. */
function getattr(kernel: Kernel, dentry: Dentry): Attributes {
  const { cpu } = kernel;
  const { inode } = dentry;
  securityInodeGetattr(kernel);
  cpu.run(F.vfs_getattr_nosec, 41);
  cpu.indirect(1);
  cpu.run(F.shmem_getattr, 41);
  cpu.run(F.generic_fillattr, 61);
  cpu.read(inode.address);
  cpu.read(inode.address + 64);
  cpu.run(F.__shmem_is_huge, 28);
  return attributesOf(dentry);
}

export function sysNewfstat(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_newfstat, 4);
  cpu.run(F.__do_sys_newfstat, 29);
  cpu.run(F.vfs_fstat, 31);
  const file = fdgetRaw(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  return copyStat(kernel, getattr(kernel, file.dentry), args.unsigned(1));
}

interface StatTarget {
  readonly dirfd: number;
  readonly address: number;
  readonly flags: number;
}

const STAT_FLAGS = At.SYMLINK_NOFOLLOW | At.NO_AUTOMOUNT | At.EMPTY_PATH;
/** AT_STATX_SYNC_TYPE */
const SYNC_TYPE = 0x6000;

/** vfs_statx: the attributes, or an error. */
function vfsStatx(kernel: Kernel, { dirfd, address, flags }: StatTarget): Attributes | number {
  const { cpu } = kernel;
  const path = getname(kernel, address, (flags & At.EMPTY_PATH) !== 0);
  if (typeof path === 'number') return path;
  cpu.run(F.vfs_statx, 77);
  if ((flags & ~(STAT_FLAGS | SYNC_TYPE)) !== 0) return -Errno.EINVAL;
  if (path === '') {
    const dentry = dirfd === At.FDCWD ? kernel.current.fs.pwd : fdgetRaw(kernel, dirfd)?.dentry;
    if (dentry === undefined) return -Errno.EBADF;
    emptyPathCost(kernel);
    const attributes = getattr(kernel, dentry);
    putPath(kernel);
    return attributes;
  }
  const follow = (flags & At.SYMLINK_NOFOLLOW) === 0;
  const dentry = filenameLookup(kernel, dirfd, path, { follow });
  if (typeof dentry === 'number') return dentry;
  const attributes = getattr(kernel, dentry);
  putPath(kernel);
  return attributes;
}

function doStat(kernel: Kernel, target: StatTarget, to: number): number {
  const { cpu } = kernel;
  cpu.run(F.__do_sys_newfstatat, 30);
  cpu.run(F.vfs_fstatat, 35);
  cpu.run(F.getname_flags, 18);
  const attributes = vfsStatx(kernel, target);
  return typeof attributes === 'number' ? attributes : copyStat(kernel, attributes, to);
}

export function sysNewfstatat(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_newfstatat, 6);
  const target = { dirfd: args.int(0), address: args.unsigned(1), flags: args.low(3) };
  return doStat(kernel, target, args.unsigned(2));
}

export const sysNewstat = (kernel: Kernel, args: SyscallArguments): number =>
  doStat(kernel, { dirfd: At.FDCWD, address: args.unsigned(0), flags: 0 }, args.unsigned(1));

export const sysNewlstat = (kernel: Kernel, args: SyscallArguments): number =>
  doStat(
    kernel,
    { dirfd: At.FDCWD, address: args.unsigned(0), flags: At.SYMLINK_NOFOLLOW },
    args.unsigned(1),
  );

/** cp_new_stat */
function copyStat(kernel: Kernel, attributes: Attributes, to: number): number {
  kernel.cpu.run(F.cp_new_stat, 88);
  kernel.cpu.run(F.from_kuid_munged, 5);
  mapId(kernel);
  kernel.cpu.run(F.from_kgid_munged, 6);
  mapId(kernel);
  const view = new DataView(new ArrayBuffer(STAT_BYTES));
  view.setBigUint64(0, BigInt(attributes.device), true);
  view.setBigUint64(8, BigInt(attributes.inode), true);
  view.setBigUint64(16, BigInt(attributes.links), true);
  view.setUint32(24, attributes.mode, true);
  view.setUint32(28, attributes.uid, true);
  view.setUint32(32, attributes.gid, true);
  view.setBigUint64(40, BigInt(attributes.rdev), true);
  view.setBigUint64(48, BigInt(attributes.size), true);
  view.setBigUint64(56, BigInt(BLOCK_BYTES), true);
  view.setBigUint64(64, BigInt(attributes.blocks), true);
  const times = [attributes.accessNs, attributes.modifyNs, attributes.changeNs];
  for (const [i, ns] of times.entries()) {
    view.setBigInt64(72 + 16 * i, ns / NSEC_PER_SEC, true);
    view.setBigInt64(80 + 16 * i, ns % NSEC_PER_SEC, true);
  }
  return copyToUser(kernel, to, new Uint8Array(view.buffer));
}

/** STATX_BASIC_STATS */
const BASIC_STATS = 0x7ff;
const STATX_RESERVED = 0x80000000;

export function sysStatx(kernel: Kernel, args: SyscallArguments): number {
  if ((args.low(3) & STATX_RESERVED) !== 0) return -Errno.EINVAL;
  if ((args.low(2) & SYNC_TYPE) === SYNC_TYPE) return -Errno.EINVAL;
  const to = args.unsigned(4);
  const target = { dirfd: args.int(0), address: args.unsigned(1), flags: args.low(2) };
  const attributes = vfsStatx(kernel, target);
  if (typeof attributes === 'number') return attributes;
  const view = new DataView(new ArrayBuffer(STATX_BYTES));
  view.setUint32(0, BASIC_STATS, true);
  view.setUint32(4, BLOCK_BYTES, true);
  view.setUint32(16, attributes.links, true);
  view.setUint32(20, attributes.uid, true);
  view.setUint32(24, attributes.gid, true);
  view.setUint16(28, attributes.mode, true);
  view.setBigUint64(32, BigInt(attributes.inode), true);
  view.setBigUint64(40, BigInt(attributes.size), true);
  view.setBigUint64(48, BigInt(attributes.blocks), true);
  const { accessNs, modifyNs, changeNs } = attributes;
  for (const [at, ns] of [
    [64, accessNs],
    [96, changeNs],
    [112, modifyNs],
  ] as const) {
    view.setBigInt64(at, ns / NSEC_PER_SEC, true);
    view.setUint32(at + 8, Number(ns % NSEC_PER_SEC), true);
  }
  setDevice(view, 128, attributes.rdev);
  setDevice(view, 136, attributes.device);
  return copyToUser(kernel, to, new Uint8Array(view.buffer));
}

function setDevice(view: DataView, at: number, device: number): void {
  view.setUint32(at, device >>> 8, true);
  view.setUint32(at + 4, device & 0xff, true);
}

export const sysReadlink = (kernel: Kernel, args: SyscallArguments): number =>
  doReadlink(kernel, [At.FDCWD, args.unsigned(0)], args.unsigned(1), args.int(2));

export const sysReadlinkat = (kernel: Kernel, args: SyscallArguments): number =>
  doReadlink(kernel, [args.int(0), args.unsigned(1)], args.unsigned(2), args.int(3));

function doReadlink(
  kernel: Kernel,
  [dirfd, address]: readonly [number, number],
  buffer: number,
  size: number,
): number {
  kernel.cpu.run(F.do_readlinkat, 60);
  if (size <= 0) return -Errno.EINVAL;
  const path = getname(kernel, address, true);
  if (typeof path === 'number') return path;
  const dentry =
    path === ''
      ? fdgetRaw(kernel, dirfd)?.dentry
      : filenameLookup(kernel, dirfd, path, { follow: false });
  if (dentry === undefined) return -Errno.ENOENT;
  if (typeof dentry === 'number') return dentry;
  if (path !== '') putPath(kernel);
  const { inode } = dentry;
  if (!isSymlink(inode) || inode.target === null)
    return path === '' ? -Errno.ENOENT : -Errno.EINVAL;
  const target = linkText(kernel, inode.target);
  const bytes = new TextEncoder().encode(target).subarray(0, size);
  return copyToUser(kernel, buffer, bytes) < 0 ? -Errno.EFAULT : bytes.length;
}

type Target = NonNullable<Dentry['inode']['target']>;

/** What readlink shows: a magic link shows the path of its entry. */
function linkText(kernel: Kernel, target: Target): string {
  if (typeof target === 'string') return target;
  const found = target(kernel);
  if (typeof found === 'string') return found;
  const file = kernel.current.files.fd.find((open) => open?.dentry === found);
  return file === null || file === undefined ? dentryPath(found) : filePath(file);
}
