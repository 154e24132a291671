/** Operations on files, pipes and what waits for them. */
import { qword, registers } from '../../../../workloads/lib/assembly.ts';
import { all, call, type Emit, keep, one, open, pathCall, pipe, setWords } from '../emit.ts';
import { operation, type PathOperation } from '../operation.ts';

const { r12, r13, r14, rax } = registers;
const O_RDWR = 2;
const O_CREAT = 0o100;
const O_DIRECTORY = 0o200000;
const PAGE = 4096;
const FILE_PAGES = 16;
const FILE = '/tmp/f';
const F_GETFL = 3;
const F_GETLK = 5;
const FIONREAD = 0x541b;
const TCGETS = 0x5401;
const AT_EMPTY_PATH = 0x1000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLLIN = 1;
const SEEK_END = 2;

/** A tmpfs file of 64 KiB, open in r12. */
const file = all(
  open(r12, FILE, O_RDWR | O_CREAT, 0o600),
  call('pwrite64', r12, 'buffer', FILE_PAGES * PAGE, 0),
);
const rewind = call('lseek', r12, 0, 0);

const inFile = (name: string, measured: Emit): PathOperation =>
  operation(name, measured, { setup: file, before: rewind });

const device = (path: string): Emit => open(r12, path, O_RDWR);

/** `struct pollfd` entries in the buffer, all for reading, each of an eventfd of its own. */
function pollEntries(count: number): Emit {
  return (stage) => {
    const { guest, buffer } = stage;
    const { asm } = guest;
    guest.load(rax, buffer);
    asm.mov(r14, rax);
    guest.repeat(registers.rbx, count, () => {
      guest.syscall('eventfd2', 0, 0);
      asm.mov(r12, 1);
      asm.shl(r12, 32);
      asm.or(r12, rax);
      asm.mov(qword(r14), r12);
      asm.add(r14, 8);
    });
  };
}

const poll = (count: number): PathOperation =>
  operation(`poll_${count}_notready`, call('poll', 'buffer', count, 0), {
    setup: pollEntries(count),
  });

/** An epoll instance in r14 over the pipe in r12 and r13. */
const epoll = all(pipe, keep(r14, 'epoll_create1', 0), setWords(EPOLLIN, 0));
const epollAdd = call('epoll_ctl', r14, EPOLL_CTL_ADD, r12, 'small');

export const FILES: readonly PathOperation[] = [
  operation('read1_devzero', call('read', r12, 'buffer', 1), { setup: device('/dev/zero') }),
  operation('read_devzero_4k', call('read', r12, 'buffer', PAGE), { setup: device('/dev/zero') }),
  operation('write1_devnull', call('write', r12, 'buffer', 1), { setup: device('/dev/null') }),
  inFile('pread1_tmpfs', call('pread64', r12, 'buffer', 1, 0)),
  inFile('pread4k_tmpfs', call('pread64', r12, 'buffer', PAGE, 0)),
  inFile('pread64k_tmpfs', call('pread64', r12, 'buffer', 16 * PAGE, 0)),
  inFile('read4k_tmpfs', call('read', r12, 'buffer', PAGE)),
  inFile('read64k_tmpfs', call('read', r12, 'buffer', 16 * PAGE)),
  inFile('pwrite4k_tmpfs', call('pwrite64', r12, 'buffer', PAGE, 0)),
  inFile('pwrite64k_tmpfs', call('pwrite64', r12, 'buffer', 16 * PAGE, 0)),
  operation('write4k_tmpfs_newpage', call('write', r12, 'buffer', PAGE), {
    setup: all(file, call('lseek', r12, 0, SEEK_END)),
  }),
  inFile('fstat', call('fstat', r12, 'buffer')),
  operation(
    'fstat_newfstatat_emptypath',
    ({ guest, buffer, path }) => {
      guest.syscall('newfstatat', r12, path(''), buffer, AT_EMPTY_PATH);
    },
    { setup: file },
  ),
  inFile('lseek', call('lseek', r12, 0, 0)),
  inFile('fcntl_getfl', call('fcntl', r12, F_GETFL)),
  operation('fcntl_getlk', call('fcntl', r12, F_GETLK, 'small'), {
    setup: file,
    before: setWords(0, 0, 0, 0),
  }),
  operation('dup', keep(r13, 'dup', r12), { setup: file, after: call('close', r13) }),
  operation('open_tmpfs', open(r13, FILE), { setup: file, after: call('close', r13) }),
  operation('close_tmpfs', call('close', r13), { setup: file, before: open(r13, FILE) }),
  operation('open_tmpfs_5deep', open(r13, '/tmp/a/b/c/f'), {
    setup: all(
      pathCall('mkdir', '/tmp/a', 0o700),
      pathCall('mkdir', '/tmp/a/b', 0o700),
      pathCall('mkdir', '/tmp/a/b/c', 0o700),
      open(r12, '/tmp/a/b/c/f', O_RDWR | O_CREAT, 0o600),
    ),
    after: call('close', r13),
  }),
  one('close_badfd', 'close', 77),
  operation('creat_tmpfs', open(r13, '/tmp/new', O_RDWR | O_CREAT, 0o600), {
    after: all(call('close', r13), pathCall('unlink', '/tmp/new')),
  }),
  operation('unlink_tmpfs', pathCall('unlink', '/tmp/new'), {
    before: all(open(r13, '/tmp/new', O_RDWR | O_CREAT, 0o600), call('close', r13)),
  }),
  operation('mkdir_tmpfs', pathCall('mkdir', '/tmp/d', 0o700), {
    after: pathCall('rmdir', '/tmp/d'),
  }),
  operation('rmdir_tmpfs', pathCall('rmdir', '/tmp/d'), {
    before: pathCall('mkdir', '/tmp/d', 0o700),
  }),
  operation(
    'rename_tmpfs',
    ({ guest, path }) => {
      guest.syscall('rename', path('/tmp/new'), path('/tmp/newer'));
    },
    {
      before: all(open(r13, '/tmp/new', O_RDWR | O_CREAT, 0o600), call('close', r13)),
      after: pathCall('unlink', '/tmp/newer'),
    },
  ),
  operation('stat_tmpfs', pathCall('stat', FILE, 'buffer'), { setup: file }),
  one('getcwd', 'getcwd', 'buffer', PAGE),
  operation('getdents64_3', call('getdents64', r13, 'buffer', PAGE), {
    setup: all(
      pathCall('mkdir', '/tmp/three', 0o700),
      open(r12, '/tmp/three/x', O_RDWR | O_CREAT, 0o600),
      open(r13, '/tmp/three', O_DIRECTORY),
    ),
    before: call('lseek', r13, 0, 0),
  }),
  operation('ioctl_fionread_pipe', call('ioctl', r12, FIONREAD, 'small'), { setup: pipe }),
  operation('ioctl_tcgets_enotty', call('ioctl', r12, TCGETS, 'buffer'), { setup: file }),
  operation('pipe_write1_noreader', call('write', r13, 'buffer', 1), {
    setup: pipe,
    after: call('read', r12, 'buffer', 1),
  }),
  operation('pipe_read1_avail', call('read', r12, 'buffer', 1), {
    setup: pipe,
    before: call('write', r13, 'buffer', 1),
  }),
  operation('pipe_write1_merge', call('write', r13, 'buffer', 1), {
    setup: all(pipe, call('write', r13, 'buffer', 1)),
  }),
  operation('pipe_write4k_noreader', call('write', r13, 'buffer', PAGE), {
    setup: pipe,
    after: call('read', r12, 'buffer', PAGE),
  }),
  operation('pipe_read4k_avail', call('read', r12, 'buffer', PAGE), {
    setup: pipe,
    before: call('write', r13, 'buffer', PAGE),
  }),
  operation('close_pipe_last_end', call('close', r13), {
    before: all(pipe, call('close', r12)),
  }),
  operation('eventfd_write', call('write', r12, 'small', 8), {
    setup: all(keep(r12, 'eventfd2', 0, 0), setWords(1)),
  }),
  operation('epoll_ctl_add', epollAdd, {
    setup: epoll,
    after: call('epoll_ctl', r14, EPOLL_CTL_DEL, r12, 'small'),
  }),
  operation('epoll_ctl_mod', call('epoll_ctl', r14, EPOLL_CTL_MOD, r12, 'small'), {
    setup: all(epoll, epollAdd),
  }),
  operation('epoll_wait_none_timeout0', call('epoll_wait', r14, 'buffer', 8, 0), {
    setup: all(epoll, epollAdd),
  }),
  operation('epoll_wait_1ready', call('epoll_wait', r14, 'buffer', 8, 0), {
    setup: all(epoll, epollAdd, call('write', r13, 'buffer', 1)),
  }),
  operation('pipe_write1_epoll_registered', call('write', r13, 'buffer', 1), {
    setup: all(epoll, epollAdd),
    after: all(call('epoll_wait', r14, 'buffer', 8, 0), call('read', r12, 'buffer', 1)),
  }),
  poll(1),
  poll(10),
  poll(100),
  operation('select_1_notready', call('select', 64, 'buffer', 0, 0, 'small'), {
    setup: all(keep(r12, 'eventfd2', 0, 0), setWords(0, 0)),
    before: ({ guest, buffer }) => {
      const { asm } = guest;
      guest.load(rax, buffer);
      asm.mov(qword(rax), 0);
      asm.bts(qword(rax), r12);
    },
  }),
  operation('socketpair_unix', call('socketpair', 1, 1, 0, 'small'), {
    after: ({ guest, small }) => {
      guest.load(rax, small);
      guest.asm.mov(r12, qword(rax));
      guest.asm.mov(registers.ebx, registers.r12d);
      guest.syscall('close', registers.rbx);
      guest.asm.shr(r12, 32);
      guest.syscall('close', r12);
    },
  }),
];
