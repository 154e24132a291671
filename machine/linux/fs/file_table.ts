/**
 * Open files as objects, after Linux 6.1 fs/file_table.c and fs/open.c (filp_close). The last fput
 * ends the file at once, where Linux lets task work do it on the way to user mode; the cost is the
 * same. Omits: the limit on open files of the whole system.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import type { Dentry, FileOperations, FileStruct, Inode, SuperBlock } from '../include/linux/fs.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { callRcu } from '../lib/maple_tree.ts';
import { dget, dput, makeDentry, mntputCost } from './dcache.ts';
import { type InodeShape, makeInode } from './inode.ts';
import { releaseFileLocks, releaseLocks } from './lock-table.ts';
import { In, notifyFile } from './notify/fsnotify.ts';
import { releaseWatches } from './epoll-watches.ts';

const ALLOC_EMPTY_FILE: Steps = [
  [F.alloc_empty_file, 25],
  [F.__alloc_file, 41],
  [F.security_file_alloc, 39, 1, 2],
  [F.apparmor_file_alloc_security, 36],
  [F.bpf_lsm_file_alloc_security, 3],
  [F.__mutex_init, 8],
  [F.percpu_counter_add_batch, 21],
];
const TASK_WORK: Steps = [
  [F.task_work_run, 38, 1, 1],
  [F._raw_spin_lock_irq, 9],
  [F._raw_spin_unlock_irq, 8],
  [F.__cond_resched, 6],
];
const RESUME: Steps = [
  [F.mem_cgroup_handle_over_high, 28],
  [F.blkcg_maybe_throttle_current, 26],
];
const RESUME_RSEQ: Steps = [
  [F.__rseq_handle_notify_resume, 64],
  [F.__get_user_8, 10],
  [F.__put_user_8, 3],
  [F.__put_user_nocheck_8, 5],
];
const FPUT_START: Steps = [
  [F.__fput, 87],
  [F.__cond_resched, 6],
  [F.locks_remove_file, 21],
  [F.ima_file_free, 14],
  [F.module_put, 4],
  [F.put_pid, 4],
];
const SECURITY_FREE: Steps = [
  [F.security_file_free, 29, 1, 2],
  [F.apparmor_file_free_security, 14],
  [F.bpf_lsm_file_free_security, 2],
];
const ANON_FILE: Steps = [
  [F.__anon_inode_getfile, 44],
  [F.ihold, 7],
  [F.alloc_file_pseudo, 53],
  [F.strlen, 32],
  [F.d_alloc_pseudo, 6],
  [F.__d_alloc, 66],
  [F.__memcpy, 1],
  [F.memcpy_erms, 4],
  [F.d_set_d_op, 24],
  [F.mntget, 7],
  [F.d_instantiate, 22],
  [F.security_d_instantiate, 15],
  [F._raw_spin_lock, 7],
  [F.__d_instantiate, 51],
  [F.d_flags_for_inode, 19],
  [F._raw_spin_lock, 7],
  [F._raw_spin_unlock, 6],
  [F._raw_spin_unlock, 6],
  [F.alloc_file, 82],
  [F.errseq_sample, 10, 2],
];

/** Instructions of exit_to_user_mode_prepare for one more turn of its loop. */
const RESUME_LOOP = 34;

/** alloc_empty_file's cost: struct file and its security blob. */
export function allocFileCost(kernel: Kernel): void {
  const { cpu, caches } = kernel;
  runSteps(cpu, ALLOC_EMPTY_FILE);
  caches.fileSecurity.allocateCost(kernel, 100);
  cpu.run(F.__memset, 1);
  cpu.run(F.memset_erms, 6);
}

/** A file on `dentry`, which it holds; null without memory. */
export function allocFile(
  kernel: Kernel,
  dentry: Dentry,
  flags: number,
  operations: FileOperations = dentry.inode.operations,
): FileStruct | null {
  const address = kernel.caches.file.allocate(kernel);
  if (address < 0) return null;
  dget(dentry);
  if ((flags & O.ACCMODE) !== O.RDONLY && (flags & O.PATH) === 0) dentry.inode.writers++;
  const { inode } = dentry;
  return {
    address,
    dentry,
    inode,
    operations,
    flags,
    position: 0,
    references: 1,
    data: inode.data,
  };
}

/** An inode, an entry and a file of an internal file system (pipefs, anon_inodefs). */
export function pseudoFile(
  kernel: Kernel,
  superBlock: SuperBlock,
  name: string,
  shape: InodeShape & { readonly flags: number },
): FileStruct | null {
  const inode = makeInode(kernel, superBlock, shape);
  if (inode === null) return null;
  inode.links = 1;
  const dentry = makeDentry(kernel, name === '' ? pseudoName(inode) : name, inode, null);
  return dentry === null ? null : allocFile(kernel, dentry, shape.flags);
}

/** What making a pseudo file costs besides the file: an entry and its inode (alloc_file_pseudo). */
export function pseudoFileCost(kernel: Kernel): void {
  runSteps(kernel.cpu, ANON_FILE);
  kernel.caches.dentry.allocateCost(kernel, 101);
}

const pseudoName = (inode: Inode): string =>
  `${inode.superBlock.type === 'pipefs' ? 'pipe' : 'socket'}:[${inode.number}]`;

/** anon_inode_getfile: `name` is what /proc/self/fd shows in brackets. */
export function anonFile(
  kernel: Kernel,
  name: string,
  operations: FileOperations,
  shape: { readonly data: unknown; readonly flags: number },
): FileStruct | null {
  pseudoFileCost(kernel);
  allocFileCost(kernel);
  return pseudoFile(kernel, kernel.fileSystems.anon_inodefs, `anon_inode:${name}`, {
    mode: 0o600,
    operations,
    ...shape,
  });
}

/** filp_close: one descriptor less. */
export function fileClose(kernel: Kernel, file: FileStruct): void {
  const { cpu } = kernel;
  cpu.run(F.filp_close, 29);
  cpu.write(file.address);
  cpu.run(F.dnotify_flush, 16);
  cpu.run(F.locks_remove_posix, 27);
  releaseLocks(file.inode, kernel.current.files);
  fput(kernel, file);
}

export function fput(kernel: Kernel, file: FileStruct): void {
  const { cpu } = kernel;
  file.references--;
  if (file.references > 0) {
    cpu.run(F.fput, 4);
    return;
  }
  cpu.run(F.fput, 19);
  cpu.run(F.task_work_add, 19);
  cpu.run(F.kick_process, 9);
  runSteps(cpu, TASK_WORK);
  cpu.run(F.____fput, 2);
  endFile(kernel, file);
  // The way to user mode goes round its loop once more.
  cpu.continueIn(F.exit_to_user_mode_prepare);
  cpu.run(F.exit_to_user_mode_prepare, RESUME_LOOP);
  runSteps(cpu, RESUME);
  if (kernel.current.rseq !== 0) runSteps(cpu, RESUME_RSEQ);
}

/** __fput */
function endFile(kernel: Kernel, file: FileStruct): void {
  const { cpu, caches } = kernel;
  runSteps(cpu, FPUT_START);
  cpu.read(file.inode.address);
  cpu.read(file.inode.address + 64);
  if ((file.flags & O.ACCMODE) !== O.RDONLY && (file.flags & O.PATH) === 0) file.inode.writers--;
  if ((file.flags & O.PATH) === 0) {
    const wasWritable = (file.flags & O.ACCMODE) !== O.RDONLY;
    notifyFile(kernel, file.dentry, wasWritable ? In.CLOSE_WRITE : In.CLOSE_NOWRITE);
  }
  releaseFileLocks(file);
  releaseWatches(kernel, file);
  file.operations.release?.(kernel, file);
  dput(kernel, file.dentry);
  mntputCost(cpu);
  runSteps(cpu, SECURITY_FREE);
  caches.fileSecurity.freeCost(kernel);
  cpu.run(F.percpu_counter_add_batch, 21);
  callRcu(cpu);
  caches.file.freeQuietly(file.address);
}
