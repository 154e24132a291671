/** msync, after Linux 6.1 mm/msync.c. Files live in memory, so there is nothing to write back. */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import { Vm } from '../include/linux/mm_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Msync } from '../include/uapi/asm-generic/mman.ts';
import type { Kernel } from '../init/kernel.ts';
import { downRead, upRead } from '../kernel/locking/rwsem.ts';
import { findVma } from '../lib/maple_tree.ts';
import { pageAlign } from './align.ts';

export function sysMsync(kernel: Kernel, args: SyscallArguments): number {
  const [start, length, flags] = [args.unsigned(0), args.unsigned(1), args.int(2)];
  const { cpu, current } = kernel;
  const { mm } = current;
  cpu.run(F.__x64_sys_msync, 60);
  const both = Msync.ASYNC | Msync.SYNC;
  if ((flags & ~(both | Msync.INVALIDATE)) !== 0 || (flags & both) === both) return -Errno.EINVAL;
  if (start % PAGE_BYTES !== 0 || mm === null) return -Errno.EINVAL;
  const end = start + pageAlign(length);
  if (end >= 2 ** 64) return -Errno.ENOMEM;
  if (end === start) return 0;
  downRead(cpu, mm.address + 64);
  let result = 0;
  let address = start;
  while (address < end) {
    const vma = findVma(cpu, mm.vmas, address);
    if (vma === undefined) {
      result = -Errno.ENOMEM;
      break;
    }
    // Gaps are reported, but what follows them is still synced.
    if (vma.start > address) result = -Errno.ENOMEM;
    if (vma.start >= end) break;
    if ((flags & Msync.INVALIDATE) !== 0 && (vma.flags & Vm.LOCKED) !== 0) {
      result = -Errno.EBUSY;
      break;
    }
    address = vma.end;
  }
  upRead(cpu, mm.address + 64);
  return result;
}
