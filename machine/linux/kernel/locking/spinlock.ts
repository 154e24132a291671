/**
 * Spinlocks, after Linux 6.1 kernel/locking/spinlock.c. `lock` is the physical address of the
 * object that holds the lock. Omits: contention (one CPU runs the kernel at a time).
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { KernelCpu } from '../../arch/x86/model/kernel-cpu.ts';

export function spinLock(cpu: KernelCpu, lock: number): void {
  cpu.run(F._raw_spin_lock, 7);
  cpu.write(lock);
}

export function spinUnlock(cpu: KernelCpu): void {
  cpu.run(F._raw_spin_unlock, 6);
}

export function spinTrylock(cpu: KernelCpu, lock: number): void {
  cpu.run(F._raw_spin_trylock, 10);
  cpu.write(lock);
}

export function spinLockIrq(cpu: KernelCpu, lock: number): void {
  cpu.run(F._raw_spin_lock_irq, 9);
  cpu.write(lock);
}

export function spinUnlockIrq(cpu: KernelCpu): void {
  cpu.run(F._raw_spin_unlock_irq, 8);
}

export function spinLockIrqsave(cpu: KernelCpu, lock: number): void {
  cpu.run(F._raw_spin_lock_irqsave, 16);
  cpu.write(lock);
}

export function spinUnlockIrqrestore(cpu: KernelCpu): void {
  cpu.run(F._raw_spin_unlock_irqrestore, 10);
}
