/**
 * signalfd, after Linux 6.1 fs/signalfd.c: blocked signals are read from a descriptor. Its functions'
 * instructions are estimates from the source (within a third); what taking a signal costs is counted.
 */
import { MachineBug } from '../../core/assert.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { copyFromUser } from '../arch/x86/lib/usercopy.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileOperations, FileStruct, IoResult, PollTable } from '../include/linux/fs.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { type SigInfo, SiCode } from '../include/linux/signal_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import { Poll } from '../include/uapi/asm-generic/poll.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { spinLockIrq, spinUnlockIrq } from '../kernel/locking/spinlock.ts';
import { waitEventInterruptible } from '../kernel/sched/wait.ts';
import { dequeueSignal } from '../kernel/signal.ts';
import { signalBit } from '../kernel/signal-pending.ts';
import type { IovIter } from '../lib/iov_iter.ts';
import { fdget, fdInstall, getUnusedFd } from './file.ts';
import { anonFile } from './file_table.ts';

const FLAGS = O.CLOEXEC | O.NONBLOCK;
/** struct signalfd_siginfo */
const INFO_BYTES = 128;
const SET_BYTES = 8;
const ALL = 0xffff_ffff_ffff_ffffn;
const NEVER = signalBit(Sig.KILL) | signalBit(Sig.STOP);

/** signalfd_ctx */
class SignalSet {
  constructor(
    readonly address: number,
    public wanted: bigint,
  ) {}
}

function setOf(file: FileStruct): SignalSet {
  if (!(file.data instanceof SignalSet)) throw new MachineBug('a signalfd has a set');
  return file.data;
}

/** What waits for the reader: it is who reads that counts, not who made the descriptor. */
const isPending = ({ current }: Kernel, wanted: bigint): boolean =>
  ((current.pending.set | current.signal.shared.set) & wanted) !== 0n;

/** signalfd_copyinfo: the same facts as in siginfo_t, at other places. */
function encode(info: SigInfo): Uint8Array {
  const bytes = new Uint8Array(INFO_BYTES);
  const [from, to] = [new DataView(info.bytes.buffer), new DataView(bytes.buffer)];
  const copy32 = (source: number, target: number): void => {
    to.setUint32(target, from.getUint32(source, true), true);
  };
  const copy64 = (source: number, target: number): void => {
    to.setBigUint64(target, from.getBigUint64(source, true), true);
  };
  copy32(0, 0);
  copy32(4, 4);
  copy32(8, 8);
  const { signal, code } = info;
  if (code === SiCode.TIMER) {
    copy32(16, 24);
    copy32(20, 32);
    copy64(24, 48);
    copy32(24, 44);
  } else if (isFault(signal, code)) {
    copy64(16, 72);
  } else {
    copy32(16, 12);
    copy32(20, 16);
    if (signal === Sig.CHLD && code > 0) {
      copy32(24, 40);
      copy64(32, 56);
      copy64(40, 64);
    } else if (code < 0) {
      copy64(24, 48);
      copy32(24, 44);
    }
  }
  return bytes;
}

const FAULTS: ReadonlySet<number> = new Set([Sig.ILL, Sig.FPE, Sig.SEGV, Sig.BUS, Sig.TRAP]);

const isFault = (signal: number, code: number): boolean =>
  FAULTS.has(signal) && code > 0 && code < SiCode.KERNEL;

/** signalfd_dequeue without waiting: one signal to the reader. Bytes, 0 for none, or an error. */
function takeOne(kernel: Kernel, set: SignalSet, iter: IovIter): number {
  const { cpu, current } = kernel;
  spinLockIrq(cpu, current.sighand.address);
  const taken = dequeueSignal(kernel, ALL & ~set.wanted);
  spinUnlockIrq(cpu);
  if (taken === null) return 0;
  cpu.run(F.signalfd_read, 60);
  return iter.copyTo(kernel, encode(taken.info)) < INFO_BYTES ? -Errno.EFAULT : INFO_BYTES;
}

/** As many as there are and fit; the first may have been waited for. */
function takeMore(kernel: Kernel, set: SignalSet, iter: IovIter, first: number): number {
  let done = first;
  while (done >= 0 && iter.count >= INFO_BYTES) {
    const taken = takeOne(kernel, set, iter);
    if (taken <= 0) return done > 0 ? done : taken;
    done += taken;
  }
  return done;
}

function read(kernel: Kernel, file: FileStruct, iter: IovIter): IoResult {
  kernel.cpu.run(F.signalfd_read, 50);
  if (iter.count < INFO_BYTES) return -Errno.EINVAL;
  const set = setOf(file);
  const done = takeMore(kernel, set, iter, 0);
  if (done !== 0) return done;
  if ((file.flags & O.NONBLOCK) !== 0) return -Errno.EAGAIN;
  return waitToRead(kernel, set, iter);
}

function* waitToRead(kernel: Kernel, set: SignalSet, iter: IovIter): Sleeping<number> {
  for (;;) {
    const { current } = kernel;
    const ready = (): boolean =>
      ((current.pending.set | current.signal.shared.set) & set.wanted) !== 0n;
    const woken = yield* waitEventInterruptible(kernel, current.sighand.signalfd, ready);
    if (woken < 0) return woken;
    const done = takeMore(kernel, set, iter, 0);
    // Another reader came first.
    if (done !== 0) return done;
  }
}

function poll(kernel: Kernel, file: FileStruct, table: PollTable | null): number {
  const set = setOf(file);
  kernel.cpu.run(F.signalfd_poll, 40);
  kernel.cpu.read(set.address);
  table?.queue(kernel, file, kernel.current.sighand.signalfd);
  return isPending(kernel, set.wanted) ? Poll.IN : 0;
}

const SIGNALFD: FileOperations = {
  kind: 'anonymous',
  stream: false,
  plain: true,
  read,
  poll,
  release: (kernel, file) => {
    kernel.caches.kmalloc96.freeQuietly(setOf(file).address);
  },
};

/** do_signalfd4: a new descriptor, or another set for one that there is. */
function doSignalfd(kernel: Kernel, args: SyscallArguments, flags: number): number {
  const { cpu, caches } = kernel;
  cpu.run(F.do_signalfd4, 70);
  if (args.unsigned(2) !== SET_BYTES) return -Errno.EINVAL;
  const bytes = new Uint8Array(SET_BYTES);
  if (copyFromUser(kernel, args.unsigned(1), bytes) < 0) return -Errno.EFAULT;
  if ((flags & ~FLAGS) !== 0) return -Errno.EINVAL;
  const wanted = new DataView(bytes.buffer).getBigUint64(0, true) & ~NEVER;
  const old = args.int(0);
  if (old !== -1) return changeSet(kernel, old, wanted);
  const address = caches.kmalloc96.allocate(kernel);
  if (address < 0) return -Errno.ENOMEM;
  const data = new SignalSet(address, wanted);
  const fd = getUnusedFd(kernel);
  const file =
    fd < 0
      ? null
      : anonFile(kernel, '[signalfd]', SIGNALFD, { data, flags: O.RDWR | (flags & O.NONBLOCK) });
  if (file === null) {
    caches.kmalloc96.freeQuietly(address);
    return fd < 0 ? fd : -Errno.ENFILE;
  }
  fdInstall(kernel, fd, file, flags);
  return fd;
}

function changeSet(kernel: Kernel, fd: number, wanted: bigint): number {
  const file = fdget(kernel, fd);
  if (file === null) return -Errno.EBADF;
  if (file.operations !== SIGNALFD) return -Errno.EINVAL;
  setOf(file).wanted = wanted;
  return fd;
}

export const sysSignalfd = (kernel: Kernel, args: SyscallArguments): number =>
  doSignalfd(kernel, args, 0);

export const sysSignalfd4 = (kernel: Kernel, args: SyscallArguments): number =>
  doSignalfd(kernel, args, args.low(3));
