/**
 * System calls on sockets, after Linux 6.1 net/socket.c, for connected pairs of the Unix family; socket()
 * and whatever needs an address are not there. Instructions of sendto, recvfrom and socketpair are
 * counted; those of the others are taken from these (within a third). Omits: control messages
 * (-EINVAL), timeouts, options beyond those listed.
 */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { copyFromUser, copyToUser, getUser, putUser } from '../arch/x86/lib/usercopy.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps } from '../arch/x86/model/steps.ts';
import { fdget, fdInstall, fdput, getUnusedFd } from '../fs/file.ts';
import { allocFileCost, fput, pseudoFile, pseudoFileCost } from '../fs/file_table.ts';
import { FileMode, type FileStruct } from '../include/linux/fs.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import { type Kernel, warnOnce } from '../init/kernel.ts';
import { importIovec, inUserSpace, IovIter, TRANSFER_BYTES_MAX } from '../lib/iov_iter.ts';
import { PAIR } from './unix/costs.ts';
import {
  Msg,
  receiveMessage,
  type Received,
  sendMessage,
  shutdownSocket,
  SocketType,
  socketOf,
  UNIX_SOCKET,
  UnixSocket,
} from './unix/af_unix.ts';

const AF_UNIX = 1;
const AF_MAX = 46;
const TYPE_MASK = 0xf;
const TYPES: ReadonlySet<number> = new Set([
  ...[SocketType.STREAM, SocketType.DGRAM, SocketType.SEQPACKET],
]);
/** SOCK_MAX */
const TYPE_MAX = 11;
const IOVECS_MAX = 1024;

/** Lines of struct unix_sock, all of which are written when it is made. */
const SOCKET_LINES = 16;

function newSocket(kernel: Kernel, type: SocketType, flags: number): FileStruct | null {
  const address = kernel.caches.kmalloc1k.allocate(kernel);
  if (address < 0) return null;
  for (let line = 0; line < SOCKET_LINES; line++) kernel.cpu.write(address + 64 * line);
  pseudoFileCost(kernel);
  allocFileCost(kernel);
  return pseudoFile(kernel, kernel.fileSystems.sockfs, '', {
    mode: FileMode.SOCKET | 0o777,
    operations: UNIX_SOCKET,
    data: new UnixSocket(address, type),
    flags: O.RDWR | (flags & O.NONBLOCK),
  });
}

/** socketpair: family, type and flags, protocol, where the two descriptors go. */
export function sysSocketpair(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  const [family, typeAndFlags, protocol] = [args.int(0), args.low(1), args.int(2)];
  const pointer = args.unsigned(3);
  cpu.run(F.__x64_sys_socketpair, 8);
  cpu.run(F.__sys_socketpair, 119);
  const flags = typeAndFlags & ~TYPE_MASK;
  const type = typeAndFlags & TYPE_MASK;
  if ((flags & ~(O.CLOEXEC | O.NONBLOCK)) !== 0) return -Errno.EINVAL;
  if (family < 0 || family >= AF_MAX) return -Errno.EAFNOSUPPORT;
  if (type >= TYPE_MAX) return -Errno.EINVAL;
  if (family !== AF_UNIX) {
    warnOnce(kernel, `socket ${family}`, `sockets of family ${family} are not modelled`);
    return -Errno.EAFNOSUPPORT;
  }
  if (protocol !== 0 && protocol !== AF_UNIX) return -Errno.EPROTONOSUPPORT;
  if (!TYPES.has(type)) return -Errno.ESOCKTNOSUPPORT;
  runSteps(cpu, PAIR);
  return connectPair(kernel, { type, flags, pointer });
}

function connectPair(
  kernel: Kernel,
  pair: { readonly type: SocketType; readonly flags: number; readonly pointer: number },
): number {
  const fds: number[] = [];
  const files: FileStruct[] = [];
  for (let side = 0; side < 2; side++) {
    const file = newSocket(kernel, pair.type, pair.flags);
    const fd = file === null ? -Errno.ENFILE : getUnusedFd(kernel);
    if (file !== null) files.push(file);
    if (file !== null && fd >= 0) fdInstall(kernel, fd, file, pair.flags);
    fds.push(fd);
  }
  if (files.length === 2) {
    const [first, second] = files.map(socketOf);
    first.peer = second;
    second.peer = first;
  }
  const failed = fds.find((fd) => fd < 0);
  const bytes = new Uint8Array(Int32Array.from(fds).buffer);
  const error = failed ?? (putUser(kernel, pair.pointer, bytes) < 0 ? -Errno.EFAULT : 0);
  if (error === 0) return 0;
  files.forEach((file, side) => {
    if (fds[side] >= 0) kernel.current.files.fd[fds[side]] = null;
    fput(kernel, file);
  });
  return error;
}

/** sockfd_lookup_light: the socket's file, -EBADF or -ENOTSOCK. */
function lookUp(kernel: Kernel, fd: number): FileStruct | number {
  kernel.cpu.run(F.sockfd_lookup_light, 22);
  const file = fdget(kernel, fd);
  if (file === null) return -Errno.EBADF;
  return file.operations === UNIX_SOCKET ? file : -Errno.ENOTSOCK;
}

const withWait = (file: FileStruct, flags: number): number =>
  (file.flags & O.NONBLOCK) !== 0 ? flags | Msg.DONTWAIT : flags;

/** import_single_range, or -EFAULT. */
function singleRange(kernel: Kernel, address: number, length: number): IovIter | number {
  kernel.cpu.run(F.import_single_range, 27);
  const bytes = Math.min(length, TRANSFER_BYTES_MAX);
  if (!inUserSpace(address, bytes)) return -Errno.EFAULT;
  return new IovIter([{ address, length: bytes }]);
}

function* transferring(kernel: Kernel, file: FileStruct, body: Sleeping<number>): Sleeping<number> {
  file.references++;
  const result = yield* body;
  fdput(kernel, file);
  return result;
}

function send(
  kernel: Kernel,
  file: FileStruct,
  iter: IovIter,
  flags: number,
): number | Sleeping<number> {
  kernel.cpu.run(F.__sock_sendmsg, 26);
  if ((flags & Msg.OOB) !== 0) return -Errno.EOPNOTSUPP;
  const body = sendMessage(kernel, socketOf(file), iter, withWait(file, flags));
  return transferring(kernel, file, body);
}

/** sendto: fd, buffer, length, flags, address, its length. */
export function sysSendto(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  const { cpu } = kernel;
  const [flags, name] = [args.low(3), args.unsigned(4)];
  cpu.run(F.__x64_sys_sendto, 10);
  cpu.run(F.__sys_sendto, 71);
  const iter = singleRange(kernel, args.unsigned(1), args.unsigned(2));
  if (typeof iter === 'number') return iter;
  const file = lookUp(kernel, args.int(0));
  if (typeof file === 'number') return file;
  return name === 0 ? send(kernel, file, iter, flags) : -Errno.EISCONN;
}

function* receiveFrom(
  kernel: Kernel,
  file: FileStruct,
  iter: IovIter,
  call: { readonly flags: number; readonly lengthPointer: number },
): Sleeping<number> {
  const flags = withWait(file, call.flags);
  const { result } = yield* receiveMessage(kernel, socketOf(file), iter, flags);
  if (result < 0 || call.lengthPointer === 0) return result;
  // The peer has no name.
  return putUser(kernel, call.lengthPointer, new Uint8Array(4)) < 0 ? -Errno.EFAULT : result;
}

/** recvfrom: fd, buffer, length, flags, address, where its length is. */
export function sysRecvfrom(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  const { cpu } = kernel;
  const [flags, name, lengthPointer] = [args.low(3), args.unsigned(4), args.unsigned(5)];
  cpu.run(F.__x64_sys_recvfrom, 10);
  cpu.run(F.__sys_recvfrom, 71);
  const iter = singleRange(kernel, args.unsigned(1), args.unsigned(2));
  if (typeof iter === 'number') return iter;
  const file = lookUp(kernel, args.int(0));
  if (typeof file === 'number') return file;
  if ((flags & Msg.OOB) !== 0) return -Errno.EOPNOTSUPP;
  cpu.run(F.sock_recvmsg, 26);
  cpu.run(F.unix_stream_recvmsg, 25);
  const call = { flags, lengthPointer: name === 0 ? 0 : lengthPointer };
  return transferring(kernel, file, receiveFrom(kernel, file, iter, call));
}

/** struct user_msghdr */
const enum Header {
  NAME_LENGTH = 8,
  IOV = 16,
  IOV_LENGTH = 24,
  CONTROL_LENGTH = 40,
  FLAGS = 48,
  BYTES = 56,
}

interface MessageHeader {
  readonly iter: IovIter;
  readonly hasName: boolean;
  readonly hasControl: boolean;
}

/** copy_msghdr_from_user */
function readHeader(kernel: Kernel, pointer: number): MessageHeader | number {
  const bytes = new Uint8Array(Header.BYTES);
  if (copyFromUser(kernel, pointer, bytes) < 0) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  const wide = (at: Header): number => Number(view.getBigUint64(at, true));
  const count = wide(Header.IOV_LENGTH);
  if (count > IOVECS_MAX) return -Errno.EMSGSIZE;
  const ranges = importIovec(kernel, wide(Header.IOV), count);
  if (typeof ranges === 'number') return ranges;
  return {
    iter: new IovIter(ranges),
    hasName: view.getInt32(Header.NAME_LENGTH, true) > 0 && wide(0 as Header) !== 0,
    hasControl: wide(Header.CONTROL_LENGTH) > 0,
  };
}

export function sysSendmsg(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  const [pointer, flags] = [args.unsigned(1), args.low(2)];
  kernel.cpu.run(F.__sys_sendmsg, 110);
  const file = lookUp(kernel, args.int(0));
  if (typeof file === 'number') return file;
  const header = readHeader(kernel, pointer);
  if (typeof header === 'number') return header;
  if (header.hasControl) {
    warnOnce(kernel, 'sendmsg', 'sendmsg: control messages are not modelled: returned -EINVAL');
    return -Errno.EINVAL;
  }
  return header.hasName ? -Errno.EISCONN : send(kernel, file, header.iter, flags);
}

function* receiveInto(
  kernel: Kernel,
  file: FileStruct,
  iter: IovIter,
  call: { readonly flags: number; readonly pointer: number },
): Sleeping<number> {
  const flags = withWait(file, call.flags);
  const got: Received = yield* receiveMessage(kernel, socketOf(file), iter, flags);
  if (got.result < 0) return got.result;
  const reported = new Uint8Array(4);
  new DataView(reported.buffer).setUint32(0, got.truncated ? Msg.TRUNC : 0, true);
  const none = new Uint8Array(8);
  const fields: readonly (readonly [Header, Uint8Array])[] = [
    [Header.FLAGS, reported],
    [Header.CONTROL_LENGTH, none],
    [Header.NAME_LENGTH, none.subarray(0, 4)],
  ];
  for (const [at, bytes] of fields) {
    if (putUser(kernel, call.pointer + at, bytes) < 0) return -Errno.EFAULT;
  }
  return got.result;
}

export function sysRecvmsg(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  const [pointer, flags] = [args.unsigned(1), args.low(2)];
  kernel.cpu.run(F.__sys_recvmsg, 110);
  const file = lookUp(kernel, args.int(0));
  if (typeof file === 'number') return file;
  const header = readHeader(kernel, pointer);
  if (typeof header === 'number') return header;
  if ((flags & Msg.OOB) !== 0) return -Errno.EOPNOTSUPP;
  const body = receiveInto(kernel, file, header.iter, { flags, pointer });
  return transferring(kernel, file, body);
}

export function sysShutdown(kernel: Kernel, args: SyscallArguments): number {
  const file = lookUp(kernel, args.int(0));
  if (typeof file === 'number') return file;
  const how = args.int(1);
  if (how < 0 || how > 2) return -Errno.EINVAL;
  return shutdownSocket(kernel, socketOf(file), how + 1);
}

/** getsockname and getpeername: neither side has a name, only its family. */
function nameOf(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__sys_getsockname, 60);
  const file = lookUp(kernel, args.int(0));
  if (typeof file === 'number') return file;
  const length = new Uint8Array(4);
  if (getUser(kernel, args.unsigned(2), length) < 0) return -Errno.EFAULT;
  const room = new DataView(length.buffer).getInt32(0, true);
  if (room < 0) return -Errno.EINVAL;
  const family = new Uint8Array(Uint16Array.of(AF_UNIX).buffer).subarray(0, Math.min(room, 2));
  if (family.length > 0 && copyToUser(kernel, args.unsigned(1), family) < 0) return -Errno.EFAULT;
  return putUser(kernel, args.unsigned(2), new Uint8Array(Int32Array.of(2).buffer));
}

export const sysGetsockname = nameOf;

export function sysGetpeername(kernel: Kernel, args: SyscallArguments): number {
  const file = lookUp(kernel, args.int(0));
  if (typeof file === 'number') return file;
  return socketOf(file).peer === null ? -Errno.ENOTCONN : nameOf(kernel, args);
}

const SOL_SOCKET = 1;

/** Options of the socket layer. */
const enum Option {
  TYPE = 3,
  ERROR = 4,
  SNDBUF = 7,
  RCVBUF = 8,
  ACCEPTCONN = 30,
  PROTOCOL = 38,
  DOMAIN = 39,
}

/** net.core.wmem_max, and SOCK_MIN_SNDBUF. */
const BUFFER_MAX = 212_992;
const BUFFER_MIN = 4608;

const GETTERS: Readonly<Record<number, (socket: UnixSocket) => number>> = {
  [Option.TYPE]: ({ type }) => type,
  [Option.ERROR]: (socket) => -socket.takeError(),
  [Option.SNDBUF]: ({ sendBuffer }) => sendBuffer,
  [Option.RCVBUF]: () => BUFFER_MAX,
  [Option.ACCEPTCONN]: () => 0,
  [Option.PROTOCOL]: () => 0,
  [Option.DOMAIN]: () => AF_UNIX,
};

export function sysGetsockopt(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__sys_getsockopt, 80);
  const file = lookUp(kernel, args.int(0));
  if (typeof file === 'number') return file;
  if (args.int(1) !== SOL_SOCKET) return -Errno.EOPNOTSUPP;
  const lengthBytes = new Uint8Array(4);
  if (getUser(kernel, args.unsigned(4), lengthBytes) < 0) return -Errno.EFAULT;
  const room = new DataView(lengthBytes.buffer).getInt32(0, true);
  if (room < 0) return -Errno.EINVAL;
  if (!Object.hasOwn(GETTERS, args.int(2))) return -Errno.ENOPROTOOPT;
  const value = new Uint8Array(Int32Array.of(GETTERS[args.int(2)](socketOf(file))).buffer);
  const part = value.subarray(0, Math.min(room, value.length));
  if (part.length > 0 && copyToUser(kernel, args.unsigned(3), part) < 0) return -Errno.EFAULT;
  return putUser(kernel, args.unsigned(4), new Uint8Array(Int32Array.of(part.length).buffer));
}

export function sysSetsockopt(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__sys_setsockopt, 80);
  if (args.int(4) < 0) return -Errno.EINVAL;
  const file = lookUp(kernel, args.int(0));
  if (typeof file === 'number') return file;
  if (args.int(1) !== SOL_SOCKET) return -Errno.EOPNOTSUPP;
  const option = args.int(2);
  if (option !== (Option.SNDBUF as number) && option !== (Option.RCVBUF as number)) {
    return -Errno.ENOPROTOOPT;
  }
  if (args.int(4) < 4) return -Errno.EINVAL;
  const bytes = new Uint8Array(4);
  if (getUser(kernel, args.unsigned(3), bytes) < 0) return -Errno.EFAULT;
  const wanted = Math.min(new DataView(bytes.buffer).getUint32(0, true), BUFFER_MAX);
  if (option === (Option.SNDBUF as number)) {
    socketOf(file).sendBuffer = Math.max(wanted * 2, BUFFER_MIN);
  }
  return 0;
}
