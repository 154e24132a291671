/** Telling a parent about its child with SIGCHLD, after Linux 6.1 kernel/signal.c. Omits: ptrace. */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Task } from '../include/linux/sched.ts';
import { ChildCode, Sa, SigInfo } from '../include/linux/signal_types.ts';
import { SIG_IGN, Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { spinLockIrqsave, spinUnlockIrqrestore } from './locking/spinlock.ts';
import { nsFromTicks, processUsage, USER_HZ } from './sched/cputime.ts';
import { wakeUp } from './sched/wait.ts';
import { sendSignalLocked } from './signal-send.ts';

/** __wake_up_parent */
export function wakeUpParent(kernel: Kernel, parent: Task): void {
  kernel.cpu.run(F.__wake_up_parent, 14);
  wakeUp(kernel, parent.signal.waitChildExit, 1);
}

const has = (flags: bigint, flag: Sa): boolean => (flags & BigInt(flag)) !== 0n;

/** do_notify_pidfd: whoever polls a descriptor of the process sees its end. */
function notifyPidfd(kernel: Kernel, { signal: { waitPidfd } }: Task): void {
  if (waitPidfd !== null) wakeUp(kernel, waitPidfd, Infinity);
}

/**
 * do_notify_parent: a process has ended. Returns true when nobody wants to know, and it reaps itself.
 */
export function doNotifyParent(kernel: Kernel, task: Task, exitSignal: number): boolean {
  const { cpu } = kernel;
  const { parent } = task;
  notifyPidfd(kernel, task);
  if (parent === null) return true;
  cpu.run(F.do_notify_parent, 143);
  const { exitCode } = task;
  const code =
    (exitCode & 0x80) !== 0
      ? ChildCode.DUMPED
      : (exitCode & 0x7f) !== 0
        ? ChildCode.KILLED
        : ChildCode.EXITED;
  const status = (exitCode & 0x7f) !== 0 ? exitCode & 0x7f : exitCode >> 8;
  const action = parent.sighand.actions[Sig.CHLD];
  const ignored = action.handler === SIG_IGN;
  const reaps = exitSignal === Sig.CHLD && (ignored || has(action.flags, Sa.NOCLDWAIT));
  spinLockIrqsave(cpu, parent.sighand.address);
  if (exitSignal > 0 && !(reaps && ignored)) {
    sendChildSignal(kernel, parent, task, { signal: exitSignal, code, status });
  }
  wakeUpParent(kernel, parent);
  spinUnlockIrqrestore(cpu);
  return reaps;
}

function sendChildSignal(
  kernel: Kernel,
  parent: Task,
  task: Task,
  what: { readonly signal: number; readonly code: ChildCode; readonly status: number },
): void {
  const { user, system } = processUsage(task.signal);
  const clockTicks = (ticks: number): number =>
    Math.floor((nsFromTicks(kernel, ticks) * USER_HZ) / 1e9);
  const info = SigInfo.child(what.code, {
    signal: what.signal,
    pid: task.tgid,
    uid: task.cred.uid,
    status: what.status,
    userTicks: clockTicks(user),
    systemTicks: clockTicks(system),
  });
  sendSignalLocked(kernel, parent, {
    info,
    group: true,
    force: false,
    special: false,
    reason: `its child ${task.tgid} changed`,
  });
}

/** do_notify_parent_cldstop: a process has stopped or continued. */
export function doNotifyParentStop(kernel: Kernel, task: Task, code: ChildCode): void {
  const { cpu } = kernel;
  const leader = task.signal.leader;
  const { parent } = leader;
  if (parent === null) return;
  cpu.run(F.do_notify_parent_cldstop, 110);
  const status = code === ChildCode.CONTINUED ? Sig.CONT : task.signal.groupExitCode & 0x7f;
  const { handler, flags } = parent.sighand.actions[Sig.CHLD];
  spinLockIrqsave(cpu, parent.sighand.address);
  const wanted = handler !== SIG_IGN && !has(flags, Sa.NOCLDSTOP);
  if (wanted) sendChildSignal(kernel, parent, leader, { signal: Sig.CHLD, code, status });
  // Also when no signal is sent: it may be waiting with WUNTRACED.
  wakeUpParent(kernel, parent);
  spinUnlockIrqrestore(cpu);
}
