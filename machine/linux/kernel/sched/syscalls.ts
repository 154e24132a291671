/**
 * System calls about scheduling, after Linux 6.1 kernel/sched/core.c and kernel/sys.c. Omits: process
 * groups and users in getpriority and setpriority, utilisation clamps.
 */
import { copyFromUser, copyToUser } from '../../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../../arch/x86/entry/syscall-arguments.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { runSteps, type Steps } from '../../arch/x86/model/steps.ts';
import type { Sleeping, Task } from '../../include/linux/sched.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../init/kernel.ts';
import { findTask } from '../pid.ts';
import { policyOf } from './fair-entity.ts';
import {
  isRealTime,
  type SchedAttributes,
  setCpusAllowed,
  setScheduler,
  setUserNice,
} from './change.ts';
import { schedule } from './core.ts';
import { NICE_MAX, NICE_MIN, Policy, SCHED_RESET_ON_FORK } from './prio.ts';

/** SCHED_FLAG_RESET_ON_FORK */
const FLAG_RESET_ON_FORK = 1;
/** Bytes of sched_attr without clamps, and its least. */
const ATTR_BYTES = 48;
/** Deadline parameters are multiples of 1024 ns, at least that. */
const DL_RUNTIME_MIN = 1024;

const POLICIES: ReadonlySet<number> = new Set([
  Policy.NORMAL,
  Policy.FIFO,
  Policy.RR,
  Policy.BATCH,
  Policy.IDLE,
  Policy.DEADLINE,
]);

function taskOf(kernel: Kernel, pid: number): Task | null {
  return pid === 0 ? kernel.current : findTask(kernel, pid);
}

/** Whether the caller may change `task` at all, and whether it may do anything to it. */
function mayChange({ current }: Kernel, task: Task): boolean {
  const { euid } = current.cred;
  return euid === 0 || euid === task.cred.euid || euid === task.cred.uid;
}

const word = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);

/** How a task is scheduled now. */
function current(task: Task): SchedAttributes {
  const { policy, nice, rtPriority, resetOnFork, dl, se } = task.sched;
  const isDeadline = policy === Policy.DEADLINE;
  return {
    policy,
    nice,
    rtPriority,
    resetOnFork,
    runtimeNs: isDeadline ? dl.runtimeNs : se.customSlice ? se.slice : 0,
    deadlineNs: isDeadline ? dl.deadlineNs : 0,
    periodNs: isDeadline ? dl.periodNs : 0,
    flags: dl.flags,
  };
}

/** __sched_setscheduler's checks. Returns 0 or an error. */
function check(kernel: Kernel, task: Task, wanted: SchedAttributes): number {
  const { policy, rtPriority, nice } = wanted;
  if (!POLICIES.has(policy)) return -Errno.EINVAL;
  if (rtPriority > 99 || isRealTime(policy) !== rtPriority > 0) return -Errno.EINVAL;
  if (policy === Policy.DEADLINE && !isValidDeadline(wanted)) return -Errno.EINVAL;
  if (!mayChange(kernel, task)) return -Errno.EPERM;
  const isRoot = kernel.current.cred.euid === 0;
  const needsRoot = isRealTime(policy) || policy === Policy.DEADLINE || nice < task.sched.nice;
  return needsRoot && !isRoot ? -Errno.EPERM : 0;
}

function isValidDeadline({ runtimeNs, deadlineNs, periodNs }: SchedAttributes): boolean {
  if (deadlineNs === 0 || runtimeNs < DL_RUNTIME_MIN) return false;
  const period = periodNs === 0 ? deadlineNs : periodNs;
  return runtimeNs <= deadlineNs && deadlineNs <= period;
}

function change(kernel: Kernel, task: Task, wanted: SchedAttributes): number {
  const { cpu } = kernel;
  cpu.run(F.__sched_setscheduler, 220);
  const error = check(kernel, task, wanted);
  if (error !== 0) return error;
  return setScheduler(kernel, task, wanted) ? 0 : -Errno.EBUSY;
}

export function sysSchedSetscheduler(kernel: Kernel, args: SyscallArguments): number {
  const requested = args.int(1);
  return requested < 0 ? -Errno.EINVAL : setPolicy(kernel, args, requested, args.unsigned(2));
}

export function sysSchedSetparam(kernel: Kernel, args: SyscallArguments): number {
  return setPolicy(kernel, args, null, args.unsigned(1));
}

/** do_sched_setscheduler: `policy` null keeps the task's. */
function setPolicy(
  kernel: Kernel,
  args: SyscallArguments,
  policy: number | null,
  pointer: number,
): number {
  const pid = args.int(0);
  if (pid < 0 || pointer === 0) return -Errno.EINVAL;
  const bytes = new Uint8Array(4);
  if (copyFromUser(kernel, pointer, bytes) < 0) return -Errno.EFAULT;
  const [rtPriority] = new Int32Array(bytes.buffer);
  const task = taskOf(kernel, pid);
  if (task === null) return -Errno.ESRCH;
  if (rtPriority < 0) return -Errno.EINVAL;
  const before = current(task);
  const plain = policy === null ? before.policy : policy & ~SCHED_RESET_ON_FORK;
  if (plain === (Policy.DEADLINE as number)) return -Errno.EINVAL;
  const resetOnFork = policy === null ? before.resetOnFork : (policy & SCHED_RESET_ON_FORK) !== 0;
  return change(kernel, task, { ...before, policy: plain, rtPriority, resetOnFork });
}

export function sysSchedGetscheduler(kernel: Kernel, args: SyscallArguments): number {
  const task = args.int(0) < 0 ? undefined : taskOf(kernel, args.int(0));
  if (task === undefined) return -Errno.EINVAL;
  if (task === null) return -Errno.ESRCH;
  const { policy, resetOnFork } = task.sched;
  return policy | (resetOnFork ? SCHED_RESET_ON_FORK : 0);
}

export function sysSchedGetparam(kernel: Kernel, args: SyscallArguments): number {
  const pointer = args.unsigned(1);
  if (args.int(0) < 0 || pointer === 0) return -Errno.EINVAL;
  const task = taskOf(kernel, args.int(0));
  if (task === null) return -Errno.ESRCH;
  return copyToUser(kernel, pointer, word(task.sched.rtPriority));
}

function priorityRange(policy: number, ends: readonly [number, number]): number {
  if (isRealTime(policy)) return ends[0];
  return POLICIES.has(policy) ? ends[1] : -Errno.EINVAL;
}

export function sysSchedGetPriorityMax(_kernel: Kernel, args: SyscallArguments): number {
  return priorityRange(args.int(0), [99, 0]);
}

export function sysSchedGetPriorityMin(_kernel: Kernel, args: SyscallArguments): number {
  return priorityRange(args.int(0), [1, 0]);
}

export function sysSchedRrGetInterval(kernel: Kernel, args: SyscallArguments): number {
  if (args.int(0) < 0) return -Errno.EINVAL;
  const task = taskOf(kernel, args.int(0));
  if (task === null) return -Errno.ESRCH;
  const { policy, se } = task.sched;
  let ns = 0;
  if (policy === Policy.RR) ns = kernel.sched.settings.rrTimesliceNs;
  else if (task.sched.schedClass.name === 'fair' && se.cfsRq.load.weight > 0) {
    ns = policyOf(kernel).sliceNs(kernel, se.cfsRq, se);
  }
  const times = BigInt64Array.of(BigInt(Math.floor(ns / 1e9)), BigInt(Math.floor(ns % 1e9)));
  return copyToUser(kernel, args.unsigned(1), new Uint8Array(times.buffer));
}

export function sysSchedSetattr(kernel: Kernel, args: SyscallArguments): number {
  const pointer = args.unsigned(1);
  if (args.int(0) < 0 || pointer === 0 || args.low(2) !== 0) return -Errno.EINVAL;
  const bytes = new Uint8Array(ATTR_BYTES);
  if (copyFromUser(kernel, pointer, bytes) < 0) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  const size = view.getUint32(0, true);
  if (size !== 0 && size < ATTR_BYTES) return -Errno.E2BIG;
  const task = taskOf(kernel, args.int(0));
  if (task === null) return -Errno.ESRCH;
  const wide = (offset: number): number => Number(view.getBigUint64(offset, true));
  const flags = wide(8);
  const nice = Math.max(NICE_MIN, Math.min(NICE_MAX, view.getInt32(16, true)));
  return change(kernel, task, {
    policy: view.getUint32(4, true),
    resetOnFork: (flags & FLAG_RESET_ON_FORK) !== 0,
    flags,
    nice,
    rtPriority: view.getUint32(20, true),
    runtimeNs: wide(24),
    deadlineNs: wide(32),
    periodNs: wide(40),
  });
}

export function sysSchedGetattr(kernel: Kernel, args: SyscallArguments): number {
  const [pid, pointer, size] = [args.int(0), args.unsigned(1), args.low(2)];
  if (pid < 0 || pointer === 0 || size < ATTR_BYTES || args.low(3) !== 0) return -Errno.EINVAL;
  const task = taskOf(kernel, pid);
  if (task === null) return -Errno.ESRCH;
  const attributes = current(task);
  const bytes = new Uint8Array(ATTR_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, ATTR_BYTES, true);
  view.setUint32(4, attributes.policy, true);
  view.setBigUint64(8, BigInt(attributes.resetOnFork ? FLAG_RESET_ON_FORK : 0), true);
  if (!isRealTime(attributes.policy)) view.setInt32(16, attributes.nice, true);
  view.setUint32(20, attributes.rtPriority, true);
  view.setBigUint64(24, BigInt(attributes.runtimeNs), true);
  view.setBigUint64(32, BigInt(attributes.deadlineNs), true);
  view.setBigUint64(40, BigInt(attributes.periodNs), true);
  return copyToUser(kernel, pointer, bytes);
}

/** Bytes of the kernel's own CPU mask. */
const MASK_BYTES = 8;

/** alloc_cpumask_var: a bit map of CPUs is allocated, CPUs being many. */
const ALLOC_CPUMASK: Steps = [
  [F.alloc_cpumask_var_node, 12],
  [F.__kmalloc_node, 34],
  [F.kmalloc_slab, 18],
  [F.__kmem_cache_alloc_node, 100],
  [F.__cond_resched, 6],
  [F.should_failslab, 3],
  [F.__memset, 1],
  [F.memset_erms, 6],
  [F.memcg_slab_post_alloc_hook, 18],
];

const GET_AFFINITY: Steps = [
  [F.sched_getaffinity, 39],
  [F.__rcu_read_lock, 6],
  [F.security_task_getscheduler, 21],
  [F.bpf_lsm_task_getscheduler, 3],
  [F._raw_spin_lock_irqsave, 16],
  [F.__bitmap_and, 21],
  [F._raw_spin_unlock_irqrestore, 10],
  [F.__rcu_read_unlock, 8],
];

/** Hardened usercopy looks at where the map lies. */
const CHECK_CPUMASK: Steps = [
  [F.__check_object_size, 72],
  [F.check_stack_object, 9],
  [F.is_vmalloc_addr, 6],
  [F.__virt_addr_valid, 48],
  [F.__check_heap_object, 30],
];

const FREE_CPUMASK: Steps = [
  [F.free_cpumask_var, 1],
  [F.kfree, 29],
  [F.__kmem_cache_free, 66],
];

export function sysSchedGetaffinity(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_sched_getaffinity, 60);
  const size = args.low(1);
  if (size * 8 < kernel.rqs.length || size % MASK_BYTES !== 0) return -Errno.EINVAL;
  runSteps(cpu, ALLOC_CPUMASK);
  const mask = affinityOf(kernel, args.int(0));
  runSteps(cpu, CHECK_CPUMASK);
  const failed = mask !== null && copyToUser(kernel, args.unsigned(2), mask) < 0;
  runSteps(cpu, FREE_CPUMASK);
  if (mask === null) return -Errno.ESRCH;
  return failed ? -Errno.EFAULT : MASK_BYTES;
}

/** sched_getaffinity: the CPUs that a task may run on, as bytes; null where there is no such task. */
function affinityOf(kernel: Kernel, pid: number): Uint8Array | null {
  const { cpu } = kernel;
  runSteps(cpu, GET_AFFINITY);
  const task = taskOf(kernel, pid);
  if (task === null) return null;
  const mask = BigUint64Array.of(BigInt((task.sched.cpusMask & kernel.sched.cpus) >>> 0));
  return new Uint8Array(mask.buffer);
}

export function sysSchedSetaffinity(
  kernel: Kernel,
  args: SyscallArguments,
): number | Sleeping<number> {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_sched_setaffinity, 30);
  const bytes = new Uint8Array(MASK_BYTES);
  const size = Math.min(args.low(1), MASK_BYTES);
  if (copyFromUser(kernel, args.unsigned(2), bytes.subarray(0, size)) < 0) return -Errno.EFAULT;
  cpu.run(F.sched_setaffinity, 90);
  const task = taskOf(kernel, args.int(0));
  if (task === null) return -Errno.ESRCH;
  if (!mayChange(kernel, task)) return -Errno.EPERM;
  const mask = new Uint32Array(bytes.buffer)[0] & kernel.sched.cpus;
  if (mask === 0) return -Errno.EINVAL;
  cpu.run(F.__sched_setaffinity, 100);
  setCpusAllowed(kernel, task, mask);
  const mustMove = task === kernel.current && ((mask >>> task.sched.cpu) & 1) === 0;
  return mustMove ? moveAway(kernel) : 0;
}

/** The caller leaves a CPU that it may no longer use before the call returns. */
function* moveAway(kernel: Kernel): Sleeping<number> {
  yield* schedule(kernel);
  return 0;
}

const PRIO_PROCESS = 0;

export function sysGetpriority(kernel: Kernel, args: SyscallArguments): number {
  const which = args.int(0);
  if (which < 0 || which > 2) return -Errno.EINVAL;
  const task = which === PRIO_PROCESS ? taskOf(kernel, args.int(1)) : kernel.current;
  // To tell it from an error, the kernel returns 40 to 1.
  return task === null ? -Errno.ESRCH : 20 - task.sched.nice;
}

export function sysSetpriority(kernel: Kernel, args: SyscallArguments): number {
  const which = args.int(0);
  if (which < 0 || which > 2) return -Errno.EINVAL;
  const task = which === PRIO_PROCESS ? taskOf(kernel, args.int(1)) : kernel.current;
  if (task === null) return -Errno.ESRCH;
  const nice = Math.max(NICE_MIN, Math.min(NICE_MAX, args.int(2)));
  if (!mayChange(kernel, task)) return -Errno.EPERM;
  const isRoot = kernel.current.cred.euid === 0;
  if (nice < task.sched.nice && !isRoot) return -Errno.EACCES;
  setUserNice(kernel, task, nice);
  return 0;
}
