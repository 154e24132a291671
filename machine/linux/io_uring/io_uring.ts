/**
 * io_uring, after Linux 6.1 io_uring/io_uring.c: submission and completion with real rings, overflowing
 * completions that are kept. Operations: NOP; any other completes with -EINVAL and the run says so.
 * Omits: links, drains, task work, registered files and buffers, credentials.
 */
import { MachineBug } from '../../core/assert.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileStruct, FileOperations, PollTable } from '../include/linux/fs.ts';
import type { MappedFile } from '../include/linux/mm_types.ts';
import type { Task } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Poll } from '../include/uapi/asm-generic/poll.ts';
import {
  IoringOffset,
  IoringOp,
  IoringSetup,
  IoringSq,
  Iosqe,
  SqeField,
} from '../include/uapi/linux/io_uring.ts';
import { type Kernel, warnOnce } from '../init/kernel.ts';
import { spinLock, spinUnlock } from '../kernel/locking/spinlock.ts';
import { type WaitQueueHead, waitQueueHead, wakeUp } from '../kernel/sched/wait.ts';
import { type Completion, RingField, type Rings } from './rings.ts';
import { tracePoint } from '../trace/points.ts';
import { Point } from '../trace/points-specs.ts';

/** IORING_OP_LAST of 6.1 */
const OP_LAST = 48;
/** IO_REQ_ALLOC_BATCH */
const REQUEST_BATCH = 8;

/** io_ring_ctx */
export class IoRing {
  /** Requests of the cache that are free, as physical addresses. */
  readonly freeRequests: number[] = [];
  requests = 0;
  /** Completions that found no room, oldest first. */
  readonly overflow: Completion[] = [];
  readonly wait: WaitQueueHead;
  /** The polling thread, with SQPOLL. */
  thread: Task | null = null;
  readonly threadWait: WaitQueueHead;
  closed = false;
  /** Submissions taken so far; the user's copy is in the ring. */
  sqHead = 0;
  cqTail = 0;
  disabled: boolean;
  /** With SINGLE_ISSUER: the one task that may enter. */
  issuer: Task | null = null;

  constructor(
    readonly address: number,
    readonly flags: number,
    readonly rings: Rings,
  ) {
    this.wait = waitQueueHead(address + 128);
    this.threadWait = waitQueueHead(address + 192);
    this.disabled = (flags & IoringSetup.R_DISABLED) !== 0;
  }
}

export function ringOf(file: FileStruct): IoRing {
  if (!(file.data instanceof IoRing)) throw new MachineBug('an io_uring file has a ring');
  return file.data;
}

/** io_sqring_entries: submissions that wait. */
export function waitingSubmissions(ring: IoRing): number {
  return (ring.rings.read(RingField.SQ_TAIL) - ring.sqHead) >>> 0;
}

/** Completions that the user has not taken. */
export function waitingCompletions(ring: IoRing): number {
  return (ring.cqTail - ring.rings.peek(RingField.CQ_HEAD)) >>> 0;
}

/** io_alloc_req: from the cache, refilled eight at a time; 0 without memory. */
function allocateRequest(kernel: Kernel, ring: IoRing): number {
  if (ring.freeRequests.length === 0) {
    const fresh: number[] = [];
    if (!kernel.caches.ioKiocb.allocateBulk(kernel, fresh, REQUEST_BATCH)) return 0;
    ring.requests += fresh.length;
    ring.freeRequests.push(...fresh);
  }
  return ring.freeRequests.pop() ?? 0;
}

/** What happened to one submission. */
const enum Outcome {
  DONE,
  /** It was refused before it began: the rest of the batch stays, unless SUBMIT_ALL. */
  REFUSED,
}

interface Batch {
  readonly completions: Completion[];
  readonly requests: number[];
}

/** io_submit_sqes: takes up to `count` submissions. Returns how many, or -EAGAIN without memory. */
export function submit(kernel: Kernel, ring: IoRing, count: number): number {
  const { cpu } = kernel;
  const wanted = Math.min(count, waitingSubmissions(ring), ring.rings.shape.sqEntries);
  if (wanted === 0) return 0;
  const batch: Batch = { completions: [], requests: [] };
  let taken = 0;
  while (taken < wanted) {
    const request = allocateRequest(kernel, ring);
    if (request === 0) break;
    const sqe = nextSqe(ring);
    // An index out of bounds is dropped, and ends the batch without counting.
    if (sqe < 0) {
      ring.freeRequests.push(request);
      break;
    }
    taken++;
    batch.requests.push(request);
    const outcome = issue(kernel, { request, sqe }, batch);
    if (outcome === Outcome.REFUSED && (ring.flags & IoringSetup.SUBMIT_ALL) === 0) break;
  }
  cpu.run(F.io_submit_sqes, 54 + 86 * Math.max(1, taken));
  flushCompletions(kernel, ring, batch);
  ring.rings.write(RingField.SQ_HEAD, ring.sqHead);
  return taken > 0 || ring.freeRequests.length > 0 ? taken : -Errno.EAGAIN;
}

/** io_get_sqe: physical address of the next entry, or -1 for an index out of bounds. */
function nextSqe(ring: IoRing): number {
  const { rings } = ring;
  const { sqEntries } = rings.shape;
  const slot = ring.sqHead & (sqEntries - 1);
  ring.sqHead = (ring.sqHead + 1) >>> 0;
  const index = rings.read(rings.arrayOffset + slot * 4);
  if (index < sqEntries) return rings.sqe(index);
  rings.write(RingField.SQ_DROPPED, rings.peek(RingField.SQ_DROPPED) + 1);
  return -1;
}

interface Request {
  /** Physical address of the object and of the entry. */
  readonly request: number;
  readonly sqe: number;
}

/** io_submit_sqe: prepares and runs one request. */
function issue(kernel: Kernel, { request, sqe }: Request, { completions }: Batch): Outcome {
  const { cpu, memory } = kernel;
  const opcode = memory.bytes[sqe + SqeField.OPCODE];
  const flags = memory.bytes[sqe + SqeField.FLAGS];
  const userData = memory.getBigUint64(sqe + SqeField.USER_DATA);
  cpu.write(request);
  cpu.write(request + 64);
  cpu.write(request + 128);
  if (opcode !== (IoringOp.NOP as number) || (flags & ~Iosqe.ALL) !== 0) {
    if (opcode > 0 && opcode < OP_LAST) {
      const message = `io_uring operation ${opcode} is not modelled: completed with -EINVAL`;
      warnOnce(kernel, `io_uring ${opcode}`, message);
    }
    completions.push({ userData, result: -Errno.EINVAL });
    return Outcome.REFUSED;
  }
  cpu.run(F.io_nop_prep, 6);
  cpu.indirect(1);
  tracePoint(kernel, Point.IO_URING_SUBMIT_REQ, Number(userData), opcode);
  cpu.run(F.io_issue_sqe, 63);
  cpu.indirect(1);
  cpu.run(F.io_nop, 4);
  if ((flags & Iosqe.CQE_SKIP_SUCCESS) === 0) completions.push({ userData, result: 0 });
  return Outcome.DONE;
}

/** __io_submit_flush_completions: completions become visible, requests free. */
function flushCompletions(kernel: Kernel, ring: IoRing, { completions, requests }: Batch): void {
  const { cpu } = kernel;
  cpu.run(F.__io_submit_flush_completions, 34 + 8 * requests.length);
  spinLock(cpu, ring.address + 256);
  for (const completion of completions) fillCqe(kernel, ring, completion);
  ring.rings.write(RingField.CQ_TAIL, ring.cqTail);
  spinUnlock(cpu);
  cpu.run(F.io_free_batch_list, 30 + 23 * requests.length);
  ring.freeRequests.push(...requests.reverse());
  if (ring.wait.entries.length > 0) wakeUp(kernel, ring.wait);
}

/** __io_fill_cqe_req: into the ring, or onto the overflow list. */
function fillCqe(kernel: Kernel, ring: IoRing, completion: Completion): void {
  const { cpu } = kernel;
  const { rings } = ring;
  const { userData, result } = completion;
  tracePoint(kernel, Point.IO_URING_COMPLETE, Number(userData), result);
  cpu.run(F.__io_fill_cqe_req, 37);
  const free = rings.shape.cqEntries - waitingCompletions(ring);
  if (free > 0 && ring.overflow.length === 0) {
    rings.writeCqe(ring.cqTail, completion);
    ring.cqTail = (ring.cqTail + 1) >>> 0;
    return;
  }
  ring.overflow.push(completion);
  rings.write(RingField.SQ_FLAGS, rings.peek(RingField.SQ_FLAGS) | IoringSq.CQ_OVERFLOW);
}

/** __io_cqring_overflow_flush: what fits now moves into the ring. */
export function flushOverflow(ring: IoRing): void {
  const { rings } = ring;
  if (ring.overflow.length === 0) return;
  while (ring.overflow.length > 0 && waitingCompletions(ring) < rings.shape.cqEntries) {
    const completion = ring.overflow.shift();
    if (completion === undefined) break;
    rings.writeCqe(ring.cqTail, completion);
    ring.cqTail = (ring.cqTail + 1) >>> 0;
  }
  rings.write(RingField.CQ_TAIL, ring.cqTail);
  if (ring.overflow.length > 0) return;
  rings.write(RingField.SQ_FLAGS, rings.peek(RingField.SQ_FLAGS) & ~IoringSq.CQ_OVERFLOW);
}

/** io_uring_mmap: the rings, which share their area, or the entries. */
function mmap(file: FileStruct, offset: number, length: number): MappedFile | number {
  const { rings } = ringOf(file);
  const isRing = offset === IoringOffset.SQ_RING || offset === IoringOffset.CQ_RING;
  if (!isRing && offset !== IoringOffset.SQES) return -Errno.EINVAL;
  const area = isRing ? rings.ringMapping : rings.sqesMapping;
  return length > area.size ? -Errno.EINVAL : area;
}

function poll(kernel: Kernel, file: FileStruct, table: PollTable | null): number {
  const ring = ringOf(file);
  table?.queue(kernel, file, ring.wait);
  let mask = 0;
  if (waitingSubmissions(ring) < ring.rings.shape.sqEntries) mask |= Poll.OUT | Poll.WRNORM;
  if (waitingCompletions(ring) > 0 || ring.overflow.length > 0) mask |= Poll.IN | Poll.RDNORM;
  return mask;
}

/** io_ring_ctx_free. Rings that are mapped outlive the file. */
function release(kernel: Kernel, file: FileStruct): void {
  const ring = ringOf(file);
  ring.closed = true;
  if (ring.thread !== null) wakeUp(kernel, ring.threadWait);
  kernel.caches.ioKiocb.freeBulk(kernel, ring.freeRequests);
  ring.rings.free();
  kernel.caches.kmalloc1k.freeQuietly(ring.address);
}

export const IO_URING: FileOperations = {
  kind: 'anonymous',
  stream: false,
  plain: true,
  mmap,
  poll,
  release,
};
