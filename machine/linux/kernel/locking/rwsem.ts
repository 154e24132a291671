/**
 * Read-write semaphores without contention, after Linux 6.1 kernel/locking/rwsem.c. `lock` is the
 * physical address of the object that holds the semaphore. Omits: waiting.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { KernelCpu } from '../../arch/x86/model/kernel-cpu.ts';
import { condResched } from '../sched/cond_resched.ts';

export function downRead(cpu: KernelCpu, lock: number): void {
  cpu.run(F.down_read, 23);
  cpu.write(lock);
  condResched(cpu);
}

export function downReadTrylock(cpu: KernelCpu, lock: number): void {
  cpu.run(F.down_read_trylock, 19);
  cpu.write(lock);
}

export function upRead(cpu: KernelCpu, lock: number): void {
  cpu.run(F.up_read, 11);
  cpu.write(lock);
}

export function downWrite(cpu: KernelCpu, lock: number): void {
  cpu.run(F.down_write, 15);
  cpu.write(lock);
  condResched(cpu);
}

export function downWriteKillable(cpu: KernelCpu, lock: number): void {
  cpu.run(F.down_write_killable, 16);
  cpu.write(lock);
  condResched(cpu);
}

export function upWrite(cpu: KernelCpu, lock: number): void {
  cpu.run(F.up_write, 10);
  cpu.write(lock);
}

export function downgradeWrite(cpu: KernelCpu, lock: number): void {
  cpu.run(F.downgrade_write, 26);
  cpu.write(lock);
}
