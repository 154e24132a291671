/** The operations whose tracepoints were recorded on a real kernel, as guest programs. */
import { byte, dword, qword, registers } from '../../../workloads/lib/assembly.ts';
import {
  all,
  call,
  type Emit,
  handleSignal,
  keep,
  open,
  pathCall,
  pipe,
  setWords,
} from '../paths/emit.ts';
import { operation, type PathOperation } from '../paths/operation.ts';
import { RING_OPERATIONS } from './ring-operations.ts';
import { busyProcess, settle, thread } from './tasks.ts';

const { rax, rbx, rcx, r12, r13, r14 } = registers;
const PAGE = 4096;
const FAR = 0x10000000000;
const READ = 1;
const READ_WRITE = 3;
const PRIVATE_ANONYMOUS = 0x22;
const SHARED = 1;
const MADV_DONTNEED = 4;
const MADV_HUGEPAGE = 14;
const O_RDWR_CREAT = 0o102;
const SIGUSR1 = 10;
const HUGE = 512 * PAGE;
const WALKED = 64;
/** Descriptor that the second file of the program gets. */
const FIRST_FREE = 4;
const FUTEX_WAIT_PRIVATE = 128;
const FUTEX_WAKE_PRIVATE = 129;

const map = (pages: number): Emit =>
  call('mmap', FAR, pages * PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0);
const unmap = (pages: number): Emit => call('munmap', FAR, pages * PAGE);

/** Writes one byte of each page from `first` on. */
const touch =
  (pages: number, first = FAR): Emit =>
  ({ guest }) => {
    guest.asm.mov(rax, first);
    guest.repeat(rcx, pages, () => {
      guest.asm.mov(byte(rax), 1);
      guest.asm.add(rax, PAGE);
    });
  };

/** r14 walks over the mapping, a page for each repetition. */
const walk: Emit = ({ guest: { asm } }) => {
  asm.mov(r14, FAR + PAGE);
};
const nextPage: Emit = ({ guest: { asm } }) => {
  asm.add(r14, PAGE);
};
const store: Emit = ({ guest: { asm } }) => {
  asm.mov(byte(r14), 1);
};
const fetch: Emit = ({ guest: { asm } }) => {
  asm.mov(registers.bl, byte(r14));
};

/** A tmpfs file of 16 pages in r12. */
const file = all(
  open(r12, '/tmp/f', O_RDWR_CREAT, 0o600),
  call('pwrite64', r12, 'buffer', 65536, 0),
);

/** A child that shares the pages and then sleeps for good, or leaves at once. */
const fork =
  (child: Emit): Emit =>
  (stage) => {
    const { asm } = stage.guest;
    const parent = asm.newLabel();
    stage.guest.syscall('fork');
    asm.test(registers.eax, registers.eax);
    asm.jne(parent);
    child(stage);
    stage.guest.exit(0);
    asm.bind(parent);
    asm.mov(rbx, rax);
  };
const nothing: Emit = () => undefined;
const reap = call('wait4', rbx, 0, 0, 0);

/** Ten descriptors of one empty pipe, as poll and select take them. */
const pollEntries: Emit = (stage) => {
  pipe(stage);
  const { guest, buffer } = stage;
  const { asm } = guest;
  guest.load(rax, buffer);
  asm.mov(r14, 1);
  asm.shl(r14, 32);
  asm.or(r14, r12);
  guest.repeat(rcx, 10, () => {
    asm.mov(qword(rax), r14);
    asm.add(rax, 8);
  });
};

/** Ten descriptors from 3 on are in the set, which is written anew each time; no time to wait. */
const TEN_DESCRIPTORS = 0x3ff << 3;
const selectSets: Emit = ({ guest, buffer, small }) => {
  guest.load(rax, buffer);
  guest.asm.mov(qword(rax), TEN_DESCRIPTORS);
  guest.load(rax, small);
  guest.asm.mov(qword(rax), 0);
  guest.asm.mov(qword(rax, 8), 0);
};

const epollReady: Emit = all(
  keep(r12, 'eventfd2', 1, 0),
  keep(r14, 'epoll_create1', 0),
  setWords(1, 0),
  call('epoll_ctl', r14, 1, r12, 'small'),
);

const growTo =
  (pages: number): Emit =>
  ({ guest }) => {
    guest.asm.lea(registers.rdi, { ...byte(rbx, pages * PAGE), bytes: 0 });
    guest.syscall('brk');
  };

const setWord = (value: number): Emit => {
  return ({ guest, small }) => {
    guest.load(rax, small);
    guest.asm.mov(dword(rax), value);
  };
};

const CALLS: readonly PathOperation[] = [
  operation('getppid', call('getppid')),
  operation('clock_gettime_monotonic', call('clock_gettime', 1, 'small')),
  operation('futex_wait_mismatch', call('futex', 'small', FUTEX_WAIT_PRIVATE, 5, 0)),
  operation('futex_wake_nobody', call('futex', 'small', FUTEX_WAKE_PRIVATE, 1)),
  operation('sched_yield_alone', call('sched_yield')),
  operation(
    'kill_self_handler',
    ({ guest }) => {
      guest.syscall('kill', r12, SIGUSR1);
    },
    {
      setup: (stage) => {
        handleSignal(stage, SIGUSR1, () => undefined);
        keep(r12, 'getpid')(stage);
      },
    },
  ),
];

const FILES: readonly PathOperation[] = [
  operation(
    'eventfd_write_read',
    all(call('write', r12, 'small', 8), call('read', r12, 'small', 8)),
    {
      setup: all(keep(r12, 'eventfd2', 0, 0), setWords(1, 0)),
    },
  ),
  operation('epoll_wait_ready', call('epoll_wait', r14, 'buffer', 8, 0), { setup: epollReady }),
  operation('poll_10', call('poll', 'buffer', 10, 0), { setup: pollEntries }),
  operation('select_10', call('select', 13, 'buffer', 0, 0, 'small'), {
    setup: all(...Array.from({ length: 5 }, () => pipe)),
    before: selectSets,
  }),
  operation('pipe_write_no_reader', call('write', r13, 'buffer', 1), {
    setup: pipe,
    after: call('read', r12, 'buffer', 1),
  }),
  operation('pipe_read_ready', call('read', r12, 'buffer', 1), {
    setup: pipe,
    before: call('write', r13, 'buffer', 1),
  }),
  operation('read_tmpfs_4k', call('pread64', r12, 'buffer', PAGE, 0), { setup: file }),
  operation('write_tmpfs_4k', call('pwrite64', r12, 'buffer', PAGE, 0), { setup: file }),
  operation('stat', pathCall('stat', '/tmp/f', 'buffer'), { setup: file }),
  operation(
    'openat',
    ({ guest, path }) => {
      guest.syscall('openat', -100, path('/tmp/f'), 0, 0);
    },
    {
      setup: file,
      after: call('close', FIRST_FREE),
    },
  ),
];

const MEMORY: readonly PathOperation[] = [
  operation('mmap_anon_4k', keep(r12, 'mmap', 0, PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0), {
    after: call('munmap', r12, PAGE),
  }),
  operation('munmap_touched_4k', call('munmap', FAR + 8 * PAGE, PAGE), {
    before: all(map(16), touch(16)),
    after: unmap(16),
  }),
  operation('mprotect_4k', call('mprotect', FAR + 8 * PAGE, PAGE, READ), {
    before: all(map(16), touch(16)),
    after: unmap(16),
  }),
  operation('madvise_dontneed_4k', call('madvise', FAR + PAGE, PAGE, MADV_DONTNEED), {
    setup: all(map(4), touch(4)),
    before: touch(1, FAR + PAGE),
  }),
  operation('brk_grow', growTo(2), { setup: keep(rbx, 'brk', 0), before: growTo(1) }),
  operation('fault_anon_4k', store, { setup: all(map(WALKED), touch(1), walk), after: nextPage }),
  operation('fault_anon_read_zero_page', fetch, {
    setup: all(map(WALKED), touch(1), walk),
    after: nextPage,
  }),
  operation('fault_cow', store, {
    setup: all(map(WALKED), touch(WALKED), walk, fork(call('pause'))),
    after: nextPage,
  }),
  operation('fault_cow_reuse', store, {
    setup: all(map(WALKED), touch(WALKED), walk, fork(nothing), reap),
    after: nextPage,
  }),
  operation('fault_file_map_read_faultaround', fetch, {
    // The page behind the file's keeps the page tables.
    setup: all(
      file,
      walk,
      call('mmap', FAR + 16 * PAGE, PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0),
      touch(1, FAR + 16 * PAGE),
    ),
    before: call('mmap', FAR, 16 * PAGE, READ_WRITE, SHARED, r12, 0),
    after: unmap(16),
  }),
  operation('fault_thp_2m', store, {
    setup: all(
      call('mmap', FAR, 16 * HUGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0),
      call('madvise', FAR, 16 * HUGE, MADV_HUGEPAGE),
      touch(1),
      ({ guest: { asm } }) => asm.mov(r14, FAR + HUGE),
    ),
    after: ({ guest: { asm } }) => asm.add(r14, HUGE),
  }),
];

const TASKS: readonly PathOperation[] = [
  operation('nanosleep_50us', call('nanosleep', 'small', 0), {
    setup: all(setWords(0, 50_000), busyProcess),
  }),
  operation('futex_wait_timeout', call('futex', 'buffer', FUTEX_WAIT_PRIVATE, 0, 'small'), {
    setup: all(setWords(0, 100_000), busyProcess),
  }),
  operation('sched_yield_switch', call('sched_yield'), {
    setup: all(thread(call('sched_yield')), settle),
  }),
  operation('pipe_write_wakes_reader', call('write', r13, 'buffer', 1), {
    setup: all(pipe, thread(call('read', r12, 'buffer', 1)), settle),
    after: settle,
  }),
  operation('futex_wake_waiter', call('futex', 'small', FUTEX_WAKE_PRIVATE, 1), {
    setup: all(setWord(0), thread(call('futex', 'small', FUTEX_WAIT_PRIVATE, 0, 0)), settle),
    after: settle,
  }),
  operation('fork_exit_wait', all(fork(nothing), reap)),
];

export const TRACED_OPERATIONS: readonly PathOperation[] = [
  ...CALLS,
  ...FILES,
  ...MEMORY,
  ...TASKS,
  ...RING_OPERATIONS,
];
