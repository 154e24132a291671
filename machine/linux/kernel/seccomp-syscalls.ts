/**
 * seccomp(2) and its half of prctl, after Linux 6.1 kernel/seccomp.c (do_seccomp and what it calls).
 * Omits: listeners (SECCOMP_FILTER_FLAG_NEW_LISTENER is -EINVAL), tracing threads.
 */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { copyFromUser, copyToUser } from '../arch/x86/lib/usercopy.ts';
import { runSteps } from '../arch/x86/model/steps.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Task } from '../include/linux/sched.ts';
import { High } from '../arch/x86/model/address-map.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import { PageKind } from '../mm/mem_map.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { NR_SYSCALLS } from '../include/uapi/asm/unistd-64.ts';
import type { Kernel } from '../init/kernel.ts';
import {
  Bpf,
  BPF_INSTRUCTION_BYTES,
  BPF_INSTRUCTIONS_MAX,
  type BpfInstruction,
  isSound,
  readProgram,
} from '../net/core/filter.ts';
import { Cap, capable } from './capability.ts';
import { INSTALL } from './seccomp-costs.ts';
import {
  Action,
  alwaysAllows,
  isAllowed,
  ARCH,
  DATA_BYTES,
  putFilter,
  type SeccompFilter,
  SeccompMode,
} from './seccomp.ts';

const enum Operation {
  SET_MODE_STRICT = 0,
  SET_MODE_FILTER = 1,
  GET_ACTION_AVAIL = 2,
  GET_NOTIF_SIZES = 3,
}

const enum Flag {
  TSYNC = 1,
  LOG = 2,
  SPEC_ALLOW = 4,
  TSYNC_ESRCH = 16,
}

const FLAGS = Flag.TSYNC | Flag.LOG | Flag.SPEC_ALLOW | Flag.TSYNC_ESRCH;
/** SECCOMP_SET_MODE_FILTER: instructions of all filters of a task, with four for each filter. */
const INSTRUCTIONS_PER_PATH_MAX = 32_768;
const FILTER_PENALTY = 4;
/** seccomp_notif, seccomp_notif_resp, seccomp_data. */
const NOTIF_SIZES = Uint16Array.of(80, 24, 64);

const ACTIONS: ReadonlySet<number> = new Set([
  ...[Action.KILL_PROCESS, Action.KILL_THREAD, Action.TRAP, Action.ERRNO],
  ...[Action.USER_NOTIF, Action.TRACE, Action.LOG, Action.ALLOW],
]);

/** seccomp_may_assign_mode: the mode never changes again. */
const mayAssign = ({ seccomp }: Task, mode: SeccompMode): boolean =>
  seccomp === null || seccomp.mode === mode;

function setStrict({ current }: Kernel): number {
  if (!mayAssign(current, SeccompMode.STRICT)) return -Errno.EINVAL;
  current.seccomp = { mode: SeccompMode.STRICT, filter: null };
  return 0;
}

/** seccomp_prepare_user_filter: the program, or an error. */
function readFilter(kernel: Kernel, pointer: number): BpfInstruction[] | number {
  const header = new Uint8Array(16);
  if (copyFromUser(kernel, pointer, header) < 0) return -Errno.EFAULT;
  const view = new DataView(header.buffer);
  const count = view.getUint16(0, true);
  if (count === 0 || count > BPF_INSTRUCTIONS_MAX) return -Errno.EINVAL;
  if (!kernel.current.noNewPrivs && !capable(kernel, Cap.SYS_ADMIN)) return -Errno.EACCES;
  const bytes = new Uint8Array(count * BPF_INSTRUCTION_BYTES);
  const address = view.getUint32(8, true) + view.getUint32(12, true) * 2 ** 32;
  if (copyFromUser(kernel, address, bytes) < 0) return -Errno.EFAULT;
  const program = readProgram(bytes);
  return isSound(program, DATA_BYTES) ? program : -Errno.EINVAL;
}

/** seccomp_cache_prepare: every call is tried, unless an older filter does not always allow it. */
function allowedCalls(
  { cpu }: Kernel,
  program: readonly BpfInstruction[],
  previous: SeccompFilter | null,
): Uint32Array {
  const allowed = new Uint32Array(Math.ceil(NR_SYSCALLS / 32));
  for (let number = 0; number < NR_SYSCALLS; number++) {
    const before = previous === null || isAllowed(previous, number);
    if (before && alwaysAllows(program, number)) {
      allowed[number >>> 5] |= 1 << (number & 31);
    }
  }
  // Once for 64-bit and once for 32-bit calls: 25 instructions for a call with a program of one; 8 more
  // for each further instruction that is followed are assumed, of six at most on the usual way.
  const each = 25 + 8 * Math.min(program.length - 1, 6);
  cpu.runCalls(F.seccomp_cache_prepare_bitmap, 2 * 453 * each, 2);
  return allowed;
}

/** seccomp_attach_filter */
export function attachFilter(kernel: Kernel, program: readonly BpfInstruction[]): number {
  const { cpu, caches, current } = kernel;
  const previous = current.seccomp?.filter ?? null;
  let total = program.length;
  for (let each = previous; each !== null; each = each.previous) {
    total += each.program.length + FILTER_PENALTY;
  }
  if (total > INSTRUCTIONS_PER_PATH_MAX) return -Errno.ENOMEM;
  runSteps(cpu, INSTALL);
  // Counted with one instruction; what each further one adds is assumed, within a half.
  const more = program.length - 1;
  cpu.run(F.seccomp_check_filter, 36 + 12 * more);
  cpu.runCalls(F.bpf_convert_filter, 315 + 60 * more, 2);
  cpu.runCalls(F.do_jit, 1835 + 180 * more, 3);
  const address = caches.kmalloc256.allocate(kernel);
  const frame = kernel.buddy.allocateBlock(0, PageKind.KERNEL);
  if (address < 0 || frame < 0) return -Errno.ENOMEM;
  cpu.stream('write', frame << PAGE_SHIFT, High.DIRECT, PAGE_BYTES);
  const allowed = allowedCalls(kernel, program, previous);
  // The task's reference to the older filter becomes the new filter's.
  const filter: SeccompFilter = { address, frame, program, previous, allowed, references: 1 };
  current.seccomp = { mode: SeccompMode.FILTER, filter };
  return 0;
}

function setFilter(kernel: Kernel, flags: number, pointer: number): number {
  const { current } = kernel;
  if ((flags & ~FLAGS) !== 0) return -Errno.EINVAL;
  const program = readFilter(kernel, pointer);
  if (typeof program === 'number') return program;
  if (!mayAssign(current, SeccompMode.FILTER)) return -Errno.EINVAL;
  if ((flags & Flag.TSYNC) === 0) return attachFilter(kernel, program);
  const other = differingThread(current);
  if (other !== null) return (flags & Flag.TSYNC_ESRCH) !== 0 ? -Errno.ESRCH : other.pid;
  const result = attachFilter(kernel, program);
  if (result === 0) synchronise(kernel, current);
  return result;
}

/** seccomp_can_sync_threads: a thread whose filters are not older ones of the caller. */
function differingThread(current: Task): Task | null {
  const ancestors = new Set<SeccompFilter | null>([null]);
  for (let each = current.seccomp?.filter ?? null; each !== null; each = each.previous) {
    ancestors.add(each);
  }
  const differs = ({ seccomp }: Task): boolean =>
    seccomp !== null && (seccomp.mode === SeccompMode.STRICT || !ancestors.has(seccomp.filter));
  return current.signal.threads.find((thread) => thread !== current && differs(thread)) ?? null;
}

/** seccomp_sync_threads */
function synchronise(kernel: Kernel, current: Task): void {
  const { seccomp } = current;
  if (seccomp === null || seccomp.filter === null) return;
  for (const thread of current.signal.threads) {
    if (thread === current || thread.exiting) continue;
    seccomp.filter.references++;
    putFilter(kernel, thread.seccomp?.filter ?? null);
    thread.seccomp = seccomp;
    thread.noNewPrivs ||= current.noNewPrivs;
  }
}

/** do_seccomp */
function doSeccomp(kernel: Kernel, operation: number, flags: number, pointer: number): number {
  switch (operation) {
    case Operation.SET_MODE_STRICT:
      return flags !== 0 || pointer !== 0 ? -Errno.EINVAL : setStrict(kernel);
    case Operation.SET_MODE_FILTER:
      return setFilter(kernel, flags, pointer);
    case Operation.GET_ACTION_AVAIL: {
      if (flags !== 0) return -Errno.EINVAL;
      const action = new Uint32Array(1);
      if (copyFromUser(kernel, pointer, new Uint8Array(action.buffer)) < 0) return -Errno.EFAULT;
      return ACTIONS.has(action[0]) ? 0 : -Errno.EOPNOTSUPP;
    }
    case Operation.GET_NOTIF_SIZES:
      if (flags !== 0) return -Errno.EINVAL;
      return copyToUser(kernel, pointer, new Uint8Array(NOTIF_SIZES.buffer));
    default:
      return -Errno.EINVAL;
  }
}

export function sysSeccomp(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_seccomp, 5);
  kernel.cpu.run(F.do_seccomp, 222);
  return doSeccomp(kernel, args.low(0), args.low(1), args.unsigned(2));
}

/** PR_GET_SECCOMP: a strict task cannot ask, it would be killed. */
export const prctlGetSeccomp = ({ current }: Kernel): number => current.seccomp?.mode ?? 0;

/** PR_SET_SECCOMP */
export function prctlSetSeccomp(kernel: Kernel, args: SyscallArguments): number {
  switch (args.wide(1)) {
    case SeccompMode.STRICT:
      return doSeccomp(kernel, Operation.SET_MODE_STRICT, 0, 0);
    case SeccompMode.FILTER:
      return doSeccomp(kernel, Operation.SET_MODE_FILTER, 0, args.unsigned(2));
    default:
      return -Errno.EINVAL;
  }
}

/** What seccomp=on puts on the program: a container's filter at its cheapest. Every call is allowed. */
export const ALLOW_ALL: readonly BpfInstruction[] = [
  { code: Bpf.LD_W_ABS, jt: 0, jf: 0, k: 4 },
  { code: Bpf.JEQ_K, jt: 1, jf: 0, k: ARCH },
  { code: Bpf.RET_K, jt: 0, jf: 0, k: Action.KILL_PROCESS },
  { code: Bpf.LD_W_ABS, jt: 0, jf: 0, k: 0 },
  { code: Bpf.RET_K, jt: 0, jf: 0, k: Action.ALLOW },
];
