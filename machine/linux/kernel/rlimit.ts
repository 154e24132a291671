/**
 * Resource limits, after Linux 6.1 kernel/sys.c (do_prlimit). Omits: limits of other processes.
 */
import { copyFromUser, copyToUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { limitsOf } from '../include/linux/resource.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Rlimit } from '../include/uapi/asm-generic/resource.ts';
import type { Kernel } from '../init/kernel.ts';

/** sysctl fs.nr_open: no process can have more descriptors. */
const NR_OPEN = 1048576n;

/** do_prlimit: both sides of the exchange; addresses 0 where there is none. */
function doPrlimit(kernel: Kernel, resource: number, fresh: number, old: number): number {
  const { cpu, current } = kernel;
  cpu.run(F.do_prlimit, 70);
  cpu.read(current.signal.address + 512);
  if (resource >>> 0 >= Rlimit.COUNT) return -Errno.EINVAL;
  const before = limitsOf(current, resource);
  if (fresh !== 0) {
    const wanted = new BigUint64Array(2);
    if (copyFromUser(kernel, fresh, new Uint8Array(wanted.buffer)) < 0) return -Errno.EFAULT;
    const [soft, hard] = wanted;
    if (soft > hard) return -Errno.EINVAL;
    // Root may raise hard limits, but not beyond what the kernel can have.
    if (resource === (Rlimit.NOFILE as number) && hard > NR_OPEN) return -Errno.EPERM;
    current.signal.rlimits[resource] = [soft, hard];
  }
  if (old === 0) return 0;
  return copyToUser(kernel, old, new Uint8Array(BigUint64Array.from(before).buffer));
}

export function sysPrlimit64(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_prlimit64, 60);
  const pid = args.int(0);
  if (pid !== 0 && pid !== kernel.current.tgid) return -Errno.ESRCH;
  return doPrlimit(kernel, args.int(1), args.unsigned(2), args.unsigned(3));
}

export function sysGetrlimit(kernel: Kernel, args: SyscallArguments): number {
  return doPrlimit(kernel, args.int(0), 0, args.unsigned(1));
}

export function sysSetrlimit(kernel: Kernel, args: SyscallArguments): number {
  const address = args.unsigned(1);
  return address === 0 ? -Errno.EFAULT : doPrlimit(kernel, args.int(0), address, 0);
}
