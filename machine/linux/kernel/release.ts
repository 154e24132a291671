/**
 * The last of a task: release_task of Linux 6.1 kernel/exit.c.
 */
import { runSteps } from '../arch/x86/model/steps.ts';
import type { Task } from '../include/linux/sched.ts';
import type { Kernel } from '../init/kernel.ts';
import { dropProcessTimers } from './time/itimer.ts';
import { dropPosixTimers } from './time/posix-timer-calls.ts';
import { putCred } from './cred.ts';
import * as COST from './exit-costs.ts';
import { putFilter } from './seccomp.ts';
import { freeTaskStruct } from './dead-task.ts';
import { putSighand } from './sighand.ts';
import { detachPid, leaveGroup } from './pid.ts';
import { addUsage } from './sched/cputime.ts';
import { wakeUpProcess } from './sched/core.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import { sendKernelSignal } from './signal-send.ts';
import { doNotifyParent } from './signal-notify.ts';
import { flushPending } from './signal-pending.ts';

const EVERY_SIGNAL = 0xffff_ffff_ffff_ffffn;

/** release_task: takes it off every list. A leader that waited for its last thread goes too. */
export function releaseTask(kernel: Kernel, task: Task): void {
  const { cpu } = kernel;
  const { signal: process } = task;
  const { leader } = process;
  runSteps(cpu, COST.RELEASE_TASK);
  cpu.write(task.address + 2304);
  addUsage(process.ended, task.usage);
  process.threads.splice(process.threads.indexOf(task), 1);
  flushPending(kernel, task.pending, EVERY_SIGNAL);
  detachPid(kernel, task);
  kernel.caches.pid.freeQuietly(task.pidAddress);
  kernel.tasks.splice(kernel.tasks.indexOf(task), 1);
  const { pid, tgid, comm, startTick, exitTick, parent } = task;
  kernel.released.push({ pid, tgid, comm, startTick, exitTick, parentPid: parent?.pid ?? 0 });
  putSighand(kernel, task.sighand);
  if (process.threads.length === 0) releaseProcess(kernel, task);
  putFilter(kernel, task.seccomp?.filter ?? null);
  task.seccomp = null;
  putCred(kernel, task.cred);
  task.reaped = true;
  if (task.offCpu) freeTaskStruct(kernel, task);
  if (process.groupExecTask !== null) wakeUpProcess(kernel, process.groupExecTask);
  if (leader === task || leader.state !== 'Z' || process.threads.length !== 1) return;
  if (doNotifyParent(kernel, leader, leader.exitSignal)) {
    leader.state = 'X';
    releaseTask(kernel, leader);
  }
}

/** __exit_signal of the last thread. */
function releaseProcess(kernel: Kernel, task: Task): void {
  const { signal: process } = task;
  flushPending(kernel, process.shared, EVERY_SIGNAL);
  leaveGroup(kernel, process);
  dropProcessTimers(kernel, process);
  dropPosixTimers(kernel, process);
  const siblings = task.parent?.signal.children;
  const at = siblings?.indexOf(task) ?? -1;
  if (at >= 0) siblings?.splice(at, 1);
  const { session } = process.group;
  if (session.leader === process) session.leader = null;
  kernel.caches.signal.freeQuietly(process.address);
  if (process === kernel.target?.signal) killRemaining(kernel);
}

/** The run is about the target: with it end the processes that it left behind. */
function killRemaining(kernel: Kernel): void {
  for (const task of [...kernel.tasks]) {
    const { signal: process } = task;
    if (process.leader !== task || task.kthread || task.pid <= 1) continue;
    sendKernelSignal(kernel, task, Sig.KILL, { group: true, reason: 'the run has ended' });
  }
}
