/** arch_prctl and the start of a program's registers, after Linux 6.1 arch/x86/kernel/process_64.c. */
import { Cpu } from '../../../../hardware/layout.ts';
import type { Task } from '../../../include/linux/sched.ts';
import { Errno } from '../../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../../init/kernel.ts';
import type { SyscallArguments } from '../entry/syscall-arguments.ts';
import { putUser } from '../lib/usercopy.ts';
import { TASK_SIZE } from '../model/address-map.ts';
import type { KernelCpu } from '../model/kernel-cpu.ts';
import { F } from '../model/generated/function-ids.ts';
import { Gpr } from '../model/registers.ts';

/** Words of a CPU block that belong to the task: registers, flags, segments, x87, SSE. */
export const THREAD_WORDS = Cpu.LEFT >> 2;

const ARCH_SET_GS = 0x1001;
const ARCH_SET_FS = 0x1002;
const ARCH_GET_FS = 0x1003;
const ARCH_GET_GS = 0x1004;
/** rflags of a new program: IF and the bit that is always 1. */
const START_RFLAGS = 0x202n;
const GENERAL_REGISTERS = 16;
/** Offset of the vector state in task_struct. */
const FPU_OFFSET = 5120;

export function sysArchPrctl(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  const { state } = cpu.hardware;
  cpu.run(F.__x64_sys_arch_prctl, 12);
  cpu.run(F.do_arch_prctl_64, 40);
  const address = args.unsigned(1);
  switch (args.int(0)) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
      if (address >= TASK_SIZE) return -Errno.EPERM;
      if (args.int(0) === ARCH_SET_FS) state.fsBase = BigInt(address);
      else state.gsBase = BigInt(address);
      return 0;
    case ARCH_GET_FS:
      return putUser(kernel, address, new Uint8Array(BigUint64Array.of(state.fsBase).buffer));
    case ARCH_GET_GS:
      return putUser(kernel, address, new Uint8Array(BigUint64Array.of(state.gsBase).buffer));
    default:
      return -Errno.EINVAL;
  }
}

/** start_thread: every register zero but rip, rsp and rflags. */
export function startThread({ cpu }: Kernel, rip: number, rsp: number): void {
  const { state } = cpu.hardware;
  for (let gpr = 0; gpr < GENERAL_REGISTERS; gpr++) state.setRegister(gpr, 0n);
  state.setRegister(Gpr.RSP, BigInt(rsp));
  state.rip = BigInt(rip);
  state.rflags = START_RFLAGS;
  state.fsBase = 0n;
  state.gsBase = 0n;
  cpu.registers.resetFloatingPoint();
}

/** switch_fpu_prepare: the vector state of `prev` goes to memory unless it is there. */
function switchFpuPrepare(cpu: KernelCpu, prev: Task): void {
  if (prev.mm === null || prev.fpuLoad) return;
  cpu.run(F.save_fpregs_to_fpstate, 33);
  cpu.write(prev.address + FPU_OFFSET);
  prev.fpuLoad = true;
  prev.fpuCpu = cpu.number;
  cpu.fpuOwner = prev.pid;
}

/** switch_fpu_return: user mode needs the task's own vector registers. */
export function switchFpuReturn({ cpu, current }: Kernel): void {
  cpu.run(F.switch_fpu_return, 24);
  if (cpu.fpuOwner !== current.pid || current.fpuCpu !== cpu.number) {
    cpu.run(F.restore_fpregs_from_fpstate, 23);
    cpu.read(current.address + FPU_OFFSET);
    cpu.fpuOwner = current.pid;
    current.fpuCpu = cpu.number;
  }
  current.fpuLoad = false;
}

/** __switch_to_asm and __switch_to: stacks and registers. Tasks without user mode have none to save. */
export function switchTo({ cpu }: Kernel, prev: Task, next: Task): void {
  const { registers } = cpu;
  cpu.run(F.__switch_to_asm, 20);
  cpu.stack(128, 1);
  if (prev.mm !== null) registers.save(prev.thread);
  cpu.stackTop = next.stackTop;
  cpu.stack(128, 1);
  switchFpuPrepare(cpu, prev);
  cpu.run(F.__switch_to, 86);
  cpu.read(next.address);
  cpu.write(prev.address + 4992);
  cpu.read(next.address + 4992);
  cpu.writeEntryArea(0);
  if (next.mm !== null) registers.load(next.thread);
}

/** copy_thread: the child's registers are the parent's, but for its result, stack and TLS. */
export function forkedRegisters(
  { cpu }: Kernel,
  child: Task,
  { stack, tls }: { readonly stack: number; readonly tls: bigint | null },
): void {
  const { thread } = child;
  cpu.registers.save(thread);
  const view = new DataView(thread.buffer);
  view.setBigUint64(Cpu.GPR + Gpr.RAX * 8, 0n, true);
  if (stack !== 0) view.setBigUint64(Cpu.GPR + Gpr.RSP * 8, BigInt(stack), true);
  if (tls !== null) view.setBigUint64(Cpu.FS_BASE, tls, true);
}
