/**
 * The end of tasks, after Linux 6.1 kernel/exit.c: what a task holds goes, its parent is told, its
 * children find another parent. Waiting is in wait.ts, releasing in release.ts. Omits: ptrace,
 * controlling terminals, accounting files.
 */
import { MachineBug } from '../../core/assert.ts';
import { loadAddressSpace } from '../arch/x86/mm/tlbflush.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps } from '../arch/x86/model/steps.ts';
import { putFiles } from '../fs/file.ts';
import { putFs } from '../fs/fs_struct.ts';
import type { Sleeping, Task } from '../include/linux/sched.ts';
import { ChildCode } from '../include/linux/signal_types.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { masFindEach } from '../lib/maple_tree.ts';
import { traceProcessExit } from '../trace/sched.ts';
import { traceSyscall } from '../trace/syscalls.ts';
import { cgroupExit } from './cgroup/cgroup.ts';
import * as COST from './exit-costs.ts';
import { futexExitRelease, wakeClearedTid } from './futex/exit.ts';
import { spinLockIrq, spinUnlockIrq } from './locking/spinlock.ts';
import { mmput } from './mm.ts';
import { exitNotify } from './exit-notify.ts';
import { schedule, wakeUpProcess } from './sched/core.ts';
import { accountTime } from './sched/cputime.ts';
import { doNotifyParentStop } from './signal-notify.ts';
import { JobControl, participateInStop, retargetShared, signalBit } from './signal-pending.ts';
import { signalWakeUp } from './signal-send.ts';

/** do_group_exit with a wait status: exit code << 8, or a signal number. */
export function* doGroupExit(kernel: Kernel, status: number): Sleeping<never> {
  const { cpu, current } = kernel;
  const { signal: process } = current;
  cpu.run(F.do_group_exit, 30);
  let code = status;
  if (process.groupExit) {
    code = process.groupExitCode;
  } else if (process.groupExecTask !== null) {
    code = 0;
  } else {
    spinLockIrq(cpu, current.sighand.address);
    process.groupExitCode = status;
    process.groupExit = true;
    zapOtherThreads(kernel, current);
    spinUnlockIrq(cpu);
  }
  return yield* doExit(kernel, code);
}

/** zap_other_threads: all others die. Returns how many. */
export function zapOtherThreads(kernel: Kernel, task: Task): number {
  const { threads } = task.signal;
  kernel.cpu.run(F.zap_other_threads, 26 + 20 * (threads.length - 1));
  task.signal.groupStopCount = 0;
  let count = 0;
  for (const thread of threads) {
    if (thread === task) continue;
    count++;
    thread.jobctl &= ~JobControl.PENDING_MASK;
    if (thread.exiting) continue;
    thread.pending.set |= signalBit(Sig.KILL);
    signalWakeUp(kernel, thread, true);
  }
  return count;
}

/** The task ends: this never returns. */
export function* doExit(kernel: Kernel, status: number): Sleeping<never> {
  const { cpu, current } = kernel;
  cpu.run(F.do_exit, 263);
  cpu.stack(192, 2);
  exitSignals(kernel);
  runSteps(cpu, COST.EXIT_BEGIN);
  const { signal: process } = current;
  process.live--;
  const groupDead = process.live === 0;
  if (groupDead && current.mm !== null) {
    runSteps(cpu, COST.ACCT_COLLECT);
    masFindEach(cpu, current.mm.vmas);
  }
  runSteps(cpu, COST.EXIT_ACCOUNTING);
  current.exitCode = status;
  exitMm(kernel);
  runSteps(cpu, COST.EXIT_LINKS);
  cpu.run(F.exit_files, 26);
  cpu.run(F.put_files_struct, 60);
  putFiles(kernel, current.files);
  cpu.run(F.exit_fs, 36);
  putFs(kernel, current.fs);
  runSteps(cpu, COST.EXIT_REST);
  runSteps(cpu, COST.EXIT_CGROUP);
  traceProcessExit(kernel);
  const { call } = current;
  if (call !== null) traceSyscall(kernel, call.arguments, call.number, call.begin, 0);
  accountTime(kernel, current);
  exitNotify(kernel, groupDead);
  cgroupExit(kernel, current);
  runSteps(cpu, COST.EXIT_LAST);
  current.exitTick = cpu.now;
  yield* schedule(kernel);
  throw new MachineBug('a task that has ended runs');
}

/** exit_signals: from here on no signal is for this thread; others take what it would have taken. */
function exitSignals(kernel: Kernel): void {
  const { current } = kernel;
  const { signal: process } = current;
  current.exiting = true;
  if (process.threads.length < 2 || process.groupExit) return;
  const unblocked = ~current.blocked & 0xffff_ffff_ffff_ffffn;
  retargetShared(kernel, unblocked);
  if ((current.jobctl & JobControl.STOP_PENDING) === 0) return;
  if (participateInStop(current)) doNotifyParentStop(kernel, current, ChildCode.STOPPED);
}

/** exit_mm: robust list and clear_child_tid, then the address space itself. */
function exitMm(kernel: Kernel): void {
  const { cpu, current } = kernel;
  const { mm } = current;
  runSteps(cpu, COST.EXIT_MM_RELEASE);
  leaveMm(kernel, current);
  if (mm === null) return;
  current.usage.rssMax = mm.rssMax;
  runSteps(cpu, COST.EXIT_MM);
  mmput(kernel, mm);
  current.mm = null;
  loadAddressSpace(kernel, null);
}

/** mm_release: what others wait for in the memory that the task leaves, at exit and execve. */
export function leaveMm(kernel: Kernel, task: Task): void {
  futexExitRelease(kernel, task);
  if (task.clearChildTid !== 0) {
    if (task.mm !== null && task.mm.users > 1) wakeClearedTid(kernel, task.clearChildTid);
    task.clearChildTid = 0;
  }
  const done = task.vforkDone;
  if (done === null) return;
  task.vforkDone = null;
  done.done = true;
  if (done.waiter !== null) wakeUpProcess(kernel, done.waiter);
}
