/** Preemptible RCU read sides, after Linux 6.1 kernel/rcu/tree_plugin.h. Grace periods are in tree.ts. */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { KernelCpu } from '../../arch/x86/model/kernel-cpu.ts';

export function rcuReadLock(cpu: KernelCpu): void {
  cpu.run(F.__rcu_read_lock, 6);
}

export function rcuReadUnlock(cpu: KernelCpu): void {
  cpu.run(F.__rcu_read_unlock, 8);
}
