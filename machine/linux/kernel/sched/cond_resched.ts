/** The voluntary preemption point, after Linux 6.1 kernel/sched/core.c. It never switches yet. */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { KernelCpu } from '../../arch/x86/model/kernel-cpu.ts';

export function condResched(cpu: KernelCpu): void {
  cpu.run(F.__cond_resched, 6);
}
