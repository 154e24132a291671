/** timerfd, after Linux 6.1 fs/timerfd.c. Omits: alarm clocks that wake the machine, clocks that are set. */
import { MachineBug } from '../../core/assert.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileOperations, FileStruct, IoResult, PollTable } from '../include/linux/fs.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import { Poll } from '../include/uapi/asm-generic/poll.ts';
import { ClockId } from '../include/uapi/linux/time.ts';
import type { Kernel } from '../init/kernel.ts';
import { spinLockIrq, spinUnlockIrq } from '../kernel/locking/spinlock.ts';
import {
  waitEventInterruptible,
  type WaitQueueHead,
  waitQueueHead,
  wakeUp,
} from '../kernel/sched/wait.ts';
import { IntervalTimer, readSetting, type Setting, writeSetting } from '../kernel/time/interval.ts';
import type { IovIter } from '../lib/iov_iter.ts';
import { fdget, fdInstall, getUnusedFd } from './file.ts';
import { anonFile } from './file_table.ts';

const FLAGS = O.CLOEXEC | O.NONBLOCK;
const ABSTIME = 1;
const CANCEL_ON_SET = 2;
const VALUE_BYTES = 8;

const CLOCKS: ReadonlySet<number> = new Set([
  ClockId.REALTIME,
  ClockId.MONOTONIC,
  ClockId.BOOTTIME,
  ClockId.REALTIME_ALARM,
  ClockId.BOOTTIME_ALARM,
]);

/** timerfd_ctx */
class TimerContext {
  readonly wait: WaitQueueHead;
  readonly timer: IntervalTimer;
  expirations = 0;

  constructor(
    readonly address: number,
    readonly clock: ClockId,
  ) {
    this.wait = waitQueueHead(address);
    this.timer = new IntervalTimer((kernel) => {
      kernel.cpu.run(F.timerfd_tmrproc, 24);
      this.expirations++;
      if (this.wait.entries.length > 0) wakeUp(kernel, this.wait);
      // The reader moves it on, and counts what it has missed.
      return false;
    });
  }

  /** Expiries since the last time, the ones included that nobody waited for. */
  take(kernel: Kernel): number {
    let count = this.expirations;
    this.expirations = 0;
    if (count > 0 && this.timer.intervalNs > 0n) count += this.timer.forward(kernel) - 1;
    return count;
  }
}

function contextOf(file: FileStruct): TimerContext {
  if (!(file.data instanceof TimerContext)) throw new MachineBug('a timerfd has a timer');
  return file.data;
}

function read(kernel: Kernel, file: FileStruct, iter: IovIter): IoResult {
  kernel.cpu.run(F.timerfd_read, 57);
  if (iter.count < VALUE_BYTES) return -Errno.EINVAL;
  const context = contextOf(file);
  if (context.expirations > 0) return takeValue(kernel, context, iter);
  if ((file.flags & O.NONBLOCK) !== 0) return -Errno.EAGAIN;
  return waitToRead(kernel, context, iter);
}

function* waitToRead(kernel: Kernel, context: TimerContext, iter: IovIter): Sleeping<number> {
  const ready = (): boolean => context.expirations > 0;
  const woken = yield* waitEventInterruptible(kernel, context.wait, ready);
  return woken < 0 ? woken : takeValue(kernel, context, iter);
}

function takeValue(kernel: Kernel, context: TimerContext, iter: IovIter): number {
  const { cpu } = kernel;
  spinLockIrq(cpu, context.address);
  const count = context.take(kernel);
  spinUnlockIrq(cpu);
  const bytes = new Uint8Array(BigUint64Array.of(BigInt(count)).buffer);
  return iter.copyTo(kernel, bytes) < VALUE_BYTES ? -Errno.EFAULT : VALUE_BYTES;
}

function poll(kernel: Kernel, file: FileStruct, table: PollTable | null): number {
  const context = contextOf(file);
  kernel.cpu.read(context.address);
  table?.queue(kernel, file, context.wait);
  return context.expirations > 0 ? Poll.IN : 0;
}

const TIMERFD: FileOperations = {
  kind: 'anonymous',
  stream: false,
  plain: true,
  read,
  poll,
  release: (kernel, file) => {
    const context = contextOf(file);
    context.timer.drop(kernel);
    kernel.caches.kmalloc256.freeQuietly(context.address);
  },
};

export function sysTimerfdCreate(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, caches } = kernel;
  cpu.run(F.__x64_sys_timerfd_create, 4);
  cpu.run(F.__do_sys_timerfd_create, 52);
  const clock = args.int(0);
  const flags = args.low(1);
  if ((flags & ~FLAGS) !== 0 || !CLOCKS.has(clock)) return -Errno.EINVAL;
  cpu.run(F.kmalloc_trace, 22);
  const address = caches.kmalloc256.allocate(kernel);
  if (address < 0) return -Errno.ENOMEM;
  cpu.run(F.__init_waitqueue_head, 6);
  cpu.run(F.__hrtimer_init, 55);
  const data = new TimerContext(address, clock);
  const fd = getUnusedFd(kernel);
  const file =
    fd < 0
      ? null
      : anonFile(kernel, '[timerfd]', TIMERFD, { data, flags: O.RDWR | (flags & O.NONBLOCK) });
  if (file === null) {
    caches.kmalloc256.freeQuietly(address);
    return fd < 0 ? fd : -Errno.ENFILE;
  }
  fdInstall(kernel, fd, file, flags);
  return fd;
}

/** The timer of a descriptor, or an error. */
function timerOf(kernel: Kernel, fd: number): TimerContext | number {
  const file = fdget(kernel, fd);
  if (file === null) return -Errno.EBADF;
  return file.operations === TIMERFD ? contextOf(file) : -Errno.EINVAL;
}

export function sysTimerfdSettime(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_timerfd_settime, 46);
  const setting = readSetting(kernel, args.unsigned(2), 1n);
  if (typeof setting === 'number') return setting;
  cpu.run(F.do_timerfd_settime, 157);
  const flags = args.low(1);
  if ((flags & ~(ABSTIME | CANCEL_ON_SET)) !== 0) return -Errno.EINVAL;
  const context = timerOf(kernel, args.int(0));
  if (typeof context === 'number') return context;
  const before = settle(kernel, context);
  const isRelative = (flags & ABSTIME) === 0;
  context.timer.set(kernel, setting, { clock: context.clock, isRelative });
  context.expirations = 0;
  return writeSetting(kernel, args.unsigned(3), before, 1n);
}

/** What is left, after a timer that has expired unread has been moved on. */
function settle(kernel: Kernel, context: TimerContext): Setting {
  const { timer } = context;
  if (context.expirations > 0 && timer.intervalNs > 0n && !timer.isArmed) {
    context.expirations += timer.forward(kernel) - 1;
  }
  return timer.left(kernel);
}

export function sysTimerfdGettime(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.do_timerfd_settime, 90);
  const context = timerOf(kernel, args.int(0));
  if (typeof context === 'number') return context;
  return writeSetting(kernel, args.unsigned(1), settle(kernel, context), 1n);
}
