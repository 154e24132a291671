/**
 * Reverse mapping, after Linux 6.1 mm/rmap.c: anon_vma objects and the costs of keeping them. The
 * trees hold one mapping each, since there is no fork yet.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { KernelCpu } from '../arch/x86/model/kernel-cpu.ts';
import type { MmStruct, Vma } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { downWrite, upWrite } from '../kernel/locking/rwsem.ts';
import { spinLock, spinUnlock } from '../kernel/locking/spinlock.ts';
import { rcuReadLock, rcuReadUnlock } from '../kernel/rcu/tree_plugin.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import { listAddValid, listDelEntryValid } from '../lib/list_debug.ts';
import { masWalk } from '../lib/maple_tree.ts';
import { modLruvecPageState } from './memcontrol.ts';

/** __anon_vma_prepare, at the first write fault of a mapping. False when memory is used up. */
export function anonVmaPrepare(kernel: Kernel, mm: MmStruct, vma: Vma): boolean {
  if (vma.anonVma !== 0) return true;
  const { cpu, caches } = kernel;
  cpu.run(F.__anon_vma_prepare, 77);
  condResched(cpu);
  cpu.run(F.find_mergeable_anon_vma, 42);
  masWalk(cpu, mm.vmas, vma.start);
  cpu.runCalls(F.mas_prev, 64, 2);
  cpu.runCalls(F.mas_prev_nentry, 166, 2);
  const chain = caches.anonVmaChain.allocate(kernel);
  const anonVma = caches.anonVma.allocate(kernel, true);
  if (chain < 0 || anonVma < 0) return false;
  downWrite(cpu, anonVma);
  spinLock(cpu, mm.address + 64);
  listAddValid(cpu);
  cpu.run(F.anon_vma_interval_tree_insert, 21);
  cpu.run(F.__rb_insert_augmented, 6);
  spinUnlock(cpu);
  upWrite(cpu, anonVma);
  vma.anonVma = anonVma;
  vma.anonChain = chain;
  return true;
}

/** unlink_anon_vmas, when a mapping goes. */
export function unlinkAnonVmas(kernel: Kernel, vma: Vma): void {
  const { cpu, caches } = kernel;
  if (vma.anonVma === 0) {
    cpu.run(F.unlink_anon_vmas, 26);
    return;
  }
  cpu.run(F.unlink_anon_vmas, 93);
  downWrite(cpu, vma.anonVma);
  cpu.run(F.anon_vma_interval_tree_remove, 33);
  cpu.run(F.rb_next, 11);
  upWrite(cpu, vma.anonVma);
  cpu.run(F.__put_anon_vma, 18);
  condResched(cpu);
  caches.anonVma.free(kernel, vma.anonVma);
  listDelEntryValid(cpu);
  caches.anonVmaChain.free(kernel, vma.anonChain);
  vma.anonVma = 0;
  vma.anonChain = 0;
}

/** page_add_new_anon_rmap and the LRU batch. */
export function addNewAnonPage(cpu: KernelCpu, mm: MmStruct, frame: number): void {
  cpu.run(F.page_add_new_anon_rmap, 38);
  modLruvecPageState(cpu, frame);
  cpu.run(F.__page_set_anon_rmap, 32);
  cpu.run(F.lru_cache_add_inactive_or_unevictable, 6);
  cpu.run(F.folio_add_lru_vma, 6);
  cpu.run(F.folio_add_lru, 22);
  mm.lruBatch++;
}

/** page_remove_rmap */
export function pageRemoveRmap(cpu: KernelCpu, frame: number): void {
  cpu.run(F.page_remove_rmap, 39);
  cpu.writePageStruct(frame);
  cpu.run(F.lock_page_memcg, 13);
  rcuReadLock(cpu);
  cpu.run(F.folio_memcg_lock, 20);
  modLruvecPageState(cpu, frame);
  cpu.run(F.unlock_page_memcg, 6);
  cpu.run(F.folio_memcg_unlock, 12);
  rcuReadUnlock(cpu);
}

/** page_add_file_rmap of `count` pages by the fault-around. */
export function addFilePages(cpu: KernelCpu, frames: readonly number[]): void {
  const count = frames.length;
  cpu.runCalls(F.page_add_file_rmap, 39 * count, count);
  for (const frame of frames) {
    cpu.continueIn(F.page_add_file_rmap);
    cpu.writePageStruct(frame);
    cpu.run(F.lock_page_memcg, 13);
    rcuReadLock(cpu);
    cpu.run(F.folio_memcg_lock, 20);
    modLruvecPageState(cpu, frame);
    cpu.run(F.unlock_page_memcg, 6);
    cpu.run(F.folio_memcg_unlock, 12);
    rcuReadUnlock(cpu);
  }
}
