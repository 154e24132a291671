/** Pipes with a name, after Linux 6.1 fs/pipe.c (fifo_open): openings wait for the other side. */
import type { FileOperations, FileStruct, Inode, IoResult } from '../include/linux/fs.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { waitEventInterruptible, wakeUpSync } from '../kernel/sched/wait.ts';
import type { PipeInode } from './pipe-inode.ts';
import { newPipe } from './pipe-syscalls.ts';
import { openSides, PIPE } from './pipe.ts';

/** The pipe behind each FIFO that somebody has open. */
const pipes = new WeakMap<Inode, PipeInode>();

function fifoOpen(kernel: Kernel, file: FileStruct): IoResult {
  const pipe = pipes.get(file.inode) ?? newPipe(kernel);
  if (pipe === null) return -Errno.ENOMEM;
  pipes.set(file.inode, pipe);
  const access = file.flags & O.ACCMODE;
  const nonblocking = (file.flags & O.NONBLOCK) !== 0;
  if (access === O.WRONLY && nonblocking && pipe.readers === 0) return -Errno.ENXIO;
  file.data = pipe;
  openSides(file, pipe);
  wakeUpSync(kernel, pipe.readWait, Infinity);
  wakeUpSync(kernel, pipe.writeWait, Infinity);
  if (access === O.RDWR || nonblocking) return 0;
  const others = access === O.RDONLY ? pipe.writers : pipe.readers;
  return others > 0 ? 0 : waitForPartner(kernel, file, pipe);
}

/** wait_for_partner: somebody opens the other side, if only for a moment. */
function* waitForPartner(kernel: Kernel, file: FileStruct, pipe: PipeInode): Sleeping<number> {
  const reads = (file.flags & O.ACCMODE) === O.RDONLY;
  const seen = reads ? pipe.writerCount : pipe.readerCount;
  const came = (): boolean => (reads ? pipe.writerCount : pipe.readerCount) !== seen;
  return yield* waitEventInterruptible(kernel, reads ? pipe.readWait : pipe.writeWait, came);
}

function fifoRelease(kernel: Kernel, file: FileStruct): void {
  PIPE.release?.(kernel, file);
  const pipe = pipes.get(file.inode);
  if (pipe?.readers === 0 && pipe.writers === 0) pipes.delete(file.inode);
}

export const FIFO: FileOperations = { ...PIPE, open: fifoOpen, release: fifoRelease };
