/**
 * What answers each system call, with its support level, after Linux 6.1
 * arch/x86/entry/syscalls/syscall_64.tbl. Names and argument types are in syscall-64.ts. A call
 * without a handler returns -ENOSYS and warns once.
 */
import { FILE_CALLS } from './syscall-table-fs.ts';
import { IDENTITY_CALLS } from './syscall-table-identity.ts';
import { TIMER_CALLS } from './syscall-table-time.ts';
import { SOCKET_CALLS } from './syscall-table-net.ts';
import { SCHED_CALLS } from './syscall-table-sched.ts';
import { sysGetrandom } from '../../../../drivers/char/random.ts';
import { NR, NR_SYSCALLS, type SyscallName } from '../../../../include/uapi/asm/unistd-64.ts';
import type { Kernel } from '../../../../init/kernel.ts';
import { sysExit, sysExitGroup } from '../../../../kernel/exit-syscalls.ts';
import {
  sysClone,
  sysClone3,
  sysFork,
  sysSetTidAddress,
  sysVfork,
} from '../../../../kernel/fork-syscalls.ts';
import { sysGetrusage, sysTimes } from '../../../../kernel/rusage.ts';
import { sysWait4, sysWaitid } from '../../../../kernel/wait.ts';
import { sysFutexWaitv } from '../../../../kernel/futex/waitv.ts';
import { sysFutex } from '../../../../kernel/futex/syscalls.ts';
import { sysGetrlimit, sysPrlimit64, sysSetrlimit } from '../../../../kernel/rlimit.ts';
import { sysGetRobustList, sysRseq, sysSetRobustList } from '../../../../kernel/rseq.ts';
import { sysSchedYield } from '../../../../kernel/sched/yield.ts';
import {
  sysKill,
  sysRtSigqueueinfo,
  sysRtTgsigqueueinfo,
  sysTgkill,
  sysTkill,
} from '../../../../kernel/signal-kill-syscalls.ts';
import {
  sysPause,
  sysRestartSyscall,
  sysRtSigaction,
  sysRtSigpending,
  sysRtSigprocmask,
  sysRtSigsuspend,
  sysRtSigtimedwait,
  sysSigaltstack,
} from '../../../../kernel/signal-syscalls.ts';
import {
  sysGetcpu,
  sysGetpid,
  sysGetppid,
  sysGettid,
  sysNewuname,
  sysSysinfo,
} from '../../../../kernel/sys.ts';
import {
  sysClockGetres,
  sysClockGettime,
  sysGettimeofday,
  sysTime,
} from '../../../../kernel/time/posix-timers.ts';
import { sysMembarrier } from '../../../../kernel/sched/membarrier.ts';
import { sysProcessVmReadv, sysProcessVmWritev } from '../../../../mm/process_vm_access.ts';
import { sysMincore } from '../../../../mm/mincore.ts';
import {
  sysMlock,
  sysMlock2,
  sysMlockall,
  sysMunlock,
  sysMunlockall,
} from '../../../../mm/mlock.ts';
import { sysMremap } from '../../../../mm/mremap.ts';
import { sysMsync } from '../../../../mm/msync.ts';
import { sysBrk, sysMadvise, sysMmap, sysMprotect, sysMunmap } from '../../../../mm/syscalls.ts';
import { sysArchPrctl } from '../../kernel/process_64.ts';
import { sysRtSigreturn } from '../../kernel/signal.ts';
import type { Sleeping } from '../../../../include/linux/sched.ts';
import type { SyscallArguments } from '../syscall-arguments.ts';
import { argumentsOf, type SyscallArgument } from './syscall-64.ts';

/** A call that may sleep returns a generator; it must read its arguments before it yields. */
export type SyscallHandler = (kernel: Kernel, args: SyscallArguments) => number | Sleeping<number>;

export type SyscallSupport = 'full' | 'partial' | 'none';

export interface SyscallEntry {
  readonly name: SyscallName;
  readonly arguments: readonly SyscallArgument[];
  readonly handler: SyscallHandler | undefined;
  readonly support: SyscallSupport;
  /** What a partial call leaves out. */
  readonly omits: string;
  /** Instructions of x64_sys_call on the way to it: its binary search takes longer for some. */
  readonly dispatch: number;
}

/** x64_sys_call's instructions for most calls, and those counted otherwise. */
const DISPATCH_DEFAULT = 25;
const DISPATCH: Partial<Record<SyscallName, number>> = {
  mprotect: 16,
  fstat: 19,
  ioctl: 19,
  lseek: 22,
  rt_sigaction: 22,
  uname: 22,
  sched_yield: 22,
  mmap: 24,
  getrandom: 24,
  getpid: 26,
  clock_gettime: 26,
  newfstatat: 26,
  madvise: 26,
  kill: 26,
  gettid: 27,
};

export type Handled = readonly [SyscallHandler, omits?: string];

const HANDLERS: Partial<Record<SyscallName, Handled>> = {
  ...FILE_CALLS,
  ...SCHED_CALLS,
  ...SOCKET_CALLS,
  mmap: [sysMmap, 'protection keys, huge pages other than 2 MiB'],
  mremap: [sysMremap, 'pages of the huge page pool'],
  mincore: [sysMincore],
  msync: [sysMsync],
  process_vm_readv: [sysProcessVmReadv],
  process_vm_writev: [sysProcessVmWritev],
  mlock: [sysMlock],
  mlock2: [sysMlock2],
  munlock: [sysMunlock],
  mlockall: [sysMlockall],
  munlockall: [sysMunlockall],
  membarrier: [sysMembarrier, 'restartable sequences are not aborted'],
  munmap: [sysMunmap],
  mprotect: [sysMprotect],
  brk: [sysBrk],
  madvise: [sysMadvise, 'poisoning; nothing is reclaimed or merged'],
  exit: [sysExit],
  fork: [sysFork],
  vfork: [sysVfork],

  clone: [sysClone, 'namespaces'],
  clone3: [sysClone3, 'namespaces, set_tid, CLONE_INTO_CGROUP'],
  wait4: [sysWait4],
  waitid: [sysWaitid],
  getrusage: [sysGetrusage],
  times: [sysTimes],
  exit_group: [sysExitGroup],
  arch_prctl: [sysArchPrctl, 'cpuid faulting, XSTATE permissions'],
  set_tid_address: [sysSetTidAddress],
  set_robust_list: [sysSetRobustList],
  get_robust_list: [sysGetRobustList],
  rseq: [sysRseq, 'aborting sequences: nothing interrupts them'],
  prlimit64: [sysPrlimit64, 'other processes'],
  getrlimit: [sysGetrlimit],
  setrlimit: [sysSetrlimit],
  getrandom: [sysGetrandom],
  uname: [sysNewuname],
  sysinfo: [sysSysinfo, 'loads are zero'],
  getpid: [sysGetpid],
  gettid: [sysGettid],
  getppid: [sysGetppid],
  ...IDENTITY_CALLS,
  ...TIMER_CALLS,
  getcpu: [sysGetcpu],
  clock_gettime: [sysClockGettime, 'dynamic clocks, CPU clocks of others'],
  clock_getres: [sysClockGetres, 'dynamic clocks'],
  gettimeofday: [sysGettimeofday, 'time zones'],
  time: [sysTime],
  rt_sigprocmask: [sysRtSigprocmask],
  rt_sigaction: [sysRtSigaction],
  rt_sigreturn: [sysRtSigreturn],
  rt_sigpending: [sysRtSigpending],
  rt_sigsuspend: [sysRtSigsuspend],
  rt_sigtimedwait: [sysRtSigtimedwait],
  rt_sigqueueinfo: [sysRtSigqueueinfo],
  rt_tgsigqueueinfo: [sysRtTgsigqueueinfo],
  sigaltstack: [sysSigaltstack],
  pause: [sysPause],
  restart_syscall: [sysRestartSyscall],
  kill: [sysKill],
  tkill: [sysTkill],
  tgkill: [sysTgkill],
  futex: [sysFutex],
  futex_waitv: [sysFutexWaitv],
  sched_yield: [sysSchedYield],
};

function entryOf(name: SyscallName): SyscallEntry {
  const handled = HANDLERS[name];
  const omits = handled?.[1] ?? '';
  return {
    name,
    arguments: argumentsOf(name),
    handler: handled?.[0],
    support: handled === undefined ? 'none' : omits === '' ? 'full' : 'partial',
    omits,
    dispatch: DISPATCH[name] ?? DISPATCH_DEFAULT,
  };
}

/** By number, up to the last one of Linux 6.1; undefined in the gap of the numbering. */
export const SYSCALL_TABLE: readonly (SyscallEntry | undefined)[] = (() => {
  const table = new Array<SyscallEntry | undefined>(NR_SYSCALLS).fill(undefined);
  for (const [name, number] of Object.entries(NR) as [SyscallName, number][]) {
    if (number < NR_SYSCALLS) table[number] = entryOf(name);
  }
  return table;
})();
