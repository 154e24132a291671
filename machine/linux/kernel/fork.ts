/**
 * Making tasks, after Linux 6.1 kernel/fork.c and arch/x86/kernel/process.c (copy_thread): copy_process
 * and kernel_clone. The calls are in fork-syscalls.ts. Omits: namespaces, pidfds, CLONE_PARENT's
 * ptrace side.
 */
import { waitQueueHead } from './sched/wait.ts';
import { getUnusedFd } from '../fs/file.ts';
import { pidfdCreate } from './pidfd.ts';
import { inheritSeccomp } from './seccomp.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps } from '../arch/x86/model/steps.ts';
import { sysret } from '../arch/x86/entry/entry_64.ts';
import { forkedRegisters } from '../arch/x86/kernel/process_64.ts';
import { putUser } from '../arch/x86/lib/usercopy.ts';
import { copyFiles, putFiles, slotsOf } from '../fs/file.ts';
import { copyFs, putFs } from '../fs/fs_struct.ts';
import { Restart } from '../include/linux/errno.ts';
import type { FilesStruct, FsStruct } from '../include/linux/fs.ts';
import type { MmStruct } from '../include/linux/mm_types.ts';
import type { Cred, Sleeping, Task } from '../include/linux/sched.ts';
import type { SighandStruct } from '../include/linux/signal_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { SIG_DFL, SIG_IGN } from '../include/uapi/asm-generic/signal.ts';
import { Clone, CloneHigh } from '../include/uapi/linux/sched.ts';
import type { Kernel } from '../init/kernel.ts';
import { traceProcessFork } from '../trace/sched.ts';
import { cgroupPostFork } from './cgroup/cgroup.ts';
import { getCred, prepareCreds, putCred } from './cred.ts';
import { dupMmap } from './dup_mmap.ts';
import { exitToUserModeLoop, syscallExitToUserMode } from './entry/common.ts';
import * as COST from './fork-costs.ts';
import { mmAlloc, mmput } from './mm.ts';
import { attachPid, joinGroup } from './pid.ts';
import { putSighand } from './sighand.ts';
import { schedule, wakeUpNewTask } from './sched/core.ts';
import { fatalSignalPending, recalcSigpending } from './signal-pending.ts';
import { blankTask, newSignal, noActions, type TaskObjects, threadsMax } from './task.ts';
import { tracePoint } from '../trace/points.ts';
import { Point } from '../trace/points-specs.ts';

/** kernel_clone_args */
export interface CloneArguments {
  /** Clone bits without the signal. */
  readonly flags: number;
  readonly flagsHigh: number;
  readonly exitSignal: number;
  /** Stack pointer of the child, or 0 for the parent's. */
  readonly stack: number;
  readonly tls: bigint;
  readonly parentTid: number;
  /** CLONE_PIDFD: where the descriptor of the child goes. */
  readonly pidfd: number;
  readonly childTid: number;
}

/** What a task shares with its parent or has a copy of. */
interface Parts {
  readonly cred: Cred;
  readonly files: FilesStruct;
  readonly fs: FsStruct;
  readonly sighand: SighandStruct;
  readonly mm: MmStruct | null;
}

const has = ({ flags }: CloneArguments, bit: Clone): boolean => (flags & bit) !== 0;

/** What cannot go together. Returns 0 or -EINVAL. */
export function checkFlags({ current }: Kernel, args: CloneArguments): number {
  const wrong =
    (has(args, Clone.NEWNS) && has(args, Clone.FS)) ||
    (has(args, Clone.NEWUSER) && has(args, Clone.FS)) ||
    (has(args, Clone.THREAD) && !has(args, Clone.SIGHAND)) ||
    (has(args, Clone.SIGHAND) && !has(args, Clone.VM)) ||
    (has(args, Clone.PARENT) && current.signal.unkillable) ||
    (has(args, Clone.THREAD) && (has(args, Clone.NEWUSER) || has(args, Clone.NEWPID))) ||
    (has(args, Clone.PIDFD) && (has(args, Clone.DETACHED) || has(args, Clone.THREAD)));
  return wrong ? -Errno.EINVAL : 0;
}

/** kernel_clone: the number of the child, or an error. With CLONE_VFORK the parent waits. */
export function kernelClone(kernel: Kernel, args: CloneArguments): number | Sleeping<number> {
  const { cpu } = kernel;
  cpu.run(F.kernel_clone, has(args, Clone.THREAD) ? 88 : 94);
  const wantsPidfd = has(args, Clone.PIDFD);
  if (wantsPidfd && getUnusedFd(kernel) < 0) return -Errno.EMFILE;
  const child = copyProcess(kernel, args);
  if (typeof child === 'number') return child;
  // After the child has got its descriptors: this one is its parent's alone.
  if (wantsPidfd) putInt(kernel, args.pidfd, pidfdCreate(kernel, child, 0));
  tracePoint(kernel, Point.TASK_NEWTASK, child.pid, args.flags);
  traceProcessFork(kernel, child);
  runSteps(cpu, COST.AFTER_COPY);
  const { pid } = child;
  if (has(args, Clone.PARENT_SETTID)) putInt(kernel, args.parentTid, pid);
  if (!has(args, Clone.VM)) runSteps(cpu, COST.LRU_GEN_ADD_MM);
  if (!has(args, Clone.VFORK)) {
    wakeUpNewTask(kernel, child);
    return pid;
  }
  const done = { done: false, waiter: kernel.current };
  child.vforkDone = done;
  wakeUpNewTask(kernel, child);
  return waitForVforkDone(kernel, pid, done);
}

const putInt = (kernel: Kernel, address: number, value: number): number =>
  putUser(kernel, address, new Uint8Array(Int32Array.of(value).buffer));

/** wait_for_vfork_done: until the child has left the memory of its parent, or a fatal signal. */
function* waitForVforkDone(
  kernel: Kernel,
  pid: number,
  done: { readonly done: boolean },
): Sleeping<number> {
  const { current } = kernel;
  current.killable = true;
  while (!done.done && !fatalSignalPending(current)) {
    current.state = 'D';
    yield* schedule(kernel);
  }
  current.state = 'R';
  current.killable = false;
  return pid;
}

/** copy_process: a task that is on every list but runs nowhere yet, or an error. */
function copyProcess(kernel: Kernel, args: CloneArguments): Task | number {
  const { cpu, current } = kernel;
  const invalid = checkFlags(kernel, args);
  cpu.run(F.copy_process, has(args, Clone.THREAD) ? 692 : 874);
  cpu.stack(320, 3);
  if (invalid !== 0) return invalid;
  recalcSigpending(kernel);
  if (current.signalPending) return -Restart.NOINTR;
  if (kernel.tasks.length >= threadsMax(kernel.memory.bytes.length)) return -Errno.EAGAIN;
  const objects = allocateObjects(kernel);
  if (objects === null) return -Errno.ENOMEM;
  const parts = copyParts(kernel, args);
  if (typeof parts === 'number') {
    freeObjects(kernel, objects);
    return parts;
  }
  runSteps(cpu, COST.COPY_THREAD);
  runSteps(cpu, COST.ALLOC_PID);
  const pid = kernel.pids.allocate();
  const signalAddress = has(args, Clone.THREAD) ? 0 : kernel.caches.signal.allocate(kernel);
  if (pid < 0 || signalAddress < 0) {
    if (signalAddress > 0) kernel.caches.signal.freeQuietly(signalAddress);
    putParts(kernel, parts);
    freeObjects(kernel, objects);
    return pid < 0 ? -Errno.EAGAIN : -Errno.ENOMEM;
  }
  const task = assemble(kernel, args, { objects, parts, pid, signalAddress });
  link(kernel, args, task);
  return task;
}

/** dup_task_struct and the number's object. Null without memory. */
function allocateObjects(kernel: Kernel): Omit<TaskObjects, 'files' | 'fs'> | null {
  const { caches, stacks, cpu } = kernel;
  const address = caches.task.allocate(kernel);
  if (address < 0) return null;
  runSteps(cpu, COST.DUP_TASK_STRUCT);
  const stackTop = stacks.allocate();
  const pidAddress = stackTop < 0 ? -1 : caches.pid.allocate(kernel);
  if (pidAddress >= 0) return { address, stackTop, pidAddress };
  if (stackTop >= 0) stacks.release(stackTop);
  caches.task.freeQuietly(address);
  return null;
}

function freeObjects(kernel: Kernel, objects: Omit<TaskObjects, 'files' | 'fs'>): void {
  kernel.stacks.release(objects.stackTop);
  kernel.caches.task.freeQuietly(objects.address);
  kernel.caches.pid.freeQuietly(objects.pidAddress);
}

/** copy_creds to copy_mm; undone in the opposite order when one fails. */
function copyParts(kernel: Kernel, args: CloneArguments): Parts | number {
  const { cpu, current } = kernel;
  const undo: (() => void)[] = [];
  const fail = (error: number): number => {
    for (const each of undo.reverse()) each();
    return error;
  };
  const cred = copyCreds(kernel, args);
  if (cred === null) return -Errno.ENOMEM;
  undo.push(() => {
    putCred(kernel, cred);
  });
  runSteps(cpu, COST.CHECK_LIMITS);
  runSteps(cpu, COST.SCHED_FORK);
  runSteps(cpu, COST.AUDIT_AND_SECURITY);
  const files = share(has(args, Clone.FILES), current.files, () => copyFd(kernel, current.files));
  if (files === null) return fail(-Errno.ENOMEM);
  undo.push(() => {
    putFiles(kernel, files);
  });
  const fs = share(has(args, Clone.FS), current.fs, () => {
    runSteps(cpu, COST.COPY_FS);
    return copyFs(kernel, current.fs);
  });
  if (fs === null) return fail(-Errno.ENOMEM);
  undo.push(() => {
    putFs(kernel, fs);
  });
  const sighand = share(has(args, Clone.SIGHAND), current.sighand, () => copySighand(kernel, args));
  if (sighand === null) return fail(-Errno.ENOMEM);
  undo.push(() => {
    putSighand(kernel, sighand);
  });
  const mm = copyMm(kernel, args);
  if (typeof mm === 'number') return fail(mm);
  return { cred, files, fs, sighand, mm };
}

function putParts(kernel: Kernel, { cred, files, fs, sighand, mm }: Parts): void {
  if (mm !== null) mmput(kernel, mm);
  putSighand(kernel, sighand);
  putFs(kernel, fs);
  putFiles(kernel, files);
  putCred(kernel, cred);
}

/** The parent's with one user more, or a copy. */
function share<T extends { references: number }>(
  shared: boolean,
  own: T,
  copy: () => T | null,
): T | null {
  if (!shared) return copy();
  own.references++;
  return own;
}

function copyCreds(kernel: Kernel, args: CloneArguments): Cred | null {
  const { cpu, current } = kernel;
  if (has(args, Clone.THREAD)) {
    runSteps(cpu, COST.INHERIT_CREDS);
    cpu.write(current.cred.address);
    return getCred(current.cred);
  }
  runSteps(cpu, COST.COPY_CREDS);
  const cred = prepareCreds(kernel, current.cred);
  runSteps(cpu, COST.PREPARE_CREDS);
  return cred;
}

const DUP_FD_INSTRUCTIONS = 180;
const SLOT_INSTRUCTIONS = 16;

function copyFd(kernel: Kernel, files: FilesStruct): FilesStruct | null {
  const slots = slotsOf(files);
  kernel.cpu.run(F.dup_fd, DUP_FD_INSTRUCTIONS + slots * SLOT_INSTRUCTIONS);
  runSteps(kernel.cpu, COST.DUP_FD);
  return copyFiles(kernel, files);
}

function copySighand(kernel: Kernel, args: CloneArguments): SighandStruct | null {
  const { cpu, caches, current } = kernel;
  const address = caches.sighand.allocate(kernel);
  if (address < 0) return null;
  cpu.write(current.sighand.address);
  const actions = noActions();
  for (const [signal, action] of current.sighand.actions.entries()) {
    Object.assign(actions[signal], action);
    const clears = (args.flagsHigh & CloneHigh.CLEAR_SIGHAND) !== 0;
    if (clears && action.handler !== SIG_IGN) actions[signal].handler = SIG_DFL;
  }
  return { address, references: 1, actions, signalfd: waitQueueHead(address + 64) };
}

/** copy_mm */
function copyMm(kernel: Kernel, args: CloneArguments): MmStruct | null | number {
  const { mm } = kernel.current;
  if (mm === null) return null;
  if (has(args, Clone.VM)) {
    mm.users++;
    kernel.cpu.write(mm.address);
    return mm;
  }
  const copy = mmAlloc(kernel);
  if (copy === null) return -Errno.ENOMEM;
  const error = dupMmap(kernel, mm, copy);
  if (error === 0) return copy;
  mmput(kernel, copy);
  return error;
}

interface Made {
  readonly objects: Omit<TaskObjects, 'files' | 'fs'>;
  readonly parts: Parts;
  readonly pid: number;
  readonly signalAddress: number;
}

/** The task itself: what it inherits, and where it begins. */
function assemble(kernel: Kernel, args: CloneArguments, made: Made): Task {
  const { cpu, current } = kernel;
  const { objects, parts, pid, signalAddress } = made;
  const { cred, files, fs, sighand, mm } = parts;
  const thread = has(args, Clone.THREAD);
  const identity = { pid, comm: current.comm, cred, sighand, startTick: cpu.now };
  const parent = thread || has(args, Clone.PARENT) ? current.parent : current;
  const task = blankTask(
    { ...objects, files, fs },
    { ...identity, parent },
    { state: kernel.sched, like: current },
  );
  task.mm = mm;
  task.tgid = thread ? current.tgid : pid;
  task.blocked = current.blocked;
  task.forkNoExec = true;
  task.exitSignal = thread
    ? -1
    : has(args, Clone.PARENT)
      ? current.signal.leader.exitSignal
      : args.exitSignal;
  task.clearChildTid = has(args, Clone.CHILD_CLEARTID) ? args.childTid : 0;
  const { dumpable, noNewPrivs, personality } = current;
  Object.assign(task, { dumpable, noNewPrivs, personality });
  inheritSeccomp(task, current);
  // A child with the parent's memory must not use its stack or its rseq area.
  const vm = has(args, Clone.VM);
  if (!vm || has(args, Clone.VFORK)) task.altStack = current.altStack;
  if (!vm) {
    const { rseq, rseqBytes, rseqSignature } = current;
    Object.assign(task, { rseq, rseqBytes, rseqSignature });
  }
  if (thread) {
    task.signal = current.signal;
  } else {
    runSteps(cpu, COST.COPY_SIGNAL);
    task.signal = newSignal(signalAddress, current.signal.rlimits, task);
  }
  forkedRegisters(kernel, task, {
    stack: args.stack,
    tls: has(args, Clone.SETTLS) ? args.tls : null,
  });
  const childTid = has(args, Clone.CHILD_SETTID) ? args.childTid : 0;
  task.work = returnFromFork(kernel, task, childTid);
  return task;
}

/** Under tasklist_lock: the task can be found from here on. */
function link(kernel: Kernel, args: CloneArguments, task: Task): void {
  const { cpu, current } = kernel;
  runSteps(cpu, COST.JOIN_CGROUP);
  runSteps(cpu, COST.SCHED_CGROUP_FORK);
  runSteps(cpu, COST.LINK_TASK);
  const { signal: process, parent } = task;
  process.threads.push(task);
  process.live++;
  if (!has(args, Clone.THREAD)) {
    parent?.signal.children.push(task);
    joinGroup(kernel, process, current.signal.group);
  }
  attachPid(kernel, task);
  kernel.tasks.push(task);
  cgroupPostFork(kernel, task);
}

/** ret_from_fork: the child's way to user mode. */
function* returnFromFork(kernel: Kernel, task: Task, childTid: number): Sleeping<undefined> {
  const { cpu } = kernel;
  cpu.run(F.ret_from_fork, 20);
  cpu.run(F.schedule_tail, 30);
  if (childTid !== 0) {
    putUser(kernel, childTid, new Uint8Array(Uint32Array.of(task.pid).buffer));
  }
  syscallExitToUserMode(kernel);
  yield* exitToUserModeLoop(kernel);
  kernel.cpu.run(F.entry_SYSCALL_64, 45);
  sysret(kernel);
  return undefined;
}
