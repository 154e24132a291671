/**
 * Signals, after Linux 6.1 kernel/signal.c: sending to oneself, masks, actions as state, and the
 * default actions. Omits: delivery to handlers (a signal with a handler ends the process, with a
 * warning that says so), stopping, queues, other processes.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import {
  DEFAULT_IGNORED,
  Sig,
  SIG_DFL,
  SIG_IGN,
  signalName,
} from '../include/uapi/asm-generic/signal.ts';
import type { Sleeping, Task } from '../include/linux/sched.ts';
import { type Kernel, warnOnce } from '../init/kernel.ts';
import { userCode } from './fatal-code.ts';
import { doGroupExit } from './exit.ts';
import {
  spinLockIrq,
  spinLockIrqsave,
  spinUnlockIrq,
  spinUnlockIrqrestore,
} from './locking/spinlock.ts';
import { rcuReadLock, rcuReadUnlock } from './rcu/tree_plugin.ts';
import { listAddValid, listDelEntryValid } from '../lib/list_debug.ts';

/** Signals that cannot be blocked or handled. */
const UNSTOPPABLE = (1n << BigInt(Sig.KILL - 1)) | (1n << BigInt(Sig.STOP - 1));

export const signalBit = (signal: number): bigint => 1n << BigInt(signal - 1);

/** sigprocmask: `how` is SIG_BLOCK 0, SIG_UNBLOCK 1, SIG_SETMASK 2. Returns false for others. */
export function sigprocmask(task: Task, how: number, set: bigint): boolean {
  if (how === 0) task.blocked |= set;
  else if (how === 1) task.blocked &= ~set;
  else if (how === 2) task.blocked = set;
  else return false;
  task.blocked &= ~UNSTOPPABLE;
  return true;
}

/** Why a signal is raised, for the report. */
export interface SignalCause {
  readonly address: bigint;
  readonly reason: string;
}

/** __send_signal_locked to the current task, up to its wake-up. */
function sendCost({ cpu, caches, current }: Kernel, source: Kernel): void {
  spinLockIrqsave(cpu, current.signal.address);
  cpu.run(F.send_signal_locked, 47);
  cpu.run(F.siginfo_layout, 22);
  cpu.run(F.__send_signal_locked, 115);
  cpu.run(F.prepare_signal, 71);
  cpu.run(F.__sigqueue_alloc, 45);
  rcuReadLock(cpu);
  rcuReadUnlock(cpu);
  cpu.run(F.inc_rlimit_get_ucounts, 39);
  const queued = caches.sigqueue.allocate(source, true);
  listAddValid(cpu);
  cpu.run(F.complete_signal, 55);
  cpu.run(F.task_curr, 7);
  cpu.run(F.wake_up_state, 3);
  cpu.run(F.try_to_wake_up, 35);
  cpu.run(F.kick_process, 9);
  spinUnlockIrqrestore(cpu);
  if (queued >= 0) caches.sigqueue.freeQuietly(queued);
}

/** force_sig_fault: an exception's signal; a blocked or ignored one kills. */
export function forceSignal(kernel: Kernel, signal: number, cause: SignalCause): void {
  const { cpu, current } = kernel;
  cpu.run(F.force_sig_fault, 24);
  cpu.run(F.force_sig_info_to_task, 48);
  sendCost(kernel, kernel);
  const action = current.signal.actions[signal];
  if ((current.blocked & signalBit(signal)) !== 0n || action.handler === SIG_IGN) {
    action.handler = SIG_DFL;
    current.blocked &= ~signalBit(signal);
  }
  current.pending |= signalBit(signal);
  current.signalPending = true;
  kernel.signalCause = cause;
}

/** A signal that the process sends itself (kill, tgkill). */
export function sendSignal(kernel: Kernel, signal: number, reason: string): void {
  const { current } = kernel;
  const { handler } = current.signal.actions[signal];
  const ignored = handler === SIG_IGN || (handler === SIG_DFL && DEFAULT_IGNORED.includes(signal));
  if (ignored && (current.blocked & signalBit(signal)) === 0n) {
    kernel.cpu.run(F.prepare_signal, 71);
    return;
  }
  sendCost(kernel, kernel);
  current.pending |= signalBit(signal);
  current.signalPending = (current.pending & ~current.blocked) !== 0n;
  kernel.signalCause = { address: 0n, reason };
}

/** arch_do_signal_or_restart and get_signal: acts on the first pending signal that is not blocked. */
export function* doSignal(kernel: Kernel): Sleeping<undefined> {
  const { cpu, current } = kernel;
  const cause = kernel.signalCause;
  const deliverable = current.pending & ~current.blocked;
  current.signalPending = false;
  if (deliverable === 0n) return undefined;
  let signal = 1;
  while ((deliverable & signalBit(signal)) === 0n) signal++;
  current.pending &= ~signalBit(signal);
  cpu.run(F.arch_do_signal_or_restart, 60);
  cpu.run(F.get_signal, 172);
  spinLockIrq(cpu, current.signal.address);
  cpu.run(F.recalc_sigpending, 18);
  listDelEntryValid(cpu);
  spinUnlockIrq(cpu);
  const { handler } = current.signal.actions[signal];
  current.signalPending = (current.pending & ~current.blocked) !== 0n;
  if (handler === SIG_IGN) return undefined;
  if (handler === SIG_DFL && DEFAULT_IGNORED.includes(signal)) return undefined;
  if (handler !== SIG_DFL) {
    const name = signalName(signal);
    warnOnce(
      kernel,
      `handler ${signal}`,
      `${name} has a handler, but delivery to handlers is not modelled: the process is killed`,
    );
  }
  const rip = BigInt(cpu.registers.rip);
  kernel.fatalSignal = {
    signal,
    name: signalName(signal),
    address: cause.address,
    rip,
    code: userCode(kernel, Number(rip)),
    reason: cause.reason,
  };
  return yield* doGroupExit(kernel, signal);
}
