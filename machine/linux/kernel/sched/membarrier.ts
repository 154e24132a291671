/**
 * membarrier, after Linux 6.1 kernel/sched/membarrier.c. Kernel entries order memory in this model as
 * on the processor, so a barrier is what it costs. Omits: restartable sequences' abort.
 */
import type { SyscallArguments } from '../../arch/x86/entry/syscall-arguments.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../init/kernel.ts';

/** MEMBARRIER_CMD_... */
const enum Command {
  QUERY = 0,
  GLOBAL = 1,
  GLOBAL_EXPEDITED = 2,
  REGISTER_GLOBAL_EXPEDITED = 4,
  PRIVATE_EXPEDITED = 8,
  REGISTER_PRIVATE_EXPEDITED = 16,
  PRIVATE_EXPEDITED_SYNC_CORE = 32,
  REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 64,
  PRIVATE_EXPEDITED_RSEQ = 128,
  REGISTER_PRIVATE_EXPEDITED_RSEQ = 256,
  ALL = 511,
}

/** MEMBARRIER_CMD_FLAG_CPU */
const FLAG_CPU = 1;

export function sysMembarrier(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  const [command, flags] = [args.int(0), args.low(1)];
  cpu.run(F.__x64_sys_membarrier, 5);
  cpu.run(F.__do_sys_membarrier, 26);
  const { mm } = current;
  const rseq = command === (Command.PRIVATE_EXPEDITED_RSEQ as number);
  if (mm === null || (flags & ~(rseq ? FLAG_CPU : 0)) !== 0) return -Errno.EINVAL;
  switch (command as Command) {
    case Command.QUERY:
      return Command.ALL;
    case Command.GLOBAL:
    case Command.GLOBAL_EXPEDITED:
      return 0;
    case Command.REGISTER_GLOBAL_EXPEDITED:
    case Command.REGISTER_PRIVATE_EXPEDITED:
    case Command.REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
    case Command.REGISTER_PRIVATE_EXPEDITED_RSEQ:
      // The registration's number is twice that of what it allows.
      mm.membarriers |= command >> 1;
      return 0;
    case Command.PRIVATE_EXPEDITED:
    case Command.PRIVATE_EXPEDITED_SYNC_CORE:
    case Command.PRIVATE_EXPEDITED_RSEQ:
      return (mm.membarriers & command) === 0 ? -Errno.EPERM : 0;
    default:
      return -Errno.EINVAL;
  }
}
