/** arch_prctl and the start of a program's registers, after Linux 6.1 arch/x86/kernel/process_64.c. */
import { Errno } from '../../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../../init/kernel.ts';
import type { SyscallArguments } from '../entry/syscall-arguments.ts';
import { putUser } from '../lib/usercopy.ts';
import { TASK_SIZE } from '../model/address-map.ts';
import { F } from '../model/generated/function-ids.ts';
import { Gpr } from '../model/registers.ts';

const ARCH_SET_GS = 0x1001;
const ARCH_SET_FS = 0x1002;
const ARCH_GET_FS = 0x1003;
const ARCH_GET_GS = 0x1004;
/** rflags of a new program: IF and the bit that is always 1. */
const START_RFLAGS = 0x202n;
const GENERAL_REGISTERS = 16;

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
