/**
 * Taking signals, after Linux 6.1 kernel/signal.c: dequeueing, default actions, stopping a process.
 * Sending is in signal-send.ts, the calls in signal-syscalls.ts. Omits: ptrace, cgroup freezing.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Sleeping, Task } from '../include/linux/sched.ts';
import {
  ChildCode,
  Sa,
  SiCode,
  SigInfo,
  type SigPending,
  type SignalAction,
} from '../include/linux/signal_types.ts';
import { SIG_DFL, SIG_IGN, Sig, signalName } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { listDelEntryValid } from '../lib/list_debug.ts';
import { doGroupExit } from './exit.ts';
import { userCode } from './fatal-code.ts';
import { spinLockIrq, spinUnlockIrq } from './locking/spinlock.ts';
import { isOrphanedGroup } from './pid.ts';
import { Rlimit } from '../include/uapi/asm-generic/resource.ts';
import { condResched } from './sched/cond_resched.ts';
import { schedule } from './sched/core.ts';
import { doNotifyParentStop } from './signal-notify.ts';
import {
  firstSignal,
  freeSigqueue,
  isCoreDump,
  isIgnoredByDefault,
  isStopSignal,
  JobControl,
  KERNEL_ONLY,
  participateInStop,
  recalcSigpending,
  signalBit,
  SYNCHRONOUS,
} from './signal-pending.ts';
import { signalWakeUp } from './signal-send.ts';

/** The smallest core file: without room for a page none is written. */
const CORE_BYTES_MIN = 4096n;
/** The bit of a wait status that says that there is a core file. */
const CORE_FLAG = 0x80;

/** A signal that has been taken. */
export interface Taken {
  readonly signal: number;
  readonly info: SigInfo;
  readonly reason: string;
}

/** A signal with its handler: ksignal. */
export interface KernelSignal extends Taken {
  readonly action: SignalAction;
}

/** next_signal: synchronous ones first, then the lowest number. */
function nextSignal(pending: SigPending, mask: bigint): number {
  const waiting = pending.set & ~mask;
  if (waiting === 0n) return 0;
  return firstSignal((waiting & SYNCHRONOUS) === 0n ? waiting : waiting & SYNCHRONOUS);
}

/** collect_signal: the oldest entry of `signal`; the signal stays pending while there is another. */
function collectSignal(kernel: Kernel, pending: SigPending, signal: number): Taken {
  const { cpu } = kernel;
  cpu.run(F.collect_signal, 66);
  const { queue } = pending;
  const at = queue.findIndex(({ info }) => info.signal === signal);
  if (at < 0) {
    pending.set &= ~signalBit(signal);
    return { signal, info: SigInfo.from(signal, SiCode.USER, 0, 0), reason: '' };
  }
  const [queued] = queue.splice(at, 1);
  const { info, reason } = queued;
  if (!queue.some((other) => other.info.signal === signal)) pending.set &= ~signalBit(signal);
  listDelEntryValid(cpu);
  freeSigqueue(kernel, queued.address);
  queued.onDequeue?.(kernel, info);
  return { signal, info, reason };
}

/** dequeue_signal: the next signal outside `mask`, the thread's own before the process's. */
export function dequeueSignal(kernel: Kernel, mask: bigint): Taken | null {
  const { cpu, current } = kernel;
  cpu.run(F.dequeue_signal, 62);
  let pending = current.pending;
  let signal = nextSignal(pending, mask);
  if (signal === 0) {
    pending = current.signal.shared;
    signal = nextSignal(pending, mask);
  }
  const taken = signal === 0 ? null : collectSignal(kernel, pending, signal);
  recalcSigpending(kernel);
  if (taken !== null && isStopSignal(signal)) current.jobctl |= JobControl.STOP_DEQUEUED;
  return taken;
}

/** dequeue_synchronous_signal: an exception's signal comes before all others. */
function dequeueSynchronous(kernel: Kernel): Taken | null {
  const { cpu, current } = kernel;
  const { pending } = current;
  if ((pending.set & ~current.blocked & SYNCHRONOUS) === 0n) return null;
  const at = pending.queue.findIndex(
    ({ info }) =>
      info.code > SiCode.USER && (signalBit(info.signal) & SYNCHRONOUS & ~current.blocked) !== 0n,
  );
  if (at < 0) return null;
  const [{ info, reason, address }] = pending.queue.splice(at, 1);
  if (!pending.queue.some((other) => other.info.signal === info.signal)) {
    pending.set &= ~signalBit(info.signal);
    recalcSigpending(kernel);
  }
  listDelEntryValid(cpu);
  freeSigqueue(kernel, address);
  return { signal: info.signal, info, reason };
}

/** get_signal: the next signal with a handler, or null. Default actions happen inside. */
export function* getSignal(kernel: Kernel): Sleeping<KernelSignal | null> {
  const first = kernel.cpu;
  first.run(F.get_signal, 118);
  first.run(F.uprobe_deny_signal, 11);
  condResched(first);
  spinLockIrq(first, kernel.current.sighand.address);
  for (;;) {
    const { current } = kernel;
    const { signal: process } = current;
    tellParent(kernel, current);
    if (process.groupExit || process.groupExecTask !== null) {
      current.pending.set &= ~signalBit(Sig.KILL);
      recalcSigpending(kernel);
      spinUnlockIrq(kernel.cpu);
      yield* die(kernel, { signal: Sig.KILL, info: new SigInfo(Sig.KILL, 0), reason: '' });
    }
    if ((current.jobctl & JobControl.STOP_PENDING) !== 0) {
      if (yield* doSignalStop(kernel, 0)) continue;
    }
    const taken = dequeueSynchronous(kernel) ?? dequeueSignal(kernel, current.blocked);
    if (taken === null) break;
    const action = current.sighand.actions[taken.signal];
    if (action.handler === SIG_IGN) continue;
    if (action.handler !== SIG_DFL) {
      const copy = { ...action };
      if ((action.flags & BigInt(Sa.RESETHAND)) !== 0n) action.handler = SIG_DFL;
      spinUnlockIrq(kernel.cpu);
      return { ...taken, action: copy };
    }
    if (yield* defaultAction(kernel, taken)) continue;
  }
  spinUnlockIrq(kernel.cpu);
  return null;
}

/** The first thread that runs after a stop or a continuation reports it. */
function tellParent(kernel: Kernel, current: Task): void {
  const { signal: process } = current;
  if (process.tellParent === 0) return;
  const why = process.tellParent;
  process.tellParent = 0;
  doNotifyParentStop(kernel, current, why);
}

/** Ignoring, stopping, ending. Returns true: what is left is the next signal. */
function* defaultAction(kernel: Kernel, taken: Taken): Sleeping<true> {
  const { current } = kernel;
  const { signal } = taken;
  if (isIgnoredByDefault(signal)) return true;
  if (current.signal.unkillable && (signalBit(signal) & KERNEL_ONLY) === 0n) return true;
  if (isStopSignal(signal)) {
    // An orphaned group has nobody who would continue it.
    if (signal !== Sig.STOP && isOrphanedGroup(kernel, current.signal.group)) return true;
    yield* doSignalStop(kernel, signal);
    return true;
  }
  spinUnlockIrq(kernel.cpu);
  return yield* die(kernel, taken);
}

/** The end of the process by a signal. */
function* die(kernel: Kernel, { signal, info, reason }: Taken): Sleeping<never> {
  const { current } = kernel;
  const { signal: process } = current;
  let status = process.groupExit ? process.groupExitCode : signal;
  if (!process.groupExit) {
    const dumps = isCoreDump(signal) && process.rlimits[Rlimit.CORE][0] >= CORE_BYTES_MIN;
    if (dumps) status |= CORE_FLAG;
  }
  const fatal = status & 0x7f;
  if (fatal !== 0 && process === kernel.target?.signal && kernel.fatalSignal === null) {
    report(kernel, fatal, info, process.groupExit ? process.killReason : reason);
  }
  return yield* doGroupExit(kernel, status);
}

function report(kernel: Kernel, signal: number, info: SigInfo, reason: string): void {
  const rip = BigInt(kernel.cpu.registers.rip);
  const fault = (SYNCHRONOUS & signalBit(signal)) !== 0n && info.code > 0;
  kernel.fatalSignal = {
    signal,
    name: signalName(signal),
    address: fault ? info.address : 0n,
    rip,
    code: userCode(kernel, Number(rip)),
    reason,
  };
}

/** task_set_jobctl_pending of a stop. */
function wantStop(task: Task, signal: number): boolean {
  if (task.exiting || (task.pending.set & signalBit(Sig.KILL)) !== 0n) return false;
  task.jobctl &= ~JobControl.STOP_SIGNAL_MASK;
  task.jobctl |= signal | JobControl.STOP_PENDING | JobControl.STOP_CONSUME;
  return true;
}

/** do_signal_stop: begins a stop of the process, or takes part in one. Returns false if there is none. */
function* doSignalStop(kernel: Kernel, signal: number): Sleeping<boolean> {
  const { cpu, current } = kernel;
  const { signal: process } = current;
  cpu.run(F.do_signal_stop, 90);
  if ((current.jobctl & JobControl.STOP_PENDING) === 0) {
    if ((current.jobctl & JobControl.STOP_DEQUEUED) === 0 || process.groupExit) return false;
    if (!process.stopped) process.groupExitCode = signal;
    process.groupStopCount = wantStop(current, signal) ? 1 : 0;
    for (const thread of process.threads) {
      if (thread === current || thread.state === 'T') continue;
      if (!wantStop(thread, signal)) continue;
      process.groupStopCount++;
      signalWakeUp(kernel, thread, false);
    }
  }
  const stopped = participateInStop(current);
  current.state = 'T';
  spinUnlockIrq(cpu);
  if (stopped) doNotifyParentStop(kernel, current, ChildCode.STOPPED);
  yield* schedule(kernel);
  spinLockIrq(kernel.cpu, kernel.current.sighand.address);
  return true;
}
