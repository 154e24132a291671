/** exit and exit_group, after Linux 6.1 kernel/exit.c (the calls). */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import type { Kernel } from '../init/kernel.ts';
import { doExit, doGroupExit } from './exit.ts';

export function sysExit(kernel: Kernel, args: SyscallArguments): Sleeping<never> {
  kernel.cpu.run(F.__x64_sys_exit, 8);
  return doExit(kernel, (args.low(0) & 0xff) << 8);
}

export function sysExitGroup(kernel: Kernel, args: SyscallArguments): Sleeping<never> {
  kernel.cpu.run(F.__x64_sys_exit_group, 8);
  return doGroupExit(kernel, (args.low(0) & 0xff) << 8);
}
