/**
 * Making and removing names, after Linux 6.1 fs/namei.c. Omits: permissions (everybody is
 * root).
 */
import { In, notifyInode, notifyName } from './notify/fsnotify.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import { type Dentry, type FileOperations, FileMode } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { At } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { getname, type UserPath } from '../lib/strncpy_from_user.ts';
import { emptyFile } from '../mm/shmem-pages.ts';
import { SHMEM_FILE } from '../mm/shmem.ts';
import { attach, detach, dputCost, killDentry, makeDentry, dentryPath } from './dcache.ts';
import { type InodeShape, isDirectory, newInode, stampChange } from './inode.ts';
import { DIRECTORY, SYMLINK } from './libfs.ts';
import { dynamicOf, filenameParent, type WalkedPath } from './namei.ts';
import { mayCreateIn, modeOf } from './namei-open.ts';
import { deviceOperations } from './devices.ts';
import { FIFO } from './fifo.ts';

export const MKDIR: Steps = [
  [F.do_mkdirat, 75],
  [F.filename_create, 66],
  [F.mnt_want_write, 23],
  [F.__cond_resched, 6],
  [F.__mnt_want_write, 22],
  [F.down_write, 15],
  [F.__cond_resched, 6],
  [F.lookup_one_qstr_excl, 40, 1, 1],
  [F.lookup_dcache, 15],
  [F.d_lookup, 22],
  [F.__d_lookup, 32],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
  [F.d_alloc, 43],
  [F.__d_alloc, 63],
  [F.__memcpy, 1],
  [F.memcpy_erms, 4],
  [F.d_set_d_op, 10],
  [F._raw_spin_lock, 7],
  [F.__list_add_valid, 17],
  [F._raw_spin_unlock, 6],
  [F.simple_lookup, 18],
  [F.d_set_d_op, 25],
  [F.d_add, 12],
  [F.__d_add, 25],
  [F._raw_spin_lock, 7],
  [F.__d_rehash, 27],
  [F._raw_spin_unlock, 6],
  [F.security_path_mkdir, 66, 1, 4],
  [F.hook_path_mkdir, 24],
  [F.apparmor_path_mkdir, 46],
  [F.tomoyo_path_mkdir, 16],
  [F.tomoyo_path_number_perm, 48],
  [F.tomoyo_init_request_info, 33],
  [F.tomoyo_domain, 9],
  [F.bpf_lsm_path_mkdir, 3],
  [F.vfs_mkdir, 65, 1, 1],
  [F.may_create, 49],
  [F.from_kuid, 2],
  [F.map_id_up, 35],
  [F.from_kgid, 3],
  [F.map_id_up, 35],
  [F.inode_permission, 48],
  [F.generic_permission, 39],
  [F.security_inode_permission, 26, 1, 1],
  [F.bpf_lsm_inode_permission, 3],
  [F.mode_strip_sgid, 14],
  [F.security_inode_mkdir, 31, 1, 1],
  [F.bpf_lsm_inode_mkdir, 3],
  [F.shmem_mkdir, 18],
  [F.shmem_mknod, 56],
  [F.simple_acl_create, 40],
  [F.posix_acl_create, 39],
  [F.get_cached_acl, 16],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
  [F.current_umask, 5],
  [F.set_cached_acl, 31, 2],
  [F.security_inode_init_security, 78, 1, 2],
  [F.bpf_lsm_inode_init_security, 3],
  [F.evm_inode_init_security, 5],
  [F.shmem_initxattrs, 5],
  [F.current_time, 44],
  [F.ktime_get_coarse_real_ts64, 15],
  [F.inode_maybe_inc_iversion, 14],
  [F.d_instantiate, 22],
  [F.security_d_instantiate, 25, 1, 1],
  [F.bpf_lsm_d_instantiate, 2],
  [F._raw_spin_lock, 7],
  [F.__d_instantiate, 51],
  [F.d_flags_for_inode, 23],
  [F._raw_spin_lock, 7],
  [F._raw_spin_unlock, 6],
  [F._raw_spin_unlock, 6],
  [F.lockref_get, 14],
  [F.inc_nlink, 7],
  [F.dput, 45, 2],
  [F.__cond_resched, 12, 2],
  [F.__rcu_read_lock, 12, 2],
  [F.lockref_put_or_lock, 20],
  [F.__rcu_read_unlock, 16, 2],
  [F.lockref_put_return, 18],
  [F.up_write, 10],
  [F.mnt_drop_write, 16],
  [F.mntput, 9],
  [F.mntput_no_expire, 30],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
];
const UNLINK: Steps = [
  [F.do_unlinkat, 116],
  [F.mnt_want_write, 23],
  [F.__cond_resched, 6],
  [F.__mnt_want_write, 22],
  [F.down_write, 15],
  [F.__cond_resched, 6],
  [F.lookup_one_qstr_excl, 22],
  [F.lookup_dcache, 17],
  [F.d_lookup, 19],
  [F.__d_lookup, 50],
  [F.__rcu_read_lock, 6],
  [F._raw_spin_lock, 7],
  [F.d_same_name, 27],
  [F._raw_spin_unlock, 6],
  [F.__rcu_read_unlock, 8],
  [F.ihold, 7],
  [F.security_path_unlink, 58, 1, 4],
  [F.hook_path_unlink, 24],
  [F.apparmor_path_unlink, 60],
  [F.tomoyo_path_unlink, 16],
  [F.tomoyo_path_perm, 50],
  [F.tomoyo_init_request_info, 33],
  [F.tomoyo_domain, 9],
  [F.bpf_lsm_path_unlink, 3],
  [F.vfs_unlink, 87, 1, 1],
  [F.may_delete, 91],
  [F.inode_permission, 48],
  [F.generic_permission, 39],
  [F.security_inode_permission, 26, 1, 1],
  [F.bpf_lsm_inode_permission, 3],
  [F.__check_sticky, 28],
  [F.down_write, 15],
  [F.__cond_resched, 6],
  [F.security_inode_unlink, 27, 1, 1],
  [F.bpf_lsm_inode_unlink, 3],
  [F.shmem_unlink, 37],
  [F.current_time, 44],
  [F.ktime_get_coarse_real_ts64, 15],
  [F.inode_maybe_inc_iversion, 14],
  [F.drop_nlink, 10],
  [F._raw_spin_lock, 7],
  [F._raw_spin_unlock, 6],
  [F.up_write, 10],
  [F.ihold, 7],
  [F.d_delete, 20],
  [F._raw_spin_lock, 14, 2],
  [F.dentry_unlink_inode, 48],
  [F._raw_spin_unlock, 12, 2],
  [F.__fsnotify_inode_delete, 3],
  [F.fsnotify_destroy_marks, 23],
  [F.fsnotify_grab_connector, 19],
  [F.__srcu_read_lock, 8],
  [F.__srcu_read_unlock, 6],
  [F.up_write, 10],
  [F.mnt_drop_write, 16],
  [F.mntput, 9],
  [F.mntput_no_expire, 30],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
];
const RMDIR: Steps = [
  [F.do_rmdir, 96],
  [F.mnt_want_write, 23],
  [F.__cond_resched, 6],
  [F.__mnt_want_write, 22],
  [F.down_write, 15],
  [F.__cond_resched, 6],
  [F.lookup_one_qstr_excl, 22],
  [F.lookup_dcache, 17],
  [F.d_lookup, 19],
  [F.__d_lookup, 50],
  [F.__rcu_read_lock, 6],
  [F._raw_spin_lock, 7],
  [F.d_same_name, 27],
  [F._raw_spin_unlock, 6],
  [F.__rcu_read_unlock, 8],
  [F.security_path_rmdir, 58, 1, 4],
  [F.hook_path_rmdir, 24],
  [F.apparmor_path_rmdir, 60],
  [F.tomoyo_path_rmdir, 16],
  [F.tomoyo_path_perm, 50],
  [F.tomoyo_init_request_info, 33],
  [F.tomoyo_domain, 9],
  [F.bpf_lsm_path_rmdir, 3],
  [F.vfs_rmdir, 82, 1, 1],
  [F.may_delete, 93],
  [F.inode_permission, 48],
  [F.generic_permission, 39],
  [F.security_inode_permission, 26, 1, 1],
  [F.bpf_lsm_inode_permission, 3],
  [F.__check_sticky, 28],
  [F.lockref_get, 14],
  [F.down_write, 15],
  [F.__cond_resched, 6],
  [F.security_inode_rmdir, 27, 1, 1],
  [F.bpf_lsm_inode_rmdir, 3],
  [F.shmem_rmdir, 18],
  [F.simple_empty, 23],
  [F._raw_spin_lock, 7],
  [F._raw_spin_unlock, 6],
  [F.drop_nlink, 16, 2],
  [F.shmem_unlink, 37],
  [F.current_time, 44],
  [F.ktime_get_coarse_real_ts64, 15],
  [F.inode_maybe_inc_iversion, 14],
  [F.drop_nlink, 10],
  [F.shrink_dcache_parent, 30],
  [F.d_walk, 62, 1, 1],
  [F._raw_spin_lock, 7],
  [F.select_collect, 5],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
  [F._raw_spin_unlock, 6],
  [F.__cond_resched, 6],
  [F._raw_spin_lock, 7],
  [F._raw_spin_unlock, 6],
  [F.up_write, 10],
  [F.ihold, 7],
  [F.d_delete, 20],
  [F._raw_spin_lock, 14, 2],
  [F.dentry_unlink_inode, 48],
  [F._raw_spin_unlock, 12, 2],
  [F.__fsnotify_inode_delete, 3],
  [F.fsnotify_destroy_marks, 23],
  [F.fsnotify_grab_connector, 19],
  [F.__srcu_read_lock, 8],
  [F.__srcu_read_unlock, 6],
  [F.up_write, 10],
  [F.mnt_drop_write, 16],
  [F.mntput, 9],
  [F.mntput_no_expire, 30],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
];
/** Walks to the parent of a name that must not exist yet. */
export function newName(
  kernel: Kernel,
  dirfd: number,
  path: string,
  isDirectoryName = false,
): WalkedPath | number {
  const walked = filenameParent(kernel, dirfd, path);
  if (typeof walked === 'number') return walked;
  if (walked.dentry !== null) return -Errno.EEXIST;
  const takesDirectories = isDirectoryName && dynamicOf(walked.parent)?.mkdir !== undefined;
  const refused = takesDirectories ? 0 : mayCreateIn(walked.parent);
  // Where nothing can be made, nothing is found either.
  return refused === 0 ? walked : refused === -Errno.EACCES ? -Errno.ENOENT : refused;
}

/** vfs_mkdir, vfs_symlink and vfs_mknod: an inode with a name. Returns 0 or an error. */
function makeNode(kernel: Kernel, { parent, name }: WalkedPath, shape: InodeShape): number {
  const { cpu } = kernel;
  runSteps(cpu, MKDIR);
  kernel.caches.dentry.allocateCost(kernel, 101);
  const inode = newInode(kernel, parent.inode.superBlock, shape);
  const dentry = inode === null ? null : makeDentry(kernel, name, inode, parent);
  if (inode === null || dentry === null) return -Errno.ENOSPC;
  attach(dentry, parent);
  if (isDirectory(inode)) {
    inode.links++;
    parent.inode.links++;
  }
  stampChange(kernel, parent.inode);
  for (let line = 0; line < 3; line++) cpu.write(dentry.address + line * 64);
  notifyName(kernel, parent, dentry, In.CREATE);
  return 0;
}

/** Runs `work` with the path at `address`. */
export function withPath(kernel: Kernel, address: number, work: (path: string) => number): number {
  const path = getname(kernel, address);
  return typeof path === 'number' ? path : work(path);
}

function doMkdir(kernel: Kernel, dirfd: number, address: number, mode: number): number {
  return withPath(kernel, address, (path) => {
    const walked = newName(kernel, dirfd, path, true);
    if (typeof walked === 'number') return walked;
    const own = dynamicOf(walked.parent)?.mkdir?.(kernel, walked.parent, walked.name);
    if (own !== undefined) return own;
    const permissions = modeOf(kernel, mode & 0o1777);
    return makeNode(kernel, walked, {
      mode: FileMode.DIRECTORY | permissions,
      operations: DIRECTORY,
    });
  });
}

export function sysMkdir(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_mkdir, 21);
  return doMkdir(kernel, At.FDCWD, args.unsigned(0), args.low(1));
}

export const sysMkdirat = (kernel: Kernel, args: SyscallArguments): number =>
  doMkdir(kernel, args.int(0), args.unsigned(1), args.low(2));

function doSymlink(kernel: Kernel, target: UserPath, dirfd: number, address: number): number {
  if (typeof target === 'number') return target;
  return withPath(kernel, address, (path) => {
    const walked = newName(kernel, dirfd, path);
    if (typeof walked === 'number') return walked;
    if (walked.slash) return -Errno.ENOENT;
    return makeNode(kernel, walked, {
      mode: FileMode.SYMLINK | 0o777,
      operations: SYMLINK,
      target,
    });
  });
}

export const sysSymlink = (kernel: Kernel, args: SyscallArguments): number =>
  doSymlink(kernel, getname(kernel, args.unsigned(0)), At.FDCWD, args.unsigned(1));

export const sysSymlinkat = (kernel: Kernel, args: SyscallArguments): number =>
  doSymlink(kernel, getname(kernel, args.unsigned(0)), args.int(1), args.unsigned(2));

function doMknod(
  kernel: Kernel,
  dirfd: number,
  address: number,
  args: readonly [number, number],
): number {
  const [mode, device] = args;
  return withPath(kernel, address, (path) => {
    const walked = newName(kernel, dirfd, path);
    if (typeof walked === 'number') return walked;
    if (walked.slash) return -Errno.ENOENT;
    const type = mode & FileMode.TYPE;
    const permissions = modeOf(kernel, mode);
    if (type === 0 || type === FileMode.REGULAR) {
      const contents = emptyFile(`${dentryPath(walked.parent)}/${walked.name}`);
      const shape = {
        mode: FileMode.REGULAR | permissions,
        operations: SHMEM_FILE,
        mapping: contents,
      };
      return makeNode(kernel, walked, shape);
    }
    if (type === FileMode.DIRECTORY) return -Errno.EPERM;
    const operations: FileOperations =
      type === FileMode.FIFO ? FIFO : deviceOperations(type, device);
    return makeNode(kernel, walked, { mode: type | permissions, operations, device });
  });
}

export const sysMknod = (kernel: Kernel, args: SyscallArguments): number =>
  doMknod(kernel, At.FDCWD, args.unsigned(0), [args.low(1), args.low(2)]);

export const sysMknodat = (kernel: Kernel, args: SyscallArguments): number =>
  doMknod(kernel, args.int(0), args.unsigned(1), [args.low(2), args.low(3)]);

/** Removes a name whose entry exists; the inode goes with its last name and user. */
export function removeName(kernel: Kernel, dentry: Dentry): void {
  const { parent, inode } = dentry;
  detach(dentry);
  if (isDirectory(inode)) {
    inode.links--;
    parent.inode.links--;
  }
  stampChange(kernel, parent.inode);
  inode.changeNs = parent.inode.changeNs;
  kernel.cpu.write(dentry.address);
  kernel.cpu.write(inode.address);
  if (dentry.users === 0) killDentry(kernel, dentry);
}

/** The entry that is to be removed, and its parent's checks. */
export function oldName(kernel: Kernel, dirfd: number, path: string): Dentry | number {
  const walked = filenameParent(kernel, dirfd, path);
  if (typeof walked === 'number') return walked;
  if (walked.dentry === null) return -Errno.ENOENT;
  if (walked.name === '' || walked.dentry.parent === walked.dentry) return -Errno.EBUSY;
  const own = dynamicOf(walked.dentry)?.rmdir !== undefined;
  return own || mayCreateIn(walked.parent) === 0 ? walked.dentry : -Errno.EPERM;
}

function doUnlink(kernel: Kernel, dirfd: number, address: number): number {
  return withPath(kernel, address, (path) => {
    const { cpu } = kernel;
    const dentry = oldName(kernel, dirfd, path);
    if (typeof dentry === 'number') return dentry === -Errno.EBUSY ? -Errno.EISDIR : dentry;
    if (isDirectory(dentry.inode)) return -Errno.EISDIR;
    if (path.endsWith('/')) return -Errno.ENOTDIR;
    runSteps(cpu, UNLINK);
    dputCost(cpu);
    cpu.run(F.iput, 21);
    cpu.run(F._atomic_dec_and_lock, 16);
    const { parent, inode, name } = dentry;
    notifyInode(kernel, inode, In.ATTRIB);
    removeName(kernel, dentry);
    notifyName(kernel, parent, { inode, name }, In.DELETE);
    return 0;
  });
}

export function sysUnlink(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_unlink, 17);
  return doUnlink(kernel, At.FDCWD, args.unsigned(0));
}

export function sysUnlinkat(kernel: Kernel, args: SyscallArguments): number {
  const flags = args.low(2);
  if ((flags & ~At.REMOVEDIR) !== 0) return -Errno.EINVAL;
  const remove = (flags & At.REMOVEDIR) !== 0 ? doRmdir : doUnlink;
  return remove(kernel, args.int(0), args.unsigned(1));
}

function doRmdir(kernel: Kernel, dirfd: number, address: number): number {
  return withPath(kernel, address, (path) => {
    const { cpu } = kernel;
    const last = path.replace(/\/+$/, '').split('/').pop();
    if (last === '.') return -Errno.EINVAL;
    if (last === '..') return -Errno.ENOTEMPTY;
    const dentry = oldName(kernel, dirfd, path);
    if (typeof dentry === 'number') return dentry;
    if (!isDirectory(dentry.inode)) return -Errno.ENOTDIR;
    const own = dynamicOf(dentry)?.rmdir?.(kernel, dentry);
    if (own !== undefined) return own;
    if ((dentry.children?.size ?? 0) > 0) return -Errno.ENOTEMPTY;
    runSteps(cpu, RMDIR);
    dputCost(cpu);
    dputCost(cpu);
    cpu.run(F.iput, 21);
    cpu.run(F._atomic_dec_and_lock, 16);
    const { parent, inode, name } = dentry;
    removeName(kernel, dentry);
    notifyName(kernel, parent, { inode, name }, In.DELETE);
    return 0;
  });
}

export function sysRmdir(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_rmdir, 17);
  return doRmdir(kernel, At.FDCWD, args.unsigned(0));
}
