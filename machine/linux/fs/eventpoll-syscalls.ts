/** epoll_create1, epoll_ctl, epoll_wait and its kin, after Linux 6.1 fs/eventpoll.c. */
import { copyFromUser, writeUserBytes } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { IoResult } from '../include/linux/fs.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Restart } from '../include/linux/errno.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { mutexLock, mutexUnlock } from '../kernel/locking/mutex.ts';
import { spinLockIrq, spinUnlockIrq } from '../kernel/locking/spinlock.ts';
import { waitEventInterruptible } from '../kernel/sched/wait.ts';
import { restoreSavedSigmask, setUserSigmask } from '../kernel/signal-syscalls.ts';
import {
  collectEvents,
  Epoll,
  type EpollEvent,
  EVENTPOLL,
  EventPoll,
  eventPollOf,
  insertItem,
  modifyItem,
  removeItem,
} from './eventpoll.ts';
import { fdget, fdInstall, getUnusedFd } from './file.ts';
import { anonFile } from './file_table.ts';
import { readTimespec } from './select-time.ts';

/** struct epoll_event, packed on x86-64. */
const EVENT_BYTES = 12;
const EVENTS_MAX = Math.floor(0x7fffffff / EVENT_BYTES);
const SIGSET_BYTES = 8;
const NSEC_PER_MSEC = 1_000_000;

const enum Control {
  ADD = 1,
  DEL = 2,
  MOD = 3,
}

function doEpollCreate(kernel: Kernel, flags: number): number {
  const { cpu, caches } = kernel;
  if ((flags & ~O.CLOEXEC) !== 0) return -Errno.EINVAL;
  cpu.run(F.do_epoll_create, 68);
  cpu.run(F.kmalloc_trace, 22);
  const address = caches.kmalloc192.allocate(kernel);
  if (address < 0) return -Errno.ENOMEM;
  cpu.run(F.__mutex_init, 8);
  cpu.runCalls(F.__init_waitqueue_head, 12, 2);
  const fd = getUnusedFd(kernel);
  if (fd < 0) return fd;
  const file = anonFile(kernel, '[eventpoll]', EVENTPOLL, {
    data: new EventPoll(address),
    flags: O.RDWR,
  });
  if (file === null) return -Errno.ENFILE;
  fdInstall(kernel, fd, file, flags);
  return fd;
}

export function sysEpollCreate1(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_epoll_create1, 5);
  return doEpollCreate(kernel, args.low(0));
}

/** epoll_create: the size is a hint that nothing takes any more. */
export const sysEpollCreate = (kernel: Kernel, args: SyscallArguments): number =>
  args.int(0) <= 0 ? -Errno.EINVAL : doEpollCreate(kernel, 0);

function readEvent(kernel: Kernel, address: number): EpollEvent | null {
  const bytes = new Uint8Array(EVENT_BYTES);
  if (copyFromUser(kernel, address, bytes) < 0) return null;
  const view = new DataView(bytes.buffer);
  return { events: view.getUint32(0, true), data: view.getBigUint64(4, true) };
}

export function sysEpollCtl(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  const [epfd, operation, fd] = [args.int(0), args.int(1), args.int(2)];
  cpu.run(F.__x64_sys_epoll_ctl, 37);
  const none = { events: 0, data: 0n };
  const event = operation === Control.DEL ? none : readEvent(kernel, args.unsigned(3));
  if (event === null) return -Errno.EFAULT;
  cpu.run(F.do_epoll_ctl, operation === Control.ADD ? 255 : 130);
  const file = fdget(kernel, epfd);
  const target = fdget(kernel, fd);
  if (file === null || target === null) return -Errno.EBADF;
  // What has no poll operation is always ready: it cannot be watched.
  if (target.operations.poll === undefined) return -Errno.EPERM;
  if (file === target || file.operations !== EVENTPOLL) return -Errno.EINVAL;
  const ep = eventPollOf(file);
  mutexLock(cpu, ep.address);
  const result = control(kernel, ep, operation, { file: target, fd, event });
  mutexUnlock(cpu);
  return result;
}

interface Interest {
  readonly file: Parameters<typeof insertItem>[2]['file'];
  readonly fd: number;
  readonly event: EpollEvent;
}

function control(kernel: Kernel, ep: EventPoll, operation: Control, interest: Interest): number {
  const { cpu } = kernel;
  const { file, fd, event } = interest;
  const item = ep.find(fd, file);
  switch (operation) {
    case Control.ADD:
      if (item !== undefined) return -Errno.EEXIST;
      cpu.run(F.__percpu_counter_compare, 17);
      cpu.run(F.percpu_counter_add_batch, 21);
      cpu.run(F._raw_spin_lock, 7);
      cpu.run(F._raw_spin_unlock, 6);
      if (!insertItem(kernel, ep, { file, fd }, event)) return -Errno.ENOMEM;
      spinLockIrq(cpu, ep.address);
      spinUnlockIrq(cpu);
      return 0;
    case Control.DEL:
      if (item === undefined) return -Errno.ENOENT;
      removeItem(kernel, ep, item);
      return 0;
    case Control.MOD:
      if (item === undefined) return -Errno.ENOENT;
      if (((item.events | event.events) & Epoll.EXCLUSIVE) !== 0) return -Errno.EINVAL;
      modifyItem(kernel, ep, item, event);
      return 0;
    default:
      return -Errno.EINVAL;
  }
}

interface WaitRequest {
  readonly epfd: number;
  readonly address: number;
  readonly limit: number;
  readonly timeoutNs: number;
}

function doEpollWait(kernel: Kernel, request: WaitRequest): IoResult {
  const { cpu } = kernel;
  const { epfd, limit, timeoutNs } = request;
  if (limit <= 0 || limit > EVENTS_MAX) return -Errno.EINVAL;
  const file = fdget(kernel, epfd);
  if (file === null) return -Errno.EBADF;
  if (file.operations !== EVENTPOLL) return -Errno.EINVAL;
  const ep = eventPollOf(file);
  cpu.read(ep.address);
  if (ep.ready.size === 0) {
    cpu.run(F.do_epoll_wait, 96);
    return timeoutNs === 0 ? 0 : waitForEvents(kernel, ep, request);
  }
  const sent = sendEvents(kernel, ep, request);
  return sent !== 0 || timeoutNs === 0 ? sent : waitForEvents(kernel, ep, request);
}

/** ep_poll's loop: what was ready may have ceased to be. */
function* waitForEvents(kernel: Kernel, ep: EventPoll, request: WaitRequest): Sleeping<number> {
  const ready = (): boolean => ep.ready.size > 0;
  for (;;) {
    kernel.cpu.run(F.do_epoll_wait, 110);
    const woken = yield* waitEventInterruptible(kernel, ep.wait, ready, {
      timeoutNs: request.timeoutNs,
      exclusive: true,
    });
    if (woken === -Restart.TIMEOUT) return 0;
    if (woken < 0) return -Errno.EINTR;
    const sent = sendEvents(kernel, ep, request);
    if (sent !== 0) return sent;
  }
}

/** ep_send_events */
function sendEvents(kernel: Kernel, ep: EventPoll, { address, limit }: WaitRequest): number {
  const { cpu } = kernel;
  mutexLock(cpu, ep.address);
  spinLockIrq(cpu, ep.address);
  spinUnlockIrq(cpu);
  const events = collectEvents(kernel, ep, limit);
  cpu.run(F.do_epoll_wait, 128 + 60 * events.length);
  cpu.runCalls(F.__put_user_nocheck_4, 5 * events.length, events.length);
  cpu.runCalls(F.__put_user_nocheck_8, 5 * events.length, events.length);
  cpu.run(F.ep_done_scan, 42);
  spinLockIrq(cpu, ep.address);
  cpu.run(F.__pm_relax, 4);
  spinUnlockIrq(cpu);
  mutexUnlock(cpu);
  if (events.length === 0) return 0;
  const bytes = new Uint8Array(events.length * EVENT_BYTES);
  const view = new DataView(bytes.buffer);
  events.forEach((event, i) => {
    view.setUint32(i * EVENT_BYTES, event.events, true);
    view.setBigUint64(i * EVENT_BYTES + 4, event.data, true);
  });
  return writeUserBytes(kernel, address, bytes) < 0 ? -Errno.EFAULT : events.length;
}

const millisecondsToNs = (timeout: number): number =>
  timeout < 0 ? Infinity : timeout * NSEC_PER_MSEC;

export function sysEpollWait(kernel: Kernel, args: SyscallArguments): IoResult {
  const timeout = args.int(3);
  kernel.cpu.run(F.__x64_sys_epoll_wait, timeout > 0 ? 57 : 36);
  return doEpollWait(kernel, {
    epfd: args.int(0),
    address: args.unsigned(1),
    limit: args.int(2),
    timeoutNs: millisecondsToNs(timeout),
  });
}

/** With a signal mask for the time of the wait. */
function masked(kernel: Kernel, args: SyscallArguments, timeoutNs: number): IoResult {
  const [mask, size] = [args.unsigned(4), args.unsigned(5)];
  const request = {
    epfd: args.int(0),
    address: args.unsigned(1),
    limit: args.int(2),
    timeoutNs,
  };
  if (mask !== 0 && size !== SIGSET_BYTES) return -Errno.EINVAL;
  if (!setUserSigmask(kernel, mask)) return -Errno.EFAULT;
  const result = doEpollWait(kernel, request);
  if (typeof result !== 'number') return restoreLater(kernel, result);
  restoreSavedSigmask(kernel);
  return result;
}

function* restoreLater(kernel: Kernel, work: Sleeping<number>): Sleeping<number> {
  const result = yield* work;
  if (result !== -Errno.EINTR) restoreSavedSigmask(kernel);
  return result;
}

export const sysEpollPwait = (kernel: Kernel, args: SyscallArguments): IoResult =>
  masked(kernel, args, millisecondsToNs(args.int(3)));

export function sysEpollPwait2(kernel: Kernel, args: SyscallArguments): IoResult {
  const timeoutNs = readTimespec(kernel, args.unsigned(3));
  return timeoutNs < 0 ? timeoutNs : masked(kernel, args, timeoutNs);
}
