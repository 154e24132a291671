/**
 * futex, after Linux 6.1 kernel/futex/syscalls.c, core.c and waitwake.c, for a process without a
 * second thread: waking nobody, and waiting on a word that has already changed. Omits: sleeping
 * (nobody could wake the caller: -EDEADLK says so, with a warning), requeue, PI, wake_op.
 */
import { getUser } from '../../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../../arch/x86/entry/syscall-arguments.ts';
import { ImageData } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import { type Kernel, warnOnce } from '../../init/kernel.ts';
import { spinUnlock } from '../locking/spinlock.ts';

const enum FutexOp {
  WAIT = 0,
  WAKE = 1,
  WAIT_BITSET = 9,
  WAKE_BITSET = 10,
  CMD_MASK = 0x7f,
}

function hash(kernel: Kernel, address: number): void {
  const { cpu } = kernel;
  cpu.run(F.futex_hash, 73);
  const bucket = Math.floor(address / 4) % 256;
  cpu.readImage(ImageData.FUTEX_QUEUES + bucket * 64);
}

export function sysFutex(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_futex, 44);
  const address = args.unsigned(0);
  const command: FutexOp = args.int(1) & FutexOp.CMD_MASK;
  if (address % 4 !== 0) return -Errno.EINVAL;
  if (command === FutexOp.WAKE || command === FutexOp.WAKE_BITSET) {
    cpu.run(F.do_futex, 31);
    cpu.run(F.futex_wake, 46);
    cpu.run(F.get_futex_key, 51);
    hash(kernel, address);
    return 0;
  }
  if (command !== FutexOp.WAIT && command !== FutexOp.WAIT_BITSET) {
    warnOnce(kernel, `futex ${command}`, `futex operation ${command} is not modelled: -ENOSYS`);
    return -Errno.ENOSYS;
  }
  return futexWait(kernel, address, args.low(2));
}

function futexWait(kernel: Kernel, address: number, expected: number): number {
  const { cpu } = kernel;
  cpu.run(F.do_futex, 35);
  cpu.run(F.futex_wait, 83);
  cpu.run(F.futex_setup_timer, 5);
  cpu.run(F.futex_wait_setup, 51);
  cpu.run(F.get_futex_key, 51);
  cpu.run(F.futex_q_lock, 15);
  hash(kernel, address);
  cpu.run(F._raw_spin_lock, 7);
  const bytes = new Uint8Array(4);
  cpu.run(F.futex_get_value_locked, 11);
  const fault = getUser(kernel, address, bytes) < 0;
  cpu.run(F.futex_q_unlock, 8);
  spinUnlock(cpu);
  if (fault) return -Errno.EFAULT;
  if (new Uint32Array(bytes.buffer)[0] !== expected) return -Errno.EAGAIN;
  warnOnce(kernel, 'futex sleep', 'futex: the only thread would sleep for ever: returned -EDEADLK');
  return -Errno.EDEADLK;
}
