/**
 * Second names and new ones, after Linux 6.1 fs/namei.c (link, rename). Omits: permissions (everybody is
 * root), RENAME_WHITEOUT.
 */
import { In, notifyInode, notifyName } from './notify/fsnotify.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import type { Dentry } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { At } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { getname } from '../lib/strncpy_from_user.ts';
import { attach, detach, isBelow, makeDentry } from './dcache.ts';
import { fileOf } from './file.ts';
import { isDirectory, stampChange } from './inode.ts';
import { filenameLookup, filenameParent, type WalkedPath } from './namei.ts';
import { MKDIR, newName, oldName, removeName, withPath } from './namei-change.ts';
import { mayCreateIn } from './namei-open.ts';

const RENAME: Steps = [
  [F.do_renameat2, 217],
  [F.mnt_want_write, 23],
  [F.__cond_resched, 6],
  [F.__mnt_want_write, 22],
  [F.down_write, 15],
  [F.__cond_resched, 6],
  [F.lookup_one_qstr_excl, 62, 2, 1],
  [F.lookup_dcache, 32, 2],
  [F.d_lookup, 41, 2],
  [F.__d_lookup, 82, 2],
  [F.__rcu_read_lock, 12, 2],
  [F._raw_spin_lock, 7],
  [F.d_same_name, 27],
  [F._raw_spin_unlock, 6],
  [F.__rcu_read_unlock, 16, 2],
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
  [F.security_path_rename, 80, 1, 4],
  [F.hook_path_rename, 11],
  [F.current_check_refer_path, 41],
  [F.apparmor_path_rename, 50],
  [F.tomoyo_path_rename, 27],
  [F.tomoyo_path2_perm, 54],
  [F.tomoyo_init_request_info, 33],
  [F.tomoyo_domain, 9],
  [F.bpf_lsm_path_rename, 3],
  [F.vfs_rename, 247, 1, 1],
  [F.may_delete, 91],
  [F.inode_permission, 48],
  [F.generic_permission, 39],
  [F.security_inode_permission, 26, 1, 1],
  [F.bpf_lsm_inode_permission, 3],
  [F.__check_sticky, 28],
  [F.may_create, 49],
  [F.from_kuid, 2],
  [F.map_id_up, 35],
  [F.from_kgid, 3],
  [F.map_id_up, 35],
  [F.inode_permission, 48],
  [F.generic_permission, 39],
  [F.security_inode_permission, 26, 1, 1],
  [F.bpf_lsm_inode_permission, 3],
  [F.security_inode_rename, 42, 1, 1],
  [F.bpf_lsm_inode_rename, 3],
  [F.take_dentry_name_snapshot, 31],
  [F._raw_spin_lock, 7],
  [F.__memcpy, 1],
  [F.memcpy_erms, 4],
  [F._raw_spin_unlock, 6],
  [F.lockref_get, 14],
  [F.lock_two_nondirectories, 19],
  [F.down_write, 15],
  [F.__cond_resched, 6],
  [F.shmem_rename2, 63],
  [F.simple_empty, 23],
  [F._raw_spin_lock, 7],
  [F._raw_spin_unlock, 6],
  [F.current_time, 44],
  [F.ktime_get_coarse_real_ts64, 15],
  [F.inode_maybe_inc_iversion, 28, 2],
  [F.d_move, 17],
  [F._raw_spin_lock, 7],
  [F.__d_move, 168],
  [F._raw_spin_lock, 21, 3],
  [F.___d_drop, 50, 2],
  [F.__memcpy, 1],
  [F.memcpy_erms, 4],
  [F.__list_del_entry_valid, 20],
  [F.__list_add_valid, 17],
  [F.__d_rehash, 27],
  [F._raw_spin_unlock, 18, 3],
  [F._raw_spin_unlock, 6],
  [F.up_write, 10],
  [F.dput, 22],
  [F.__cond_resched, 6],
  [F.__rcu_read_lock, 6],
  [F.lockref_put_or_lock, 20],
  [F.__rcu_read_unlock, 8],
  [F.fsnotify_get_cookie, 5],
  [F.release_dentry_name_snapshot, 6],
  [F.dput, 122, 4],
  [F.__cond_resched, 30, 5],
  [F.__rcu_read_lock, 30, 5],
  [F.lockref_put_or_lock, 43, 2],
  [F._raw_spin_lock, 7],
  [F.__rcu_read_unlock, 40, 5],
  [F._raw_spin_trylock, 10],
  [F.__dentry_kill, 66],
  [F.lockref_mark_dead, 5],
  [F.__list_del_entry_valid, 20],
  [F._raw_spin_unlock, 18, 3],
  [F._raw_spin_lock, 7],
  [F.dentry_free, 12],
  [F.call_rcu, 94],
  [F.rcu_segcblist_pend_cbs, 9],
  [F.rcu_segcblist_enqueue, 10],
  [F.__cond_resched, 6],
  [F.lockref_put_return, 54, 3],
  [F.up_write, 10],
  [F.mnt_drop_write, 16],
  [F.mntput, 18, 2],
  [F.mntput_no_expire, 60, 2],
  [F.__rcu_read_lock, 12, 2],
  [F.__rcu_read_unlock, 16, 2],
];

const NAME_MAX_LINKS = 2 ** 31 - 1;

interface LinkRequest {
  readonly from: readonly [dirfd: number, address: number];
  readonly to: readonly [dirfd: number, address: number];
  readonly flags: number;
}

function doLink(kernel: Kernel, { from, to, flags }: LinkRequest): number {
  if ((flags & ~(At.SYMLINK_FOLLOW | At.EMPTY_PATH)) !== 0) return -Errno.EINVAL;
  const path = getname(kernel, from[1], (flags & At.EMPTY_PATH) !== 0);
  if (typeof path === 'number') return path;
  const follow = (flags & At.SYMLINK_FOLLOW) !== 0;
  const old =
    path === ''
      ? fileOf(kernel, from[0])?.dentry
      : filenameLookup(kernel, from[0], path, { follow });
  if (old === undefined) return -Errno.EBADF;
  if (typeof old === 'number') return old;
  return withPath(kernel, to[1], (target) => {
    const walked = newName(kernel, to[0], target);
    if (typeof walked === 'number') return walked;
    const { inode } = old;
    if (isDirectory(inode)) return -Errno.EPERM;
    if (inode.superBlock !== walked.parent.inode.superBlock) return -Errno.EXDEV;
    if (walked.slash) return -Errno.ENOENT;
    if (inode.links >= NAME_MAX_LINKS) return -Errno.EMLINK;
    runSteps(kernel.cpu, MKDIR);
    const dentry = makeDentry(kernel, walked.name, inode, walked.parent);
    if (dentry === null) return -Errno.ENOSPC;
    attach(dentry, walked.parent);
    stampChange(kernel, walked.parent.inode);
    inode.changeNs = walked.parent.inode.changeNs;
    notifyInode(kernel, inode, In.ATTRIB);
    notifyName(kernel, walked.parent, dentry, In.CREATE);
    return 0;
  });
}

export const sysLink = (kernel: Kernel, args: SyscallArguments): number =>
  doLink(kernel, {
    from: [At.FDCWD, args.unsigned(0)],
    to: [At.FDCWD, args.unsigned(1)],
    flags: 0,
  });

export const sysLinkat = (kernel: Kernel, args: SyscallArguments): number =>
  doLink(kernel, {
    from: [args.int(0), args.unsigned(1)],
    to: [args.int(2), args.unsigned(3)],
    flags: args.low(4),
  });

const enum Rename {
  NOREPLACE = 1,
  EXCHANGE = 2,
}

function doRename(kernel: Kernel, { from, to, flags }: LinkRequest): number {
  if ((flags & ~(Rename.NOREPLACE | Rename.EXCHANGE)) !== 0) return -Errno.EINVAL;
  if (flags === (Rename.NOREPLACE | Rename.EXCHANGE)) return -Errno.EINVAL;
  return withPath(kernel, from[1], (oldPath) =>
    withPath(kernel, to[1], (newPath) => {
      const source = oldName(kernel, from[0], oldPath);
      const target = filenameParent(kernel, to[0], newPath);
      if (typeof target === 'number') return target;
      if (typeof source === 'number') return source;
      const refused = renameRefused(source, target, { flags, oldPath });
      if (refused !== null) return refused;
      runSteps(kernel.cpu, RENAME);
      const { parent, name } = source;
      if (flags === Rename.EXCHANGE && target.dentry !== null) exchange(source, target.dentry);
      else move(kernel, source, target);
      stampChange(kernel, source.parent.inode);
      stampChange(kernel, target.parent.inode);
      notifyMove(kernel, source, { parent, name });
      return 0;
    }),
  );
}

/** fsnotify_move: both directories hear the same number, and the moved one that it has moved. */
function notifyMove(
  kernel: Kernel,
  moved: Dentry,
  from: { readonly parent: Dentry; readonly name: string },
): void {
  if (kernel.watches.size === 0) return;
  const { inode, name, parent } = moved;
  const cookie = ++kernel.renameCookie;
  notifyName(kernel, from.parent, { inode, name: from.name, cookie }, In.MOVED_FROM);
  notifyName(kernel, parent, { inode, name, cookie }, In.MOVED_TO);
  notifyInode(kernel, inode, In.MOVE_SELF);
}

/** What do_renameat2 and vfs_rename refuse; 0 when both names are of one inode: nothing is to be done. */
function renameRefused(
  source: Dentry,
  { parent, dentry, slash, name }: WalkedPath,
  { flags, oldPath }: { flags: number; oldPath: string },
): number | null {
  const directory = isDirectory(source.inode);
  if (source.inode.superBlock !== parent.inode.superBlock) return -Errno.EXDEV;
  const refused = mayCreateIn(parent);
  if (refused !== 0) return refused;
  if (name === '' || name === '.' || name === '..') return -Errno.EBUSY;
  if (!directory && (slash || oldPath.endsWith('/'))) return -Errno.ENOTDIR;
  if (directory && isBelow(parent, source)) return -Errno.EINVAL;
  if (flags === Rename.EXCHANGE) return dentry === null ? -Errno.ENOENT : null;
  if (dentry === null) return null;
  if (flags === Rename.NOREPLACE) return -Errno.EEXIST;
  if (dentry.inode === source.inode) return 0;
  const onDirectory = isDirectory(dentry.inode);
  if (directory && !onDirectory) return -Errno.ENOTDIR;
  if (!directory && onDirectory) return -Errno.EISDIR;
  return onDirectory && (dentry.children?.size ?? 0) > 0 ? -Errno.ENOTEMPTY : null;
}

function move(kernel: Kernel, source: Dentry, { parent, name, dentry }: WalkedPath): void {
  if (dentry !== null) removeName(kernel, dentry);
  const directory = isDirectory(source.inode);
  if (directory) source.parent.inode.links--;
  detach(source);
  stampChange(kernel, source.parent.inode);
  source.name = name;
  attach(source, parent);
  if (directory) parent.inode.links++;
}

/** RENAME_EXCHANGE */
function exchange(one: Dentry, other: Dentry): void {
  const [parent, name] = [one.parent, one.name];
  const [otherParent, otherName] = [other.parent, other.name];
  detach(one);
  detach(other);
  one.name = otherName;
  other.name = name;
  attach(one, otherParent);
  attach(other, parent);
}

export function sysRename(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_rename, 23);
  return doRename(kernel, {
    from: [At.FDCWD, args.unsigned(0)],
    to: [At.FDCWD, args.unsigned(1)],
    flags: 0,
  });
}

export const sysRenameat2 = (kernel: Kernel, args: SyscallArguments): number =>
  doRename(kernel, {
    from: [args.int(0), args.unsigned(1)],
    to: [args.int(2), args.unsigned(3)],
    flags: args.low(4),
  });

export const sysRenameat = (kernel: Kernel, args: SyscallArguments): number =>
  doRename(kernel, {
    from: [args.int(0), args.unsigned(1)],
    to: [args.int(2), args.unsigned(3)],
    flags: 0,
  });
