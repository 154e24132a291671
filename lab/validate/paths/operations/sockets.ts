/** Operations on pairs of sockets, and a system call under a filter of seccomp. */
import { address, qword, registers } from '../../../../workloads/lib/assembly.ts';
import { all, call, type Emit } from '../emit.ts';
import { operation, type PathOperation } from '../operation.ts';

const { r12, r13, r12d, r13d, rax, rcx } = registers;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const PAGE = 4096;
const PR_SET_NO_NEW_PRIVS = 38;
const SET_MODE_FILTER = 1;
/** A struct sock_filter: return SECCOMP_RET_ALLOW. */
const ALLOW_ALL = 0x7fff_0000_0000_0006n;

const makePair = call('socketpair', AF_UNIX, SOCK_STREAM, 0, 'small');

/** A connected pair in r12 and r13. */
const pair: Emit = (stage) => {
  makePair(stage);
  const { guest, small } = stage;
  guest.load(rax, small);
  guest.asm.mov(r12d, { ...qword(rax), bytes: 4 });
  guest.asm.mov(r13d, { ...qword(rax, 4), bytes: 4 });
};

/** A filter of one instruction, which allows everything, at the start of `small`. */
const prepareFilter: Emit = (stage) => {
  const { guest, small } = stage;
  const { asm } = guest;
  guest.syscall('prctl', PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  guest.load(rax, small);
  asm.mov(qword(rax), 1);
  asm.lea(rcx, address(rax, 16));
  asm.mov(qword(rax, 8), rcx);
  asm.mov(rcx, ALLOW_ALL);
  asm.mov(qword(rax, 16), rcx);
};

const installFilter = call('seccomp', SET_MODE_FILTER, 0, 'small');

const send = (bytes: number): Emit => call('sendto', r12, 'buffer', bytes, 0, 0, 0);
const receive = (bytes: number): Emit => call('recvfrom', r13, 'buffer', bytes, 0, 0, 0);

export const SOCKETS: readonly PathOperation[] = [
  operation('unix_stream_send1', send(1), { setup: pair, after: receive(1) }),
  operation('unix_stream_recv1', receive(1), { setup: pair, before: send(1) }),
  operation('unix_stream_send4k', send(PAGE), { setup: pair, after: receive(PAGE) }),
  operation('socketpair_unix', makePair, {
    after: all((stage) => {
      const { guest, small } = stage;
      guest.load(rax, small);
      guest.asm.mov(r12d, { ...qword(rax), bytes: 4 });
      guest.asm.mov(r13d, { ...qword(rax, 4), bytes: 4 });
      guest.syscall('close', r12);
      guest.syscall('close', r13);
    }),
  }),
  operation('getppid_seccomp_allowall_cached', call('getppid'), {
    setup: all(prepareFilter, installFilter),
  }),
  operation('seccomp_install_1insn', installFilter, { setup: prepareFilter }),
];
