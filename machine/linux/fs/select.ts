/**
 * poll, ppoll, select, pselect6, after Linux 6.1 fs/select.c. Omits: busy polling, the remaining time
 * that an interrupted poll would be restarted with (it starts anew).
 */
import { copyFromUser, writeUserBytes } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import { Restart } from '../include/linux/errno.ts';
import type { FileStruct, IoResult, PollTable } from '../include/linux/fs.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Poll } from '../include/uapi/asm-generic/poll.ts';
import type { Kernel } from '../init/kernel.ts';
import { scheduleTimeout } from '../kernel/sched/core.ts';
import {
  addWaitQueue,
  removeWaitQueue,
  type WaitQueueEntry,
  type WaitQueueHead,
} from '../kernel/sched/wait.ts';
import { restoreSavedSigmask, setUserSigmask } from '../kernel/signal-syscalls.ts';
import { fdget, FILES_MAX, filesLimit } from './file.ts';
import { readTimespec, readTimeval } from './select-time.ts';

const POLLFD_BYTES = 8;
const SIGSET_BYTES = 8;
/** What a file without a poll operation answers. */
const ALWAYS = Poll.IN | Poll.OUT | Poll.RDNORM | Poll.WRNORM;

const CHECK_STACK_OBJECT: Steps = [
  [F.__check_object_size, 28],
  [F.check_stack_object, 17],
];
const POLL_END: Steps = [[F.poll_freewait, 21]];

/** vfs_poll */
export function vfsPoll(kernel: Kernel, file: FileStruct, table: PollTable | null): number {
  kernel.cpu.indirect(1);
  return file.operations.poll?.(kernel, file, table) ?? ALWAYS;
}

/** One descriptor that is asked about. */
interface Asked {
  readonly fd: number;
  readonly events: number;
  returned: number;
}

/** poll_wqueues: the queues that the caller sleeps on. */
class Waiting implements PollTable {
  private readonly entries: [WaitQueueHead, WaitQueueEntry][] = [];

  readonly queue = (kernel: Kernel, _file: FileStruct, head: WaitQueueHead): void => {
    const entry = { task: kernel.current, exclusive: false };
    addWaitQueue(kernel, head, entry);
    this.entries.push([head, entry]);
  };

  /** poll_freewait */
  end(kernel: Kernel): void {
    for (const [head, entry] of this.entries) removeWaitQueue(kernel, head, entry);
  }
}

/** Asks every descriptor. Returns how many have an answer. */
function askAll(kernel: Kernel, asked: readonly Asked[], table: PollTable | null): number {
  let ready = 0;
  for (const each of asked) {
    each.returned = 0;
    if (each.fd < 0) continue;
    const file = fdget(kernel, each.fd);
    each.returned =
      file === null
        ? Poll.NVAL
        : vfsPoll(kernel, file, ready === 0 ? table : null) & (each.events | Poll.ERR | Poll.HUP);
    if (each.returned !== 0) ready++;
  }
  return ready;
}

/** do_poll and do_select: until somebody answers, `timeoutNs` has passed or a signal comes (-EINTR). */
function* wait(kernel: Kernel, asked: readonly Asked[], timeoutNs: number): Sleeping<number> {
  const waiting = new Waiting();
  let left = timeoutNs;
  let table: Waiting | null = waiting;
  for (;;) {
    const { current } = kernel;
    current.state = 'S';
    const ready = askAll(kernel, asked, table);
    table = null;
    if (ready > 0 || left === 0 || current.signalPending) {
      current.state = 'R';
      waiting.end(kernel);
      return ready > 0 ? ready : current.signalPending ? -Errno.EINTR : 0;
    }
    left = yield* scheduleTimeout(kernel, left);
  }
}

/** The answer at once if there is one or nobody waits, else the waiting. */
function answer(
  kernel: Kernel,
  asked: readonly Asked[],
  timeoutNs: number,
  finish: (result: number) => number,
): IoResult {
  const ready = askAll(kernel, asked, null);
  runSteps(kernel.cpu, POLL_END);
  if (ready > 0 || timeoutNs === 0) return finish(ready);
  return finishLater(wait(kernel, asked, timeoutNs), finish);
}

function* finishLater(
  work: Sleeping<number>,
  finish: (result: number) => number,
): Sleeping<number> {
  return finish(yield* work);
}

/** do_sys_poll */
function doSysPoll(kernel: Kernel, address: number, count: number, timeoutNs: number): IoResult {
  const { cpu } = kernel;
  cpu.run(F.do_sys_poll, 165 + 45 * count);
  if (count > filesLimit(kernel)) return -Errno.EINVAL;
  runSteps(cpu, CHECK_STACK_OBJECT);
  const bytes = new Uint8Array(count * POLLFD_BYTES);
  if (copyFromUser(kernel, address, bytes) < 0) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  const asked: Asked[] = [];
  for (let at = 0; at < bytes.length; at += POLLFD_BYTES) {
    asked.push({ fd: view.getInt32(at, true), events: view.getUint16(at + 4, true), returned: 0 });
  }
  return answer(kernel, asked, timeoutNs, (result) => {
    if (result < 0) return result;
    asked.forEach(({ returned }, i) => {
      view.setUint16(i * POLLFD_BYTES + 6, returned, true);
    });
    return writeUserBytes(kernel, address, bytes) < 0 ? -Errno.EFAULT : result;
  });
}

const NSEC_PER_MSEC = 1_000_000;

export function sysPoll(kernel: Kernel, args: SyscallArguments): IoResult {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_poll, 43);
  const timeout = args.int(2);
  if (timeout >= 0) cpu.run(F.poll_select_set_timeout, 25);
  const timeoutNs = timeout < 0 ? Infinity : timeout * NSEC_PER_MSEC;
  return interrupted(doSysPoll(kernel, args.unsigned(0), args.low(1), timeoutNs), Restart.NOHAND);
}

/** -EINTR becomes the code with which the call starts again unless a handler ran. */
function interrupted(result: IoResult, code: Restart): IoResult {
  const translate = (value: number): number => (value === -Errno.EINTR ? -code : value);
  return typeof result === 'number' ? translate(result) : finishLater(result, translate);
}

/** Restores the mask of one call, unless a signal handler will see it first. */
function withMask(kernel: Kernel, result: IoResult): IoResult {
  const finish = (value: number): number => {
    if (value !== -Errno.EINTR) restoreSavedSigmask(kernel);
    return value;
  };
  return typeof result === 'number' ? finish(result) : finishLater(result, finish);
}

export function sysPpoll(kernel: Kernel, args: SyscallArguments): IoResult {
  const [address, count, time] = [args.unsigned(0), args.low(1), args.unsigned(2)];
  const [mask, size] = [args.unsigned(3), args.unsigned(4)];
  const timeoutNs = readTimespec(kernel, time);
  if (timeoutNs < 0) return timeoutNs;
  if (mask !== 0 && size !== SIGSET_BYTES) return -Errno.EINVAL;
  if (!setUserSigmask(kernel, mask)) return -Errno.EFAULT;
  const result = withMask(kernel, doSysPoll(kernel, address, count, timeoutNs));
  return interrupted(result, Restart.NOHAND);
}

/** What each of select's three sets asks for, and which answers count for it. */
const SETS: readonly { readonly asks: number; readonly counts: number }[] = [
  { asks: Poll.IN, counts: Poll.IN | Poll.RDNORM | Poll.RDBAND | Poll.HUP | Poll.ERR },
  { asks: Poll.OUT, counts: Poll.OUT | Poll.WRNORM | Poll.WRBAND | Poll.ERR },
  { asks: Poll.PRI, counts: Poll.PRI },
];

const isSet = (bits: Uint8Array | null, fd: number): boolean =>
  bits !== null && (bits[fd >> 3] & (1 << (fd & 7))) !== 0;

/** The three sets in user memory; null where there is none. */
function readSets(
  kernel: Kernel,
  addresses: readonly number[],
  count: number,
): (Uint8Array | null)[] | number {
  const bytes = 8 * Math.ceil(count / 64);
  const sets: (Uint8Array | null)[] = [];
  for (const address of addresses) {
    const set = address === 0 ? null : new Uint8Array(bytes);
    if (set !== null && copyFromUser(kernel, address, set) < 0) return -Errno.EFAULT;
    sets.push(set);
  }
  return sets;
}

/** core_sys_select */
function coreSysSelect(
  kernel: Kernel,
  count: number,
  addresses: readonly number[],
  timeoutNs: number,
): IoResult {
  const { cpu } = kernel;
  cpu.run(F.core_sys_select, 139);
  if (count < 0) return -Errno.EINVAL;
  const limit = Math.min(count, FILES_MAX);
  const sets = readSets(kernel, addresses, limit);
  if (typeof sets === 'number') return sets;
  const asked: Asked[] = [];
  for (let fd = 0; fd < limit; fd++) {
    let events = 0;
    for (const [i, { asks }] of SETS.entries()) if (isSet(sets[i], fd)) events |= asks;
    if (events === 0) continue;
    if ((kernel.current.files.fd[fd] ?? null) === null) return -Errno.EBADF;
    // What counts for a set is asked for as well.
    asked.push({ fd, events: countedEvents(sets, fd), returned: 0 });
  }
  cpu.run(F.do_select, 240 + 62 * asked.length);
  return answer(kernel, asked, timeoutNs, (result) => {
    if (result < 0) return result;
    return writeSets(kernel, addresses, sets, asked);
  });
}

function countedEvents(sets: readonly (Uint8Array | null)[], fd: number): number {
  let events = 0;
  for (const [i, { counts }] of SETS.entries()) if (isSet(sets[i], fd)) events |= counts;
  return events;
}

/** Leaves the descriptors with an answer in the sets. Returns how many bits are set. */
function writeSets(
  kernel: Kernel,
  addresses: readonly number[],
  sets: readonly (Uint8Array | null)[],
  asked: readonly Asked[],
): number {
  let bits = 0;
  for (const [i, { counts }] of SETS.entries()) {
    const set = sets[i];
    if (set === null) continue;
    const wanted = set.slice();
    set.fill(0);
    for (const { fd, returned } of asked) {
      if (!isSet(wanted, fd) || (returned & counts) === 0) continue;
      set[fd >> 3] |= 1 << (fd & 7);
      bits++;
    }
    if (writeUserBytes(kernel, addresses[i], set) < 0) return -Errno.EFAULT;
  }
  kernel.cpu.run(F.poll_select_finish, 42);
  return bits;
}

export function sysSelect(kernel: Kernel, args: SyscallArguments): IoResult {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_select, 9);
  cpu.run(F.kern_select, 72);
  const count = args.int(0);
  const addresses = [args.unsigned(1), args.unsigned(2), args.unsigned(3)];
  const timeoutNs = readTimeval(kernel, args.unsigned(4));
  if (timeoutNs < 0) return timeoutNs;
  return interrupted(coreSysSelect(kernel, count, addresses, timeoutNs), Restart.NOHAND);
}

/** pselect6: the last argument points at a mask and its size. */
export function sysPselect6(kernel: Kernel, args: SyscallArguments): IoResult {
  const count = args.int(0);
  const addresses = [args.unsigned(1), args.unsigned(2), args.unsigned(3)];
  const [time, pack] = [args.unsigned(4), args.unsigned(5)];
  const timeoutNs = readTimespec(kernel, time);
  if (timeoutNs < 0) return timeoutNs;
  if (pack !== 0) {
    const bytes = new Uint8Array(16);
    if (copyFromUser(kernel, pack, bytes) < 0) return -Errno.EFAULT;
    const view = new DataView(bytes.buffer);
    const mask = Number(view.getBigUint64(0, true));
    if (mask !== 0 && view.getBigUint64(8, true) !== BigInt(SIGSET_BYTES)) return -Errno.EINVAL;
    if (!setUserSigmask(kernel, mask)) return -Errno.EFAULT;
  }
  const result = withMask(kernel, coreSysSelect(kernel, count, addresses, timeoutNs));
  return interrupted(result, Restart.NOHAND);
}
