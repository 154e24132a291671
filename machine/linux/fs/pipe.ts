/**
 * Pipes, after Linux 6.1 fs/pipe.c, as far as standard input and output go: input is at its end;
 * output goes to the console sink, whose reader always keeps up and sleeps between writes. Omits:
 * pipe(2), full pipes, packets.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileOperations, FileStruct } from '../include/linux/fs.ts';
import { MachineBug } from '../../core/assert.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { mutexLock, mutexUnlock } from '../kernel/locking/mutex.ts';
import {
  spinLockIrq,
  spinLockIrqsave,
  spinUnlockIrq,
  spinUnlockIrqrestore,
} from '../kernel/locking/spinlock.ts';
import type { IovIter } from '../lib/iov_iter.ts';
import { fileUpdateTime } from './inode.ts';
import { isPipe, type PipeInode } from './pipe-inode.ts';

const PAGE_BYTES = 4096;

function pipeOf(file: FileStruct): PipeInode {
  if (!isPipe(file.data)) throw new MachineBug('a pipe has a pipe inode');
  return file.data;
}

/** Nothing was ever written and every writer has closed: end of file. */
function readEmpty({ cpu }: Kernel, file: FileStruct): number {
  cpu.run(F.pipe_read, 76);
  mutexLock(cpu, pipeOf(file).address);
  mutexUnlock(cpu);
  return 0;
}

/** pipe_write to the lab. Returns bytes or -EFAULT. */
function writeConsole(kernel: Kernel, file: FileStruct, iter: IovIter): number {
  const { cpu } = kernel;
  const pipe = pipeOf(file);
  const total = iter.count;
  if (total === 0) {
    cpu.run(F.pipe_write, 20);
    return 0;
  }
  const pages = Math.ceil(total / PAGE_BYTES);
  cpu.run(F.pipe_write, 60 + 91 * pages);
  cpu.stack(320, 2);
  mutexLock(cpu, pipe.address);
  cpu.write(pipe.address + 64);
  cpu.runCalls(F.copy_page_from_iter, 46 * pages, pages);
  cpu.runCalls(F._copy_from_iter, 58 * pages, pages);
  const bytes = new Uint8Array(total);
  const done = iter.copyFrom(kernel, bytes);
  for (let page = 0; page < pages; page++) {
    spinLockIrq(cpu, pipe.address + 64);
    spinUnlockIrq(cpu);
  }
  mutexUnlock(cpu);
  wakeReader(kernel, pipe);
  cpu.run(F.kill_fasync, 4);
  fileUpdateTime(kernel, file.inode);
  if (done === 0) return -Errno.EFAULT;
  if (pipe.sink !== 0) kernel.console(pipe.sink, bytes.subarray(0, done));
  return done;
}

/** wake_up_interruptible_sync_poll with nobody to wake on this CPU. */
function wakeReader({ cpu }: Kernel, pipe: PipeInode): void {
  cpu.run(F.__wake_up_sync_key, 7);
  cpu.run(F.__wake_up_common_lock, 52);
  spinLockIrqsave(cpu, pipe.address + 128);
  cpu.run(F.__wake_up_common, 33);
  spinUnlockIrqrestore(cpu);
}

export const CONSOLE_PIPE: FileOperations = {
  kind: 'console',
  stream: true,
  plain: false,
  read: readEmpty,
  write: writeConsole,
};
