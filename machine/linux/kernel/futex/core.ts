/**
 * Futexes: keys, hash buckets and the queue of waiters, after Linux 6.1 kernel/futex/core.c. A bucket
 * has a spinlock that is held in simulated time; its waiters are in order of priority, then of
 * arrival. Omits: inode keys of files that are not mapped shared, NUMA and private hashes.
 */
import { readUserBytes, writeUserBytes } from '../../arch/x86/lib/usercopy.ts';
import { IMAGE_PHYSICAL, ImageData, Low, TASK_SIZE } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Sleeping, Task } from '../../include/linux/sched.ts';
import { Vm } from '../../include/linux/mm_types.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../init/kernel.ts';
import { findVma } from '../../lib/maple_tree.ts';
import { userPage } from '../../mm/gup.ts';
import { acquire, release, spinLockAt, type SpinLock } from '../locking/spinlock.ts';
import { wakeUpProcess } from '../sched/core.ts';

/** Bits of the operation word and of our own. */
export const enum Futex {
  PRIVATE_FLAG = 128,
  CLOCK_REALTIME = 256,
  CMD_MASK = ~(128 | 256),
  WAITERS = 0x80000000,
  OWNER_DIED = 0x40000000,
  TID_MASK = 0x3fffffff,
  BITSET_ANY = 0xffffffff,
}

/** Two words are the same futex when both halves agree. */
export interface FutexKey {
  /** The address space for private words; the frame of the page, plus 1/2, for shared ones. */
  readonly space: number;
  readonly offset: number;
}

/** futex_hash_bucket */
export interface FutexBucket {
  readonly lock: SpinLock;
  readonly chain: FutexQ[];
}

/** futex_q: one waiter on one word. */
export interface FutexQ {
  readonly task: Task;
  key: FutexKey;
  bitset: number;
  /** Null once it has been woken or taken off. */
  bucket: FutexBucket | null;
  /** Priority in the chain: real-time waiters go first, all others in order of arrival. */
  readonly prio: number;
  /** FUTEX_WAIT_REQUEUE_PI: the word that it may be moved to, and whether it was. */
  requeueTo: FutexKey | null;
  requeued: boolean;
  /** A wake-up of futex_waitv also says which word it was. */
  readonly onWake?: (kernel: Kernel) => void;
  /** Waits for a priority-inheriting lock: it is handed the lock, not woken by FUTEX_WAKE. */
  isPi: boolean;
}

const FUTEX_BYTES = 64;
/** Buckets for each CPU. */
const BUCKETS_PER_CPU = 256;

/** futex_queues: made at boot. */
export class FutexTable {
  private readonly buckets: FutexBucket[];
  private readonly base = IMAGE_PHYSICAL + (ImageData.FUTEX_QUEUES - Low.TEXT);

  constructor(cpus: number) {
    let count = BUCKETS_PER_CPU;
    while (count < BUCKETS_PER_CPU * cpus) count *= 2;
    this.buckets = Array.from({ length: count }, (_, i) => ({
      lock: spinLockAt(this.base + i * FUTEX_BYTES),
      chain: [],
    }));
  }

  /** futex_hash, a mix of the key's halves. */
  bucketOf(key: FutexKey): FutexBucket {
    let hash = Math.imul(key.offset | 0, 0x9e3779b1);
    hash = Math.imul(hash ^ Math.floor(key.space), 0x85ebca6b);
    hash ^= Math.imul(Math.floor(key.offset / 2 ** 32) + 1, 0xc2b2ae35);
    hash ^= hash >>> 15;
    return this.buckets[(hash >>> 0) % this.buckets.length];
  }

  /** Waiters that are queued anywhere: none may be left when all tasks have ended. */
  get waiters(): number {
    return this.buckets.reduce((sum, { chain }) => sum + chain.length, 0);
  }
}

export const sameKey = (a: FutexKey, b: FutexKey): boolean =>
  a.offset === b.offset && a.space === b.space;

const PAGE_BYTES = 4096;

/**
 * get_futex_key: a private word is known by its address; a shared one by its page where the mapping
 * is shared, else by address and address space. Returns a key or a negative error.
 */
export function getFutexKey(
  kernel: Kernel,
  address: number,
  access: { readonly isShared: boolean; readonly write: boolean },
): FutexKey | number {
  const { cpu, current } = kernel;
  cpu.run(F.get_futex_key, 51);
  const { mm } = current;
  if (address % 4 !== 0) return -Errno.EINVAL;
  if (!(address >= 0 && address + 4 <= TASK_SIZE) || mm === null) return -Errno.EFAULT;
  if (!access.isShared) return { space: mm.address, offset: address };
  // get_user_pages_fast: the page must be there, writable if the operation may write.
  cpu.run(F.get_user_pages_fast, 12);
  cpu.run(F.internal_get_user_pages_fast, 210);
  cpu.run(F.try_grab_folio, 40);
  const page = userPage(kernel, mm, address, access.write);
  if (page < 0) return -Errno.EFAULT;
  cpu.writePageStruct(page / PAGE_BYTES);
  const vma = findVma(cpu, mm.vmas, address);
  const isSharedMapping = vma !== undefined && (vma.flags & Vm.SHARED) !== 0;
  if (!isSharedMapping) return { space: mm.address, offset: address };
  return { space: page + 0.5, offset: address % PAGE_BYTES };
}

/** futex_hash, as everybody pays for it. */
export function hashKey(kernel: Kernel, key: FutexKey): FutexBucket {
  const { cpu } = kernel;
  cpu.run(F.futex_hash, 73);
  const bucket = kernel.futexes.bucketOf(key);
  cpu.read(bucket.lock.address);
  return bucket;
}

const WORD = new Uint32Array(1);
const WORD_BYTES = new Uint8Array(WORD.buffer);

/** futex_get_value_locked, with the page brought in: the word, or a negative error. */
export function readWord(kernel: Kernel, address: number): number {
  kernel.cpu.run(F.futex_get_value_locked, 11);
  kernel.cpu.run(F.__get_user_nocheck_4, 6);
  return readUserBytes(kernel, address, WORD_BYTES) < 0 ? -Errno.EFAULT : WORD[0];
}

/** The word without a charge: the caller has paid. */
export function peekWord(kernel: Kernel, address: number): number {
  return readUserBytes(kernel, address, WORD_BYTES) < 0 ? -Errno.EFAULT : WORD[0];
}

/** futex_cmpxchg_value_locked, which cannot fail here: nobody runs in between. */
export function writeWord(kernel: Kernel, address: number, value: number): number {
  WORD[0] = value;
  return writeUserBytes(kernel, address, WORD_BYTES);
}

/** A waiter that is on no chain yet. */
export function newFutexQ(
  task: Task,
  key: FutexKey,
  options: {
    readonly bitset?: number;
    readonly requeueTo?: FutexKey;
    readonly isPi?: boolean;
    readonly onWake?: (kernel: Kernel) => void;
  } = {},
): FutexQ {
  const { onWake } = options;
  return {
    task,
    key,
    bitset: options.bitset ?? Futex.BITSET_ANY,
    bucket: null,
    prio: Math.min(task.sched.normalPrio, 100),
    requeueTo: options.requeueTo ?? null,
    requeued: false,
    isPi: options.isPi ?? false,
    ...(onWake === undefined ? {} : { onWake }),
  };
}

/** __futex_queue: behind those of the same priority. The bucket is locked. */
export function enqueue(kernel: Kernel, bucket: FutexBucket, q: FutexQ): void {
  const { cpu } = kernel;
  cpu.run(F.__futex_queue, 22);
  cpu.run(F.plist_add, 39);
  cpu.run(F.__list_add_valid, 17);
  cpu.stack(768, 1);
  cpu.write(bucket.lock.address);
  insert(bucket, q);
}

function insert(bucket: FutexBucket, q: FutexQ): void {
  const { chain } = bucket;
  let at = chain.length;
  while (at > 0 && chain[at - 1].prio > q.prio) at--;
  chain.splice(at, 0, q);
  q.bucket = bucket;
}

/** __futex_unqueue. The bucket is locked. */
export function dequeue({ cpu }: Kernel, q: FutexQ): void {
  cpu.run(F.__futex_unqueue, 14);
  cpu.run(F.plist_del, 27);
  cpu.run(F.__list_del_entry_valid, 20);
  remove(q);
}

function remove(q: FutexQ): void {
  if (q.bucket === null) return;
  const { chain } = q.bucket;
  chain.splice(chain.indexOf(q), 1);
  q.bucket = null;
}

/** futex_unqueue, after a sleep: true if nobody has woken the waiter. */
export function unqueueMe(kernel: Kernel, q: FutexQ): boolean {
  const { cpu } = kernel;
  cpu.run(F.futex_unqueue, 12);
  const { bucket } = q;
  if (bucket === null) return false;
  acquire(cpu, bucket.lock);
  dequeue(kernel, q);
  release(cpu, bucket.lock);
  return true;
}

/** requeue_futex: the waiter goes to another word, asleep. Both buckets are locked. */
export function moveWaiter(kernel: Kernel, q: FutexQ, to: FutexBucket, key: FutexKey): void {
  if (q.bucket !== to) {
    remove(q);
    insert(to, q);
    kernel.cpu.run(F.plist_del, 27);
    kernel.cpu.run(F.plist_add, 39);
  }
  q.key = key;
}

/** futex_wake_mark: off the chain; it is woken when the bucket is free again. */
export function markWoken(kernel: Kernel, q: FutexQ, woken: Task[]): void {
  const { cpu } = kernel;
  cpu.run(F.futex_wake_mark, 28);
  dequeue(kernel, q);
  cpu.run(F.wake_q_add_safe, 11);
  cpu.write(q.task.address + 2944);
  q.onWake?.(kernel);
  woken.push(q.task);
}

/** wake_up_q */
export function wakeUpQ(kernel: Kernel, woken: readonly Task[]): void {
  if (woken.length === 0) return;
  kernel.cpu.run(F.wake_up_q, 10 + 22 * woken.length);
  for (const task of woken) wakeUpProcess(kernel, task);
}

/** Locks two buckets in the order of their addresses. */
export function lockBoth({ cpu }: Kernel, a: FutexBucket, b: FutexBucket): void {
  const [first, second] = a.lock.address <= b.lock.address ? [a, b] : [b, a];
  acquire(cpu, first.lock);
  if (first !== second) acquire(cpu, second.lock);
}

export function unlockBoth({ cpu }: Kernel, a: FutexBucket, b: FutexBucket): void {
  release(cpu, a.lock);
  if (a !== b) release(cpu, b.lock);
}

/** What a wait returns. */
export type FutexResult = number | Sleeping<number>;
