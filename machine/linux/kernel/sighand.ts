/** Tables of signal actions, after Linux 6.1 kernel/fork.c (__cleanup_sighand). */
import type { SighandStruct } from '../include/linux/signal_types.ts';
import type { Kernel } from '../init/kernel.ts';

/** __cleanup_sighand: one user less; the last one frees it. */
export function putSighand(kernel: Kernel, sighand: SighandStruct): void {
  sighand.references--;
  if (sighand.references === 0) kernel.caches.sighand.free(kernel, sighand.address);
}
