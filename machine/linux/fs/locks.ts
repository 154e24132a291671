/**
 * POSIX and open-file locks and flock, after Linux 6.1 fs/locks.c. Omits: waiting for a lock (a call
 * that would wait is refused with -EAGAIN, and the run says so), mandatory locks, leases.
 */
import { copyFromUser, copyToUser, readUserBytes } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileStruct, Inode } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { FcntlCommand, O } from '../include/uapi/asm-generic/fcntl.ts';
import { type Kernel, warnOnce } from '../init/kernel.ts';
import { fdget } from './file.ts';
import {
  flockOwner,
  type HeldLock,
  type LockRequest,
  locksOf,
  LockType,
  setLocks,
} from './lock-table.ts';

const GET_LOCK: Steps = [
  [F.fcntl_getlk, 83],
  // locks_alloc_lock and locks_free_lock: a struct file_lock on the way.
  [F.kmem_cache_alloc, 100],
  [F.__cond_resched, 6],
  [F.should_failslab, 3],
  [F.__memset, 1],
  [F.memset_erms, 6],
  [F.memcg_slab_post_alloc_hook, 18],
  [F.kmem_cache_free, 70],
  [F.cache_from_obj, 29],
  [F.__init_waitqueue_head, 6],
  [F.flock64_to_posix_lock, 37],
  [F.vfs_test_lock, 15],
  [F.posix_test_lock, 18],
  [F.locks_release_private, 29],
];

const FLOCK_BYTES = 32;
const END_MAX = Number.MAX_SAFE_INTEGER;

const isOpenFileLock = (command: number): boolean => command >= (FcntlCommand.OFD_GETLK as number);

function ownerOf(kernel: Kernel, file: FileStruct, command: number): object {
  return isOpenFileLock(command) ? file : kernel.current.files;
}

/** flock_to_posix_lock: the range in bytes of the file, or an error. */
function readLock(kernel: Kernel, file: FileStruct, address: number): LockRequest | number {
  const bytes = new Uint8Array(FLOCK_BYTES);
  if (copyFromUser(kernel, address, bytes) < 0) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  const type = view.getInt16(0, true);
  const whence = view.getInt16(2, true);
  const length = Number(view.getBigInt64(16, true));
  if (type < LockType.READ || type > LockType.NONE || whence < 0 || whence > 2)
    return -Errno.EINVAL;
  const origin = [0, file.position, file.operations.size?.(file) ?? 0][whence];
  const first = origin + Number(view.getBigInt64(8, true));
  const start = length < 0 ? first + length : first;
  if (start < 0) return -Errno.EINVAL;
  return { type, start, end: length === 0 ? END_MAX : length < 0 ? first : first + length };
}

function conflictOf(inode: Inode, owner: object, wanted: LockRequest): HeldLock | undefined {
  return locksOf(inode).find(
    (lock) =>
      lock.owner !== owner &&
      lock.start < wanted.end &&
      wanted.start < lock.end &&
      (lock.type === LockType.WRITE || wanted.type === LockType.WRITE),
  );
}

export function getLock(
  kernel: Kernel,
  file: FileStruct,
  command: number,
  address: number,
): number {
  const wanted = readLock(kernel, file, address);
  if (typeof wanted === 'number') return wanted;
  if (wanted.type === LockType.NONE) return -Errno.EINVAL;
  runSteps(kernel.cpu, GET_LOCK);
  const conflict = conflictOf(file.inode, ownerOf(kernel, file, command), wanted);
  const bytes = new Uint8Array(FLOCK_BYTES);
  // Linux changes the copy that it has read before: no second charge.
  if (readUserBytes(kernel, address, bytes) < 0) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  if (conflict === undefined) view.setInt16(0, LockType.NONE, true);
  else {
    view.setInt16(0, conflict.type, true);
    view.setInt16(2, 0, true);
    view.setBigInt64(8, BigInt(conflict.start), true);
    const length = conflict.end === END_MAX ? 0 : conflict.end - conflict.start;
    view.setBigInt64(16, BigInt(length), true);
    view.setInt32(24, conflict.pid, true);
  }
  return copyToUser(kernel, address, bytes);
}

export function setLock(
  kernel: Kernel,
  file: FileStruct,
  command: number,
  address: number,
): number {
  const wanted = readLock(kernel, file, address);
  if (typeof wanted === 'number') return wanted;
  const access = file.flags & O.ACCMODE;
  if (wanted.type === LockType.READ && access === O.WRONLY) return -Errno.EBADF;
  if (wanted.type === LockType.WRITE && access === O.RDONLY) return -Errno.EBADF;
  const owner = ownerOf(kernel, file, command);
  const pid = isOpenFileLock(command) ? -1 : kernel.current.tgid;
  const waits = command === FcntlCommand.SETLKW || command === FcntlCommand.OFD_SETLKW;
  return take(kernel, file.inode, { ...wanted, owner, pid }, waits);
}

/** posix_lock_inode: takes the range, or gives it up. */
function take(kernel: Kernel, inode: Inode, wanted: HeldLock, waits: boolean): number {
  if (wanted.type !== LockType.NONE && conflictOf(inode, wanted.owner, wanted) !== undefined) {
    if (waits) warnOnce(kernel, 'lock wait', 'waiting for a file lock is not modelled: -EAGAIN');
    return -Errno.EAGAIN;
  }
  const locks: HeldLock[] = [];
  for (const lock of locksOf(inode)) {
    if (lock.owner !== wanted.owner || lock.end <= wanted.start || wanted.end <= lock.start) {
      locks.push(lock);
      continue;
    }
    if (lock.start < wanted.start) locks.push({ ...lock, end: wanted.start });
    if (lock.end > wanted.end) locks.push({ ...lock, start: wanted.end });
  }
  if (wanted.type !== LockType.NONE) locks.push(wanted);
  setLocks(inode, locks);
  return 0;
}

const enum Flock {
  SHARED = 1,
  EXCLUSIVE = 2,
  NONBLOCKING = 4,
  UNLOCK = 8,
}

export function sysFlock(kernel: Kernel, args: SyscallArguments): number {
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  const operation = args.low(1) & ~Flock.NONBLOCKING;
  const types: Readonly<Record<number, LockType>> = {
    [Flock.SHARED]: LockType.READ,
    [Flock.EXCLUSIVE]: LockType.WRITE,
    [Flock.UNLOCK]: LockType.NONE,
  };
  if (!(operation in types)) return -Errno.EINVAL;
  const owner = flockOwner(file);
  const lock = { type: types[operation], start: -1, end: 0, owner, pid: kernel.current.tgid };
  return take(kernel, file.inode, lock, (args.low(1) & Flock.NONBLOCKING) === 0);
}
