/**
 * Seccomp, after Linux 6.1 kernel/seccomp.c: the strict mode, filters in classic BPF, their actions,
 * and the bitmap of calls that a filter allows whatever their arguments are. The costs are those of
 * counted paths; those of a filter follow from what it executes (net/core/filter.ts). Omits: notification of user space, tracers (no call is traced: such
 * an action is -ENOSYS, as in Linux without one), logging.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { Gpr } from '../arch/x86/model/registers.ts';
import { SigInfo } from '../include/linux/signal_types.ts';
import type { Sleeping, Task } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import { NR } from '../include/uapi/asm/unistd-64.ts';
import type { Kernel } from '../init/kernel.ts';
import { Bpf, type BpfInstruction, runProgram } from '../net/core/filter.ts';
import { doExit } from './exit.ts';
import { forceSigInfo } from './signal-send.ts';

export const enum SeccompMode {
  STRICT = 1,
  FILTER = 2,
}

/** What a filter may return; of several filters the action that comes first here wins. */
export const enum Action {
  KILL_PROCESS = 0x80000000,
  KILL_THREAD = 0x00000000,
  TRAP = 0x00030000,
  ERRNO = 0x00050000,
  USER_NOTIF = 0x7fc00000,
  TRACE = 0x7ff00000,
  LOG = 0x7ffc0000,
  ALLOW = 0x7fff0000,
}

const ACTION_MASK = 0xffff0000;
const DATA_MASK = 0x0000ffff;
const ERRNO_MAX = 4095;
/** AUDIT_ARCH_X86_64 */
export const ARCH = 0xc000003e;
/** SYS_SECCOMP */
const SYS_SECCOMP_CODE = 1;

/** struct seccomp_data as 32-bit words: nr, arch, instruction pointer, six arguments. */
export const DATA_BYTES = 64;
const DATA = new Uint32Array(DATA_BYTES / 4);
const ARGUMENTS = [Gpr.RDI, Gpr.RSI, Gpr.RDX, Gpr.R10, Gpr.R8, Gpr.R9] as const;

/** struct seccomp_filter: tasks and later filters refer to it. */
export interface SeccompFilter {
  readonly address: number;
  /** The page that holds the program. */
  readonly frame: number;
  readonly program: readonly BpfInstruction[];
  readonly previous: SeccompFilter | null;
  /** Calls that it and all before it always allow, a bit each: the action cache. */
  readonly allowed: Uint32Array;
  references: number;
}

/** What a task has of seccomp; filters are shared, this is not. */
export interface Seccomp {
  readonly mode: SeccompMode;
  /** The newest, in filter mode. */
  readonly filter: SeccompFilter | null;
}

const STRICT_CALLS: ReadonlySet<number> = new Set([NR.read, NR.write, NR.exit, NR.rt_sigreturn]);

/** What becomes of the call: null to go on with it, else its result or the end of the task. */
export type Verdict = null | number | Sleeping<number>;

/** __secure_computing, on the way into a system call of a task that has seccomp. */
export function secureComputing(kernel: Kernel, seccomp: Seccomp, number: number): Verdict {
  const { cpu } = kernel;
  cpu.run(F.syscall_trace_enter, 33);
  cpu.run(F.__secure_computing, 15);
  if (seccomp.mode === SeccompMode.STRICT) {
    return STRICT_CALLS.has(number) ? null : kill(kernel, Sig.KILL);
  }
  const value = runFilters(kernel, seccomp, number);
  const action = (value & ACTION_MASK) >>> 0;
  switch (action) {
    case Action.ALLOW:
    case Action.LOG:
      return null;
    case Action.ERRNO:
      return -Math.min(value & DATA_MASK, ERRNO_MAX);
    case Action.TRAP:
      return trap(kernel, number, value & DATA_MASK);
    case Action.TRACE:
    case Action.USER_NOTIF:
      return -Errno.ENOSYS;
    case Action.KILL_THREAD:
      if (kernel.current.signal.live > 1) return kill(kernel, Sig.SYS);
      return killProcess(kernel, number);
    default:
      return killProcess(kernel, number);
  }
}

/** seccomp_run_filters: the most restrictive of all answers, unless the cache knows it. */
function runFilters(kernel: Kernel, { filter }: Seccomp, number: number): number {
  const { cpu } = kernel;
  if (filter === null) return Action.ALLOW;
  cpu.run(F.__seccomp_filter, 58);
  populate(kernel, number);
  cpu.read(filter.address + 64);
  if (isAllowed(filter, number)) return Action.ALLOW;
  let result: number = Action.ALLOW;
  for (let each: SeccompFilter | null = filter; each !== null; each = each.previous) {
    const { value, instructions } = runProgram(each.program, DATA);
    cpu.run(F.migrate_disable, 14);
    cpu.run(F.bpf_prog_seccomp, instructions);
    cpu.run(F.migrate_enable, 30);
    // The loop over filters, for each of them.
    cpu.runMore(F.__seccomp_filter, 31);
    cpu.read(each.address);
    cpu.indirect(1);
    // Actions compare as signed numbers.
    if ((value & ACTION_MASK) < (result & ACTION_MASK)) result = value;
  }
  return result;
}

/** populate_seccomp_data */
function populate({ cpu, current }: Kernel, number: number): void {
  const { registers } = cpu;
  cpu.run(F.populate_seccomp_data, 32);
  DATA[0] = number;
  DATA[1] = ARCH;
  const { rip } = cpu.hardware.state;
  DATA[2] = Number(rip & 0xffff_ffffn);
  DATA[3] = Number((rip >> 32n) & 0xffff_ffffn);
  ARGUMENTS.forEach((gpr, i) => {
    DATA[4 + 2 * i] = registers.low(gpr);
    DATA[5 + 2 * i] = registers.high(gpr);
  });
  cpu.read(current.address);
}

/** seccomp_cache_check_allow */
export const isAllowed = ({ allowed }: SeccompFilter, number: number): boolean =>
  number < allowed.length * 32 && ((allowed[number >>> 5] >>> (number & 31)) & 1) !== 0;

/** seccomp_is_const_allow: whether a filter allows a call without a look at its arguments. */
export function alwaysAllows(program: readonly BpfInstruction[], number: number): boolean {
  let value = 0;
  for (let at = 0; at < program.length; at++) {
    const { code, jt, jf, k } = program[at];
    switch (code) {
      case Bpf.LD_W_ABS:
        if (k > 4) return false;
        value = k === 0 ? number : ARCH;
        break;
      case Bpf.RET_K:
        return k === (Action.ALLOW as number);
      case Bpf.JA:
        at += k;
        break;
      case Bpf.JEQ_K:
        at += value === k ? jt : jf;
        break;
      case Bpf.JGE_K:
        at += value >= k ? jt : jf;
        break;
      case Bpf.JGT_K:
        at += value > k ? jt : jf;
        break;
      case Bpf.JSET_K:
        at += (value & k) !== 0 ? jt : jf;
        break;
      case Bpf.AND_K:
        value = (value & k) >>> 0;
        break;
      default:
        return false;
    }
  }
  return false;
}

/** SECCOMP_RET_TRAP: the call does not happen, and its number stays in rax for the handler. */
function trap(kernel: Kernel, number: number, data: number): number {
  const info = systemCallInfo(kernel, number, data);
  forceSigInfo(kernel, info, `seccomp traps system call ${number}`);
  return number;
}

function killProcess(kernel: Kernel, number: number): number {
  const info = systemCallInfo(kernel, number, 0);
  forceSigInfo(kernel, info, `seccomp forbids system call ${number}`, true);
  return -Errno.ENOSYS;
}

/** force_sig_seccomp */
function systemCallInfo({ cpu }: Kernel, number: number, data: number): SigInfo {
  const { rip } = cpu.hardware.state;
  return SigInfo.systemCall(Sig.SYS, SYS_SECCOMP_CODE, {
    errno: data,
    address: rip,
    number,
    arch: ARCH,
  });
}

/** do_exit of the one task, which cannot answer. */
function kill(kernel: Kernel, signal: number): Sleeping<number> {
  return doExit(kernel, signal);
}

/** seccomp_filter_release: the last reference takes the filters along that only it referred to. */
export function putFilter(kernel: Kernel, filter: SeccompFilter | null): void {
  for (let each = filter; each !== null && --each.references === 0; each = each.previous) {
    kernel.caches.kmalloc256.freeQuietly(each.address);
    kernel.buddy.freeBlock(each.frame, 0);
  }
}

/** copy_seccomp: a child has its parent's filters. */
export function inheritSeccomp(child: Task, { seccomp }: Task): void {
  if (seccomp === null) return;
  if (seccomp.filter !== null) seccomp.filter.references++;
  child.seccomp = seccomp;
}
