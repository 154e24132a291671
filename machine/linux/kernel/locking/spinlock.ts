/**
 * Spinlocks, after Linux 6.1 kernel/locking/spinlock.c. A contended lock is a SpinLock, which
 * remembers until when it was held: kernel operations run one after the other in the order of their
 * beginning, so an acquirer whose time is earlier spins until then. Where `lock` is a mere physical
 * address, contention is not modelled: only the line is touched.
 */
import { Cause } from '../../../core/ledger/cause.ts';
import type { Ticks } from '../../../core/units.ts';
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

export interface SpinLock {
  /** Physical address of the word. */
  readonly address: number;
  /** When its last holder released it. */
  heldUntil: Ticks;
}

export function spinLockAt(address: number): SpinLock {
  return { address, heldUntil: 0 };
}

/** spin_lock: pays for the line and, if another CPU holds the lock at this moment, for the wait. */
export function acquire(cpu: KernelCpu, lock: SpinLock): void {
  spinLock(cpu, lock.address);
  const wait = lock.heldUntil - cpu.now;
  if (wait <= 0) return;
  cpu.onContention?.(lock.address, false);
  cpu.charge(Cause.LOCK_SPIN, wait);
  cpu.onContention?.(lock.address, true);
}

export function release(cpu: KernelCpu, lock: SpinLock): void {
  spinUnlock(cpu);
  lock.heldUntil = cpu.now;
}
