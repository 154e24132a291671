/** Waiting for children, after Linux 6.1 kernel/exit.c (do_wait, wait4, waitid). Omits: ptrace. */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { runSteps } from '../arch/x86/model/steps.ts';
import { copyToUser, putUser } from '../arch/x86/lib/usercopy.ts';
import { Restart } from '../include/linux/errno.ts';
import type { Sleeping, Task, Usage } from '../include/linux/sched.ts';
import { ChildCode, SigInfo, SIGINFO_BYTES } from '../include/linux/signal_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import { Wait, WaitFor } from '../include/uapi/linux/wait.ts';
import type { Kernel } from '../init/kernel.ts';
import { traceProcessWait } from '../trace/sched.ts';
import * as COST from './exit-costs.ts';
import { pidfdTask } from './pidfd.ts';
import { releaseTask } from './release.ts';
import { rusageBytes } from './rusage.ts';
import { addUsage, processUsage } from './sched/cputime.ts';
import { schedule } from './sched/core.ts';

/** wait_opts */
interface Wanted {
  readonly type: WaitFor;
  readonly id: number;
  readonly options: number;
}

/** What was found about a child. */
interface Found {
  readonly pid: number;
  readonly uid: number;
  readonly code: ChildCode;
  /** As wait4 returns it. */
  readonly status: number;
  readonly usage: Usage;
}

const WAIT4_OPTIONS =
  Wait.NOHANG | Wait.UNTRACED | Wait.CONTINUED | Wait.NOTHREAD | Wait.CLONE | Wait.ALL;
const STOPPED_STATUS = 0x7f;
const CONTINUED_STATUS = 0xffff;

const wants = ({ options }: Wanted, bit: Wait): boolean => (options & bit) !== 0;

/** do_wait: the first child that has something to report, 0 for none (WNOHANG), or an error. */
function* doWait(kernel: Kernel, wanted: Wanted): Sleeping<Found | number> {
  const { cpu, current } = kernel;
  traceProcessWait(kernel, wanted.type === WaitFor.PID ? wanted.id : 0);
  runSteps(cpu, COST.DO_WAIT);
  const { waitChildExit } = current.signal;
  const entry = { task: current, exclusive: false };
  // add_wait_queue and remove_wait_queue are among the steps.
  waitChildExit.entries.unshift(entry);
  cpu.write(waitChildExit.lock.address);
  let result: Found | number;
  for (;;) {
    current.state = 'S';
    result = lookForChild(kernel, wanted);
    if (result !== 0 || wants(wanted, Wait.NOHANG)) break;
    if (current.signalPending) {
      result = -Restart.SYS;
      break;
    }
    yield* schedule(kernel);
  }
  current.state = 'R';
  const at = waitChildExit.entries.indexOf(entry);
  if (at >= 0) waitChildExit.entries.splice(at, 1);
  return result;
}

/** Each thread's children in turn. Returns 0 when there are some, but none with news. */
function lookForChild(kernel: Kernel, wanted: Wanted): Found | number {
  const { current } = kernel;
  let result: number = -Errno.ECHILD;
  for (const child of current.signal.children) {
    if (wants(wanted, Wait.NOTHREAD) && child.parent !== current) continue;
    if (!isEligible(child, wanted)) continue;
    const found = consider(kernel, child, wanted);
    if (typeof found !== 'number') return found;
    if (found === 0) result = 0;
  }
  return result;
}

/** eligible_pid and eligible_child */
function isEligible(child: Task, wanted: Wanted): boolean {
  if (wanted.type === WaitFor.PID && child.pid !== wanted.id) return false;
  if (wanted.type === WaitFor.PGID && child.signal.group.id !== wanted.id) return false;
  if (wants(wanted, Wait.ALL)) return true;
  return (child.exitSignal !== Sig.CHLD) === wants(wanted, Wait.CLONE);
}

/** wait_consider_task: what the child reports, 0 if it may do so later, -ECHILD if never. */
function consider(kernel: Kernel, child: Task, wanted: Wanted): Found | number {
  if (child.state === 'X') return -Errno.ECHILD;
  if (child.state === 'Z' && child.signal.threads.length === 1) {
    if (wants(wanted, Wait.EXITED)) return reap(kernel, child, wanted);
    return -Errno.ECHILD;
  }
  return reportStop(child, wanted) ?? reportContinue(child, wanted) ?? 0;
}

function exitStatus({ signal: process, exitCode }: Task): number {
  return process.groupExit ? process.groupExitCode : exitCode;
}

/** wait_task_zombie: the status; without WNOWAIT the child is gone afterwards. */
function reap(kernel: Kernel, child: Task, wanted: Wanted): Found {
  const status = exitStatus(child);
  const code =
    (status & 0x7f) === 0
      ? ChildCode.EXITED
      : (status & 0x80) !== 0
        ? ChildCode.DUMPED
        : ChildCode.KILLED;
  const usage = processUsage(child.signal);
  addUsage(usage, child.signal.endedChildren);
  const found = { pid: child.pid, uid: child.cred.uid, code, status, usage };
  runSteps(kernel.cpu, COST.WAIT_ZOMBIE);
  if (wants(wanted, Wait.NOWAIT)) return found;
  addUsage(kernel.current.signal.endedChildren, usage);
  child.state = 'X';
  releaseTask(kernel, child);
  return found;
}

/** wait_task_stopped */
function reportStop(child: Task, wanted: Wanted): Found | null {
  const { signal: process } = child;
  if (!wants(wanted, Wait.UNTRACED) || !process.stopped) return null;
  const signal = process.groupExitCode;
  if (signal === 0) return null;
  // Reported once.
  if (!wants(wanted, Wait.NOWAIT)) process.groupExitCode = 0;
  const usage = processUsage(process);
  const status = (signal << 8) | STOPPED_STATUS;
  return { pid: child.pid, uid: child.cred.uid, code: ChildCode.STOPPED, status, usage };
}

/** wait_task_continued */
function reportContinue(child: Task, wanted: Wanted): Found | null {
  const { signal: process } = child;
  if (!wants(wanted, Wait.CONTINUED) || !process.continued) return null;
  if (!wants(wanted, Wait.NOWAIT)) process.continued = false;
  const usage = processUsage(process);
  const status = CONTINUED_STATUS;
  return { pid: child.pid, uid: child.cred.uid, code: ChildCode.CONTINUED, status, usage };
}

export function sysWait4(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_wait4, 6);
  cpu.run(F.__do_sys_wait4, 33);
  const [pid, options] = [args.int(0), args.low(2) | 0];
  const addresses = { status: args.unsigned(1), usage: args.unsigned(3) };
  if ((options & ~WAIT4_OPTIONS) !== 0) return -Errno.EINVAL;
  if (pid === -(2 ** 31)) return -Errno.ESRCH;
  cpu.run(F.kernel_wait4, pid > 0 ? 59 : 52);
  if (pid > 0) runSteps(cpu, COST.FIND_GET_PID);
  cpu.run(F.put_pid, 4);
  const { group } = kernel.current.signal;
  const wanted = { options: options | Wait.EXITED };
  if (pid === -1) return wait4(kernel, { ...wanted, type: WaitFor.ALL, id: 0 }, addresses);
  if (pid > 0) return wait4(kernel, { ...wanted, type: WaitFor.PID, id: pid }, addresses);
  const id = pid === 0 ? group.id : -pid;
  return wait4(kernel, { ...wanted, type: WaitFor.PGID, id }, addresses);
}

function* wait4(
  kernel: Kernel,
  wanted: Wanted,
  addresses: { readonly status: number; readonly usage: number },
): Sleeping<number> {
  const found = yield* doWait(kernel, wanted);
  if (typeof found === 'number') return found;
  if (addresses.status !== 0) {
    const bytes = new Uint8Array(Int32Array.of(found.status).buffer);
    if (putUser(kernel, addresses.status, bytes) < 0) return -Errno.EFAULT;
  }
  if (addresses.usage !== 0) {
    const bytes = rusageBytes(kernel, found.usage);
    if (copyToUser(kernel, addresses.usage, bytes) < 0) return -Errno.EFAULT;
  }
  return found.pid;
}

const WAITID_OPTIONS = WAIT4_OPTIONS | Wait.EXITED | Wait.NOWAIT;

export function sysWaitid(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  kernel.cpu.run(F.__x64_sys_waitid, 60);
  const [type, id, options] = [args.int(0), args.int(1), args.low(3) | 0];
  const addresses = { info: args.unsigned(2), usage: args.unsigned(4) };
  if ((options & ~WAITID_OPTIONS) !== 0) return -Errno.EINVAL;
  if ((options & (Wait.EXITED | Wait.UNTRACED | Wait.CONTINUED)) === 0) return -Errno.EINVAL;
  const { group } = kernel.current.signal;
  switch (type as WaitFor) {
    case WaitFor.ALL:
      return waitid(kernel, { type, id: 0, options }, addresses);
    case WaitFor.PID:
      return id <= 0 ? -Errno.EINVAL : waitid(kernel, { type, id, options }, addresses);
    case WaitFor.PGID: {
      if (id < 0) return -Errno.EINVAL;
      return waitid(kernel, { type, id: id === 0 ? group.id : id, options }, addresses);
    }
    case WaitFor.PIDFD: {
      const found = pidfdTask(kernel, id);
      if (typeof found === 'number') return found;
      const wanted = { type: WaitFor.PID, id: found.task.pid, options };
      const nonblock = (found.flags & O.NONBLOCK) !== 0 && (options & Wait.NOHANG) === 0;
      return nonblock ? waitPidfdNow(kernel, wanted, addresses) : waitid(kernel, wanted, addresses);
    }
    default:
      return -Errno.EINVAL;
  }
}

/** A descriptor that does not block: -EAGAIN instead of sleeping. */
function* waitPidfdNow(
  kernel: Kernel,
  wanted: Wanted,
  addresses: { readonly info: number; readonly usage: number },
): Sleeping<number> {
  const found = lookForChild(kernel, { ...wanted, options: wanted.options | Wait.NOWAIT });
  return found === 0 ? -Errno.EAGAIN : yield* waitid(kernel, wanted, addresses);
}

function* waitid(
  kernel: Kernel,
  wanted: Wanted,
  addresses: { readonly info: number; readonly usage: number },
): Sleeping<number> {
  const found = yield* doWait(kernel, wanted);
  if (typeof found === 'number' && found < 0) return found;
  if (typeof found !== 'number' && addresses.usage !== 0) {
    const bytes = rusageBytes(kernel, found.usage);
    if (copyToUser(kernel, addresses.usage, bytes) < 0) return -Errno.EFAULT;
  }
  if (addresses.info === 0) return 0;
  const bytes = new Uint8Array(SIGINFO_BYTES);
  if (typeof found !== 'number') bytes.set(infoOf(found).bytes);
  return copyToUser(kernel, addresses.info, bytes) < 0 ? -Errno.EFAULT : 0;
}

function infoOf({ pid, uid, code, status }: Found): SigInfo {
  const value =
    code === ChildCode.EXITED
      ? status >> 8
      : code === ChildCode.STOPPED
        ? status >> 8
        : code === ChildCode.CONTINUED
          ? Sig.CONT
          : status & 0x7f;
  return SigInfo.child(code, {
    signal: Sig.CHLD,
    pid,
    uid,
    status: value,
    userTicks: 0,
    systemTicks: 0,
  });
}
