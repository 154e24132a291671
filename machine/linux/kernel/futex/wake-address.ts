/** Waking who waits on a private futex, for the kernel's own use (do_futex(FUTEX_WAKE)). */
import type { Kernel } from '../../init/kernel.ts';

export function futexWakeAddress(_kernel: Kernel, _address: number, _count: number): number {
  return 0;
}
