/** Tables of signal actions, after Linux 6.1 kernel/fork.c (copy_sighand, __cleanup_sighand), fs/exec.c. */
import { waitQueueHead } from './sched/wait.ts';
import type { Task } from '../include/linux/sched.ts';
import type { SighandStruct, SignalAction } from '../include/linux/signal_types.ts';
import { SIG_DFL, SIG_IGN } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';

/** __cleanup_sighand: one user less; the last one frees it. */
export function putSighand(kernel: Kernel, sighand: SighandStruct): void {
  sighand.references--;
  if (sighand.references === 0) kernel.caches.sighand.free(kernel, sighand.address);
}

/** unshare_sighand: a table of the task's own. False without memory. */
export function copyActions(kernel: Kernel, task: Task): boolean {
  const address = kernel.caches.sighand.allocate(kernel);
  if (address < 0) return false;
  kernel.cpu.write(task.sighand.address);
  const actions = task.sighand.actions.map((action) => ({ ...action }));
  putSighand(kernel, task.sighand);
  task.sighand = { address, references: 1, actions, signalfd: waitQueueHead(address + 64) };
  return true;
}

/** flush_signal_handlers: handlers are gone with their program; what is ignored stays so. */
export function flushSignalHandlers({ sighand }: Task): void {
  for (const action of sighand.actions) {
    const reset: SignalAction = {
      handler: action.handler === SIG_IGN ? SIG_IGN : SIG_DFL,
      flags: 0n,
      restorer: 0n,
      mask: 0n,
    };
    Object.assign(action, reset);
  }
}
