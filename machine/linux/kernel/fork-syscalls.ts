/** fork, vfork, clone, clone3, set_tid_address, after Linux 6.1 kernel/fork.c (the calls). */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { copyFromUser } from '../arch/x86/lib/usercopy.ts';
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import { Clone, CloneHigh, NAMESPACE_FLAGS } from '../include/uapi/linux/sched.ts';
import { type Kernel, warnOnce } from '../init/kernel.ts';
import { checkFlags, type CloneArguments, kernelClone } from './fork.ts';

/** Sizes of struct clone_args: the first one, the present one, the most that is looked at. */
const ARGUMENTS_BYTES_MIN = 64;
const ARGUMENTS_BYTES = 88;
const ARGUMENTS_BYTES_MAX = 4096;

const PLAIN: CloneArguments = {
  flags: 0,
  flagsHigh: 0,
  exitSignal: Sig.CHLD,
  stack: 0,
  tls: 0n,
  parentTid: 0,
  pidfd: 0,
  childTid: 0,
};

export function sysFork(kernel: Kernel): number | Sleeping<number> {
  kernel.cpu.run(F.__x64_sys_fork, 12);
  return kernelClone(kernel, PLAIN);
}

export function sysVfork(kernel: Kernel): number | Sleeping<number> {
  kernel.cpu.run(F.__x64_sys_vfork, 12);
  return kernelClone(kernel, { ...PLAIN, flags: Clone.VFORK | Clone.VM });
}

export function sysClone(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  kernel.cpu.run(F.__x64_sys_clone, 8);
  kernel.cpu.run(F.__do_sys_clone, 29);
  const flags = args.low(0);
  const tls = (BigInt(args.high(4)) << 32n) | BigInt(args.low(4));
  if ((flags & Clone.PIDFD) !== 0 && (flags & Clone.PARENT_SETTID) !== 0) return -Errno.EINVAL;
  return clone(kernel, {
    flags: flags & ~Clone.SIGNAL_MASK,
    flagsHigh: 0,
    exitSignal: flags & Clone.SIGNAL_MASK,
    stack: args.unsigned(1),
    tls,
    parentTid: args.unsigned(2),
    pidfd: args.unsigned(2),
    childTid: args.unsigned(3),
  });
}

/** What the model cannot do is refused; but what Linux refuses, for Linux's reason. */
function clone(kernel: Kernel, args: CloneArguments): number | Sleeping<number> {
  const invalid = checkFlags(kernel, args);
  if (invalid !== 0) return invalid;
  if ((args.flags & NAMESPACE_FLAGS) !== 0) {
    warnOnce(kernel, 'clone namespaces', 'clone: namespaces are not modelled: returned -EINVAL');
    return -Errno.EINVAL;
  }
  if ((args.flags & Clone.SETTLS) !== 0 && args.tls >= BigInt(TASK_SIZE)) return -Errno.EPERM;
  return kernelClone(kernel, args);
}

/** Offsets in struct clone_args, all of 64 bits. */
const enum Field {
  FLAGS = 0,
  PIDFD = 8,
  CHILD_TID = 16,
  PARENT_TID = 24,
  EXIT_SIGNAL = 32,
  STACK = 40,
  STACK_SIZE = 48,
  TLS = 56,
  SET_TID = 64,
  SET_TID_SIZE = 72,
}

export function sysClone3(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  kernel.cpu.run(F.__x64_sys_clone3, 60);
  const [address, size] = [args.unsigned(0), args.unsigned(1)];
  if (size > ARGUMENTS_BYTES_MAX) return -Errno.E2BIG;
  if (size < ARGUMENTS_BYTES_MIN) return -Errno.EINVAL;
  const bytes = new Uint8Array(Math.max(size, ARGUMENTS_BYTES));
  if (copyFromUser(kernel, address, bytes.subarray(0, size)) < 0) return -Errno.EFAULT;
  if (bytes.subarray(ARGUMENTS_BYTES).some((byte) => byte !== 0)) return -Errno.E2BIG;
  const view = new DataView(bytes.buffer);
  const wide = (at: Field): bigint => view.getBigUint64(at, true);
  const flags = view.getUint32(Field.FLAGS, true) | 0;
  const flagsHigh = view.getUint32(Field.FLAGS + 4, true);
  const exitSignal = wide(Field.EXIT_SIGNAL);
  const [stack, stackSize] = [wide(Field.STACK), wide(Field.STACK_SIZE)];
  const [setTid, setTidSize] = [wide(Field.SET_TID), wide(Field.SET_TID_SIZE)];
  if (exitSignal > BigInt(Sig.MAX)) return -Errno.EINVAL;
  const known = CloneHigh.CLEAR_SIGHAND | CloneHigh.INTO_CGROUP;
  if ((flagsHigh & ~known) !== 0) return -Errno.EINVAL;
  if ((flags & (Clone.DETACHED | Clone.SIGNAL_MASK)) !== 0) return -Errno.EINVAL;
  if ((flags & Clone.SIGHAND) !== 0 && (flagsHigh & CloneHigh.CLEAR_SIGHAND) !== 0) {
    return -Errno.EINVAL;
  }
  if ((flags & (Clone.THREAD | Clone.PARENT)) !== 0 && exitSignal !== 0n) return -Errno.EINVAL;
  if ((stack === 0n) !== (stackSize === 0n)) return -Errno.EINVAL;
  if (stack + stackSize > BigInt(TASK_SIZE)) return -Errno.EINVAL;
  if ((setTid === 0n) !== (setTidSize === 0n)) return -Errno.EINVAL;
  if (setTid !== 0n || (flagsHigh & CloneHigh.INTO_CGROUP) !== 0) {
    warnOnce(kernel, 'clone3', 'clone3: set_tid and CLONE_INTO_CGROUP are not modelled: -EINVAL');
    return -Errno.EINVAL;
  }
  return clone(kernel, {
    flags,
    flagsHigh,
    exitSignal: Number(exitSignal),
    stack: Number(stack + stackSize),
    tls: wide(Field.TLS),
    parentTid: Number(wide(Field.PARENT_TID)),
    pidfd: Number(wide(Field.PIDFD)),
    childTid: Number(wide(Field.CHILD_TID)),
  });
}

export function sysSetTidAddress(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_set_tid_address, 12);
  kernel.cpu.write(kernel.current.address + 2368);
  kernel.current.clearChildTid = args.unsigned(0);
  return kernel.current.pid;
}
