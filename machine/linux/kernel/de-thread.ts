/** execve in a process with threads, after Linux 6.1 fs/exec.c (de_thread, unshare_sighand). */
import { Context } from '../../core/ledger/context.ts';
import type { Sleeping, Task } from '../include/linux/sched.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { zapOtherThreads } from './exit.ts';
import { attachPid, detachPid } from './pid.ts';
import { releaseTask } from './release.ts';
import { schedule } from './sched/core.ts';
import { copyActions } from './sighand.ts';
import { fatalSignalPending } from './signal-pending.ts';

/**
 * All other threads end, and the current one has the process's number. Returns false when the process
 * is ending, or another thread was first.
 */
export function* deThread(kernel: Kernel): Sleeping<boolean> {
  const task = kernel.current;
  const { signal: process } = task;
  if (process.threads.length > 1) {
    if (process.groupExit || process.groupExecTask !== null) return false;
    process.groupExecTask = task;
    zapOtherThreads(kernel, task);
    task.killable = true;
    while (process.threads.some((other) => other !== task && !isDeadLeader(other))) {
      if (fatalSignalPending(task)) break;
      task.state = 'D';
      yield* schedule(kernel);
    }
    task.state = 'R';
    task.killable = false;
    process.groupExecTask = null;
    if (fatalSignalPending(task)) return false;
    if (process.leader !== task) takeOver(kernel, task);
  }
  task.exitSignal = Sig.CHLD;
  return task.sighand.references === 1 || copyActions(kernel, task);
}

const isDeadLeader = (task: Task): boolean => task.signal.leader === task && task.state === 'Z';

/** The thread becomes the leader; the old one goes with the number that this one had. */
function takeOver(kernel: Kernel, task: Task): void {
  const { signal: process } = task;
  const { leader } = process;
  for (const each of [leader, task]) detachPid(kernel, each);
  [leader.pid, task.pid] = [task.pid, leader.pid];
  [leader.pidAddress, task.pidAddress] = [task.pidAddress, leader.pidAddress];
  for (const each of [leader, task]) attachPid(kernel, each);
  process.leader = task;
  const siblings = leader.parent?.signal.children ?? [];
  siblings[siblings.indexOf(leader)] = task;
  task.parent = leader.parent;
  task.startTick = leader.startTick;
  leader.exitSignal = -1;
  leader.state = 'X';
  if (kernel.target === leader) kernel.target = task;
  releaseTask(kernel, leader);
  // From here on, time is that of the number that the task has now.
  kernel.cpu.attribute(task.pid, Context.KERNEL);
  kernel.platform.setTask(kernel.cpu.number, task.pid);
}
