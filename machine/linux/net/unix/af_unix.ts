/**
 * Connected pairs of Unix sockets, after Linux 6.1 net/unix/af_unix.c: streams, datagrams and packets in
 * sequence, as queues of messages at the receiver. Omits: names (bind, connect, listen, accept), passing
 * descriptors and credentials, out-of-band bytes.
 */
import { MachineBug } from '../../../core/assert.ts';
import { High } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { runSteps } from '../../arch/x86/model/steps.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../../arch/x86/model/physical-memory.ts';
import type { FileOperations, FileStruct, IoResult, PollTable } from '../../include/linux/fs.ts';
import type { Sleeping } from '../../include/linux/sched.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import { O } from '../../include/uapi/asm-generic/fcntl.ts';
import { Poll } from '../../include/uapi/asm-generic/poll.ts';
import { Sig } from '../../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../../init/kernel.ts';
import { Ioctl, putInt } from '../../fs/ioctl-numbers.ts';
import { mutexLock, mutexUnlock } from '../../kernel/locking/mutex.ts';
import {
  waitEventInterruptible,
  type WaitQueueHead,
  waitQueueHead,
  wakeUpSync,
} from '../../kernel/sched/wait.ts';
import { sendSignalNumber } from '../../kernel/signal-send.ts';
import type { IovIter } from '../../lib/iov_iter.ts';
import { PageKind } from '../../mm/mem_map.ts';
import { allocPages, freeUnrefPageList } from '../../mm/page_alloc.ts';
import { COPY_CHECK, RECEIVE, SEND } from './costs.ts';

export const enum SocketType {
  STREAM = 1,
  DGRAM = 2,
  SEQPACKET = 5,
}

/** Flags of a transfer: include/linux/socket.h. */
export const enum Msg {
  OOB = 0x1,
  PEEK = 0x2,
  TRUNC = 0x20,
  DONTWAIT = 0x40,
  WAITALL = 0x100,
  NOSIGNAL = 0x4000,
}

/** RCV_SHUTDOWN and SEND_SHUTDOWN. */
export const enum Shutdown {
  RECEIVE = 1,
  SEND = 2,
  BOTH = 3,
}

/** net.core.wmem_default: bytes of messages that a sender may have under way, with their overhead. */
const SEND_BUFFER = 212_992;
/** skb_shared_info, and struct sk_buff with its alignment. */
const SHARED_INFO_BYTES = 320;
const SKB_BYTES = 256;
/** SKB_MAX_HEAD: more than this goes into pages of its own. */
const HEAD_BYTES_MAX = PAGE_BYTES - SHARED_INFO_BYTES;
/** What the 1 KiB object holds; larger heads take a page here, where Linux has caches of 2 and 4 KiB. */
const SMALL_HEAD_BYTES = 1024 - SHARED_INFO_BYTES;

/** sk_buff: one message, or a part of a stream. */
interface Message {
  /** The structure, and its small head if it has one; -1 without. */
  readonly address: number;
  readonly head: number;
  readonly frames: readonly number[];
  readonly bytes: Uint8Array;
  /** How much of it has been read. */
  offset: number;
  /** What it counts for at its sender. */
  readonly truesize: number;
  readonly sender: UnixSocket;
}

/** unix_sock */
export class UnixSocket {
  readonly queue: Message[] = [];
  readonly wait: WaitQueueHead;
  peer: UnixSocket | null = null;
  shutdown = 0;
  /** sk_err: told once. */
  error = 0;
  sendBuffer = SEND_BUFFER;
  /** sk_wmem_alloc */
  underWay = 0;
  closed = false;

  constructor(
    readonly address: number,
    readonly type: SocketType,
  ) {
    this.wait = waitQueueHead(address + 64);
  }

  get isStream(): boolean {
    return this.type === SocketType.STREAM;
  }

  takeError(): number {
    const { error } = this;
    this.error = 0;
    return -error;
  }
}

export function socketOf(file: FileStruct): UnixSocket {
  if (!(file.data instanceof UnixSocket)) throw new MachineBug('a socket has its state');
  return file.data;
}

const wakeAll = (kernel: Kernel, { wait }: UnixSocket): void => {
  if (wait.entries.length > 0) wakeUpSync(kernel, wait, Infinity);
};

/** Size of the kmalloc cache that serves so many bytes. */
function kmallocSize(bytes: number): number {
  if (bytes <= 96 && bytes > 64) return 96;
  if (bytes <= 192 && bytes > 128) return 192;
  let size = 8;
  while (size < bytes) size *= 2;
  return size;
}

function truesizeOf(bytes: number): number {
  const paged = Math.ceil(Math.max(0, bytes - HEAD_BYTES_MAX) / PAGE_BYTES) * PAGE_BYTES;
  const linear = Math.max(0, bytes - paged);
  return kmallocSize(linear + SHARED_INFO_BYTES) + SKB_BYTES + paged;
}

/** sock_alloc_send_pskb without waiting: a message with the next `bytes` of `iter`, or an error. */
function newMessage(
  kernel: Kernel,
  sender: UnixSocket,
  iter: IovIter,
  bytes: number,
): Message | number {
  const { cpu, caches } = kernel;
  runSteps(cpu, SEND);
  const address = caches.kmalloc256.allocateQuietly(kernel);
  if (address < 0) return -Errno.ENOBUFS;
  const isSmall = bytes <= SMALL_HEAD_BYTES;
  const head = isSmall ? caches.kmalloc1k.allocateQuietly(kernel) : -1;
  const frames: number[] = [];
  for (let left = isSmall ? 0 : bytes; left > 0; left -= PAGE_BYTES) {
    const frame = allocPages(kernel, PageKind.KERNEL, false);
    if (frame >= 0) frames.push(frame);
  }
  const message: Message = {
    address,
    head,
    frames,
    bytes: new Uint8Array(bytes),
    offset: 0,
    truesize: truesizeOf(bytes),
    sender,
  };
  touchLines(kernel, address, SKB_LINES);
  if (head >= 0) touchLines(kernel, head + SMALL_HEAD_BYTES, SHARED_INFO_LINES);
  touchLines(kernel, sender.address, SEND_LINES);
  touch(kernel, message, 'write', bytes);
  cpu.run(F._copy_from_iter, 90);
  runSteps(cpu, COPY_CHECK);
  if (iter.copyFrom(kernel, message.bytes) < bytes) {
    freeMemory(kernel, message);
    return -Errno.EFAULT;
  }
  sender.underWay += message.truesize;
  return message;
}

/** Lines of sk_buff, of its shared info, and of a socket that sending and receiving use. */
const SKB_LINES = 4;
const SHARED_INFO_LINES = 2;
const SEND_LINES = 12;
const RECEIVE_LINES = 6;

function touchLines({ cpu }: Kernel, address: number, lines: number): void {
  for (let line = 0; line < lines; line++) cpu.write(address + 64 * line);
}

/** The lines of the message's bytes from where reading goes on. */
function touch(kernel: Kernel, message: Message, way: 'read' | 'write', bytes: number): void {
  const { cpu } = kernel;
  cpu[way](message.address);
  if (message.head >= 0) {
    cpu.stream(way, message.head + message.offset, High.DIRECT, bytes);
    return;
  }
  for (let done = 0; done < bytes;) {
    const at = message.offset + done;
    const frame = message.frames.at(Math.floor(at / PAGE_BYTES));
    const part = Math.min(bytes - done, PAGE_BYTES - (at % PAGE_BYTES));
    if (frame !== undefined) {
      cpu.stream(way, (frame << PAGE_SHIFT) + (at % PAGE_BYTES), High.DIRECT, part);
    }
    done += part;
  }
}

function freeMemory(kernel: Kernel, { address, head, frames }: Message): void {
  const { caches } = kernel;
  caches.kmalloc256.freeQuietly(address);
  if (head >= 0) caches.kmalloc1k.freeQuietly(head);
  if (frames.length > 0) freeUnrefPageList(kernel, [...frames]);
}

/** consume_skb with unix_wfree: the sender may have room again. */
function consume(kernel: Kernel, message: Message): void {
  const { sender } = message;
  freeMemory(kernel, message);
  sender.underWay -= message.truesize;
  if (isWritable(sender)) wakeAll(kernel, sender);
}

/** unix_writable: a quarter of the buffer is in use at most. */
const isWritable = ({ underWay, sendBuffer }: UnixSocket): boolean => underWay * 4 <= sendBuffer;

function brokenPipe(kernel: Kernel, flags: number): number {
  if ((flags & Msg.NOSIGNAL) === 0) {
    const reason = 'a write to a socket that nobody reads any more';
    sendSignalNumber(kernel, kernel.current, Sig.PIPE, { group: false, reason });
  }
  return -Errno.EPIPE;
}

/** Why nothing can be sent; 0 when something can. */
function sendProblem(kernel: Kernel, socket: UnixSocket, flags: number): number {
  const { peer } = socket;
  if ((socket.shutdown & Shutdown.SEND) !== 0) return brokenPipe(kernel, flags);
  if (peer === null) return -Errno.ENOTCONN;
  if (socket.type === SocketType.DGRAM && peer.closed) {
    // The first to notice is told that the peer has gone; from then on there is none.
    socket.peer = null;
    return -Errno.ECONNREFUSED;
  }
  const hasGone = peer.closed || (peer.shutdown & Shutdown.RECEIVE) !== 0;
  return hasGone ? brokenPipe(kernel, flags) : 0;
}

/** unix_stream_sendmsg, unix_dgram_sendmsg, unix_seqpacket_sendmsg */
export function* sendMessage(
  kernel: Kernel,
  socket: UnixSocket,
  iter: IovIter,
  flags: number,
): Sleeping<number> {
  const total = iter.count;
  if (!socket.isStream && total > socket.sendBuffer - 32) return -Errno.EMSGSIZE;
  let sent = 0;
  const ready = (): boolean =>
    socket.underWay < socket.sendBuffer ||
    socket.peer?.closed !== false ||
    (socket.peer.shutdown & Shutdown.RECEIVE) !== 0 ||
    (socket.shutdown & Shutdown.SEND) !== 0;
  do {
    kernel.cpu.run(F.unix_stream_sendmsg, 166);
    const problem = sendProblem(kernel, socket, sent > 0 ? flags | Msg.NOSIGNAL : flags);
    if (problem < 0) return sent > 0 ? sent : problem;
    if (!ready() || socket.underWay >= socket.sendBuffer) {
      if ((flags & Msg.DONTWAIT) !== 0) return sent > 0 ? sent : -Errno.EAGAIN;
      const woken = yield* waitEventInterruptible(kernel, socket.wait, ready);
      if (woken < 0) return sent > 0 ? sent : woken;
      continue;
    }
    const size = socket.isStream ? Math.min(iter.count, (socket.sendBuffer >> 1) - 64) : total;
    const message = newMessage(kernel, socket, iter, size);
    if (typeof message === 'number') return sent > 0 ? sent : message;
    deliver(kernel, socket, message);
    sent += size;
  } while (sent < total);
  return sent;
}

/** skb_queue_tail and sk_data_ready */
function deliver(kernel: Kernel, { peer }: UnixSocket, message: Message): void {
  if (peer === null) throw new MachineBug('a message without a receiver');
  kernel.cpu.write(peer.address + 192);
  peer.queue.push(message);
  kernel.cpu.run(F.sock_def_readable, 17);
  wakeAll(kernel, peer);
}

/** What a receiver gets. */
export interface Received {
  /** Bytes, or an error. */
  readonly result: number;
  /** MSG_TRUNC: a message was longer than the room for it. */
  readonly truncated: boolean;
}

const received = (result: number, truncated = false): Received => ({ result, truncated });

/** unix_stream_read_generic and unix_dgram_recvmsg */
export function* receiveMessage(
  kernel: Kernel,
  socket: UnixSocket,
  iter: IovIter,
  flags: number,
): Sleeping<Received> {
  let done = 0;
  for (;;) {
    const { cpu } = kernel;
    cpu.run(socket.isStream ? F.unix_stream_read_generic : F.unix_stream_recvmsg, 211);
    mutexLock(cpu, socket.address + 128);
    const message = socket.queue.at(0);
    if (message !== undefined) {
      if (!socket.isStream) return receiveWhole(kernel, socket, message, iter, flags);
      const copied = receivePart(kernel, socket, iter, flags);
      mutexUnlock(cpu);
      if (copied < 0) return received(done > 0 ? done : copied);
      done += copied;
      const waits = (flags & Msg.WAITALL) !== 0 && (flags & Msg.PEEK) === 0;
      if (iter.count === 0 || !waits) return received(done);
      continue;
    }
    mutexUnlock(cpu);
    const end = endOf(socket, flags);
    if (end !== null) return received(done > 0 ? done : end);
    const ready = (): boolean => socket.queue.length > 0 || endOf(socket, 0, true) !== null;
    const woken = yield* waitEventInterruptible(kernel, socket.wait, ready, { exclusive: true });
    if (woken < 0) return received(done > 0 ? done : woken);
  }
}

/** What an empty queue means to the receiver; null: wait. */
function endOf(socket: UnixSocket, flags: number, looksOnly = false): number | null {
  if (socket.error !== 0) return looksOnly ? -socket.error : socket.takeError();
  if ((socket.shutdown & Shutdown.RECEIVE) !== 0) return 0;
  return (flags & Msg.DONTWAIT) !== 0 ? -Errno.EAGAIN : null;
}

/** Bytes of a stream, across messages. */
function receivePart(kernel: Kernel, socket: UnixSocket, iter: IovIter, flags: number): number {
  const { cpu } = kernel;
  let done = 0;
  const peeks = (flags & Msg.PEEK) !== 0;
  for (const message of [...socket.queue]) {
    if (iter.count === 0 && done > 0) break;
    const part = message.bytes.subarray(message.offset);
    const wanted = Math.min(part.length, iter.count);
    touchLines(kernel, message.address, SKB_LINES);
    touchLines(kernel, socket.address, RECEIVE_LINES);
    touch(kernel, message, 'read', wanted);
    runSteps(cpu, RECEIVE);
    cpu.run(F._copy_to_iter, 92);
    runSteps(cpu, COPY_CHECK);
    const copied = iter.copyTo(kernel, part.subarray(0, wanted));
    if (!peeks) {
      message.offset += copied;
      if (message.offset === message.bytes.length) {
        socket.queue.shift();
        consume(kernel, message);
      }
    }
    done += copied;
    if (copied < wanted) return done > 0 ? done : -Errno.EFAULT;
  }
  return done;
}

/** One message, cut to the room that there is. */
function receiveWhole(
  kernel: Kernel,
  socket: UnixSocket,
  message: Message,
  iter: IovIter,
  flags: number,
): Received {
  const { cpu } = kernel;
  const wanted = Math.min(message.bytes.length, iter.count);
  touch(kernel, message, 'read', wanted);
  runSteps(cpu, RECEIVE);
  cpu.run(F._copy_to_iter, 92);
  runSteps(cpu, COPY_CHECK);
  const copied = iter.copyTo(kernel, message.bytes.subarray(0, wanted));
  if ((flags & Msg.PEEK) === 0) {
    socket.queue.shift();
    consume(kernel, message);
  }
  mutexUnlock(cpu);
  if (copied < wanted) return received(-Errno.EFAULT);
  const truncated = wanted < message.bytes.length;
  return received((flags & Msg.TRUNC) !== 0 ? message.bytes.length : copied, truncated);
}

/** unix_shutdown: `mode` is a Shutdown. */
export function shutdownSocket(kernel: Kernel, socket: UnixSocket, mode: number): number {
  kernel.cpu.run(F.unix_shutdown, 60);
  socket.shutdown |= mode;
  wakeAll(kernel, socket);
  const { peer } = socket;
  if (peer === null || socket.type === SocketType.DGRAM) return 0;
  if ((mode & Shutdown.RECEIVE) !== 0) peer.shutdown |= Shutdown.SEND;
  if ((mode & Shutdown.SEND) !== 0) peer.shutdown |= Shutdown.RECEIVE;
  wakeAll(kernel, peer);
  return 0;
}

/** unix_release_sock */
function release(kernel: Kernel, file: FileStruct): void {
  const socket = socketOf(file);
  const { peer } = socket;
  kernel.cpu.run(F.unix_release_sock, 120);
  socket.closed = true;
  if (peer !== null && socket.type !== SocketType.DGRAM) {
    peer.shutdown = Shutdown.BOTH;
    if (socket.queue.length > 0) peer.error = Errno.ECONNRESET;
  }
  for (const message of socket.queue.splice(0)) consume(kernel, message);
  if (peer !== null) wakeAll(kernel, peer);
  kernel.caches.kmalloc1k.freeQuietly(socket.address);
}

function poll(kernel: Kernel, file: FileStruct, table: PollTable | null): number {
  const socket = socketOf(file);
  kernel.cpu.run(F.unix_poll, 60);
  kernel.cpu.read(socket.address);
  table?.queue(kernel, file, socket.wait);
  let mask = 0;
  if (socket.error !== 0) mask |= Poll.ERR;
  if (socket.shutdown === (Shutdown.BOTH as number)) mask |= Poll.HUP;
  if ((socket.shutdown & Shutdown.RECEIVE) !== 0) mask |= Poll.RDHUP | Poll.IN | Poll.RDNORM;
  if (socket.queue.length > 0) mask |= Poll.IN | Poll.RDNORM;
  if (isWritable(socket)) mask |= Poll.OUT | Poll.WRNORM | Poll.WRBAND;
  return mask;
}

const waitFlag = ({ flags }: FileStruct): number => ((flags & O.NONBLOCK) !== 0 ? Msg.DONTWAIT : 0);

function* read(kernel: Kernel, file: FileStruct, iter: IovIter): Sleeping<number> {
  kernel.cpu.run(F.sock_read_iter, 40);
  const { result } = yield* receiveMessage(kernel, socketOf(file), iter, waitFlag(file));
  return result;
}

function write(kernel: Kernel, file: FileStruct, iter: IovIter): IoResult {
  kernel.cpu.run(F.sock_write_iter, 40);
  return sendMessage(kernel, socketOf(file), iter, waitFlag(file));
}

function ioctl(kernel: Kernel, file: FileStruct, command: number, argument: number): number {
  if (command !== (Ioctl.FIONREAD as number)) return -Errno.ENOTTY;
  const { queue, isStream } = socketOf(file);
  const waiting = isStream ? queue : queue.slice(0, 1);
  const bytes = waiting.reduce((sum, message) => sum + message.bytes.length - message.offset, 0);
  return putInt(kernel, argument, bytes);
}

/** unix_stream_ops and the like, behind socket_file_ops. */
export const UNIX_SOCKET: FileOperations = {
  kind: 'socket',
  stream: true,
  plain: false,
  read: (kernel, file, iter) => (iter.count === 0 ? 0 : read(kernel, file, iter)),
  write,
  poll,
  ioctl,
  release,
};
