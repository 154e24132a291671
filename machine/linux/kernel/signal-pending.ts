/**
 * Sets of signals, what a task would do with one, and what waits for it, after Linux 6.1
 * kernel/signal.c and include/linux/signal.h.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { KernelCpu } from '../arch/x86/model/kernel-cpu.ts';
import type { Task } from '../include/linux/sched.ts';
import type { SigPending } from '../include/linux/signal_types.ts';
import { DEFAULT_IGNORED, SIG_DFL, SIG_IGN, Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';

export const signalBit = (signal: number): bigint => 1n << BigInt(signal - 1);

const setOf = (...signals: number[]): bigint =>
  signals.reduce((set, signal) => set | signalBit(signal), 0n);

/** First real-time signal for the kernel; the C libraries keep two for themselves. */
export const SIGRTMIN = 32;
/** Signals that cannot be blocked or handled. */
export const KERNEL_ONLY = setOf(Sig.KILL, Sig.STOP);
export const KERNEL_STOP = setOf(Sig.STOP, Sig.TSTP, Sig.TTIN, Sig.TTOU);
export const SYNCHRONOUS = setOf(Sig.SEGV, Sig.BUS, Sig.ILL, Sig.TRAP, Sig.FPE, Sig.SYS);
const KERNEL_COREDUMP = setOf(
  Sig.QUIT,
  Sig.ILL,
  Sig.TRAP,
  Sig.ABRT,
  Sig.FPE,
  Sig.SEGV,
  Sig.BUS,
  Sig.SYS,
  Sig.XCPU,
  Sig.XFSZ,
);
const KERNEL_IGNORE = setOf(...DEFAULT_IGNORED);

const isIn = (set: bigint, signal: number): boolean => (set & signalBit(signal)) !== 0n;

export const isStopSignal = (signal: number): boolean => isIn(KERNEL_STOP, signal);
export const isCoreDump = (signal: number): boolean => isIn(KERNEL_COREDUMP, signal);
export const isIgnoredByDefault = (signal: number): boolean => isIn(KERNEL_IGNORE, signal);

/** The lowest signal of a set, or 0. */
export function firstSignal(set: bigint): number {
  if (set === 0n) return 0;
  const low = Number(set & 0xffffffffn) >>> 0;
  if (low !== 0) return 32 - Math.clz32(low & -low);
  const high = Number((set >> 32n) & 0xffffffffn) >>> 0;
  return 64 - Math.clz32(high & -high);
}

/** sig_fatal: whether the signal would end the process. */
export function isFatal(task: Task, signal: number): boolean {
  return (
    !isIgnoredByDefault(signal) &&
    !isStopSignal(signal) &&
    task.sighand.actions[signal].handler === SIG_DFL
  );
}

/** sig_task_ignored */
export function taskIgnores(task: Task, signal: number, force: boolean): boolean {
  const { handler } = task.sighand.actions[signal];
  if (task.signal.unkillable && handler === SIG_DFL) {
    return !(force && isIn(KERNEL_ONLY, signal));
  }
  return handler === SIG_IGN || (handler === SIG_DFL && isIgnoredByDefault(signal));
}

/** sig_ignored: a blocked signal is kept, whatever its action is, for the action may change. */
export function signalIgnored(task: Task, signal: number, force: boolean): boolean {
  if (isIn(task.blocked | task.realBlocked, signal)) return false;
  return taskIgnores(task, signal, force);
}

/** has_pending_signals and recalc_sigpending_tsk. */
export function recalcSigpendingOf(task: Task): boolean {
  const waiting = (task.pending.set | task.signal.shared.set) & ~task.blocked;
  if (waiting === 0n && (task.jobctl & JobControl.PENDING_MASK) === 0) return false;
  task.signalPending = true;
  return true;
}

/** fatal_signal_pending */
export function fatalSignalPending({ pending, signalPending }: Task): boolean {
  return signalPending && isIn(pending.set, Sig.KILL);
}

/** recalc_sigpending */
export function recalcSigpending({ cpu, current }: Kernel): void {
  cpu.run(F.recalc_sigpending, 18);
  if (!recalcSigpendingOf(current)) current.signalPending = false;
}

/** Bits of Task.jobctl, after include/linux/sched/jobctl.h. */
export const enum JobControl {
  STOP_SIGNAL_MASK = 0xffff,
  STOP_DEQUEUED = 1 << 16,
  STOP_PENDING = 1 << 17,
  STOP_CONSUME = 1 << 18,
  /** What makes a task look at its signals. */
  PENDING_MASK = STOP_PENDING,
}

/** task_clear_jobctl_pending(JOBCTL_STOP_PENDING) */
export function clearStopPending(task: Task): void {
  task.jobctl &= ~(JobControl.STOP_PENDING | JobControl.STOP_CONSUME | JobControl.STOP_DEQUEUED);
}

/** task_participate_group_stop. Returns whether the whole process stands now. */
export function participateInStop(task: Task): boolean {
  const { signal: process } = task;
  const consume = (task.jobctl & JobControl.STOP_CONSUME) !== 0;
  clearStopPending(task);
  if (!consume) return false;
  if (process.groupStopCount > 0) process.groupStopCount--;
  if (process.groupStopCount > 0 || process.stopped) return false;
  process.stopped = true;
  process.continued = false;
  return true;
}

/** set_current_blocked and __set_task_blocked, under the lock. */
export function setCurrentBlocked(kernel: Kernel, set: bigint): void {
  const { cpu, current } = kernel;
  cpu.run(F.set_current_blocked, 19);
  changeBlocked(kernel, set & ~KERNEL_ONLY);
  cpu.write(current.address + 2624);
}

/** __set_task_blocked between spin_lock_irq and spin_unlock_irq. */
export function changeBlocked(kernel: Kernel, set: bigint): void {
  const { cpu, current } = kernel;
  cpu.run(F._raw_spin_lock_irq, 9);
  cpu.write(current.sighand.address);
  cpu.run(F.__set_task_blocked, 17);
  const blockedMore = set & ~current.blocked;
  current.blocked = set;
  recalcSigpending(kernel);
  cpu.run(F._raw_spin_unlock_irq, 8);
  if (blockedMore !== 0n && current.signal.threads.length > 1) {
    retargetShared(kernel, blockedMore & ~current.blocked);
  }
}

/** retarget_shared_pending: other threads may take what this one will not any more. */
export function retargetShared({ current, cpu }: Kernel, which: bigint): void {
  const retarget = current.signal.shared.set & which;
  if (retarget === 0n) return;
  cpu.run(F.retarget_shared_pending, 40);
  for (const thread of current.signal.threads) {
    if (thread === current || thread.exiting) continue;
    if ((retarget & ~thread.blocked) !== 0n) thread.signalPending = true;
  }
}

/** flush_sigqueue_mask: the signals of `mask` are forgotten. */
export function flushPending(kernel: Kernel, pending: SigPending, mask: bigint): void {
  if ((pending.set & mask) === 0n) return;
  pending.set &= ~mask;
  for (let i = pending.queue.length - 1; i >= 0; i--) {
    const queued = pending.queue[i];
    if (!isIn(mask, queued.info.signal)) continue;
    pending.queue.splice(i, 1);
    freeSigqueue(kernel, queued.address);
  }
}

/** __sigqueue_free */
export function freeSigqueue(kernel: Kernel, address: number): void {
  if (address === 0) return;
  kernel.queuedSignals--;
  putUcounts(kernel.cpu);
  kernel.caches.sigqueue.free(kernel, address);
}

/** dec_rlimit_put_ucounts */
function putUcounts(cpu: KernelCpu): void {
  cpu.run(F.dec_rlimit_put_ucounts, 4);
  cpu.run(F.do_dec_rlimit_put_ucounts, 27);
}
