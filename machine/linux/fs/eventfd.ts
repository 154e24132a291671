/** eventfd, after Linux 6.1 fs/eventfd.c. Omits: signalling from inside the kernel. */
import { MachineBug } from '../../core/assert.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import type { FileOperations, FileStruct, IoResult, PollTable } from '../include/linux/fs.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import { Poll } from '../include/uapi/asm-generic/poll.ts';
import type { Kernel } from '../init/kernel.ts';
import { spinLockIrq, spinUnlockIrq } from '../kernel/locking/spinlock.ts';
import {
  waitEventInterruptible,
  type WaitQueueHead,
  waitQueueHead,
  wakeUpSync,
} from '../kernel/sched/wait.ts';
import type { IovIter } from '../lib/iov_iter.ts';
import { fdInstall, getUnusedFd } from './file.ts';
import { anonFile } from './file_table.ts';

const SEMAPHORE = 1;
const FLAGS = O.CLOEXEC | O.NONBLOCK | SEMAPHORE;
const VALUE_BYTES = 8;
/** ULLONG_MAX: the counter stays below. */
const VALUE_MAX = 0xffff_ffff_ffff_ffffn;

const CREATE: Steps = [
  [F.do_eventfd, 54],
  [F.__init_waitqueue_head, 6],
  [F.ida_alloc_range, 95],
  [F._raw_spin_lock_irqsave, 16],
  [F.xas_find_marked, 42],
  [F.xas_store, 60],
  [F.xas_create, 49],
  [F._raw_spin_unlock_irqrestore, 10],
  [F.xas_nomem, 12],
  [F.kfree, 9],
];

/** eventfd_ctx */
class EventCounter {
  readonly wait: WaitQueueHead;

  constructor(
    readonly address: number,
    public count: bigint,
    readonly semaphore: boolean,
  ) {
    this.wait = waitQueueHead(address);
  }
}

function counterOf(file: FileStruct): EventCounter {
  if (!(file.data instanceof EventCounter)) throw new MachineBug('an eventfd has a counter');
  return file.data;
}

function read(kernel: Kernel, file: FileStruct, iter: IovIter): IoResult {
  if (iter.count < VALUE_BYTES) return -Errno.EINVAL;
  const counter = counterOf(file);
  if (counter.count > 0n) return takeValue(kernel, counter, iter);
  if ((file.flags & O.NONBLOCK) !== 0) return -Errno.EAGAIN;
  return waitToRead(kernel, counter, iter);
}

function* waitToRead(kernel: Kernel, counter: EventCounter, iter: IovIter): Sleeping<number> {
  const ready = (): boolean => counter.count > 0n;
  const woken = yield* waitEventInterruptible(kernel, counter.wait, ready);
  return woken < 0 ? woken : takeValue(kernel, counter, iter);
}

function takeValue(kernel: Kernel, counter: EventCounter, iter: IovIter): number {
  const { cpu } = kernel;
  spinLockIrq(cpu, counter.address);
  const value = counter.semaphore ? 1n : counter.count;
  counter.count -= value;
  if (counter.wait.entries.length > 0) wakeUpSync(kernel, counter.wait);
  spinUnlockIrq(cpu);
  const bytes = new Uint8Array(VALUE_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return iter.copyTo(kernel, bytes) < VALUE_BYTES ? -Errno.EFAULT : VALUE_BYTES;
}

function write(kernel: Kernel, file: FileStruct, iter: IovIter): IoResult {
  const { cpu } = kernel;
  cpu.run(F.eventfd_write, 61);
  if (iter.count < VALUE_BYTES) return -Errno.EINVAL;
  cpu.run(F._copy_from_user, 21);
  const bytes = new Uint8Array(VALUE_BYTES);
  if (iter.copyFrom(kernel, bytes) < VALUE_BYTES) return -Errno.EFAULT;
  const value = new DataView(bytes.buffer).getBigUint64(0, true);
  if (value === VALUE_MAX) return -Errno.EINVAL;
  const counter = counterOf(file);
  if (value < VALUE_MAX - counter.count) return addValue(kernel, counter, value);
  if ((file.flags & O.NONBLOCK) !== 0) return -Errno.EAGAIN;
  return waitToWrite(kernel, counter, value);
}

function* waitToWrite(kernel: Kernel, counter: EventCounter, value: bigint): Sleeping<number> {
  const ready = (): boolean => value < VALUE_MAX - counter.count;
  const woken = yield* waitEventInterruptible(kernel, counter.wait, ready);
  return woken < 0 ? woken : addValue(kernel, counter, value);
}

function addValue(kernel: Kernel, counter: EventCounter, value: bigint): number {
  const { cpu } = kernel;
  spinLockIrq(cpu, counter.address);
  counter.count += value;
  if (counter.wait.entries.length > 0) wakeUpSync(kernel, counter.wait);
  spinUnlockIrq(cpu);
  return VALUE_BYTES;
}

function poll(kernel: Kernel, file: FileStruct, table: PollTable | null): number {
  const counter = counterOf(file);
  kernel.cpu.run(F.eventfd_poll, 16);
  // f_op and f_mode, private_data, the counter.
  kernel.cpu.read(file.address + 64);
  kernel.cpu.read(file.address + 192);
  kernel.cpu.read(counter.address);
  table?.queue(kernel, file, counter.wait);
  let mask = 0;
  if (counter.count > 0n) mask |= Poll.IN;
  if (counter.count === VALUE_MAX) mask |= Poll.ERR;
  if (counter.count < VALUE_MAX - 1n) mask |= Poll.OUT;
  return mask;
}

const EVENTFD: FileOperations = {
  kind: 'anonymous',
  stream: false,
  plain: true,
  read,
  write,
  poll,
  release: (kernel, file) => {
    kernel.caches.kmalloc96.freeQuietly(counterOf(file).address);
  },
};

function doEventfd(kernel: Kernel, initial: number, flags: number): number {
  const { cpu, caches } = kernel;
  if ((flags & ~FLAGS) !== 0) return -Errno.EINVAL;
  runSteps(cpu, CREATE);
  cpu.run(F.kmalloc_trace, 22);
  const address = caches.kmalloc96.allocate(kernel);
  if (address < 0) return -Errno.ENOMEM;
  const data = new EventCounter(address, BigInt(initial), (flags & SEMAPHORE) !== 0);
  const fd = getUnusedFd(kernel);
  if (fd < 0) return fd;
  const file = anonFile(kernel, '[eventfd]', EVENTFD, {
    data,
    flags: O.RDWR | (flags & O.NONBLOCK),
  });
  if (file === null) return -Errno.ENFILE;
  fdInstall(kernel, fd, file, flags);
  return fd;
}

export const sysEventfd = (kernel: Kernel, args: SyscallArguments): number =>
  doEventfd(kernel, args.low(0), 0);

export function sysEventfd2(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_eventfd2, 6);
  return doEventfd(kernel, args.low(0), args.low(1));
}
