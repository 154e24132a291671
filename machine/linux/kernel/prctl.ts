/**
 * prctl, after Linux 6.1 kernel/sys.c: names, what the end of a parent sends, dumps, subreapers, new
 * privileges, timer slack. Omits: capabilities' bounding set, speculation control.
 */
import { copyToUser, putUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import { prctlGetSeccomp, prctlSetSeccomp } from './seccomp-syscalls.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { readUserString } from '../lib/strncpy_from_user.ts';

const TASK_COMM_BYTES = 16;
const TIMER_SLACK_NS_DEFAULT = 50_000;

/** include/uapi/linux/prctl.h */
const enum Pr {
  SET_PDEATHSIG = 1,
  GET_PDEATHSIG = 2,
  GET_DUMPABLE = 3,
  SET_DUMPABLE = 4,
  SET_NAME = 15,
  GET_NAME = 16,
  GET_SECCOMP = 21,
  SET_SECCOMP = 22,
  SET_TIMERSLACK = 29,
  GET_TIMERSLACK = 30,
  SET_CHILD_SUBREAPER = 36,
  GET_CHILD_SUBREAPER = 37,
  SET_NO_NEW_PRIVS = 38,
  GET_NO_NEW_PRIVS = 39,
}

const SECURITY: Steps = [
  [F.security_task_prctl, 65, 1, 3],
  [F.cap_task_prctl, 21],
  [F.yama_task_prctl, 16],
  [F.bpf_lsm_task_prctl, 3],
];

const COMM: Steps = [
  [F._raw_spin_lock, 7],
  [F.strscpy_pad, 21],
  [F.strscpy, 35],
  [F.__memset, 1],
  [F.memset_erms, 6],
  [F._raw_spin_unlock, 6],
];

const SET_COMM: Steps = [
  [F.strncpy_from_user, 55],
  [F.__check_object_size, 28],
  [F.check_stack_object, 17],
  [F.__set_task_comm, 25],
  ...COMM,
  [F.perf_event_comm, 18],
  [F.proc_comm_connector, 20],
];

type Operation = (kernel: Kernel, args: SyscallArguments) => number;

const putInt = (kernel: Kernel, address: number, value: number): number =>
  putUser(kernel, address, new Uint8Array(Int32Array.of(value).buffer));

function setName(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  const name = readUserString(kernel, args.unsigned(1), TASK_COMM_BYTES);
  if (name === -Errno.EFAULT) return name;
  runSteps(cpu, SET_COMM);
  cpu.write(current.address + 2688);
  current.comm = typeof name === 'string' ? name : longName(kernel, args.unsigned(1));
  return 0;
}

/** A name that is too long keeps its first 15 bytes. */
function longName(kernel: Kernel, address: number): string {
  const name = readUserString(kernel, address, 4096);
  return typeof name === 'string' ? name.slice(0, TASK_COMM_BYTES - 1) : '';
}

function getName(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  cpu.run(F.__get_task_comm, 23);
  runSteps(cpu, COMM);
  cpu.read(current.address + 2688);
  const bytes = new Uint8Array(TASK_COMM_BYTES);
  bytes.set(new TextEncoder().encode(current.comm).subarray(0, TASK_COMM_BYTES - 1));
  return copyToUser(kernel, args.unsigned(1), bytes);
}

const isSignal = (signal: number): boolean => signal >= 0 && signal <= (Sig.MAX as number);

const OPERATIONS: Readonly<Partial<Record<number, Operation>>> = {
  [Pr.SET_NAME]: setName,
  [Pr.GET_NAME]: getName,
  [Pr.SET_PDEATHSIG]: ({ current }, args) => {
    if (!isSignal(args.wide(1))) return -Errno.EINVAL;
    current.parentDeathSignal = args.low(1);
    return 0;
  },
  [Pr.GET_PDEATHSIG]: (kernel, args) =>
    putInt(kernel, args.unsigned(1), kernel.current.parentDeathSignal),
  [Pr.GET_DUMPABLE]: ({ current }) => current.dumpable,
  [Pr.SET_DUMPABLE]: ({ current }, args) => {
    const value = args.wide(1);
    if (value !== 0 && value !== 1) return -Errno.EINVAL;
    current.dumpable = value;
    return 0;
  },
  [Pr.GET_SECCOMP]: prctlGetSeccomp,
  [Pr.SET_SECCOMP]: prctlSetSeccomp,
  [Pr.SET_TIMERSLACK]: ({ current }, args) => {
    const ns = args.wide(1);
    current.sched.timerSlackNs = ns <= 0 ? TIMER_SLACK_NS_DEFAULT : ns;
    return 0;
  },
  [Pr.GET_TIMERSLACK]: ({ current }) => current.sched.timerSlackNs,
  [Pr.SET_CHILD_SUBREAPER]: ({ current }, args) => {
    current.signal.isSubreaper = args.wide(1) !== 0;
    return 0;
  },
  [Pr.GET_CHILD_SUBREAPER]: (kernel, args) =>
    putInt(kernel, args.unsigned(1), kernel.current.signal.isSubreaper ? 1 : 0),
  [Pr.SET_NO_NEW_PRIVS]: ({ current }, args) => {
    if (args.wide(1) !== 1 || args.wide(2) !== 0) return -Errno.EINVAL;
    current.noNewPrivs = true;
    return 0;
  },
  [Pr.GET_NO_NEW_PRIVS]: ({ current }) => (current.noNewPrivs ? 1 : 0),
};

export function sysPrctl(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_prctl, 7);
  cpu.run(F.__do_sys_prctl, 56);
  runSteps(cpu, SECURITY);
  const operation = OPERATIONS[args.int(0)];
  return operation === undefined ? -Errno.EINVAL : operation(kernel, args);
}
