/** pipe and pipe2, after Linux 6.1 fs/pipe.c (create_pipe_files, do_pipe2). */
import { writeUserBytes } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { FileMode, type FileStruct } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { fdInstall, getUnusedFd } from './file.ts';
import { allocFile, allocFileCost, fput, pseudoFile, pseudoFileCost } from './file_table.ts';
import { PipeInode } from './pipe-inode.ts';
import { openSides, PIPE } from './pipe.ts';

const FLAGS = O.CLOEXEC | O.NONBLOCK | O.DIRECT;

/** alloc_pipe_info: null without memory. */
export function newPipe(kernel: Kernel): PipeInode | null {
  const address = kernel.caches.kmalloc192.allocate(kernel);
  kernel.caches.kmalloc1k.allocateCost(kernel, 100);
  return address < 0 ? null : new PipeInode(address);
}

/** create_pipe_files: one inode with two open sides. */
function createPipeFiles(kernel: Kernel, flags: number): [FileStruct, FileStruct] | null {
  const pipe = newPipe(kernel);
  if (pipe === null) return null;
  pseudoFileCost(kernel);
  allocFileCost(kernel);
  allocFileCost(kernel);
  const status = flags & (O.NONBLOCK | O.DIRECT);
  const reader = pseudoFile(kernel, kernel.fileSystems.pipefs, '', {
    mode: FileMode.FIFO | 0o600,
    operations: PIPE,
    data: pipe,
    flags: O.RDONLY | status,
  });
  if (reader === null) return null;
  const writer = allocFile(kernel, reader.dentry, O.WRONLY | status);
  if (writer === null) return null;
  openSides(reader, pipe);
  openSides(writer, pipe);
  return [reader, writer];
}

function doPipe2(kernel: Kernel, address: number, flags: number): number {
  if ((flags & ~FLAGS) !== 0) return -Errno.EINVAL;
  const files = createPipeFiles(kernel, flags);
  if (files === null) return -Errno.ENFILE;
  const fds: number[] = [];
  for (const file of files) {
    const fd = getUnusedFd(kernel);
    if (fd >= 0) fdInstall(kernel, fd, file, flags);
    fds.push(fd);
  }
  const failed = fds.find((fd) => fd < 0);
  const error = failed ?? putDescriptors(kernel, address, fds);
  if (error < 0) {
    files.forEach((file, i) => {
      if (fds[i] >= 0) kernel.current.files.fd[fds[i]] = null;
      fput(kernel, file);
    });
  }
  return error;
}

/** Writes two descriptors to user memory. Returns 0 or -EFAULT. */
export function putDescriptors(kernel: Kernel, address: number, fds: readonly number[]): number {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, fds[0], true);
  view.setInt32(4, fds[1], true);
  return writeUserBytes(kernel, address, bytes) < 0 ? -Errno.EFAULT : 0;
}

export const sysPipe = (kernel: Kernel, args: SyscallArguments): number =>
  doPipe2(kernel, args.unsigned(0), 0);

export const sysPipe2 = (kernel: Kernel, args: SyscallArguments): number =>
  doPipe2(kernel, args.unsigned(0), args.low(1));
