/** Operations that make tasks, wake them, or switch between them. */
import { byte, registers } from '../../../../workloads/lib/assembly.ts';
import { all, call, type Emit, pipe } from '../emit.ts';
import { operation, type PathOperation, type Stage } from '../operation.ts';

const { rax, eax, r12, r13, r14, rbx } = registers;
const PAGE = 4096;
/** Tasks of this policy do not preempt whom they are woken by. */
const SCHED_BATCH = 3;
const FAR = 0x10000000000;

/** fork(); the child runs `child`, the parent goes on with its pid in rbx. */
function forkInto({ guest }: Stage, child: () => void): void {
  const { asm } = guest;
  const parent = asm.newLabel();
  guest.syscall('fork');
  asm.test(eax, eax);
  asm.jne(parent);
  child();
  asm.bind(parent);
  asm.mov(rbx, rax);
}

/** A child that leaves at once. */
const fork: Emit = (stage) => {
  forkInto(stage, () => {
    stage.guest.exit(0);
  });
};
const reap = call('wait4', rbx, 0, 0, 0);

/** Lets the other tasks run until they sleep. */
const settle: Emit = ({ guest }) => {
  for (let i = 0; i < 3; i++) guest.syscall('sched_yield');
};

/** A child that runs `body` for ever; it dies with the first process, its parent. */
function companion(body: Emit): Emit {
  return (stage) => {
    const { guest } = stage;
    forkInto(stage, () => {
      guest.syscall('sched_setscheduler', 0, SCHED_BATCH, stage.buffer);
      const again = guest.asm.here();
      body(stage);
      guest.asm.jmp(again);
    });
  };
}

/** Pages of anonymous memory, written. */
function touched(pages: number): Emit {
  return ({ guest }) => {
    guest.syscall('mmap', FAR, pages * PAGE, 3, 0x22, -1, 0);
    guest.asm.mov(rax, FAR);
    guest.repeat(registers.rcx, pages, () => {
      guest.asm.mov(byte(rax), 1);
      guest.asm.add(rax, PAGE);
    });
  };
}

/** What a static program of the C library has besides: 320 KiB resident, in mappings of their own. */
const resident: Emit = ({ guest }) => {
  for (let i = 0; i < 4; i++) {
    const start = FAR + 0x40000000 + i * 0x100000;
    guest.syscall('mmap', start, 14 * PAGE, 3, 0x22, -1, 0);
    guest.asm.mov(rax, start);
    guest.repeat(registers.rcx, 14, () => {
      guest.asm.mov(byte(rax), 1);
      guest.asm.add(rax, PAGE);
    });
  }
};

const cowStore: Emit = ({ guest: { asm } }) => {
  asm.mov(byte(r14), 2);
};
const nextPage: Emit = ({ guest: { asm } }) => {
  asm.add(r14, PAGE);
};
const walk: Emit = ({ guest: { asm } }) => {
  asm.mov(r14, FAR + PAGE);
};

/** clone() of a thread that leaves at once, on a stack of its own. */
const THREAD_STACK = FAR + 0x30000000;
const THREAD_FLAGS = 0x50f00;
const threadStack = call('mmap', THREAD_STACK, 4 * PAGE, 3, 0x22, -1, 0);

/** The new thread runs `body`. */
const cloneThread =
  (body: Emit): Emit =>
  (stage) => {
    const { guest } = stage;
    const parent = guest.asm.newLabel();
    guest.syscall('clone', THREAD_FLAGS, THREAD_STACK + 4 * PAGE - 64, 0, 0, 0);
    guest.asm.test(eax, eax);
    guest.asm.jne(parent);
    body(stage);
    guest.asm.bind(parent);
  };

/** The thread's stack begins with a word that nobody writes. */
const FUTEX_WORD = THREAD_STACK;
const FUTEX_WAIT_PRIVATE = 128;
const FUTEX_WAKE_PRIVATE = 129;

/** A thread that sleeps on the word again and again, and does not preempt. */
const waitingThread: Emit = ({ guest, buffer }) => {
  guest.syscall('sched_setscheduler', 0, SCHED_BATCH, buffer);
  const again = guest.asm.here();
  guest.syscall('futex', FUTEX_WORD, FUTEX_WAIT_PRIVATE, 0, 0);
  guest.asm.jmp(again);
};

/** A thread that calls sched_yield for ever. */
const yieldingThread = cloneThread(({ guest }) => {
  const again = guest.asm.here();
  guest.syscall('sched_yield');
  guest.asm.jmp(again);
});

export const TASKS: readonly PathOperation[] = [
  operation('clone_thread', cloneThread(call('exit', 0)), { setup: threadStack, after: settle }),
  operation('yield_2thread_roundtrip', call('sched_yield'), {
    setup: all(threadStack, yieldingThread, settle),
  }),
  operation('fork_small', fork, { setup: resident, after: reap }),
  operation('fork_1m_4kpages', fork, { setup: all(resident, touched(256)), after: reap }),
  operation('fork_exit_wait_small', all(fork, reap), { setup: resident }),
  operation('wait4_zombie', reap, { setup: resident, before: all(fork, settle) }),
  operation('vfork_exit', vfork, { after: reap }),
  operation('fault_cow_fork_copy', cowStore, {
    setup: all(touched(64), walk, companion(call('pause'))),
    after: nextPage,
  }),
  operation('fault_cow_fork_reuse', cowStore, {
    setup: all(touched(64), walk, fork, reap),
    after: nextPage,
  }),
  operation('yield_2proc_roundtrip', call('sched_yield'), {
    setup: all(companion(call('sched_yield')), settle),
  }),
  operation('pipe_write1_wake_sleeper_nopreempt', call('write', r13, 'buffer', 1), {
    setup: all(pipe, companion(call('read', r12, 'buffer', 1)), settle),
    after: settle,
  }),
  operation('futex_wake_1_nopreempt', call('futex', FUTEX_WORD, FUTEX_WAKE_PRIVATE, 1), {
    setup: all(threadStack, cloneThread(waitingThread), settle),
    after: settle,
  }),
  operation('execve_enoent', ({ guest, path }) => {
    guest.syscall('execve', path('/no/such/program'), 0, 0);
  }),
];

function vfork({ guest }: Stage): void {
  const { asm } = guest;
  const parent = asm.newLabel();
  guest.syscall('vfork');
  asm.test(eax, eax);
  asm.jne(parent);
  guest.exit(0);
  asm.bind(parent);
  asm.mov(rbx, rax);
}
