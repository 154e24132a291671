/**
 * Pipes, after Linux 6.1 fs/pipe.c, as far as standard input and output go: input is at its end;
 * output goes to the console sink, whose reader always keeps up and sleeps between writes. Omits:
 * pipe(2), full pipes, packets.
 */
import { copyIn } from '../arch/x86/lib/usercopy.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileStruct } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { mutexLock, mutexUnlock } from '../kernel/locking/mutex.ts';
import {
  spinLockIrq,
  spinLockIrqsave,
  spinUnlockIrq,
  spinUnlockIrqrestore,
} from '../kernel/locking/spinlock.ts';
import { fileUpdateTime } from './inode.ts';

const PAGE_BYTES = 4096;

/** Nothing was ever written and every writer has closed: end of file. */
export function pipeRead(kernel: Kernel, file: FileStruct): number {
  const { cpu } = kernel;
  cpu.run(F.pipe_read, 76);
  mutexLock(cpu, file.inode);
  mutexUnlock(cpu);
  return 0;
}

interface UserRange {
  readonly address: number;
  readonly length: number;
}

/** pipe_write of several ranges as one write. Returns bytes or -EFAULT. */
export function pipeWrite(kernel: Kernel, file: FileStruct, ranges: readonly UserRange[]): number {
  const { cpu } = kernel;
  const total = ranges.reduce((sum, { length }) => sum + length, 0);
  const sink = file.sink === 2 ? 2 : 1;
  if (total === 0) {
    cpu.run(F.pipe_write, 20);
    return 0;
  }
  const pages = Math.ceil(total / PAGE_BYTES);
  cpu.run(F.pipe_write, 60 + 91 * pages);
  cpu.stack(320, 2);
  mutexLock(cpu, file.inode);
  cpu.write(file.inode + 64);
  const bytes = new Uint8Array(total);
  let done = 0;
  let failed = false;
  for (const { address, length } of ranges) {
    cpu.run(F.copy_page_from_iter, 46);
    cpu.run(F._copy_from_iter, 58);
    if (length === 0) continue;
    if (copyIn(kernel, address, bytes.subarray(done, done + length)) < 0) {
      failed = true;
      break;
    }
    done += length;
  }
  for (let page = 0; page < pages; page++) {
    spinLockIrq(cpu, file.inode + 64);
    spinUnlockIrq(cpu);
  }
  mutexUnlock(cpu);
  wakeReader(kernel, file);
  cpu.run(F.kill_fasync, 4);
  fileUpdateTime(kernel, file);
  if (failed && done === 0) return -Errno.EFAULT;
  kernel.console(sink, bytes.subarray(0, done));
  return done;
}

/** wake_up_interruptible_sync_poll with nobody to wake on this CPU. */
function wakeReader({ cpu }: Kernel, file: FileStruct): void {
  cpu.run(F.__wake_up_sync_key, 7);
  cpu.run(F.__wake_up_common_lock, 52);
  spinLockIrqsave(cpu, file.inode + 128);
  cpu.run(F.__wake_up_common, 33);
  spinUnlockIrqrestore(cpu);
}
