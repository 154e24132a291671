/** statfs and fstatfs, after Linux 6.1 fs/statfs.c and mm/shmem.c (shmem_statfs). */
import { copyToUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import type { SuperBlock } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { At } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { getname } from '../lib/strncpy_from_user.ts';
import { fdgetRaw } from './file.ts';
import { filenameLookup, putPath } from './namei.ts';

const STATFS_BYTES = 120;
const PAGE_BYTES = 4096;
const NAME_MAX = 255;
/** ST_VALID | ST_RELATIME */
const MOUNT_FLAGS = 0x1020;

function copyStatfs(kernel: Kernel, { type, magic, inodes }: SuperBlock, to: number): number {
  const inMemory = type === 'tmpfs' || type === 'devtmpfs';
  // Half of the memory, as a tmpfs without a size= gets.
  const total = inMemory ? Math.floor(kernel.memory.pages / 2) : 0;
  const free = inMemory ? Math.min(total, kernel.buddy.freePages) : 0;
  const view = new DataView(new ArrayBuffer(STATFS_BYTES));
  const fields = [
    magic,
    PAGE_BYTES,
    total,
    free,
    free,
    total,
    total - inodes,
    0,
    NAME_MAX,
    PAGE_BYTES,
  ];
  fields.push(MOUNT_FLAGS);
  for (const [i, value] of fields.entries()) view.setBigInt64(i * 8, BigInt(value), true);
  return copyToUser(kernel, to, new Uint8Array(view.buffer));
}

export function sysStatfs(kernel: Kernel, args: SyscallArguments): number {
  const path = getname(kernel, args.unsigned(0));
  if (typeof path === 'number') return path;
  const dentry = filenameLookup(kernel, At.FDCWD, path);
  if (typeof dentry === 'number') return dentry;
  putPath(kernel);
  return copyStatfs(kernel, dentry.inode.superBlock, args.unsigned(1));
}

export function sysFstatfs(kernel: Kernel, args: SyscallArguments): number {
  const file = fdgetRaw(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  return copyStatfs(kernel, file.inode.superBlock, args.unsigned(1));
}
