/**
 * Entering and leaving user mode, after Linux 6.1 kernel/entry/common.c. Omits: system call tracing
 * by ptrace and audit (off, as for most processes); seccomp is in kernel/seccomp.ts.
 */
import { PerCpu } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Sleeping } from '../../include/linux/sched.ts';
import type { Kernel } from '../../init/kernel.ts';
import { schedule } from '../sched/core.ts';
import { thisRq } from '../sched/sched.ts';
import { switchFpuReturn } from '../../arch/x86/kernel/process_64.ts';
import { doSignal } from '../../arch/x86/kernel/signal.ts';
import { rseqHandleNotifyResume } from '../rseq.ts';

/** Whether user mode must wait for the scheduler or a signal. */
export function hasExitWork(kernel: Kernel): boolean {
  const { current } = kernel;
  const { needResched, needReschedLazy } = thisRq(kernel);
  return current.signalPending || current.notifyResume || needResched || needReschedLazy;
}

/** exit_to_user_mode_loop: what must be done before user mode goes on. */
export function* exitToUserModeLoop(kernel: Kernel): Sleeping<undefined> {
  while (hasExitWork(kernel)) {
    kernel.cpu.run(F.exit_to_user_mode_prepare, 24);
    const { needResched, needReschedLazy } = thisRq(kernel);
    if (needResched || needReschedLazy) yield* schedule(kernel);
    if (kernel.current.signalPending) yield* doSignal(kernel);
    if (kernel.current.notifyResume) rseqHandleNotifyResume(kernel);
  }
  return undefined;
}

export function syscallEnterFromUserMode({ cpu, current }: Kernel): void {
  cpu.run(F.syscall_enter_from_user_mode, 16);
  cpu.read(current.address);
  cpu.stack(192, 1);
}

export function syscallExitToUserMode(kernel: Kernel): void {
  const { cpu, current } = kernel;
  cpu.run(F.syscall_exit_to_user_mode, 11);
  cpu.run(F.syscall_exit_to_user_mode_prepare, 12);
  cpu.read(current.address);
  exitToUserModePrepare(kernel);
}

export function exitToUserModePrepare(kernel: Kernel): void {
  const { cpu, current } = kernel;
  cpu.run(F.exit_to_user_mode_prepare, 31);
  cpu.read(current.address);
  cpu.readPerCpu(PerCpu.CURRENT);
  cpu.run(F.fpregs_assert_state_consistent, current.fpuLoad ? 6 : 14);
  cpu.read(current.address + 64);
  cpu.read(current.address + 5120);
  cpu.readPerCpu(PerCpu.FPU_OWNER);
  if (current.fpuLoad) switchFpuReturn(kernel);
  cpu.run(F.amd_clear_divider, 5);
}

export function irqentryEnter({ cpu, current }: Kernel): void {
  cpu.run(F.irqentry_enter, 6);
  cpu.run(F.irqentry_enter_from_user_mode, 3);
  cpu.read(current.address);
}

export function irqentryExit(kernel: Kernel): void {
  const { cpu } = kernel;
  cpu.run(F.irqentry_exit, 3);
  cpu.run(F.irqentry_exit_to_user_mode, 4);
  exitToUserModePrepare(kernel);
}
