/**
 * Sending signals, after Linux 6.1 kernel/signal.c: what a signal undoes, queueing it, choosing the
 * thread that takes it, waking that thread. Omits: ptrace, other user namespaces.
 */
import { sendReschedule } from '../arch/x86/kernel/smp.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Task } from '../include/linux/sched.ts';
import {
  ChildCode,
  SiCode,
  SigInfo,
  type SigPending,
  type SigQueue,
} from '../include/linux/signal_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { SIG_DFL, SIG_IGN, Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { listAddValid } from '../lib/list_debug.ts';
import { spinLockIrqsave, spinUnlockIrqrestore } from './locking/spinlock.ts';
import { wakeUp } from './sched/wait.ts';
import { wakeUpProcess } from './sched/core.ts';
import {
  clearStopPending,
  flushPending,
  isCoreDump,
  isFatal,
  isStopSignal,
  KERNEL_STOP,
  recalcSigpendingOf,
  SIGRTMIN,
  signalBit,
  signalIgnored,
} from './signal-pending.ts';
import { Rlimit } from '../include/uapi/asm-generic/resource.ts';
import { SignalResult, traceSignalGenerate } from '../trace/signal.ts';

/** A signal on its way to a task. */
export interface Sent {
  readonly info: SigInfo;
  /** To the process rather than to one of its threads. */
  readonly group: boolean;
  /** Not to be ignored by init: from the kernel, or from outside its namespace. */
  readonly force: boolean;
  /** Without an entry in the queue: SEND_SIG_PRIV, and SIGKILL. */
  readonly special: boolean;
  /** Why, for the report of a fatal signal. */
  readonly reason: string;
}

/** signal_wake_up: the task looks at its signals; a fatal one also ends stops and killable sleeps. */
export function signalWakeUp(kernel: Kernel, task: Task, fatal: boolean): void {
  const { cpu } = kernel;
  task.signalPending = true;
  cpu.run(F.wake_up_state, 3);
  cpu.write(task.address);
  if (wakeUpState(kernel, task, fatal)) return;
  cpu.run(F.kick_process, 9);
  const rq = kernel.rqs[task.sched.cpu];
  // Another CPU runs it in user mode: an interrupt makes it look.
  if (rq.curr === task && rq.cpu !== cpu && task.work === null) sendReschedule(kernel, rq);
}

/** wake_up_state(TASK_INTERRUPTIBLE, or TASK_WAKEKILL too). */
function wakeUpState(kernel: Kernel, task: Task, fatal: boolean): boolean {
  const wakes =
    task.state === 'S' || (fatal && (task.state === 'T' || (task.state === 'D' && task.killable)));
  if (!wakes) {
    kernel.cpu.run(F.try_to_wake_up, 35);
    return false;
  }
  return wakeStopped(kernel, task);
}

/** Wakes a task from any sleep or stop. */
export function wakeStopped(kernel: Kernel, task: Task): boolean {
  if (task.state === 'T') task.state = 'S';
  return wakeUpProcess(kernel, task);
}

/** prepare_signal: SIGCONT and the stop signals undo each other. Returns whether to go on. */
function prepareSignal(kernel: Kernel, task: Task, signal: number, force: boolean): boolean {
  const { cpu } = kernel;
  const { signal: process } = task;
  const ignored = signalIgnored(task, signal, force);
  cpu.run(
    F.prepare_signal,
    ignored ? 40 : task.sighand.actions[signal].handler === SIG_IGN ? 42 : 71,
  );
  if (process.groupExit) return false;
  if (isStopSignal(signal)) {
    flushPending(kernel, process.shared, signalBit(Sig.CONT));
    for (const thread of process.threads) {
      flushPending(kernel, thread.pending, signalBit(Sig.CONT));
    }
  } else if (signal === Sig.CONT) {
    continueProcess(kernel, task);
  }
  return !ignored;
}

function continueProcess(kernel: Kernel, { signal: process }: Task): void {
  flushPending(kernel, process.shared, KERNEL_STOP);
  for (const thread of process.threads) {
    flushPending(kernel, thread.pending, KERNEL_STOP);
    clearStopPending(thread);
    if (thread.state === 'T') wakeStopped(kernel, thread);
  }
  const why = process.stopped
    ? ChildCode.CONTINUED
    : process.groupStopCount > 0
      ? ChildCode.STOPPED
      : 0;
  if (why === 0) return;
  // The first thread that runs again tells the parent.
  process.tellParent = why;
  process.stopped = false;
  process.continued = true;
  process.groupStopCount = 0;
  process.groupExitCode = 0;
}

/** __sigqueue_alloc: the address of an entry, or -1 (limit, memory). */
function allocateSigqueue(kernel: Kernel, task: Task, override: boolean): number {
  const { cpu, caches } = kernel;
  cpu.run(F.__sigqueue_alloc, 45);
  cpu.runCalls(F.__rcu_read_lock, 12, 2);
  cpu.runCalls(F.__rcu_read_unlock, 10, 2);
  cpu.run(F.inc_rlimit_get_ucounts, 41);
  cpu.write(task.cred.userAddress);
  if (!override && BigInt(kernel.queuedSignals) >= task.signal.rlimits[Rlimit.SIGPENDING][0]) {
    return -1;
  }
  const address = caches.sigqueue.allocate(kernel, true);
  if (address >= 0) kernel.queuedSignals++;
  return address;
}

/** __send_signal_locked. Returns 0 or -EAGAIN. */
function sendLocked(kernel: Kernel, task: Task, sent: Sent): number {
  const { group } = sent;
  const result = queueAndComplete(kernel, task, sent);
  traceSignalGenerate(kernel, task, sent.info, { group, result });
  return result === SignalResult.OVERFLOW_FAIL ? -Errno.EAGAIN : 0;
}

function queueAndComplete(kernel: Kernel, task: Task, sent: Sent): SignalResult {
  const { cpu } = kernel;
  const { info, group } = sent;
  const { signal } = info;
  cpu.run(F.__send_signal_locked, 117);
  if (!prepareSignal(kernel, task, signal, sent.force)) return SignalResult.IGNORED;
  const pending = group ? task.signal.shared : task.pending;
  cpu.write(group ? task.signal.address + 64 : task.address + 2688);
  // The older signals are not counted: one that waits is enough.
  if (signal < SIGRTMIN && (pending.set & signalBit(signal)) !== 0n) {
    return SignalResult.ALREADY_PENDING;
  }
  let result: SignalResult = SignalResult.DELIVERED;
  if (signal !== Sig.KILL && !task.kthread) {
    result = queueSignal(kernel, task, pending, sent);
    if (result === SignalResult.OVERFLOW_FAIL) return result;
  } else {
    task.signal.killReason = sent.reason;
  }
  signalfdNotify(kernel, task);
  pending.set |= signalBit(signal);
  completeSignal(kernel, task, sent);
  return result;
}

function queueSignal(kernel: Kernel, task: Task, pending: SigPending, sent: Sent): SignalResult {
  const { info, special, reason } = sent;
  const override = info.signal < SIGRTMIN && (special || info.code >= 0);
  const address = allocateSigqueue(kernel, task, override);
  if (address >= 0) {
    listAddValid(kernel.cpu);
    pending.queue.push({ address, info, reason });
    return SignalResult.DELIVERED;
  }
  const fails = !special && info.signal >= SIGRTMIN && info.code !== SiCode.USER;
  return fails ? SignalResult.OVERFLOW_FAIL : SignalResult.LOSE_INFO;
}

/** signalfd_notify: those who read signals from a descriptor look whether it is for them. */
function signalfdNotify(kernel: Kernel, { sighand }: Task): void {
  if (sighand.signalfd.entries.length > 0) wakeUp(kernel, sighand.signalfd, Infinity);
}

/** wants_signal */
function wantsSignal(kernel: Kernel, task: Task, signal: number): boolean {
  if ((task.blocked & signalBit(signal)) !== 0n || task.exiting) return false;
  if (signal === Sig.KILL) return true;
  if (task.state === 'T') return false;
  kernel.cpu.run(F.task_curr, 7);
  return kernel.rqs[task.sched.cpu].curr === task || !task.signalPending;
}

/** complete_signal: finds the thread that takes the signal; a fatal one ends them all. */
function completeSignal(kernel: Kernel, task: Task, { info, group, reason }: Sent): void {
  const { signal } = info;
  const { signal: process } = task;
  const target = chooseThread(kernel, task, signal, group);
  kernel.cpu.run(F.complete_signal, target === null ? 28 : 55);
  if (target === null) return;
  const fatal =
    !process.groupExit &&
    (target.realBlocked & signalBit(signal)) === 0n &&
    (signal === Sig.KILL || isFatal(task, signal));
  if (fatal && !isCoreDump(signal)) {
    process.groupExit = true;
    process.groupExitCode = signal;
    process.groupStopCount = 0;
    process.killReason = reason;
    for (const thread of process.threads) {
      clearStopPending(thread);
      thread.pending.set |= signalBit(Sig.KILL);
      signalWakeUp(kernel, thread, true);
    }
    return;
  }
  signalWakeUp(kernel, target, signal === Sig.KILL);
}

function chooseThread(kernel: Kernel, task: Task, signal: number, group: boolean): Task | null {
  if (wantsSignal(kernel, task, signal)) return task;
  const { threads } = task.signal;
  if (!group || threads.length < 2) return null;
  const first = task.signal.nextTarget % threads.length;
  for (let i = 0; i < threads.length; i++) {
    const index = (first + i) % threads.length;
    if (wantsSignal(kernel, threads[index], signal)) {
      task.signal.nextTarget = index;
      return threads[index];
    }
  }
  return null;
}

/** do_send_sig_info and send_signal_locked. Returns 0, -EAGAIN or -ESRCH. */
export function sendSignalInfo(kernel: Kernel, task: Task, sent: Sent): number {
  const { cpu } = kernel;
  cpu.run(F.do_send_sig_info, 39);
  if (task.reaped) return -Errno.ESRCH;
  cpu.run(F.__rcu_read_lock, 6);
  spinLockIrqsave(cpu, task.sighand.address);
  cpu.run(F.__rcu_read_unlock, 5);
  const result = sendSignalLocked(kernel, task, sent);
  spinUnlockIrqrestore(cpu);
  return result;
}

/** send_signal_locked: the sender's ids are translated, if it is a process. */
export function sendSignalLocked(kernel: Kernel, task: Task, sent: Sent): number {
  const { cpu } = kernel;
  const translates = !sent.special && sent.info.code <= 0;
  cpu.run(F.send_signal_locked, translates ? 79 : 47);
  cpu.run(F.siginfo_layout, translates ? 14 : 22);
  if (translates) {
    cpu.runCalls(F.__rcu_read_lock, 18, 3);
    cpu.runCalls(F.__rcu_read_unlock, 15, 3);
    cpu.run(F.task_active_pid_ns, 8);
    cpu.run(F.__task_pid_nr_ns, 35);
    cpu.read(kernel.current.pidAddress);
  }
  return sendLocked(kernel, task, sent);
}

/** send_sig(sig, p, 0): from the current process, as kill() would. */
export function sendSignalNumber(
  kernel: Kernel,
  task: Task,
  signal: number,
  options: { readonly group: boolean; readonly reason: string },
): number {
  const { current } = kernel;
  const info = SigInfo.from(signal, SiCode.USER, current.tgid, current.cred.uid);
  return sendSignalInfo(kernel, task, { info, force: false, special: false, ...options });
}

/** send_sig(sig, p, 1): from the kernel itself. */
export function sendKernelSignal(
  kernel: Kernel,
  task: Task,
  signal: number,
  options: { readonly group: boolean; readonly reason: string },
): number {
  const info = SigInfo.from(signal, SiCode.KERNEL, 0, 0);
  return sendSignalInfo(kernel, task, { info, force: true, special: true, ...options });
}

/** send_sigqueue: an entry that its sender keeps, as timers do. Returns false if it waits already. */
export function sendSigqueue(
  kernel: Kernel,
  task: Task,
  queued: SigQueue,
  group: boolean,
): boolean {
  const { cpu } = kernel;
  const { info } = queued;
  cpu.run(F.send_sigqueue, 90);
  const pending = group ? task.signal.shared : task.pending;
  if (pending.queue.includes(queued)) return false;
  spinLockIrqsave(cpu, task.sighand.address);
  if (prepareSignal(kernel, task, info.signal, false)) {
    listAddValid(cpu);
    pending.queue.push(queued);
    signalfdNotify(kernel, task);
    pending.set |= signalBit(info.signal);
    completeSignal(kernel, task, {
      info,
      group,
      force: false,
      special: false,
      reason: queued.reason,
    });
  }
  spinUnlockIrqrestore(cpu);
  return true;
}

/**
 * force_sig_info_to_task: an exception's signal. One that is blocked or ignored takes the default
 * action; `exit` is for those that no handler may see.
 */
export function forceSigInfo(kernel: Kernel, info: SigInfo, reason: string, exit = false): void {
  const { cpu, current } = kernel;
  const { signal } = info;
  cpu.run(F.force_sig_info_to_task, 48);
  spinLockIrqsave(cpu, current.sighand.address);
  const action = current.sighand.actions[signal];
  const blocked = (current.blocked & signalBit(signal)) !== 0n;
  if (blocked || action.handler === SIG_IGN || exit) {
    action.handler = SIG_DFL;
    if (blocked) {
      current.blocked &= ~signalBit(signal);
      recalcSigpendingOf(current);
    }
  }
  if (action.handler === SIG_DFL) current.signal.unkillable = false;
  sendSignalLocked(kernel, current, { info, group: false, force: true, special: false, reason });
  spinUnlockIrqrestore(cpu);
}

/** force_sig_fault: with the address of the fault. */
export function forceSigFault(
  kernel: Kernel,
  signal: number,
  code: number,
  address: bigint,
  reason: string,
): void {
  kernel.cpu.run(F.force_sig_fault, 24);
  forceSigInfo(kernel, SigInfo.fault(signal, code, address), reason);
}

/** force_sig: without an address. */
export function forceSig(kernel: Kernel, signal: number, reason: string): void {
  kernel.cpu.run(F.force_sig, 20);
  forceSigInfo(kernel, new SigInfo(signal, SiCode.KERNEL), reason);
}

/** force_fatal_sig: the default action, whatever the program wants. */
export function forceFatalSig(kernel: Kernel, signal: number, reason: string): void {
  forceSigInfo(kernel, new SigInfo(signal, SiCode.KERNEL), reason, true);
}
