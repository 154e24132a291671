/**
 * Who is told of a task's end, and where its children go, after Linux 6.1 kernel/exit.c
 * (exit_notify, forget_original_parent, kill_orphaned_pgrp).
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps } from '../arch/x86/model/steps.ts';
import type { SignalStruct, Task } from '../include/linux/sched.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import * as COST from './exit-costs.ts';
import { isOrphanedGroup } from './pid.ts';
import { releaseTask } from './release.ts';
import { wakeUpProcess } from './sched/core.ts';
import { doNotifyParent } from './signal-notify.ts';
import { sendKernelSignal, sendSignalNumber } from './signal-send.ts';

/** exit_notify: the task is a zombie from here on, or gone if nobody waits for it. */
export function exitNotify(kernel: Kernel, groupDead: boolean): void {
  const { cpu, current } = kernel;
  const { signal: process } = current;
  runSteps(cpu, COST.EXIT_NOTIFY);
  forgetOriginalParent(kernel, current);
  if (groupDead) killOrphanedGroup(kernel, process.leader, null);
  current.state = 'Z';
  let reaps = true;
  if (process.leader === current) {
    // A leader that ends before its threads stays until they have gone.
    reaps = process.threads.length === 1 && doNotifyParent(kernel, current, current.exitSignal);
  }
  const { groupExecTask } = process;
  if (groupExecTask !== null) wakeUpProcess(kernel, groupExecTask);
  if (reaps) {
    current.state = 'X';
    releaseTask(kernel, current);
  }
}

/** forget_original_parent: the children go to a thread of the process, a subreaper, or init. */
function forgetOriginalParent(kernel: Kernel, father: Task): void {
  const { signal: process } = father;
  const children = process.children.filter(({ parent }) => parent === father);
  if (children.length === 0) return;
  kernel.cpu.run(F.do_exit, 12 * children.length);
  const reaper = findNewReaper(kernel, father);
  const sameProcess = reaper.signal === process;
  for (const child of children) {
    for (const thread of child.signal.threads) {
      if (thread.parent !== father) continue;
      thread.parent = reaper;
      if (thread.parentDeathSignal === 0) continue;
      sendSignalNumber(kernel, thread, thread.parentDeathSignal, {
        group: true,
        reason: 'its parent has ended',
      });
    }
    if (!sameProcess) reparentLeader(kernel, process, child, reaper);
  }
}

/** find_alive_thread, then the nearest subreaper above, then init. */
function findNewReaper(kernel: Kernel, father: Task): Task {
  const alive = findAliveThread(father.signal);
  if (alive !== null) return alive;
  for (let above = father.parent; above !== null && above.pid > 1; above = above.parent) {
    if (!above.signal.isSubreaper) continue;
    const thread = findAliveThread(above.signal);
    if (thread !== null) return thread;
  }
  return kernel.init;
}

function findAliveThread({ threads }: SignalStruct): Task | null {
  return threads.find(({ exiting }) => !exiting) ?? null;
}

/** reparent_leader: a child that is a zombie already is for the new parent to wait for. */
function reparentLeader(kernel: Kernel, from: SignalStruct, child: Task, reaper: Task): void {
  from.children.splice(from.children.indexOf(child), 1);
  reaper.signal.children.push(child);
  // Only SIGCHLD can be sent to init.
  child.exitSignal = Sig.CHLD;
  if (child.state === 'Z' && child.signal.threads.length === 1) {
    if (doNotifyParent(kernel, child, child.exitSignal)) {
      child.state = 'X';
      releaseTask(kernel, child);
      return;
    }
  }
  killOrphanedGroup(kernel, child, from.leader);
}

/** kill_orphaned_pgrp: a group with stopped members that loses its last outside parent. */
function killOrphanedGroup(kernel: Kernel, task: Task, father: Task | null): void {
  const { group } = task.signal;
  const parent = father ?? task.parent;
  if (parent === null) return;
  const ignored = father === null ? task.signal : null;
  const outside = parent.signal.group !== group && parent.signal.group.session === group.session;
  if (!outside || !isOrphanedGroup(kernel, group, ignored)) return;
  const members = [...group.members];
  if (!members.some(({ stopped }) => stopped)) return;
  for (const { leader } of members) {
    for (const signal of [Sig.HUP, Sig.CONT]) {
      sendKernelSignal(kernel, leader, signal, {
        group: true,
        reason: 'its process group is orphaned',
      });
    }
  }
}
