/** Locks on files that are held, after Linux 6.1 fs/locks.c (file_lock_context). */
import type { FileStruct, Inode } from '../include/linux/fs.ts';

/** l_type */
export const enum LockType {
  READ = 0,
  WRITE = 1,
  NONE = 2,
}

/** struct flock, as far as it says what is locked. */
export interface LockRequest {
  readonly type: number;
  readonly start: number;
  /** First byte after it. */
  readonly end: number;
}

export interface HeldLock extends LockRequest {
  /** Table of descriptors for POSIX locks, open file for the others. */
  readonly owner: object;
  readonly pid: number;
}

/** Locks by inode; an inode without any has no entry. */
const held = new WeakMap<Inode, HeldLock[]>();

export const locksOf = (inode: Inode): readonly HeldLock[] => held.get(inode) ?? [];

export function setLocks(inode: Inode, locks: HeldLock[]): void {
  if (locks.length === 0) held.delete(inode);
  else held.set(inode, locks);
}

/** locks_remove_posix and locks_remove_file: what an owner holds goes when it closes the file. */
export function releaseLocks(inode: Inode, owner: object): void {
  const locks = held.get(inode);
  if (locks !== undefined) {
    setLocks(
      inode,
      locks.filter((lock) => lock.owner !== owner),
    );
  }
}

/** A lock of flock lies beside the others: it has an owner that stands for file and kind. */
const flockOwners = new WeakMap<FileStruct, object>();

export function flockOwner(file: FileStruct): object {
  let owner = flockOwners.get(file);
  if (owner === undefined) {
    owner = {};
    flockOwners.set(file, owner);
  }
  return owner;
}

/** What an open file alone held. */
export function releaseFileLocks(file: FileStruct): void {
  releaseLocks(file.inode, file);
  const owner = flockOwners.get(file);
  if (owner !== undefined) releaseLocks(file.inode, owner);
}
