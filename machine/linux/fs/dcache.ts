/**
 * Directory entries, after Linux 6.1 fs/dcache.c: the tree itself, since an in-memory file system
 * keeps every entry cached. Omits: negative entries (tmpfs keeps none), aliases, pruning.
 */
import { notifyGone } from './notify/fsnotify.ts';
import { MachineBug } from '../../core/assert.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { KernelCpu } from '../arch/x86/model/kernel-cpu.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import type { Dentry, Inode } from '../include/linux/fs.ts';
import type { Kernel } from '../init/kernel.ts';
import { rcuReadLock, rcuReadUnlock } from '../kernel/rcu/tree_plugin.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import { type InodeSource, isDirectory, iput } from './inode.ts';

const LAST_DPUT: Steps = [
  [F.dput, 88, 2],
  [F.__cond_resched, 18, 3],
  [F.__rcu_read_lock, 18, 3],
  [F.lockref_put_or_lock, 23],
  [F._raw_spin_lock, 7],
  [F.__rcu_read_unlock, 24, 3],
  [F.always_delete_dentry, 3],
  [F._raw_spin_trylock, 10],
  [F.__dentry_kill, 70],
  [F.lockref_mark_dead, 5],
  [F.___d_drop, 25],
  [F.__list_del_entry_valid, 20],
  [F._raw_spin_unlock, 18, 3],
  [F._raw_spin_lock, 7],
  [F.dentry_free, 12],
  [F.call_rcu, 94],
  [F.rcu_segcblist_pend_cbs, 9],
  [F.rcu_segcblist_enqueue, 10],
  [F.__cond_resched, 6],
];

/** An entry that hangs in no directory yet: of a pipe, an anonymous inode, the root. Null without memory. */
export function makeDentry(
  kernel: InodeSource,
  name: string,
  inode: Inode,
  parent: Dentry | null,
): Dentry | null {
  const address = kernel.caches.dentry.allocateQuietly(kernel);
  if (address < 0) return null;
  inode.references++;
  const shape = {
    address,
    name,
    inode,
    children: isDirectory(inode) ? new Map<string, Dentry>() : null,
    users: 0,
    hashed: false,
  };
  const dentry = shape as Dentry;
  dentry.parent = parent ?? dentry;
  return dentry;
}

/** d_instantiate and d_rehash: the name appears in its directory. */
export function attach(dentry: Dentry, parent: Dentry): void {
  const { children } = parent;
  if (children === null) throw new MachineBug('a name needs a directory');
  children.set(dentry.name, dentry);
  dentry.parent = parent;
  dentry.hashed = true;
  dentry.inode.links++;
}

/** d_delete: the name goes; the inode stays while somebody uses the entry. */
export function detach(dentry: Dentry): void {
  dentry.parent.children?.delete(dentry.name);
  dentry.hashed = false;
  dentry.inode.links--;
}

/** dput with nobody left but others: lockref_put_or_lock. */
export function dputCost(cpu: KernelCpu): void {
  cpu.run(F.dput, 22);
  condResched(cpu);
  rcuReadLock(cpu);
  cpu.run(F.lockref_put_or_lock, 20);
  rcuReadUnlock(cpu);
}

export function dget(dentry: Dentry): void {
  dentry.users++;
}

/** dput: an unlinked entry goes with its last user. */
export function dput(kernel: Kernel, dentry: Dentry): void {
  dentry.users--;
  kernel.cpu.write(dentry.address + 64);
  if (dentry.users > 0 || dentry.hashed) dputCost(kernel.cpu);
  else killDentry(kernel, dentry);
}

/** __dentry_kill of an entry that is in no directory any more. */
export function killDentry(kernel: Kernel, dentry: Dentry): void {
  runSteps(kernel.cpu, LAST_DPUT);
  kernel.cpu.write(dentry.address);
  if (dentry.inode.references === 1) notifyGone(kernel, dentry.inode);
  iput(kernel, dentry.inode);
  kernel.caches.dentry.freeQuietly(dentry.address);
}

/** d_invalidate: what an entry and all below it stood for has gone; open files keep theirs. */
export function invalidate(kernel: Kernel, dentry: Dentry): void {
  for (const child of [...(dentry.children?.values() ?? [])]) invalidate(kernel, child);
  detach(dentry);
  if (dentry.users === 0) killDentry(kernel, dentry);
}

export function mntputCost(cpu: KernelCpu): void {
  cpu.run(F.mntput, 9);
  cpu.run(F.mntput_no_expire, 30);
  rcuReadLock(cpu);
  rcuReadUnlock(cpu);
}

/** The absolute path of an entry; ` (deleted)` is the caller's business. */
export function dentryPath(dentry: Dentry): string {
  const parts: string[] = [];
  for (let at = dentry; at.parent !== at; at = at.parent) parts.unshift(at.name);
  return `/${parts.join('/')}`;
}

/** Whether `dentry` lies in the tree below `ancestor`, or is it. */
export function isBelow(dentry: Dentry, ancestor: Dentry): boolean {
  for (let at = dentry; ; at = at.parent) {
    if (at === ancestor) return true;
    if (at.parent === at) return false;
  }
}
