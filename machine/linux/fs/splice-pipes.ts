/**
 * splice, tee and vmsplice, after Linux 6.1 fs/splice.c. Between pipes whole pages change hands, as in
 * Linux; where Linux would share a page (a part of one, a file's, a program's), its bytes are copied, which
 * costs more and shows the same. Instructions are estimates from the source, within a half: no counted
 * path goes here. Omits: SPLICE_F_MOVE, SPLICE_F_MORE and SPLICE_F_GIFT, which are hints.
 */
import { getUser, putUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileStruct } from '../include/linux/fs.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { mutexUnlock } from '../kernel/locking/mutex.ts';
import { waitEventInterruptible } from '../kernel/sched/wait.ts';
import { importIovec, IovIter, TRANSFER_BYTES_MAX } from '../lib/iov_iter.ts';
import { fdget, fdput } from './file.ts';
import { isPipe, type PipeInode } from './pipe-inode.ts';
import {
  brokenPipe,
  lockPipe,
  pipeOf,
  putBytes,
  readsFrom,
  takeBytes,
  wakePipe,
  writesTo,
} from './pipe.ts';
import { vfsRead, vfsWrite } from './read_write.ts';

const FLAGS = 0xf;
const NONBLOCK = 2;
const OFFSET_BYTES = 8;
const PAGE_BYTES = 4096;
const IOVECS_MAX = 1024;

/** What a page that changes hands costs. */
const PAGE_COST = 70;

const bytesIn = (pipe: PipeInode): number =>
  pipe.buffers.reduce((sum, { length }) => sum + length, 0);

const roomIn = (pipe: PipeInode): number => (pipe.slots - pipe.buffers.length) * PAGE_BYTES;

/** ipipe_prep: 1 once there are bytes, 0 at the end, or an error. */
function* waitForBytes(kernel: Kernel, pipe: PipeInode, nonblock: boolean): Sleeping<number> {
  while (pipe.buffers.length === 0) {
    if (pipe.writers === 0) return 0;
    if (nonblock) return -Errno.EAGAIN;
    const ready = (): boolean => pipe.buffers.length > 0 || pipe.writers === 0;
    const woken = yield* waitEventInterruptible(kernel, pipe.readWait, ready, { exclusive: true });
    if (woken < 0) return woken;
  }
  return 1;
}

/** opipe_prep: 1 once there is a free slot, or an error. */
function* waitForRoom(kernel: Kernel, pipe: PipeInode, nonblock: boolean): Sleeping<number> {
  for (;;) {
    if (pipe.readers === 0) return brokenPipe(kernel);
    if (pipe.buffers.length < pipe.slots) return 1;
    if (nonblock) return -Errno.EAGAIN;
    const ready = (): boolean => pipe.buffers.length < pipe.slots || pipe.readers === 0;
    const woken = yield* waitEventInterruptible(kernel, pipe.writeWait, ready, { exclusive: true });
    if (woken < 0) return woken;
  }
}

/** Bytes of the pipe as a kernel buffer; the pipe has at least one. */
function take(kernel: Kernel, pipe: PipeInode, count: number): Uint8Array {
  const buffer = new Uint8Array(Math.min(count, bytesIn(pipe)));
  lockPipe(kernel, pipe);
  takeBytes(kernel, pipe, new IovIter([], buffer));
  mutexUnlock(kernel.cpu);
  return buffer;
}

/** Puts a kernel buffer into a pipe. Returns how much of it, or an error. */
function put(kernel: Kernel, pipe: PipeInode, bytes: Uint8Array): number {
  lockPipe(kernel, pipe);
  const done = putBytes(kernel, pipe, new IovIter([], bytes));
  mutexUnlock(kernel.cpu);
  if (done > 0) wakePipe(kernel, pipe.readWait);
  return done;
}

/** splice_pipe_to_pipe: whole pages move, of the last one perhaps a part. */
function* pipeToPipe(
  kernel: Kernel,
  from: PipeInode,
  to: PipeInode,
  count: number,
  nonblock: boolean,
): Sleeping<number> {
  for (;;) {
    const ready = yield* waitForBytes(kernel, from, nonblock);
    if (ready <= 0) return ready;
    const room = yield* waitForRoom(kernel, to, nonblock);
    if (room <= 0) return room;
    // Waiting for the one may have cost the other.
    if (from.buffers.length > 0) break;
  }
  const { cpu } = kernel;
  let done = 0;
  lockPipe(kernel, from);
  while (done < count && from.buffers.length > 0 && to.buffers.length < to.slots) {
    const [buffer] = from.buffers;
    cpu.run(F.splice_pipe_to_pipe, PAGE_COST);
    if (buffer.length > count - done) break;
    from.buffers.shift();
    to.buffers.push(buffer);
    done += buffer.length;
  }
  mutexUnlock(cpu);
  const rest = Math.min(count - done, from.buffers.at(0)?.length ?? 0);
  if (rest > 0 && to.buffers.length < to.slots) {
    done += Math.max(0, put(kernel, to, take(kernel, from, rest)));
  }
  wakePipe(kernel, to.readWait);
  wakePipe(kernel, from.writeWait);
  return done;
}

/** A side that is no pipe: the file, and where in it. */
interface FileSide {
  readonly file: FileStruct;
  readonly pointer: number;
  position: number;
}

/** The position, or -EFAULT, -EINVAL, -ESPIPE. */
function fileSide(kernel: Kernel, file: FileStruct, pointer: number): FileSide | number {
  if (pointer === 0) return { file, pointer, position: file.position };
  if (file.operations.stream) return -Errno.EINVAL;
  const bytes = new Uint8Array(OFFSET_BYTES);
  if (getUser(kernel, pointer, bytes) < 0) return -Errno.EFAULT;
  const position = Number(new DataView(bytes.buffer).getBigInt64(0, true));
  return position < 0 ? -Errno.EINVAL : { file, pointer, position };
}

function advance(kernel: Kernel, side: FileSide, done: number): number {
  side.position += done;
  if (side.pointer === 0) {
    if (!side.file.operations.stream) side.file.position = side.position;
    return done;
  }
  const bytes = new Uint8Array(OFFSET_BYTES);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(side.position), true);
  return putUser(kernel, side.pointer, bytes) < 0 ? -Errno.EFAULT : done;
}

/** do_splice_to: as much as the pipe has room for. */
function* fileToPipe(
  kernel: Kernel,
  from: FileSide,
  to: PipeInode,
  count: number,
  nonblock: boolean,
): Sleeping<number> {
  const room = yield* waitForRoom(kernel, to, nonblock);
  if (room <= 0) return room;
  const buffer = new Uint8Array(Math.min(count, roomIn(to)));
  kernel.cpu.run(F.do_splice_to, 60);
  const reading = vfsRead(kernel, from.file, new IovIter([], buffer), from.position);
  const read = typeof reading === 'number' ? reading : yield* reading;
  if (read <= 0) return read;
  const done = put(kernel, to, buffer.subarray(0, read));
  return done <= 0 ? done : advance(kernel, from, done);
}

/** do_splice_from: until `count` bytes are written or the pipe is empty. */
function* pipeToFile(
  kernel: Kernel,
  from: PipeInode,
  to: FileSide,
  count: number,
  nonblock: boolean,
): Sleeping<number> {
  let done = 0;
  while (done < count) {
    // Only the first bytes are waited for.
    if (done > 0 && from.buffers.length === 0) break;
    const ready = yield* waitForBytes(kernel, from, nonblock);
    if (ready <= 0) return done > 0 ? done : ready;
    const bytes = take(kernel, from, count - done);
    wakePipe(kernel, from.writeWait);
    kernel.cpu.run(F.do_splice_from, 60);
    const writing = vfsWrite(kernel, to.file, new IovIter([], bytes), to.position);
    const written = typeof writing === 'number' ? writing : yield* writing;
    if (written < 0) return done > 0 ? done : written;
    const kept = advance(kernel, to, written);
    if (kept < 0) return kept;
    done += written;
    if (written < bytes.length) break;
  }
  return done;
}

interface Splice {
  readonly from: FileStruct;
  readonly fromPointer: number;
  readonly to: FileStruct;
  readonly toPointer: number;
  readonly count: number;
  readonly nonblock: boolean;
}

const nonblocking = (file: FileStruct, nonblock: boolean): boolean =>
  nonblock || (file.flags & O.NONBLOCK) !== 0;

/** do_splice: which of the three it is. */
function doSplice(kernel: Kernel, splice: Splice): number | Sleeping<number> {
  const { from, to, count, nonblock } = splice;
  const [input, output] = [from.data, to.data];
  if (!readsFrom(from) || !writesTo(to)) return -Errno.EBADF;
  if (isPipe(input) && isPipe(output)) {
    if (splice.fromPointer !== 0 || splice.toPointer !== 0) return -Errno.ESPIPE;
    if (input === output) return -Errno.EINVAL;
    const waits = !nonblocking(from, nonblocking(to, nonblock));
    return pipeToPipe(kernel, input, output, count, !waits);
  }
  if (isPipe(input)) {
    if (splice.fromPointer !== 0) return -Errno.ESPIPE;
    if ((to.flags & O.APPEND) !== 0 || to.operations.write === undefined) return -Errno.EINVAL;
    const side = fileSide(kernel, to, splice.toPointer);
    if (typeof side === 'number') return side;
    return pipeToFile(kernel, input, side, count, nonblocking(from, nonblock));
  }
  if (isPipe(output)) {
    if (splice.toPointer !== 0) return -Errno.ESPIPE;
    if (from.operations.read === undefined) return -Errno.EINVAL;
    const side = fileSide(kernel, from, splice.fromPointer);
    if (typeof side === 'number') return side;
    return fileToPipe(kernel, side, output, count, nonblocking(to, nonblock));
  }
  return -Errno.EINVAL;
}

/** Holds files while a call sleeps. */
function* holding(
  kernel: Kernel,
  files: readonly FileStruct[],
  body: Sleeping<number>,
): Sleeping<number> {
  for (const file of files) file.references++;
  const result = yield* body;
  for (const file of files) fdput(kernel, file);
  return result;
}

export function sysSplice(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  kernel.cpu.run(F.__x64_sys_splice, 60);
  const count = Math.min(args.unsigned(4), TRANSFER_BYTES_MAX);
  const flags = args.low(5);
  if (count === 0) return 0;
  if ((flags & ~FLAGS) !== 0) return -Errno.EINVAL;
  const [from, to] = [fdget(kernel, args.int(0)), fdget(kernel, args.int(2))];
  if (from === null || to === null) return -Errno.EBADF;
  const result = doSplice(kernel, {
    from,
    fromPointer: args.unsigned(1),
    to,
    toPointer: args.unsigned(3),
    count,
    nonblock: (flags & NONBLOCK) !== 0,
  });
  return typeof result === 'number' ? result : holding(kernel, [from, to], result);
}

/** link_pipe: what is in the one is put into the other as well. */
function* duplicate(
  kernel: Kernel,
  from: PipeInode,
  to: PipeInode,
  count: number,
  nonblock: boolean,
): Sleeping<number> {
  const ready = yield* waitForBytes(kernel, from, nonblock);
  if (ready <= 0) return ready;
  const room = yield* waitForRoom(kernel, to, nonblock);
  if (room <= 0) return room;
  let done = 0;
  for (const { frame, offset, length } of [...from.buffers]) {
    if (done >= count || to.buffers.length >= to.slots) break;
    kernel.cpu.run(F.do_tee, PAGE_COST);
    const start = frame * PAGE_BYTES + offset;
    const bytes = Math.min(length, count - done);
    const copied = put(kernel, to, kernel.memory.bytes.slice(start, start + bytes));
    if (copied < 0) return done > 0 ? done : copied;
    done += copied;
  }
  return done;
}

export function sysTee(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  kernel.cpu.run(F.do_tee, 60);
  const flags = args.low(3);
  const count = args.unsigned(2);
  if ((flags & ~FLAGS) !== 0) return -Errno.EINVAL;
  if (count === 0) return 0;
  const [from, to] = [fdget(kernel, args.int(0)), fdget(kernel, args.int(1))];
  if (from === null || to === null) return -Errno.EBADF;
  if (!readsFrom(from) || !writesTo(to)) return -Errno.EBADF;
  if (!isPipe(from.data) || !isPipe(to.data) || from.data === to.data) return -Errno.EINVAL;
  const nonblock = nonblocking(from, nonblocking(to, (flags & NONBLOCK) !== 0));
  return holding(kernel, [from, to], duplicate(kernel, from.data, to.data, count, nonblock));
}

/** vmsplice_to_pipe and vmsplice_to_user. */
export function sysVmsplice(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  kernel.cpu.run(F.__x64_sys_vmsplice, 60);
  const flags = args.low(3);
  if ((flags & ~FLAGS) !== 0) return -Errno.EINVAL;
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  if (args.unsigned(2) > IOVECS_MAX) return -Errno.EINVAL;
  const ranges = importIovec(kernel, args.unsigned(1), args.int(2));
  if (typeof ranges === 'number') return ranges;
  if (!isPipe(file.data)) return -Errno.EBADF;
  const iter = new IovIter(ranges);
  if (iter.count === 0) return 0;
  const nonblock = (flags & NONBLOCK) !== 0;
  const pipe = pipeOf(file);
  const body = writesTo(file)
    ? memoryToPipe(kernel, pipe, iter, nonblock)
    : pipeToMemory(kernel, pipe, iter, nonblock);
  return holding(kernel, [file], body);
}

function* memoryToPipe(
  kernel: Kernel,
  pipe: PipeInode,
  iter: IovIter,
  nonblock: boolean,
): Sleeping<number> {
  let done = 0;
  while (iter.count > 0) {
    const room = yield* waitForRoom(kernel, pipe, nonblock);
    if (room <= 0) return done > 0 ? done : room;
    lockPipe(kernel, pipe);
    const copied = putBytes(kernel, pipe, iter);
    mutexUnlock(kernel.cpu);
    if (copied <= 0) return done > 0 ? done : copied;
    wakePipe(kernel, pipe.readWait);
    done += copied;
  }
  return done;
}

function* pipeToMemory(
  kernel: Kernel,
  pipe: PipeInode,
  iter: IovIter,
  nonblock: boolean,
): Sleeping<number> {
  const ready = yield* waitForBytes(kernel, pipe, nonblock);
  if (ready <= 0) return ready;
  lockPipe(kernel, pipe);
  const done = takeBytes(kernel, pipe, iter);
  mutexUnlock(kernel.cpu);
  if (done > 0) wakePipe(kernel, pipe.writeWait);
  return done;
}
