/** /dev/null, /dev/zero and /dev/full, after Linux 6.1 drivers/char/mem.c. */
import { Cause } from '../../../core/ledger/cause.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { FileOperations, FileStruct } from '../../include/linux/fs.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../init/kernel.ts';
import { condResched } from '../../kernel/sched/cond_resched.ts';
import type { IovIter } from '../../lib/iov_iter.ts';

const PAGE_BYTES = 4096;
const LINE_BYTES = 64;
const ZEROS = new Uint8Array(PAGE_BYTES);

/** Takes everything at once, without looking. */
function writeNull({ cpu }: Kernel, _file: FileStruct, iter: IovIter): number {
  cpu.run(F.write_null, 3);
  const { count } = iter;
  iter.truncate(0);
  return count;
}

/** read_zero: clear_user page by page. */
function readZero(kernel: Kernel, _file: FileStruct, iter: IovIter): number {
  const { cpu } = kernel;
  let done = 0;
  cpu.run(F.read_zero, 45);
  while (iter.count > 0) {
    const chunk = Math.min(iter.count, PAGE_BYTES);
    if (chunk < LINE_BYTES) {
      cpu.run(F.clear_user_erms, 2);
      cpu.run(F.clear_user_original, 11);
    } else cpu.run(F.clear_user_erms, 5);
    cpu.charge(Cause.ZERO, Math.ceil(chunk / LINE_BYTES) * cpu.ticks.zeroPerLine);
    const cleared = iter.clear(kernel, ZEROS.subarray(0, chunk));
    done += cleared;
    if (cleared < chunk) return done > 0 ? done : -Errno.EFAULT;
    condResched(cpu);
  }
  return done;
}

export const NULL_DEVICE: FileOperations = {
  kind: 'null',
  stream: false,
  plain: true,
  read: ({ cpu }) => {
    cpu.run(F.read_null, 3);
    return 0;
  },
  write: writeNull,
};

export const ZERO_DEVICE: FileOperations = {
  kind: 'zero',
  stream: false,
  plain: true,
  read: readZero,
  write: writeNull,
};

export const FULL_DEVICE: FileOperations = {
  kind: 'null',
  stream: false,
  plain: true,
  read: readZero,
  write: () => -Errno.ENOSPC,
};
