/** Ours, not Linux's: descriptors 0, 1 and 2 of the target, as a shell with two pipes would leave them. */
import { MachineBug } from '../../core/assert.ts';
import { FileMode, type FileKind } from '../include/linux/fs.ts';
import type { Task } from '../include/linux/sched.ts';
import type { Kernel } from '../init/kernel.ts';
import { allocFile } from './file_table.ts';

const O_RDONLY = 0;
const O_WRONLY = 1;
const FIRST_PIPE_INODE = 32;

const STANDARD: readonly { kind: FileKind; flags: number; sink: number }[] = [
  { kind: 'pipe-in', flags: O_RDONLY, sink: 0 },
  { kind: 'pipe-out', flags: O_WRONLY, sink: 1 },
  { kind: 'pipe-out', flags: O_WRONLY, sink: 2 },
];

export function openStandardFiles(kernel: Kernel, task: Task): void {
  STANDARD.forEach((standard, fd) => {
    const file = allocFile(kernel, {
      ...standard,
      path: `pipe:[${FIRST_PIPE_INODE + fd}]`,
      inodeNumber: FIRST_PIPE_INODE + fd,
      mode: FileMode.FIFO | 0o600,
      contents: null,
    });
    if (file === null) throw new MachineBug('room for the standard files');
    task.files[fd] = file;
  });
}
