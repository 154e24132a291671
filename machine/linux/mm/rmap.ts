/**
 * Reverse mapping, after Linux 6.1 mm/rmap.c: anon_vma objects, which of them a mapping belongs to,
 * and the counts of a page's entries. Omits: the interval trees' order (nothing walks them yet).
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import {
  type AnonVma,
  type AnonVmaChain,
  type MmStruct,
  Vm,
  type Vma,
} from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { downWrite, upWrite } from '../kernel/locking/rwsem.ts';
import { spinLock, spinUnlock } from '../kernel/locking/spinlock.ts';
import { rcuReadLock, rcuReadUnlock } from '../kernel/rcu/tree_plugin.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import { listAddValid, listDelEntryValid } from '../lib/list_debug.ts';
import { masWalk } from '../lib/maple_tree.ts';
import { PageFlag } from './mem_map.ts';
import { modLruvecPageState } from './memcontrol.ts';
import type { PageSource } from './page_alloc.ts';

/** anon_vma_alloc; the interval tree and the lock are made once, by the slab's constructor. */
function anonVmaAlloc(kernel: Kernel, parent: AnonVma | null): AnonVma | null {
  const address = kernel.caches.anonVma.allocate(kernel);
  if (address < 0) return null;
  const own: AnonVma = { address, parent, refs: 1, chains: 0, children: 0, activeVmas: 0 };
  // A root counts itself as a child, so that it is never reused as if it had none.
  if (parent === null) own.children = 1;
  else {
    rootOf(own).refs++;
    parent.children++;
  }
  return own;
}

/** The oldest ancestor, whose lock all of them use. */
function rootOf(anonVma: AnonVma): AnonVma {
  let root = anonVma;
  while (root.parent !== null) root = root.parent;
  return root;
}

/** __put_anon_vma for a hold on `anonVma`: frees it, and its root after the last descendant. */
function putAnonVma(kernel: Kernel, anonVma: AnonVma): void {
  anonVma.refs--;
  if (anonVma.refs > 0) return;
  const { cpu, caches } = kernel;
  const root = rootOf(anonVma);
  cpu.run(F.__put_anon_vma, 18);
  condResched(cpu);
  caches.anonVma.free(kernel, anonVma.address);
  if (root !== anonVma) putAnonVma(kernel, root);
}

/** anon_vma_chain_link */
function link({ cpu }: Kernel, vma: Vma, chain: AnonVmaChain): void {
  const { anonVma } = chain;
  listAddValid(cpu);
  cpu.run(F.anon_vma_interval_tree_insert, anonVma.chains === 0 ? 21 : 39);
  cpu.run(F.__rb_insert_augmented, anonVma.chains === 0 ? 6 : 22);
  cpu.write(chain.address);
  vma.anonChains.push(chain);
  anonVma.chains++;
}

/** __anon_vma_prepare, at the first write fault of a mapping. False when memory is used up. */
export function anonVmaPrepare(kernel: Kernel, mm: MmStruct, vma: Vma): boolean {
  if (vma.anonVma !== null) return true;
  const { cpu, caches } = kernel;
  cpu.run(F.__anon_vma_prepare, 77);
  condResched(cpu);
  cpu.run(F.find_mergeable_anon_vma, 42);
  masWalk(cpu, mm.vmas, vma.start);
  cpu.runCalls(F.mas_prev, 64, 2);
  cpu.runCalls(F.mas_prev_nentry, 166, 2);
  const address = caches.anonVmaChain.allocate(kernel);
  if (address < 0) return false;
  const anonVma = mergeableAnonVma(mm, vma) ?? anonVmaAlloc(kernel, null);
  if (anonVma === null) {
    caches.anonVmaChain.free(kernel, address);
    return false;
  }
  downWrite(cpu, rootOf(anonVma).address);
  spinLock(cpu, mm.address + 64);
  link(kernel, vma, { address, anonVma });
  spinUnlock(cpu);
  upWrite(cpu, rootOf(anonVma).address);
  vma.anonVma = anonVma;
  anonVma.activeVmas++;
  return true;
}

/** find_mergeable_anon_vma: that of a neighbour which could become one mapping with this one. */
function mergeableAnonVma(mm: MmStruct, vma: Vma): AnonVma | null {
  const { list } = mm.vmas;
  const index = mm.vmas.indexAbove(vma.start);
  for (const near of [list.at(index + 1), index > 0 ? list[index - 1] : undefined]) {
    if (near === undefined || near.anonVma === null || near.anonChains.length !== 1) continue;
    const [left, right] = near.start < vma.start ? [near, vma] : [vma, near];
    const alike = ((left.flags ^ right.flags) & ~Vm.ACCESS) === 0;
    const follows = left.pgoff + (right.start - left.start) / PAGE_BYTES === right.pgoff;
    if (left.end === right.start && left.file === right.file && alike && follows) {
      return near.anonVma;
    }
  }
  return null;
}

/**
 * anon_vma_clone: `copy` may hold whatever `source` may. At fork an anon_vma that has lost its own
 * mappings is taken over (`reuse`). False when memory is used up.
 */
export function anonVmaClone(kernel: Kernel, copy: Vma, source: Vma, reuse: boolean): boolean {
  const { cpu, caches } = kernel;
  const { anonChains } = source;
  cpu.run(F.anon_vma_clone, anonChains.length === 0 ? 28 : 44 + 40 * anonChains.length);
  if (anonChains.length === 0) return true;
  downWrite(cpu, rootOf(anonChains[0].anonVma).address);
  // Newest first, as the list is walked backwards.
  for (let i = anonChains.length - 1; i >= 0; i--) {
    const address = caches.anonVmaChain.allocate(kernel, true);
    if (address < 0) {
      upWrite(cpu, rootOf(anonChains[0].anonVma).address);
      unlinkAnonVmas(kernel, copy);
      return false;
    }
    const { anonVma } = anonChains[i];
    cpu.read(anonChains[i].address);
    link(kernel, copy, { address, anonVma });
    const idle = anonVma.children < 2 && anonVma.activeVmas === 0;
    if (reuse && copy.anonVma === null && idle) copy.anonVma = anonVma;
  }
  // Oldest first again, the mapping's own last.
  copy.anonChains.reverse();
  if (copy.anonVma !== null) copy.anonVma.activeVmas++;
  upWrite(cpu, rootOf(anonChains[0].anonVma).address);
  return true;
}

/** anon_vma_fork: the child's mapping gets an anon_vma of its own below the parent's. */
export function anonVmaFork(kernel: Kernel, child: Vma, parent: Vma): boolean {
  const { cpu, caches } = kernel;
  if (parent.anonVma === null) {
    cpu.run(F.anon_vma_fork, 5);
    return true;
  }
  cpu.run(F.anon_vma_fork, 75);
  if (!anonVmaClone(kernel, child, parent, true)) return false;
  if (child.anonVma !== null) return true;
  const anonVma = anonVmaAlloc(kernel, parent.anonVma);
  const address = anonVma === null ? -1 : caches.anonVmaChain.allocate(kernel);
  if (anonVma === null || address < 0) {
    if (anonVma !== null) {
      parent.anonVma.children--;
      putAnonVma(kernel, anonVma);
    }
    unlinkAnonVmas(kernel, child);
    return false;
  }
  child.anonVma = anonVma;
  anonVma.activeVmas++;
  downWrite(cpu, rootOf(anonVma).address);
  link(kernel, child, { address, anonVma });
  upWrite(cpu, rootOf(anonVma).address);
  return true;
}

/** unlink_anon_vmas, when a mapping goes. */
export function unlinkAnonVmas(kernel: Kernel, vma: Vma): void {
  const { cpu, caches } = kernel;
  const { anonChains } = vma;
  if (anonChains.length === 0) {
    cpu.run(F.unlink_anon_vmas, 26);
    return;
  }
  const root = rootOf(anonChains[0].anonVma);
  downWrite(cpu, root.address);
  let emptied = 0;
  for (const { anonVma } of anonChains) {
    anonVma.chains--;
    cpu.run(F.anon_vma_interval_tree_remove, anonVma.chains === 0 ? 33 : 48);
    if (anonVma.chains > 0) continue;
    cpu.run(F.rb_next, 11);
    (anonVma.parent ?? anonVma).children--;
    emptied++;
  }
  cpu.run(F.unlink_anon_vmas, 49 + 33 * anonChains.length + 11 * emptied);
  if (vma.anonVma !== null) vma.anonVma.activeVmas--;
  upWrite(cpu, root.address);
  for (const { address, anonVma } of anonChains) {
    if (anonVma.chains === 0) putAnonVma(kernel, anonVma);
    listDelEntryValid(cpu);
    caches.anonVmaChain.free(kernel, address);
  }
  vma.anonVma = null;
  vma.anonChains = [];
}

/** page_add_new_anon_rmap and the LRU batch. */
export function addNewAnonPage({ cpu, buddy }: PageSource, mm: MmStruct, frame: number): void {
  buddy.pages.flags[frame] |= PageFlag.EXCLUSIVE;
  buddy.pages.map(frame);
  cpu.run(F.page_add_new_anon_rmap, 38);
  modLruvecPageState(cpu, frame);
  cpu.run(F.__page_set_anon_rmap, 32);
  cpu.run(F.lru_cache_add_inactive_or_unevictable, 6);
  cpu.run(F.folio_add_lru_vma, 6);
  cpu.run(F.folio_add_lru, 22);
  mm.lruBatch++;
}

/** page_remove_rmap: one entry less. The last one updates the statistics. */
export function pageRemoveRmap({ cpu, buddy }: PageSource, frame: number): void {
  cpu.writePageStruct(frame);
  const { pages } = buddy;
  const last = pages.unmap(frame) === 0;
  cpu.run(F.page_remove_rmap, last ? 39 : 29);
  cpu.run(F.lock_page_memcg, 13);
  rcuReadLock(cpu);
  cpu.run(F.folio_memcg_lock, 20);
  if (last) modLruvecPageState(cpu, frame);
  cpu.run(F.unlock_page_memcg, 6);
  cpu.run(F.folio_memcg_unlock, 12);
  rcuReadUnlock(cpu);
}

/** page_add_file_rmap of the pages that the fault-around maps; each is held once more. */
export function addFilePages({ cpu, buddy }: PageSource, frames: readonly number[]): void {
  const count = frames.length;
  cpu.runCalls(F.page_add_file_rmap, 39 * count, count);
  for (const frame of frames) {
    cpu.continueIn(F.page_add_file_rmap);
    cpu.writePageStruct(frame);
    buddy.pages.get(frame);
    buddy.pages.map(frame);
    cpu.run(F.lock_page_memcg, 13);
    rcuReadLock(cpu);
    cpu.run(F.folio_memcg_lock, 20);
    modLruvecPageState(cpu, frame);
    cpu.run(F.unlock_page_memcg, 6);
    cpu.run(F.folio_memcg_unlock, 12);
    rcuReadUnlock(cpu);
  }
}
