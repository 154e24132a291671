/**
 * Ours, not Linux's: descriptors 0, 1 and 2 of the target, as a shell with two pipes would leave them:
 * an input that has ended, and two outputs whose reader always keeps up.
 */
import { MachineBug } from '../../core/assert.ts';
import { FileMode } from '../include/linux/fs.ts';
import type { Task } from '../include/linux/sched.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { pseudoFile } from './file_table.ts';
import { PIPE_SLOTS, PipeInode } from './pipe-inode.ts';
import { CONSOLE_PIPE } from './pipe.ts';

export function openStandardFiles(kernel: Kernel, task: Task): void {
  for (const sink of [0, 1, 2] as const) {
    const address = kernel.caches.kmalloc192.allocateQuietly(kernel);
    const pipe = new PipeInode(address, PIPE_SLOTS, sink);
    // The lab holds the other side: of the outputs for good, of the input it has let go.
    pipe.readers = 1;
    pipe.writers = sink === 0 ? 0 : 1;
    pipe.writerCount = 1;
    const file = pseudoFile(kernel, kernel.fileSystems.pipefs, '', {
      mode: FileMode.FIFO | 0o600,
      operations: CONSOLE_PIPE,
      data: pipe,
      flags: sink === 0 ? O.RDONLY : O.WRONLY,
    });
    if (file === null) throw new MachineBug('room for the standard files');
    task.files.fd[sink] = file;
  }
}
