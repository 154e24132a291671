/** F_GETPIPE_SZ and F_SETPIPE_SZ, after Linux 6.1 fs/pipe.c (pipe_fcntl). */
import type { FileStruct } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { isPipe, type PipeInode } from './pipe-inode.ts';

const PAGE_BYTES = 4096;
/** pipe-max-size */
const PIPE_BYTES_MAX = 1_048_576;

function pipeOf(file: FileStruct): PipeInode | null {
  return isPipe(file.data) ? file.data : null;
}

export function getPipeSize(file: FileStruct): number {
  return (pipeOf(file)?.slots ?? -Errno.EBADF / PAGE_BYTES) * PAGE_BYTES;
}

/** Rounded up to a power of two of pages; -EBUSY when what is in the pipe would not fit. */
export function setPipeSize(file: FileStruct, bytes: number): number {
  const pipe = pipeOf(file);
  if (pipe === null) return -Errno.EBADF;
  if (bytes > 2 ** 31) return -Errno.EINVAL;
  let slots = 1;
  while (slots * PAGE_BYTES < bytes) slots *= 2;
  if (slots * PAGE_BYTES > PIPE_BYTES_MAX) return -Errno.EPERM;
  if (pipe.buffers.length > slots) return -Errno.EBUSY;
  pipe.slots = slots;
  return slots * PAGE_BYTES;
}
