/** Mutexes without contention, after Linux 6.1 kernel/locking/mutex.c. Omits: waiting. */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { KernelCpu } from '../../arch/x86/model/kernel-cpu.ts';
import { condResched } from '../sched/cond_resched.ts';

export function mutexLock(cpu: KernelCpu, lock: number): void {
  cpu.run(F.mutex_lock, 10);
  cpu.write(lock);
  condResched(cpu);
}

export function mutexUnlock(cpu: KernelCpu): void {
  cpu.run(F.mutex_unlock, 6);
}
