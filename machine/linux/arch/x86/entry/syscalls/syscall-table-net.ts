/** What answers the system calls on sockets, after Linux 6.1 arch/x86/entry/syscalls/syscall_64.tbl. */
import {
  sysGetpeername,
  sysGetsockname,
  sysGetsockopt,
  sysRecvfrom,
  sysRecvmsg,
  sysSendmsg,
  sysSendto,
  sysSetsockopt,
  sysShutdown,
  sysSocketpair,
} from '../../../../net/socket.ts';
import type { SyscallName } from '../../../../include/uapi/asm/unistd-64.ts';
import type { Handled } from './syscall-table.ts';

const PAIRS = 'sockets that are no pairs: there are none';

export const SOCKET_CALLS: Partial<Record<SyscallName, Handled>> = {
  socketpair: [sysSocketpair, 'families but AF_UNIX'],
  sendto: [sysSendto, PAIRS],
  recvfrom: [sysRecvfrom, PAIRS],
  sendmsg: [sysSendmsg, 'control messages, and with them passing descriptors'],
  recvmsg: [sysRecvmsg, 'control messages'],
  shutdown: [sysShutdown, PAIRS],
  getsockname: [sysGetsockname, PAIRS],
  getpeername: [sysGetpeername, PAIRS],
  getsockopt: [sysGetsockopt, 'options but type, error, domain, protocol and buffer sizes'],
  setsockopt: [sysSetsockopt, 'options but buffer sizes'],
};
