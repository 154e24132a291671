/**
 * The ways into and out of the kernel, after Linux 6.1 arch/x86/entry/entry_64.S and calling.h:
 * the system call gate, exceptions, interrupts, with PTI and the return-stack mitigations. Omits:
 * entries from kernel mode, NMI, espfix, syscalls from compat mode.
 */
import { Cause } from '../../../../core/ledger/cause.ts';
import type { Kernel } from '../../../init/kernel.ts';
import { chargeKernelCr3, loadKernelCr3, switchToUserCr3 } from '../mm/tlbflush.ts';
import { PerCpu } from '../model/address-map.ts';
import { F } from '../model/generated/function-ids.ts';

/** Instructions of entry_untrain_ret and srso_untrain_ret at every entry with SRSO safe-ret. */
const UNTRAIN_INSTRUCTIONS = 6;
/** Bytes of pt_regs at the top of the kernel stack. */
const REGISTER_LINES = 3;

/** entry_SYSCALL_64, both halves: the way out is charged here too. Ends in do_syscall_64. */
export function entrySyscall64(kernel: Kernel): void {
  const { cpu, config, current } = kernel;
  cpu.enter();
  const { mm } = current;
  if (config.pti && mm !== null) loadKernelCr3(kernel, mm);
  cpu.run(F.entry_SYSCALL_64, 91);
  cpu.charge(Cause.TRANSITION, cpu.ticks.syscall + cpu.ticks.swapgs);
  cpu.writeEntryArea(0);
  cpu.readPerCpu(PerCpu.CURRENT);
  cpu.stack(0, REGISTER_LINES);
  if (config.pti) chargeKernelCr3(kernel);
  if (config.srso) cpu.chargeInstructions(Cause.MITIGATION_SRSO, UNTRAIN_INSTRUCTIONS);
}

/** swapgs_restore_regs... and sysretq. */
export function sysret(kernel: Kernel): void {
  const { cpu, config, current } = kernel;
  cpu.continueIn(F.entry_SYSCALL_64);
  cpu.readEntryArea(64);
  cpu.charge(Cause.TRANSITION, cpu.ticks.swapgs + cpu.ticks.sysret);
  if (config.pti && current.mm !== null) switchToUserCr3(kernel, current.mm);
  cpu.leave();
}

/** The common start of asm_exc_* and asm_sysvec_*: `stub` is the gate, `instructions` its own. */
export function exceptionEntry(
  kernel: Kernel,
  stub: F,
  instructions: number,
  interrupt: boolean,
): void {
  const { cpu, config, current } = kernel;
  const fromUser = !cpu.inKernel && current.mm !== null;
  cpu.enter();
  if (config.pti && fromUser && current.mm !== null) loadKernelCr3(kernel, current.mm);
  cpu.run(stub, instructions);
  cpu.charge(Cause.TRANSITION, interrupt ? cpu.ticks.interruptEntry : cpu.ticks.exceptionEntry);
  cpu.writeEntryArea(4096 - 64);
  cpu.run(F.error_entry, 42);
  cpu.charge(Cause.TRANSITION, cpu.ticks.swapgs);
  cpu.stack(0, REGISTER_LINES);
  if (config.pti && fromUser) chargeKernelCr3(kernel);
  if (config.srso) cpu.chargeInstructions(Cause.MITIGATION_SRSO, UNTRAIN_INSTRUCTIONS);
  cpu.run(F.sync_regs, 9);
  cpu.readPerCpu(PerCpu.CURRENT);
}

/** error_return and swapgs_restore_regs_and_return_to_usermode, up to iretq. */
export function exceptionExit(kernel: Kernel): void {
  const { cpu, config, current } = kernel;
  cpu.run(F.error_return, 3);
  cpu.run(F.swapgs_restore_regs_and_return_to_usermode, 34);
  cpu.readEntryArea(64);
  cpu.charge(Cause.TRANSITION, cpu.ticks.swapgs + cpu.ticks.iret);
  if (config.pti && current.mm !== null) switchToUserCr3(kernel, current.mm);
  cpu.leave();
}
