/** personality, after Linux 6.1 kernel/exec_domain.c. Omits: what flags do but ADDR_NO_RANDOMIZE. */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Kernel } from '../init/kernel.ts';

/** An argument that only asks. */
const ASK = 0xffff_ffff;

/** Returns what the personality was; execve keeps it. */
export function sysPersonality({ cpu, current }: Kernel, args: SyscallArguments): number {
  cpu.run(F.__x64_sys_personality, 12);
  const { personality } = current;
  if (args.low(0) !== ASK) current.personality = args.low(0);
  return personality;
}
