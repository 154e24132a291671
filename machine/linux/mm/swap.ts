/**
 * LRU batches and the release of pages, after Linux 6.1 mm/swap.c, mm/swap_state.c and the
 * uncharging of mm/memcontrol.c. Costs only; the lists themselves wait for reclaim.
 */
import { ImageData, PerCpu } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { MmStruct } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { spinLockIrqsave, spinUnlockIrqrestore } from '../kernel/locking/spinlock.ts';
import { rcuReadLock, rcuReadUnlock } from '../kernel/rcu/tree_plugin.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import { listAddValid, listDelEntryValid } from '../lib/list_debug.ts';
import { countMemcgEvents, modLruvecState } from './memcontrol.ts';
import { PageKind } from './mem_map.ts';
import { freeUnrefPageList } from './page_alloc.ts';

/** Pages that a CPU gathers before it moves them to the LRU lists (PAGEVEC_SIZE). */
const BATCH_PAGES = 15;

/** lru_add_drain: pages faulted in since the last drain go to their list. */
export function lruAddDrain(kernel: Kernel, mm: MmStruct): void {
  const { cpu } = kernel;
  cpu.run(F.lru_add_drain, 7);
  const pages = mm.lruBatch % BATCH_PAGES;
  cpu.run(F.lru_add_drain_cpu, pages === 0 ? 28 : 32);
  cpu.writePerCpu(PerCpu.LRU_BATCH);
  if (pages > 0) moveBatch(kernel, pages);
  mm.lruBatch = 0;
  cpu.run(F.mlock_page_drain_local, 9);
}

function lockLruvec(kernel: Kernel): void {
  kernel.cpu.run(F.folio_lruvec_lock_irqsave, 26);
  spinLockIrqsave(kernel.cpu, kernel.cpu.perCpu + PerCpu.LRU_BATCH + 64);
}

function moveBatch(kernel: Kernel, pages: number): void {
  const { cpu } = kernel;
  cpu.run(F.folio_batch_move_lru, 27 + 30 * pages);
  lockLruvec(kernel);
  for (let i = 0; i < pages; i++) {
    cpu.run(F.lru_add_fn, 102);
    rcuReadLock(cpu);
    cpu.run(F.folio_mapping, 15);
    rcuReadUnlock(cpu);
    cpu.run(F.lru_gen_add_folio, 26);
    modLruvecState(cpu);
    cpu.run(F.__mod_zone_page_state, 18);
    cpu.run(F.mem_cgroup_update_lru_size, 21);
    cpu.writeImage(ImageData.NODE_DATA + 512);
    listAddValid(cpu);
  }
  spinUnlockIrqrestore(cpu);
  cpu.run(F.release_pages, 41 + 20 * pages);
  cpu.run(F.__mem_cgroup_uncharge_list, 22);
  freeUnrefPageList(kernel, []);
}

/** A huge page loses one hold in each of its frames; destroy_large_folio when it was the last in all. */
export function releaseHugePage(kernel: Kernel, first: number): void {
  const { cpu, buddy, vm } = kernel;
  const { pages } = buddy;
  const PAGES = 512;
  const ORDER = 9;
  if (pages.kind[first] === PageKind.HUGETLB) {
    // The pool keeps its own hold.
    for (let i = 0; i < PAGES; i++) pages.put(first + i);
    if (pages.maps[first] === 0 && pages.refs[first] === 1 && !vm.sharedHuge.has(first)) {
      vm.hugePool.push(first);
    }
    return;
  }
  const last: number[] = [];
  for (let i = 0; i < PAGES; i++) if (pages.put(first + i)) last.push(first + i);
  cpu.run(F.release_pages, 130);
  if (last.length < PAGES) {
    for (const frame of last) buddy.freePage(frame);
    return;
  }
  cpu.run(F.__page_cache_release, 98);
  lockLruvec(kernel);
  modLruvecState(cpu);
  spinUnlockIrqrestore(cpu);
  cpu.run(F.destroy_large_folio, 4);
  cpu.run(F.free_transhuge_page, 42);
  cpu.run(F.free_compound_page, 22);
  cpu.run(F.__mem_cgroup_uncharge, 31);
  cpu.run(F.uncharge_folio, 46);
  cpu.run(F.uncharge_batch, 34);
  countMemcgEvents(cpu);
  cpu.run(F.free_unref_page, 88);
  // Every struct page of the block is looked at.
  cpu.run(F.free_pcp_prepare, 51 + 21 * PAGES);
  cpu.run(F.free_unref_page_commit, 65);
  buddy.freeBlock(first, ORDER);
}

/**
 * free_pages_and_swap_cache: every frame loses one hold. Those that nobody holds any more leave
 * their list and go to the allocator.
 */
export function releasePages(
  kernel: Kernel,
  mm: MmStruct,
  userFrames: readonly number[],
  tableFrames: readonly number[],
): void {
  const { cpu, buddy } = kernel;
  const count = userFrames.length + tableFrames.length;
  cpu.run(F.free_pages_and_swap_cache, 20 + 5 * count);
  lruAddDrain(kernel, mm);
  cpu.runCalls(F.free_swap_cache, 13 * count + 3 * userFrames.length, count);
  const user: number[] = [];
  for (const frame of userFrames) if (buddy.pages.put(frame)) user.push(frame);
  const kept = userFrames.length - user.length;
  cpu.run(F.release_pages, 32 + 133 * user.length + 20 * kept + 44 * tableFrames.length);
  if (user.length > 0) lockLruvec(kernel);
  for (let i = 0; i < user.length; i++) {
    cpu.run(F.lru_gen_del_folio, 17);
    listDelEntryValid(cpu);
    modLruvecState(cpu);
    cpu.run(F.__mod_zone_page_state, 18);
    cpu.run(F.mem_cgroup_update_lru_size, 20);
  }
  const freed = user.length + tableFrames.length;
  cpu.runCalls(F.__list_add_valid, 17 * freed, freed);
  if (user.length > 0) spinUnlockIrqrestore(cpu);
  cpu.run(F.__mem_cgroup_uncharge_list, 28 + 7 * freed);
  if (freed > 0) {
    cpu.runCalls(F.uncharge_folio, 8 + 37 * user.length + 22 * tableFrames.length, freed);
    cpu.run(F.uncharge_batch, 34);
    countMemcgEvents(cpu);
    cpu.run(F.memcg_check_events, 7);
  }
  freeUnrefPageList(kernel, [...user, ...tableFrames]);
  condResched(cpu);
  condResched(cpu);
}
