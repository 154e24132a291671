/**
 * open, after Linux 6.1 fs/namei.c (path_openat, do_tmpfile) and fs/open.c (do_dentry_open). Omits:
 * leases, automounts; everybody is root.
 */
import { In, notifyFile, notifyName } from './notify/fsnotify.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import { type Dentry, FileMode, type FileStruct } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { emptyFile } from '../mm/shmem-pages.ts';
import { SHMEM_FILE } from '../mm/shmem.ts';
import { resizeFile } from '../mm/truncate.ts';
import { attach, dentryPath, makeDentry } from './dcache.ts';
import { allocFile, allocFileCost } from './file_table.ts';
import { isDirectory, isRegular, isSymlink, newInode, stampChange } from './inode.ts';
import { openFoundCost, openWalk, terminateOpen, type WalkedPath } from './namei.ts';

const MAY_OPEN: Steps = [
  [F.may_open, 41],
  [F.inode_permission, 33],
  [F.generic_permission, 39],
  [F.security_inode_permission, 26, 1, 1],
  [F.bpf_lsm_inode_permission, 3],
];
const VFS_OPEN: Steps = [
  [F.vfs_open, 14],
  [F.do_dentry_open, 135],
  [F.path_get, 11],
  [F.mntget, 7],
  [F.lockref_get, 14],
  [F.errseq_sample, 10, 2],
  [F.try_module_get, 8],
  [F.security_file_open, 48, 1, 4],
  [F.hook_file_open, 26],
  [F.apparmor_file_open, 53],
  [F.tomoyo_file_open, 15],
  [F.tomoyo_domain, 9],
  [F.tomoyo_check_open_permission, 64],
  [F.__srcu_read_lock, 8],
  [F.tomoyo_init_request_info, 30],
  [F.kfree, 9],
  [F.__srcu_read_unlock, 6],
  [F.bpf_lsm_file_open, 3],
  [F.fsnotify_perm, 22],
  [F.file_ra_state_init, 10],
  [F.inode_to_bdi, 8],
];
const IMA: Steps = [
  [F.ima_file_check, 30],
  [F.security_current_getsecid_subj, 25, 1, 2],
  [F.apparmor_current_getsecid_subj, 35],
  [F.bpf_lsm_current_getsecid_subj, 2],
  [F.process_measurement, 44],
];
const CREATE: Steps = [
  [F.path_openat, 387, 1, 2],
  [F.try_to_unlazy, 42],
  [F.legitimize_links, 19],
  [F.__legitimize_path, 44, 2],
  [F.__legitimize_mnt, 34, 2],
  [F.lockref_get_not_dead, 48, 2],
  [F.__rcu_read_unlock, 8],
  [F.mnt_want_write, 23],
  [F.__cond_resched, 6],
  [F.__mnt_want_write, 22],
  [F.down_write, 15],
  [F.__cond_resched, 6],
  [F.d_lookup, 22],
  [F.__d_lookup, 32],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
  [F.d_alloc_parallel, 98],
  [F.d_alloc, 43],
  [F.__d_alloc, 63],
  [F.__memcpy, 1],
  [F.memcpy_erms, 4],
  [F.d_set_d_op, 10],
  [F._raw_spin_lock, 7],
  [F.__list_add_valid, 17],
  [F._raw_spin_unlock, 6],
  [F.__rcu_read_lock, 6],
  [F.__d_lookup_rcu, 25],
  [F.__rcu_read_unlock, 8],
  [F.mode_strip_sgid, 14],
  [F.security_path_mknod, 73, 1, 4],
  [F.hook_path_mknod, 27],
  [F.apparmor_path_mknod, 49],
  [F.tomoyo_path_mknod, 30],
  [F.tomoyo_path_number_perm, 48],
  [F.tomoyo_init_request_info, 33],
  [F.tomoyo_domain, 9],
  [F.bpf_lsm_path_mknod, 3],
  [F.from_kuid, 2],
  [F.map_id_up, 35],
  [F.from_kgid, 3],
  [F.map_id_up, 35],
  [F.inode_permission, 48],
  [F.generic_permission, 39],
  [F.security_inode_permission, 26, 1, 1],
  [F.bpf_lsm_inode_permission, 3],
  [F.security_inode_create, 31, 1, 1],
  [F.bpf_lsm_inode_create, 3],
  [F.simple_lookup, 18],
  [F.d_set_d_op, 25],
  [F.d_add, 12],
  [F.__d_add, 53],
  [F._raw_spin_lock, 7],
  [F.__d_lookup_unhash, 33],
  [F.__d_rehash, 27],
  [F.__wake_up, 4],
  [F.__wake_up_common_lock, 52],
  [F._raw_spin_lock_irqsave, 16],
  [F.__wake_up_common, 33],
  [F._raw_spin_unlock_irqrestore, 10],
  [F._raw_spin_unlock, 6],
  [F.shmem_create, 6],
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
  [F.d_flags_for_inode, 25],
  [F._raw_spin_lock, 7],
  [F._raw_spin_unlock, 6],
  [F._raw_spin_unlock, 6],
  [F.lockref_get, 14],
  [F.up_write, 10],
  [F.mnt_drop_write, 16],
  [F.dput, 23],
  [F.__cond_resched, 6],
  [F.__rcu_read_lock, 6],
  [F.lockref_put_return, 18],
  [F.__rcu_read_unlock, 8],
];

export interface OpenRequest {
  readonly dirfd: number;
  readonly path: string;
  readonly flags: number;
  /** Permissions of a new file, without the umask. */
  readonly mode: number;
}

/** do_filp_open: the open file or an error. */
export function doFilpOpen(kernel: Kernel, request: OpenRequest): FileStruct | number {
  const { cpu } = kernel;
  const { flags } = request;
  cpu.run(F.do_filp_open, 64);
  allocFileCost(kernel);
  const creates = (flags & O.CREAT) !== 0;
  const follow = (flags & O.NOFOLLOW) === 0 && !(creates && (flags & O.EXCL) !== 0);
  const walked = openWalk(kernel, request.dirfd, request.path, { follow });
  if (typeof walked === 'number') return walked;
  if ((flags & O.TMPFILE_BIT) !== 0) return openUnnamed(kernel, walked, request);
  if (walked.dentry !== null) return openExisting(kernel, walked.dentry, walked, flags);
  if (!creates) return -Errno.ENOENT;
  if (walked.slash) return -Errno.EISDIR;
  const made = createFile(kernel, walked, request);
  return typeof made === 'number' ? made : openDentry(kernel, made, flags);
}

function openExisting(
  kernel: Kernel,
  dentry: Dentry,
  { slash }: WalkedPath,
  flags: number,
): FileStruct | number {
  const { cpu } = kernel;
  const { inode } = dentry;
  cpu.run(F.path_openat, 162);
  openFoundCost(kernel);
  if ((flags & O.CREAT) !== 0) {
    if ((flags & O.EXCL) !== 0) return -Errno.EEXIST;
    if (isDirectory(inode)) return -Errno.EISDIR;
  }
  if ((flags & O.PATH) === 0 && isSymlink(inode)) return -Errno.ELOOP;
  if ((slash || (flags & O.DIRECTORY) !== 0) && !isDirectory(inode)) return -Errno.ENOTDIR;
  return openDentry(kernel, dentry, flags);
}

/** may_open, do_dentry_open and truncation. */
function openDentry(kernel: Kernel, dentry: Dentry, flags: number): FileStruct | number {
  const { cpu } = kernel;
  const { inode } = dentry;
  const writes = (flags & O.ACCMODE) !== O.RDONLY;
  runSteps(cpu, MAY_OPEN);
  if ((flags & O.PATH) === 0) {
    if (isDirectory(inode) && writes) return -Errno.EISDIR;
    if ((inode.mode & FileMode.TYPE) === FileMode.SOCKET) return -Errno.ENXIO;
    if (writes && inode.writers < 0) return -Errno.ETXTBSY;
  }
  runSteps(cpu, VFS_OPEN);
  cpu.write(inode.address);
  // force_o_largefile: every 64-bit process has it.
  const large = (flags & O.PATH) === 0 ? O.LARGEFILE : 0;
  const kept = (flags & ~(O.CREAT | O.EXCL | O.NOCTTY | O.TRUNC | O.CLOEXEC)) | large;
  const file = allocFile(kernel, dentry, kept);
  if (file === null) return -Errno.ENFILE;
  cpu.write(file.address + 64);
  if ((flags & O.PATH) === 0) {
    runSteps(cpu, IMA);
    if ((flags & O.TRUNC) !== 0 && isRegular(inode) && inode.mapping !== null) {
      if (inode.mapping.size > 0) {
        resizeFile(kernel, inode.mapping, 0);
        notifyFile(kernel, dentry, In.MODIFY);
      }
      stampChange(kernel, inode);
    }
  }
  terminateOpen(kernel);
  return file;
}

/** The umask of the caller takes permissions away from what it makes. */
export function modeOf({ current }: Kernel, mode: number): number {
  return mode & FileMode.CHANGEABLE & ~current.fs.umask;
}

/** Whether new names can be made in a directory: /proc and /sys are as the kernel made them. */
export function mayCreateIn(parent: Dentry): number {
  const { type } = parent.inode.superBlock;
  if (parent.inode.links === 0) return -Errno.ENOENT;
  return type === 'tmpfs' || type === 'devtmpfs' ? 0 : -Errno.EACCES;
}

/** lookup_open's creating half with shmem_create: a new empty file, or an error. */
function createFile(
  kernel: Kernel,
  { parent, name }: WalkedPath,
  request: OpenRequest,
): Dentry | number {
  const { cpu, caches } = kernel;
  const refused = mayCreateIn(parent);
  if (refused !== 0) return refused;
  runSteps(cpu, CREATE);
  caches.dentry.allocateCost(kernel, 101);
  const dentry = newFile(kernel, parent, name, request.mode);
  if (dentry === null) return -Errno.ENOSPC;
  attach(dentry, parent);
  stampChange(kernel, parent.inode);
  for (let line = 0; line < 3; line++) cpu.write(dentry.address + line * 64);
  cpu.write(parent.inode.address);
  notifyName(kernel, parent, dentry, In.CREATE);
  return dentry;
}

function newFile(kernel: Kernel, parent: Dentry, name: string, mode: number): Dentry | null {
  const path = `${dentryPath(parent)}/${name}`;
  const inode = newInode(kernel, parent.inode.superBlock, {
    mode: FileMode.REGULAR | modeOf(kernel, mode),
    operations: SHMEM_FILE,
    mapping: emptyFile(path),
  });
  return inode === null ? null : makeDentry(kernel, name, inode, parent);
}

/** do_tmpfile: a file without a name in the directory that the path names. */
function openUnnamed(
  kernel: Kernel,
  { dentry }: WalkedPath,
  request: OpenRequest,
): FileStruct | number {
  if (dentry === null) return -Errno.ENOENT;
  if (!isDirectory(dentry.inode)) return -Errno.ENOTDIR;
  const refused = mayCreateIn(dentry);
  if (refused !== 0) return -Errno.EOPNOTSUPP;
  const made = newFile(kernel, dentry, '', request.mode);
  if (made === null) return -Errno.ENOSPC;
  made.name = `#${made.inode.number}`;
  return openDentry(kernel, made, request.flags & ~(O.TMPFILE | O.CREAT));
}
