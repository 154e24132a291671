/** memfd_create, after Linux 6.1 mm/memfd.c. Omits: seals, huge pages. */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { makeDentry } from '../fs/dcache.ts';
import { fdInstall, getUnusedFd } from '../fs/file.ts';
import { allocFile, allocFileCost, pseudoFileCost } from '../fs/file_table.ts';
import { newInode } from '../fs/inode.ts';
import { FileMode, type FileStruct } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { readUserString } from '../lib/strncpy_from_user.ts';
import { SHMEM_FILE } from './shmem.ts';
import { emptyFile } from './shmem-pages.ts';

const CLOEXEC = 1;
const ALLOW_SEALING = 2;
/** NAME_MAX without what comes before the name, its end included. */
const NAME_BYTES_MAX = 250;

/** shmem_file_setup: an unlinked file that can be written; null without memory. */
function newMemfd(kernel: Kernel, name: string): FileStruct | null {
  const inode = newInode(kernel, kernel.fileSystems.tmpfs, {
    mode: FileMode.REGULAR | 0o777,
    operations: SHMEM_FILE,
    mapping: emptyFile(`/memfd:${name} (deleted)`),
  });
  if (inode === null) return null;
  pseudoFileCost(kernel);
  const dentry = makeDentry(kernel, `memfd:${name}`, inode, kernel.current.fs.root);
  allocFileCost(kernel);
  return dentry === null ? null : allocFile(kernel, dentry, O.RDWR | O.LARGEFILE);
}

/** memfd_create: name, flags. */
export function sysMemfdCreate(kernel: Kernel, args: SyscallArguments): number {
  const [address, flags] = [args.unsigned(0), args.low(1)];
  kernel.cpu.run(F.__do_sys_memfd_create, 90);
  if ((flags & ~(CLOEXEC | ALLOW_SEALING)) !== 0) return -Errno.EINVAL;
  const name = readUserString(kernel, address, NAME_BYTES_MAX);
  if (typeof name === 'number') return name === -Errno.EFAULT ? name : -Errno.EINVAL;
  const fd = getUnusedFd(kernel);
  if (fd < 0) return fd;
  const file = newMemfd(kernel, name);
  if (file === null) return -Errno.ENOMEM;
  fdInstall(kernel, fd, file, (flags & CLOEXEC) !== 0 ? O.CLOEXEC : 0);
  return fd;
}
