/**
 * Resource limits, after Linux 6.1 kernel/sys.c (do_prlimit). A process that never set any has those
 * that init gives a login. Omits: limits of other processes.
 */
import { copyFromUser, copyToUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Task } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { RLIM_INFINITY, Rlimit } from '../include/uapi/asm-generic/resource.ts';
import type { Kernel } from '../init/kernel.ts';

const MIB = 1n << 20n;
/** sysctl fs.nr_open: no process can have more descriptors. */
const NR_OPEN = 1048576n;

/** Soft and hard limit of one resource. */
export type Limits = readonly [soft: bigint, hard: bigint];

/** By resource. */
const INITIAL: readonly Limits[] = [
  [RLIM_INFINITY, RLIM_INFINITY], // CPU
  [RLIM_INFINITY, RLIM_INFINITY], // FSIZE
  [RLIM_INFINITY, RLIM_INFINITY], // DATA
  [8n * MIB, RLIM_INFINITY], // STACK
  [0n, RLIM_INFINITY], // CORE
  [RLIM_INFINITY, RLIM_INFINITY], // RSS
  [7823n, 7823n], // NPROC
  [1024n, 524288n], // NOFILE
  [8n * MIB, 8n * MIB], // MEMLOCK
  [RLIM_INFINITY, RLIM_INFINITY], // AS
  [RLIM_INFINITY, RLIM_INFINITY], // LOCKS
  [7823n, 7823n], // SIGPENDING
  [819200n, 819200n], // MSGQUEUE
  [0n, 0n], // NICE
  [0n, 0n], // RTPRIO
  [RLIM_INFINITY, RLIM_INFINITY], // RTTIME
];

function limitsOf({ signal }: Task, resource: number): Limits {
  return (signal.limits ?? INITIAL)[resource];
}

/** rlimit(): the soft limit, Infinity where there is none. */
export function rlimitSoft(task: Task, resource: Rlimit): number {
  const [soft] = limitsOf(task, resource);
  return soft === RLIM_INFINITY ? Infinity : Number(soft);
}

/** do_prlimit: both sides of the exchange; addresses 0 where there is none. */
function doPrlimit(kernel: Kernel, resource: number, fresh: number, old: number): number {
  const { cpu, current } = kernel;
  cpu.run(F.do_prlimit, 70);
  cpu.read(current.signal.address + 512);
  if (resource >>> 0 >= INITIAL.length) return -Errno.EINVAL;
  const before = limitsOf(current, resource);
  if (fresh !== 0) {
    const wanted = new BigUint64Array(2);
    if (copyFromUser(kernel, fresh, new Uint8Array(wanted.buffer)) < 0) return -Errno.EFAULT;
    const [soft, hard] = wanted;
    if (soft > hard) return -Errno.EINVAL;
    // Root may raise hard limits, but not beyond what the kernel can have.
    if (resource === (Rlimit.NOFILE as number) && hard > NR_OPEN) return -Errno.EPERM;
    const limits = [...(current.signal.limits ?? INITIAL)];
    limits[resource] = [soft, hard];
    current.signal.limits = limits;
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
