/**
 * Restartable sequences, after Linux 6.1 kernel/rseq.c: the CPU number in user memory, and the abort
 * of a critical section that the scheduler or a signal interrupts. Also set_robust_list of
 * kernel/futex/syscalls.c.
 */
import { readUserBytes, writeUserBytes, copyToUser, putUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { forceSig } from './signal-send.ts';

const RSEQ_BYTES = 32;
const RSEQ_FLAG_UNREGISTER = 1;
const RSEQ_CPU_UNINITIALIZED = 0xffffffff;
const ROBUST_LIST_HEAD_BYTES = 24;

/** Offsets in struct rseq and struct rseq_cs. */
const enum Rseq {
  CPU_START = 0,
  CPU = 4,
  SECTION = 8,
  FLAGS = 16,
}
const enum Section {
  VERSION = 0,
  FLAGS = 4,
  START = 8,
  LENGTH = 16,
  ABORT = 24,
  BYTES = 32,
}

export function sysRseq(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_rseq, 60);
  const [address, length, flags] = [args.unsigned(0), args.low(1), args.int(2)];
  const signature = args.low(3);
  if ((flags & RSEQ_FLAG_UNREGISTER) !== 0) {
    if ((flags & ~RSEQ_FLAG_UNREGISTER) !== 0) return -Errno.EINVAL;
    if (current.rseq !== address || address === 0) return -Errno.EINVAL;
    if (length !== current.rseqBytes) return -Errno.EINVAL;
    if (current.rseqSignature !== signature) return -Errno.EPERM;
    const ids = Uint32Array.of(0, RSEQ_CPU_UNINITIALIZED);
    if (copyToUser(kernel, address, new Uint8Array(ids.buffer)) < 0) return -Errno.EFAULT;
    current.rseq = 0;
    return 0;
  }
  if (flags !== 0) return -Errno.EINVAL;
  if (current.rseq !== 0) {
    if (current.rseq !== address || length !== current.rseqBytes) return -Errno.EINVAL;
    return current.rseqSignature === signature ? -Errno.EBUSY : -Errno.EPERM;
  }
  if (address % RSEQ_BYTES !== 0 || length !== RSEQ_BYTES) return -Errno.EINVAL;
  if (address >= TASK_SIZE - length) return -Errno.EFAULT;
  current.rseq = address;
  current.rseqBytes = length;
  current.rseqSignature = signature;
  // The way back to user mode sets the CPU.
  rseqSetNotifyResume(kernel);
  return 0;
}

/** rseq_set_notify_resume of the current task. */
function rseqSetNotifyResume({ current }: Kernel): void {
  current.notifyResume = true;
}

/** rseq_signal_deliver: the section is judged by where it was, before the handler's frame. */
export function rseqSignalDeliver(kernel: Kernel): void {
  if (kernel.current.rseq !== 0) rseqHandleNotifyResume(kernel);
}

/** __rseq_handle_notify_resume: tells user code its CPU, and aborts the section that it was in. */
export function rseqHandleNotifyResume(kernel: Kernel): void {
  const { cpu, current } = kernel;
  current.notifyResume = false;
  if (current.rseq === 0 || current.exiting) return;
  cpu.run(F.__rseq_handle_notify_resume, 64);
  const good = ipFixup(kernel) && updateCpu(kernel);
  if (!good) forceSig(kernel, Sig.SEGV, 'the registered rseq area is not valid');
}

function updateCpu(kernel: Kernel): boolean {
  const { cpu, current } = kernel;
  cpu.run(F.__put_user_8, 3);
  cpu.run(F.__put_user_nocheck_8, 5);
  const ids = Uint32Array.of(cpu.number, cpu.number);
  return writeUserBytes(kernel, current.rseq + Rseq.CPU_START, new Uint8Array(ids.buffer)) >= 0;
}

/** rseq_ip_fixup. Returns false when the area or the section's description is bad. */
function ipFixup(kernel: Kernel): boolean {
  const { cpu, current } = kernel;
  cpu.run(F.__get_user_8, 10);
  const pointer = new Uint8Array(8);
  if (readUserBytes(kernel, current.rseq + Rseq.SECTION, pointer) < 0) return false;
  const section = Number(new BigUint64Array(pointer.buffer)[0]);
  if (section === 0) return true;
  if (section >= TASK_SIZE) return false;
  const bytes = new Uint8Array(Section.BYTES);
  if (readUserBytes(kernel, section, bytes) < 0) return false;
  const view = new DataView(bytes.buffer);
  const start = Number(view.getBigUint64(Section.START, true));
  const length = Number(view.getBigUint64(Section.LENGTH, true));
  const abort = Number(view.getBigUint64(Section.ABORT, true));
  if (start >= TASK_SIZE || start + length >= TASK_SIZE || abort >= TASK_SIZE) return false;
  if (view.getUint32(Section.VERSION, true) !== 0) return false;
  if (abort >= start && abort < start + length) return false;
  const signature = new Uint8Array(4);
  if (readUserBytes(kernel, abort - 4, signature) < 0) return false;
  if (new Uint32Array(signature.buffer)[0] !== current.rseqSignature) return false;
  const { rip } = cpu.registers;
  const inside = rip >= start && rip < start + length;
  if (writeUserBytes(kernel, current.rseq + Rseq.SECTION, new Uint8Array(8)) < 0) return false;
  if (inside) cpu.registers.rip = abort;
  return true;
}

export function sysSetRobustList(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_set_robust_list, 10);
  if (args.unsigned(1) !== ROBUST_LIST_HEAD_BYTES) return -Errno.EINVAL;
  kernel.cpu.write(kernel.current.address + 3008);
  kernel.current.robustList = args.unsigned(0);
  return 0;
}

/** get_robust_list: of the caller, or of another thread that it may look into. */
export function sysGetRobustList(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_set_robust_list, 40);
  const tid = args.int(0);
  const task = tid === 0 ? kernel.current : kernel.pids.tasks.get(tid);
  if (task === undefined) return -Errno.ESRCH;
  const values = [BigInt(task.robustList), BigInt(ROBUST_LIST_HEAD_BYTES)];
  for (const [i, value] of values.entries()) {
    const error = putUser(
      kernel,
      args.unsigned(1 + i),
      new Uint8Array(BigUint64Array.of(value).buffer),
    );
    if (error < 0) return error;
  }
  return 0;
}
