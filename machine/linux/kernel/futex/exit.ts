/**
 * What the end of a thread does to futexes, after Linux 6.1 kernel/futex/core.c (exit_robust_list,
 * handle_futex_death) and kernel/fork.c (mm_release). Omits: compat lists.
 */
import { getUser, putUser, readUserBytes } from '../../arch/x86/lib/usercopy.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Task } from '../../include/linux/sched.ts';
import type { Kernel } from '../../init/kernel.ts';
import { futexOwnerDied } from './pi.ts';
import { futexWake } from './waitwake.ts';

const FUTEX_TID_MASK = 0x3fffffff;
const FUTEX_OWNER_DIED = 0x40000000;
const FUTEX_WAITERS = 0x80000000;
/** Entries of a robust list that are looked at: it may be a circle. */
const ROBUST_LIST_LIMIT = 2048;
/** Bit of a list pointer that says that the lock is a PI futex. */
const PI_BIT = 1n;

/** futex_exit_release of the current task: locks that it holds are passed on. */
export function futexExitRelease(kernel: Kernel, task: Task): void {
  const { robustList } = task;
  task.robustList = 0;
  if (robustList !== 0 && task.mm !== null) exitRobustList(kernel, task, robustList);
}

function word(kernel: Kernel, address: number): bigint | null {
  const bytes = new Uint8Array(8);
  if (readUserBytes(kernel, address, bytes) < 0) return null;
  return new BigUint64Array(bytes.buffer)[0];
}

/** exit_robust_list: a bad list ends the walk, silently. */
function exitRobustList(kernel: Kernel, task: Task, head: number): void {
  const [first, offset, pending] = [
    word(kernel, head),
    word(kernel, head + 8),
    word(kernel, head + 16),
  ];
  if (first === null || offset === null || pending === null) return;
  const futexOffset = Number(BigInt.asIntN(64, offset));
  const plain = (entry: bigint): number => Number(entry & ~PI_BIT);
  let entry = first;
  for (let left = ROBUST_LIST_LIMIT; left > 0 && plain(entry) !== head; left--) {
    const next = word(kernel, plain(entry));
    if (entry !== pending && !handleDeath(kernel, task, plain(entry) + futexOffset, entry, false)) {
      return;
    }
    if (next === null) return;
    entry = next;
  }
  if (plain(pending) !== 0) {
    handleDeath(kernel, task, plain(pending) + futexOffset, pending, true);
  }
}

/** handle_futex_death: the owner is dead, and one waiter is told. Returns false to stop the walk. */
function handleDeath(
  kernel: Kernel,
  task: Task,
  address: number,
  entry: bigint,
  isPending: boolean,
): boolean {
  if (address % 4 !== 0) return false;
  kernel.cpu.run(F.futex_cleanup, 60);
  const bytes = new Uint8Array(4);
  if (getUser(kernel, address, bytes) < 0) return false;
  const value = new Uint32Array(bytes.buffer)[0];
  const pi = (entry & PI_BIT) !== 0n;
  // It died between clearing the word and waking: the wake-up would be lost.
  if (isPending && !pi && value === 0) {
    futexWake(kernel, address, 1);
    return true;
  }
  if ((value & FUTEX_TID_MASK) !== task.pid) return true;
  if (pi && (value & FUTEX_WAITERS) !== 0) {
    futexOwnerDied(kernel, address);
    return true;
  }
  const dead = ((value & FUTEX_WAITERS) | FUTEX_OWNER_DIED) >>> 0;
  if (putUser(kernel, address, new Uint8Array(Uint32Array.of(dead).buffer)) < 0) return false;
  if (!pi && (value & FUTEX_WAITERS) !== 0) futexWake(kernel, address, 1);
  return true;
}

/** mm_release's part of CLONE_CHILD_CLEARTID: the word becomes 0, and who waits for that is woken. */
export function wakeClearedTid(kernel: Kernel, address: number): void {
  putUser(kernel, address, new Uint8Array(4));
  futexWake(kernel, address, 1);
}
