/** Operations that are one system call without files, memory or other tasks. */
import { byte, qword, registers } from '../../../../workloads/lib/assembly.ts';
import { call, handleSignal, keep, one, setWords } from '../emit.ts';
import { operation, type PathOperation, type Stage } from '../operation.ts';

const NO_SUCH_CALL = 700;
const SIGUSR1 = 10;
const SIGSEGV = 11;

function invalid({ guest: { asm } }: Stage): void {
  asm.mov(registers.eax, NO_SUCH_CALL);
  asm.syscall();
}

const SIG_IGN = 1;
const SA_RESTORER = 0x4000000;
const RIP_IN_UCONTEXT = 168;

export const CALLS: readonly PathOperation[] = [
  one('getppid', 'getppid'),
  one('getpid', 'getpid'),
  one('gettid', 'gettid'),
  one('getuid', 'getuid'),
  operation('invalid_syscall', invalid),
  one('uname', 'uname', 'buffer'),
  one('sysinfo', 'sysinfo', 'buffer'),
  one('getrusage_self', 'getrusage', 0, 'buffer'),
  one('prctl_get_name', 'prctl', 16, 'buffer'),
  one('prctl_set_name', 'prctl', 15, 'buffer'),
  one('getrandom16', 'getrandom', 'buffer', 16, 0),
  one('clock_gettime_mono_syscall', 'clock_gettime', 1, 'small'),
  one('clock_gettime_realtime_syscall', 'clock_gettime', 0, 'small'),
  one('clock_gettime_cputime_syscall', 'clock_gettime', 2, 'small'),
  one('sched_yield_alone', 'sched_yield'),
  one('sched_getaffinity', 'sched_getaffinity', 0, 128, 'buffer'),
  operation('sched_setaffinity_noop', call('sched_setaffinity', 0, 8, 'buffer'), {
    before: call('sched_getaffinity', 0, 128, 'buffer'),
  }),
  one('rt_sigprocmask', 'rt_sigprocmask', 0, 'small', 0, 8),
  one('membarrier_query', 'membarrier', 0, 0, 0),
  operation('sigaction_glibc', call('rt_sigaction', SIGUSR1, 'small', 0, 8), {
    setup: setWords(SIG_IGN, SA_RESTORER, 0, 0),
  }),
  one('futex_wait_wrong_value', 'futex', 'small', 128, 5, 0),
  one('futex_wake_0_private', 'futex', 'small', 129, 1),
  one('futex_wake_0_shared_key', 'futex', 'small', 1, 1),
  operation('kill_self_ignored', killSelf, {
    setup: (stage) => {
      setWords(SIG_IGN, SA_RESTORER, 0, 0)(stage);
      call('rt_sigaction', SIGUSR1, 'small', 0, 8)(stage);
      keep(registers.r12, 'getpid')(stage);
    },
  }),
  operation('kill_self_deliver_sigreturn', killSelf, {
    setup: (stage) => {
      handleSignal(stage, SIGUSR1, () => undefined);
      keep(registers.r12, 'getpid')(stage);
    },
  }),
  operation('segv_deliver_sigreturn', segv, {
    setup: (stage) => {
      const { asm } = stage.guest;
      // The handler steps over the two bytes of the faulting store.
      handleSignal(stage, SIGSEGV, () => asm.add(qword(registers.rdx, RIP_IN_UCONTEXT), 2));
      asm.xor(registers.ebx, registers.ebx);
    },
  }),
  one('wait4_echild', 'wait4', -1, 0, 0, 0),
  one('brk_query', 'brk', 0),
  operation('timerfd_settime_10s', call('timerfd_settime', registers.r12, 0, 'small', 0), {
    setup: (stage) => {
      keep(registers.r12, 'timerfd_create', 1, 0)(stage);
      setWords(0, 0, 10, 0)(stage);
    },
  }),
  operation('nanosleep_50us', call('nanosleep', 'small', 0), {
    setup: setWords(0, 50_000),
    sleeps: true,
  }),
  operation('eventfd_create', keep(registers.r12, 'eventfd2', 0, 0), {
    after: call('close', registers.r12),
  }),
  operation('timerfd_create', keep(registers.r12, 'timerfd_create', 1, 0), {
    after: call('close', registers.r12),
  }),
  operation('epoll_create1', keep(registers.r12, 'epoll_create1', 0), {
    after: call('close', registers.r12),
  }),
  operation('futex_wait_timeout_100us', call('futex', 'buffer', 128, 0, 'small'), {
    setup: setWords(0, 100_000),
    sleeps: true,
  }),
];

function killSelf({ guest }: Stage): void {
  guest.syscall('kill', registers.r12, SIGUSR1);
}

/** A store to address 0: `mov [rbx], al`, two bytes. */
function segv({ guest: { asm } }: Stage): void {
  asm.mov(byte(registers.rbx), registers.al);
}
