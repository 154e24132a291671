/**
 * The user (or kernel) side of a read or write, after Linux 6.1 lib/iov_iter.c: ranges that are
 * walked as bytes are copied. Omits: pipes, extracting pages, checksums.
 */
import { copyIn, copyOut, readUserBytes, writeUserBytes } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { High, TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';

/** UIO_MAXIOV */
export const IOVECS_MAX = 1024;
const IOVEC_BYTES = 16;
/** MAX_RW_COUNT: what one call transfers at most. */
export const TRANSFER_BYTES_MAX = 0x7ffff000;

export interface UserRange {
  readonly address: number;
  readonly length: number;
}

export const inUserSpace = (address: number, length: number): boolean =>
  address >= 0 && address + length <= TASK_SIZE;

export class IovIter {
  /** Bytes left. */
  count: number;
  private segment = 0;
  private offset = 0;

  /** `buffer`, when given, stands for the ranges: a kernel buffer. */
  constructor(
    private readonly ranges: readonly UserRange[],
    private readonly buffer: Uint8Array | null = null,
  ) {
    this.count =
      buffer === null ? ranges.reduce((sum, { length }) => sum + length, 0) : buffer.length;
  }

  /** Address of the next byte, for those who fault pages in; -1 for a kernel buffer. */
  get address(): number {
    const range = this.ranges.at(this.segment);
    return this.buffer !== null || range === undefined ? -1 : range.address + this.offset;
  }

  /** Shortens the iterator to `count` bytes. */
  truncate(count: number): void {
    if (count < this.count) this.count = count;
  }

  /** _copy_to_iter: returns how many bytes arrived before a fault. */
  copyTo(kernel: Kernel, from: Uint8Array): number {
    return this.walk(kernel, from, true);
  }

  /** _copy_from_iter */
  copyFrom(kernel: Kernel, to: Uint8Array): number {
    return this.walk(kernel, to, false);
  }

  /** clear_user of as many bytes as `zeros` has; the caller charges the instructions. */
  clear(kernel: Kernel, zeros: Uint8Array): number {
    return this.walk(kernel, zeros, true, false);
  }

  private walk(kernel: Kernel, bytes: Uint8Array, out: boolean, charged = true): number {
    const wanted = Math.min(bytes.length, this.count);
    let done = 0;
    while (done < wanted) {
      const chunk = this.chunk(wanted - done);
      if (chunk === 0) {
        this.segment++;
        this.offset = 0;
        continue;
      }
      const part = bytes.subarray(done, done + chunk);
      if (!this.move(kernel, part, out, charged)) break;
      this.offset += chunk;
      this.count -= chunk;
      done += chunk;
    }
    return done;
  }

  private chunk(wanted: number): number {
    if (this.buffer !== null) return wanted;
    return Math.min(wanted, this.ranges[this.segment].length - this.offset);
  }

  private move(kernel: Kernel, part: Uint8Array, out: boolean, charged: boolean): boolean {
    if (this.buffer === null) {
      const address = this.ranges[this.segment].address + this.offset;
      if (!out) return copyIn(kernel, address, part) >= 0;
      return (charged ? copyOut : writeUserBytes)(kernel, address, part) >= 0;
    }
    if (out) this.buffer.set(part, this.offset);
    else part.set(this.buffer.subarray(this.offset, this.offset + part.length));
    return true;
  }
}

/** copy_page_to_iter: up to `available` bytes of guest memory at `physical`. Returns bytes copied. */
export function copyPageToIter(
  kernel: Kernel,
  iter: IovIter,
  physical: number,
  available: number,
): number {
  const { cpu, memory } = kernel;
  pageCopyCost(kernel, iter, available, F.copy_page_to_iter, F._copy_to_iter);
  cpu.run(F.page_copy_sane, 11);
  const bytes = Math.min(available, iter.count);
  if (bytes > 0) cpu.stream('read', physical, High.DIRECT, bytes);
  return iter.copyTo(kernel, memory.bytes.subarray(physical, physical + bytes));
}

/** copy_to_iter of a kernel buffer (seq_file): as much of it as the iterator takes. */
export function copyBytesToIter(kernel: Kernel, iter: IovIter, bytes: Uint8Array): number {
  if (bytes.length === 0 || iter.count === 0) return 0;
  kernel.cpu.run(F._copy_to_iter, 58);
  const wanted = Math.min(bytes.length, iter.count);
  const copied = iter.copyTo(kernel, bytes.subarray(0, wanted));
  return copied === 0 ? -Errno.EFAULT : copied;
}

/** copy_page_from_iter */
export function copyPageFromIter(
  kernel: Kernel,
  iter: IovIter,
  physical: number,
  room: number,
): number {
  const { cpu, memory } = kernel;
  pageCopyCost(kernel, iter, room, F.copy_page_from_iter, F._copy_from_iter);
  const bytes = Math.min(room, iter.count);
  if (bytes > 0) cpu.stream('write', physical, High.DIRECT, bytes);
  const copied = iter.copyFrom(kernel, memory.bytes.subarray(physical, physical + bytes));
  memory.written(physical);
  return copied;
}

/** The loop over the page asks once more when the iterator ends before the page does. */
function pageCopyCost({ cpu }: Kernel, iter: IovIter, bytes: number, outer: F, inner: F): void {
  const again = iter.count < bytes;
  cpu.run(outer, again ? 69 : 47);
  cpu.runCalls(inner, again ? 91 : 58, again ? 2 : 1);
}

/** __import_iovec: the ranges, or -EINVAL, -EFAULT. */
export function importIovec(kernel: Kernel, address: number, count: number): UserRange[] | number {
  kernel.cpu.run(F.__import_iovec, 40 + 14 * Math.min(count, IOVECS_MAX));
  if (count > IOVECS_MAX || count < 0) return -Errno.EINVAL;
  const bytes = new Uint8Array(count * IOVEC_BYTES);
  if (readUserBytes(kernel, address, bytes) < 0) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  const ranges: UserRange[] = [];
  let total = 0;
  for (let at = 0; at < bytes.length; at += IOVEC_BYTES) {
    const base = Number(view.getBigUint64(at, true));
    const length = Number(view.getBigInt64(at + 8, true));
    if (length < 0) return -Errno.EINVAL;
    if (!inUserSpace(base, length)) return -Errno.EFAULT;
    const room = TRANSFER_BYTES_MAX - total;
    ranges.push({ address: base, length: Math.min(length, room) });
    total += Math.min(length, room);
  }
  return ranges;
}

/** The iterator of arguments (`vector`, `count`) as readv and its kin take them, or an error. */
export function iterOfVector(kernel: Kernel, args: SyscallArguments, vector = 1): IovIter | number {
  const ranges = importIovec(kernel, args.unsigned(vector), args.int(vector + 1));
  return typeof ranges === 'number' ? ranges : new IovIter(ranges);
}
