/** rt_sigprocmask, rt_sigaction, kill, tgkill, after Linux 6.1 kernel/signal.c (the calls). */
import { copyFromUser, copyToUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Sig, signalName } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { spinLockIrq, spinUnlockIrq } from './locking/spinlock.ts';
import { rcuReadLock, rcuReadUnlock } from './rcu/tree_plugin.ts';
import { sendSignal, sigprocmask } from './signal.ts';

const SIGSET_BYTES = 8;
const SIGACTION_BYTES = 32;

const toBytes = (value: bigint): Uint8Array => new Uint8Array(BigUint64Array.of(value).buffer);

export function sysRtSigprocmask(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_rt_sigprocmask, 40);
  cpu.read(current.address + 2624);
  if (args.unsigned(3) !== SIGSET_BYTES) return -Errno.EINVAL;
  const [set, old] = [args.unsigned(1), args.unsigned(2)];
  const before = current.blocked;
  if (set !== 0) {
    const bytes = new Uint8Array(SIGSET_BYTES);
    if (copyFromUser(kernel, set, bytes) < 0) return -Errno.EFAULT;
    cpu.run(F.sigprocmask, 31);
    const mask = new BigUint64Array(bytes.buffer)[0];
    if (!sigprocmask(current, args.int(0), mask)) return -Errno.EINVAL;
  }
  if (old !== 0 && copyToUser(kernel, old, toBytes(before)) < 0) return -Errno.EFAULT;
  if ((current.pending & ~current.blocked) !== 0n) {
    current.signalPending = true;
    kernel.signalCause = { address: 0n, reason: 'a pending signal was unblocked' };
  }
  return 0;
}

export function sysRtSigaction(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_rt_sigaction, 43);
  const signal = args.int(0);
  if (args.unsigned(3) !== SIGSET_BYTES) return -Errno.EINVAL;
  const [act, old] = [args.unsigned(1), args.unsigned(2)];
  const bytes = new Uint8Array(SIGACTION_BYTES);
  if (act !== 0 && copyFromUser(kernel, act, bytes) < 0) return -Errno.EFAULT;
  if (signal < 1 || signal > Sig.MAX) return -Errno.EINVAL;
  if (act !== 0 && (signal === Sig.KILL || signal === Sig.STOP)) return -Errno.EINVAL;
  cpu.run(F.do_sigaction, 75);
  spinLockIrq(cpu, current.signal.address);
  cpu.run(F.sigaction_compat_abi, 11);
  spinUnlockIrq(cpu);
  const action = current.signal.actions[signal];
  const before = BigUint64Array.of(action.handler, action.flags, action.restorer, action.mask);
  if (act !== 0) {
    const [handler, flags, restorer, mask] = new BigUint64Array(bytes.buffer);
    Object.assign(action, { handler, flags, restorer, mask });
  }
  if (old === 0) return 0;
  return copyToUser(kernel, old, new Uint8Array(before.buffer)) < 0 ? -Errno.EFAULT : 0;
}

function lookupCost({ cpu }: Kernel): void {
  cpu.run(F.find_vpid, 11);
  cpu.run(F.idr_find, 3);
  cpu.run(F.__radix_tree_lookup, 68);
  rcuReadLock(cpu);
  cpu.run(F.pid_task, 12);
  rcuReadUnlock(cpu);
  cpu.run(F.check_kill_permission, 37);
}

/** Signals can only go to the caller itself: other processes do not run programs yet. */
function signalSelf(kernel: Kernel, isSelf: boolean, signal: number): number {
  lookupCost(kernel);
  if (signal < 0 || signal > Sig.MAX) return -Errno.EINVAL;
  if (!isSelf) return -Errno.ESRCH;
  if (signal !== 0) sendSignal(kernel, signal, `the process sent ${signalName(signal)} to itself`);
  return 0;
}

export function sysKill(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_kill, 41);
  kernel.cpu.run(F.kill_something_info, 32);
  kernel.cpu.run(F.kill_pid_info, 44);
  const pid = args.int(0);
  const { tgid } = kernel.current;
  return signalSelf(kernel, pid === tgid || pid === 0 || pid === -tgid, args.int(1));
}

export function sysTgkill(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_tgkill, 41);
  const [tgid, pid] = [args.int(0), args.int(1)];
  if (tgid <= 0 || pid <= 0) return -Errno.EINVAL;
  const { current } = kernel;
  return signalSelf(kernel, tgid === current.tgid && pid === current.pid, args.int(2));
}

export function sysTkill(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_tkill, 36);
  const pid = args.int(0);
  if (pid <= 0) return -Errno.EINVAL;
  return signalSelf(kernel, pid === kernel.current.pid, args.int(1));
}
