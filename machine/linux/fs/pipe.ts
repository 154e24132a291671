/**
 * Pipes, after Linux 6.1 fs/pipe.c: a ring of pages, readers and writers that sleep on each other.
 * Omits: packet mode (O_DIRECT), per-user limits.
 */
import { MachineBug } from '../../core/assert.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import type { FileOperations, FileStruct, IoResult, PollTable } from '../include/linux/fs.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import { Poll } from '../include/uapi/asm-generic/poll.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { PageKind } from '../mm/mem_map.ts';
import { mutexLock, mutexUnlock } from '../kernel/locking/mutex.ts';
import { spinLockIrq, spinUnlockIrq } from '../kernel/locking/spinlock.ts';
import { wakeUpSync, type WaitQueueHead, waitEventInterruptible } from '../kernel/sched/wait.ts';
import { sendSignalNumber } from '../kernel/signal-send.ts';
import { copyPageFromIter, copyPageToIter, type IovIter } from '../lib/iov_iter.ts';
import { allocPages, freeUnrefPageList } from '../mm/page_alloc.ts';
import { fileUpdateTime, touchAtime } from './inode.ts';
import { Ioctl, putInt } from './ioctl-numbers.ts';
import { isPipe, type PipeBuffer, type PipeInode } from './pipe-inode.ts';

/** Pages that a pipe keeps for its next writes: tmp_page[2]. */
const SPARE_PAGES = 2;

export function pipeOf(file: FileStruct): PipeInode {
  if (!isPipe(file.data)) throw new MachineBug('a pipe has a pipe inode');
  return file.data;
}

/** pipe_lock and the lines that every operation touches. */
export function lockPipe({ cpu }: Kernel, pipe: PipeInode): void {
  mutexLock(cpu, pipe.address);
  cpu.write(pipe.address + 64);
  cpu.stack(320, 2);
}

/** Takes what is there, buffer by buffer. Returns bytes, or -EFAULT. */
export function takeBytes(kernel: Kernel, pipe: PipeInode, iter: IovIter): number {
  const { cpu } = kernel;
  let done = 0;
  while (iter.count > 0 && pipe.buffers.length > 0) {
    const [buffer] = pipe.buffers;
    cpu.read(pipe.address + 128);
    const wanted = Math.min(buffer.length, iter.count);
    const physical = (buffer.frame << PAGE_SHIFT) + buffer.offset;
    const copied = copyPageToIter(kernel, iter, physical, wanted);
    buffer.offset += copied;
    buffer.length -= copied;
    done += copied;
    if (copied < wanted) return done > 0 ? done : -Errno.EFAULT;
    if (buffer.length === 0) releaseBuffer(kernel, pipe);
  }
  return done;
}

/** anon_pipe_buf_release of the oldest buffer. */
function releaseBuffer(kernel: Kernel, pipe: PipeInode): void {
  const { cpu } = kernel;
  const buffer = pipe.buffers.shift();
  if (buffer === undefined) throw new MachineBug('an empty pipe has nothing to release');
  cpu.run(F.anon_pipe_buf_release, 16);
  cpu.writePageStruct(buffer.frame);
  if (pipe.spare.length < SPARE_PAGES) pipe.spare.push(buffer.frame);
  else freeUnrefPageList(kernel, [buffer.frame]);
  spinLockIrq(cpu, pipe.address + 64);
  spinUnlockIrq(cpu);
}

/** wake_up_interruptible_sync_poll and kill_fasync. */
export function wakePipe(kernel: Kernel, head: WaitQueueHead): void {
  wakeUpSync(kernel, head);
  kernel.cpu.run(F.kill_fasync, 4);
}

function pipeRead(kernel: Kernel, file: FileStruct, iter: IovIter): IoResult {
  const { cpu } = kernel;
  if (iter.count === 0) return 0;
  const pipe = pipeOf(file);
  lockPipe(kernel, pipe);
  const wasFull = pipe.buffers.length >= pipe.slots;
  const result = takeBytes(kernel, pipe, iter);
  cpu.run(F.pipe_read, result > 0 ? 116 : 76);
  if (result === 0 && pipe.writers > 0) {
    mutexUnlock(cpu);
    return (file.flags & O.NONBLOCK) !== 0 ? -Errno.EAGAIN : waitToRead(kernel, file, iter);
  }
  mutexUnlock(cpu);
  if (result > 0) {
    if (wasFull) wakePipe(kernel, pipe.writeWait);
    else cpu.run(F.kill_fasync, 4);
    touchAtime(kernel, file.inode);
  }
  return result;
}

/** The sleeping half of pipe_read: until there are bytes, or no writer is left. */
function* waitToRead(kernel: Kernel, file: FileStruct, iter: IovIter): Sleeping<number> {
  const pipe = pipeOf(file);
  const ready = (): boolean => pipe.buffers.length > 0 || pipe.writers === 0;
  for (;;) {
    kernel.cpu.run(F.pipe_read, 40);
    const woken = yield* waitEventInterruptible(kernel, pipe.readWait, ready, { exclusive: true });
    if (woken < 0) return woken;
    lockPipe(kernel, pipe);
    const wasFull = pipe.buffers.length >= pipe.slots;
    const result = takeBytes(kernel, pipe, iter);
    kernel.cpu.run(F.pipe_read, 75);
    mutexUnlock(kernel.cpu);
    // Another reader came first.
    if (result === 0 && pipe.writers > 0) continue;
    if (wasFull) wakePipe(kernel, pipe.writeWait);
    // What is left is for the next reader, who was not woken for it.
    if (pipe.buffers.length > 0) wakePipe(kernel, pipe.readWait);
    if (result > 0) touchAtime(kernel, file.inode);
    return result;
  }
}

/** The bytes that fit the last page without a new one. */
function mergeBytes(kernel: Kernel, pipe: PipeInode, iter: IovIter): number {
  const last = pipe.buffers.at(-1);
  const chars = iter.count % PAGE_BYTES;
  if (last === undefined || chars === 0) return 0;
  const end = last.offset + last.length;
  if (end + chars > PAGE_BYTES) return 0;
  const physical = (last.frame << PAGE_SHIFT) + end;
  const copied = copyPageFromIter(kernel, iter, physical, chars);
  last.length += copied;
  return copied < chars ? -Errno.EFAULT : copied;
}

/** A page for what comes next, or null without memory. */
function newBuffer(kernel: Kernel, pipe: PipeInode): PipeBuffer | null {
  const { cpu } = kernel;
  const frame = pipe.spare.pop() ?? allocPages(kernel, PageKind.KERNEL, false);
  if (frame < 0) return null;
  spinLockIrq(cpu, pipe.address + 64);
  cpu.write(pipe.address + 128);
  spinUnlockIrq(cpu);
  return { frame, offset: 0, length: 0 };
}

/** Fills free slots. Returns bytes, or an error when there are none. */
export function putBytes(kernel: Kernel, pipe: PipeInode, iter: IovIter): number {
  let done = 0;
  while (iter.count > 0 && pipe.buffers.length < pipe.slots) {
    const buffer = newBuffer(kernel, pipe);
    if (buffer === null) return done > 0 ? done : -Errno.ENOMEM;
    const wanted = Math.min(PAGE_BYTES, iter.count);
    const copied = copyPageFromIter(kernel, iter, buffer.frame << PAGE_SHIFT, PAGE_BYTES);
    if (copied === 0) {
      pipe.spare.push(buffer.frame);
      return done > 0 ? done : -Errno.EFAULT;
    }
    buffer.length = copied;
    pipe.buffers.push(buffer);
    done += copied;
    if (copied < wanted) break;
  }
  return done;
}

/** SIGPIPE for a writer without readers. */
export function brokenPipe(kernel: Kernel): number {
  const reason = 'a write to a pipe that nobody reads any more';
  sendSignalNumber(kernel, kernel.current, Sig.PIPE, { group: false, reason });
  return -Errno.EPIPE;
}

function pipeWrite(kernel: Kernel, file: FileStruct, iter: IovIter): IoResult {
  const { cpu } = kernel;
  if (iter.count === 0) return 0;
  const pipe = pipeOf(file);
  lockPipe(kernel, pipe);
  if (pipe.readers === 0) {
    mutexUnlock(cpu);
    return brokenPipe(kernel);
  }
  const wasEmpty = pipe.buffers.length === 0;
  const merged = wasEmpty ? 0 : mergeBytes(kernel, pipe, iter);
  const before = pipe.buffers.length;
  const put = merged < 0 ? merged : putBytes(kernel, pipe, iter);
  const pages = pipe.buffers.length - before;
  cpu.run(F.pipe_write, (pages === 0 ? 128 : 63) + 91 * pages);
  mutexUnlock(cpu);
  const done = merged + Math.max(put, 0);
  if (done <= 0 && put < 0) return put;
  if (iter.count > 0 && put >= 0) {
    if ((file.flags & O.NONBLOCK) === 0) return waitToWrite(kernel, file, iter, done);
    if (done === 0) return -Errno.EAGAIN;
  }
  afterWrite(kernel, file, wasEmpty);
  return done;
}

function afterWrite(kernel: Kernel, file: FileStruct, wasEmpty: boolean): void {
  const pipe = pipeOf(file);
  if (wasEmpty || pipe.pollUsage) wakePipe(kernel, pipe.readWait);
  else kernel.cpu.run(F.kill_fasync, 4);
  fileUpdateTime(kernel, file.inode);
}

/** The sleeping half of pipe_write: until all is written, the readers are gone, or a signal comes. */
function* waitToWrite(
  kernel: Kernel,
  file: FileStruct,
  iter: IovIter,
  before: number,
): Sleeping<number> {
  const pipe = pipeOf(file);
  let done = before;
  const ready = (): boolean => pipe.buffers.length < pipe.slots || pipe.readers === 0;
  for (;;) {
    // Readers have something to take before this writer sleeps.
    wakePipe(kernel, pipe.readWait);
    kernel.cpu.run(F.pipe_write, 40);
    const woken = yield* waitEventInterruptible(kernel, pipe.writeWait, ready, { exclusive: true });
    if (woken < 0) return done > 0 ? done : woken;
    lockPipe(kernel, pipe);
    if (pipe.readers === 0) {
      mutexUnlock(kernel.cpu);
      const broken = brokenPipe(kernel);
      return done > 0 ? done : broken;
    }
    const put = putBytes(kernel, pipe, iter);
    kernel.cpu.run(F.pipe_write, 91);
    mutexUnlock(kernel.cpu);
    if (put < 0) return done > 0 ? done : put;
    done += put;
    if (iter.count > 0) continue;
    // Room that is left is for the next writer, who was not woken for it.
    if (pipe.buffers.length < pipe.slots) wakePipe(kernel, pipe.writeWait);
    afterWrite(kernel, file, true);
    return done;
  }
}

export const readsFrom = (file: FileStruct): boolean => (file.flags & O.ACCMODE) !== O.WRONLY;
export const writesTo = (file: FileStruct): boolean => (file.flags & O.ACCMODE) !== O.RDONLY;

function pipePoll(kernel: Kernel, file: FileStruct, table: PollTable | null): number {
  const { cpu } = kernel;
  const pipe = pipeOf(file);
  cpu.run(F.pipe_poll, table === null ? 34 : 45);
  cpu.read(pipe.address);
  pipe.pollUsage = true;
  let mask = 0;
  if (readsFrom(file)) {
    table?.queue(kernel, file, pipe.readWait);
    if (pipe.buffers.length > 0) mask |= Poll.IN | Poll.RDNORM;
    if (pipe.writers === 0 && pipe.writerCount > 0) mask |= Poll.HUP;
  }
  if (writesTo(file)) {
    table?.queue(kernel, file, pipe.writeWait);
    if (pipe.buffers.length < pipe.slots) mask |= Poll.OUT | Poll.WRNORM;
    if (pipe.readers === 0) mask |= Poll.ERR;
  }
  return mask;
}

function pipeIoctl(kernel: Kernel, file: FileStruct, command: number, argument: number): number {
  const { cpu } = kernel;
  if (command !== (Ioctl.FIONREAD as number)) return -Errno.ENOTTY;
  const pipe = pipeOf(file);
  cpu.run(F.pipe_ioctl, 28);
  mutexLock(cpu, pipe.address);
  mutexUnlock(cpu);
  return putInt(
    kernel,
    argument,
    pipe.buffers.reduce((sum, { length }) => sum + length, 0),
  );
}

/** One more opening of a side. */
export function openSides(file: FileStruct, pipe: PipeInode): void {
  if (readsFrom(file)) {
    pipe.readers++;
    pipe.readerCount++;
  }
  if (writesTo(file)) {
    pipe.writers++;
    pipe.writerCount++;
  }
}

/** pipe_release: the other side wakes to its end; the last side takes the pages along. */
function pipeRelease(kernel: Kernel, file: FileStruct): void {
  const { cpu } = kernel;
  // An opening that failed has no side.
  if (!isPipe(file.data)) return;
  const pipe = file.data;
  cpu.run(F.pipe_release, 41);
  mutexLock(cpu, pipe.address);
  if (readsFrom(file)) pipe.readers--;
  if (writesTo(file)) pipe.writers--;
  const last = pipe.readers === 0 && pipe.writers === 0;
  if (!last && (pipe.readers === 0) !== (pipe.writers === 0)) {
    wakeUpSync(kernel, pipe.readWait, Infinity);
    wakeUpSync(kernel, pipe.writeWait, Infinity);
  }
  mutexUnlock(cpu);
  if (last) freePipe(kernel, pipe);
}

/** free_pipe_info */
function freePipe(kernel: Kernel, pipe: PipeInode): void {
  const { cpu, caches } = kernel;
  cpu.run(F.free_pipe_info, 183);
  cpu.run(F.free_uid, 21);
  cpu.run(F.refcount_dec_and_lock_irqsave, 14);
  cpu.run(F.refcount_dec_not_one, 12);
  cpu.runCalls(F.kfree, 58, 2);
  cpu.runCalls(F.__kmem_cache_free, 132, 2);
  const frames = [...pipe.buffers.map(({ frame }) => frame), ...pipe.spare];
  if (frames.length > 0) freeUnrefPageList(kernel, frames);
  pipe.buffers.length = 0;
  pipe.spare.length = 0;
  caches.kmalloc192.freeQuietly(pipe.address);
}

/** pipefifo_fops of a pipe without a name; fifo.ts has the opening of those with one. */
export const PIPE: FileOperations = {
  kind: 'pipe',
  stream: true,
  plain: false,
  read: pipeRead,
  write: pipeWrite,
  poll: pipePoll,
  ioctl: pipeIoctl,
  release: pipeRelease,
};

/** pipe_write to the lab, which takes everything at once. */
function writeConsole(kernel: Kernel, file: FileStruct, iter: IovIter): number {
  const { cpu } = kernel;
  const pipe = pipeOf(file);
  const total = iter.count;
  if (total === 0) return 0;
  const pages = Math.ceil(total / PAGE_BYTES);
  lockPipe(kernel, pipe);
  cpu.run(F.pipe_write, 60 + 91 * pages);
  cpu.runCalls(F.copy_page_from_iter, 46 * pages, pages);
  cpu.runCalls(F._copy_from_iter, 58 * pages, pages);
  const bytes = new Uint8Array(total);
  const done = iter.copyFrom(kernel, bytes);
  for (let page = 0; page < pages; page++) {
    spinLockIrq(cpu, pipe.address + 64);
    spinUnlockIrq(cpu);
  }
  mutexUnlock(cpu);
  wakePipe(kernel, pipe.readWait);
  fileUpdateTime(kernel, file.inode);
  if (done === 0) return -Errno.EFAULT;
  if (pipe.sink !== 0) kernel.console(pipe.sink, bytes.subarray(0, done));
  return done;
}

/** Descriptors 0, 1 and 2 of the target. */
export const CONSOLE_PIPE: FileOperations = { ...PIPE, write: writeConsole };
