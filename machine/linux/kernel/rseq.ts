/**
 * rseq and set_robust_list, after Linux 6.1 kernel/rseq.c and kernel/futex/syscalls.c: registration.
 * With one CPU and no preemption a restartable sequence is never interrupted, so nothing is aborted.
 */
import { copyToUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';

const RSEQ_BYTES = 32;
const RSEQ_FLAG_UNREGISTER = 1;
const ROBUST_LIST_HEAD_BYTES = 24;

export function sysRseq(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_rseq, 60);
  const [address, length, flags] = [args.unsigned(0), args.low(1), args.int(2)];
  if ((flags & RSEQ_FLAG_UNREGISTER) !== 0) {
    if (address !== current.rseq) return -Errno.EINVAL;
    current.rseq = 0;
    return 0;
  }
  if (flags !== 0) return -Errno.EINVAL;
  if (current.rseq !== 0) return current.rseq === address ? -Errno.EBUSY : -Errno.EINVAL;
  if (address % RSEQ_BYTES !== 0 || length !== RSEQ_BYTES) return -Errno.EINVAL;
  // cpu_id_start and cpu_id, as the way back to user mode sets them.
  const ids = new Uint8Array(Uint32Array.of(cpu.number, cpu.number).buffer);
  if (copyToUser(kernel, address, ids) < 0) return -Errno.EFAULT;
  current.rseq = address;
  return 0;
}

export function sysSetRobustList(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_set_robust_list, 10);
  if (args.unsigned(1) !== ROBUST_LIST_HEAD_BYTES) return -Errno.EINVAL;
  kernel.cpu.write(kernel.current.address + 3008);
  kernel.current.robustList = args.unsigned(0);
  return 0;
}
