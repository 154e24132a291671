/**
 * Pages of in-memory files, after Linux 6.1 mm/shmem.c (shmem_get_folio_gfp, shmem_undo_range) and
 * mm/filemap.c: finding, adding and dropping them, with their costs. Omits: swap, huge pages.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import type { MappedFile } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { rcuReadLock, rcuReadUnlock } from '../kernel/rcu/tree_plugin.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import { PageKind } from './mem_map.ts';
import { freeUnrefPageList, vmaAllocFolio } from './page_alloc.ts';

/** Slots of a node of the page cache's tree: XA_CHUNK_SIZE. */
const NODE_SLOTS = 64;

const ALLOC_FOLIO: Steps = [
  [F.shmem_alloc_and_acct_folio, 66],
  [F.security_vm_enough_memory_mm, 36, 1, 2],
  [F.cap_vm_enough_memory, 10],
  [F.bpf_lsm_vm_enough_memory, 3],
  [F.__vm_enough_memory, 26],
  [F.percpu_counter_add_batch, 21],
  [F.__percpu_counter_compare, 17],
  [F.percpu_counter_add_batch, 21],
  [F.shmem_alloc_folio, 40],
  [F.mpol_shared_policy_lookup, 14],
];
const ADD_TO_CACHE: Steps = [
  [F.shmem_add_to_page_cache, 126],
  [F.__mem_cgroup_charge, 21],
  [F.get_mem_cgroup_from_mm, 34],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
  [F.charge_memcg, 43],
  [F.__count_memcg_events, 24],
  [F.__cgroup_rstat_updated, 14],
  [F.memcg_check_events, 7],
  [F.__cgroup_throttle_swaprate, 12],
  [F.blk_cgroup_congested, 24],
  [F.__rcu_read_lock, 6],
  [F.kthread_blkcg, 6],
  [F.__rcu_read_unlock, 8],
  [F._raw_spin_lock_irq, 9],
  [F.xas_find_conflict, 14],
  [F.xas_start, 17],
  [F.xas_store, 60],
  [F.xas_create, 49],
  [F.__mod_lruvec_page_state, 86, 2],
  [F.__rcu_read_lock, 12, 2],
  [F.__mod_lruvec_state, 36, 2],
  [F.__mod_node_page_state, 44, 2],
  [F.__mod_memcg_lruvec_state, 52, 2],
  [F.__cgroup_rstat_updated, 28, 2],
  [F.__rcu_read_unlock, 16, 2],
  [F._raw_spin_unlock_irq, 8],
  [F.xas_nomem, 12],
];
const UNDO_RANGE: Steps = [
  [F.shmem_undo_range, 125],
  [F.find_lock_entries, 48],
  [F.__rcu_read_lock, 6],
  [F.xas_find, 25],
  [F.xas_load, 6],
  [F.xas_start, 17],
  [F.__rcu_read_unlock, 8],
  [F.__filemap_get_folio, 108, 2],
  [F.__rcu_read_lock, 12, 2],
  [F.xas_load, 12, 2],
  [F.xas_start, 35, 2],
  [F.__rcu_read_unlock, 16, 2],
  [F.__cond_resched, 6],
  [F.find_get_entries, 40],
  [F.__rcu_read_lock, 6],
  [F.xas_find, 25],
  [F.xas_load, 6],
  [F.xas_start, 17],
  [F.__rcu_read_unlock, 8],
  [F._raw_spin_lock_irq, 9],
  [F.shmem_recalc_inode, 14],
  [F._raw_spin_unlock_irq, 8],
];

export function emptyFile(path: string): MappedFile {
  return { path, size: 0, bytes: new Uint8Array(), pages: new Map(), mappings: 0 };
}

/** Levels of nodes above the pages of a file of `size` bytes: a single first page needs none. */
function treeLevels(size: number): number {
  let levels = 0;
  for (let pages = Math.ceil(size / PAGE_BYTES); pages > 1; pages = Math.ceil(pages / NODE_SLOTS)) {
    levels++;
  }
  return levels;
}

/** xas_load */
export function xasLoadCost({ cpu }: Kernel, size: number): void {
  const levels = treeLevels(size);
  cpu.run(F.xas_load, 6 + 11 * levels);
  cpu.run(F.xas_start, levels === 0 ? 17 : 21);
  cpu.runCalls(F.xas_descend, 15 * levels, levels);
}

/** __filemap_get_folio */
function filemapGetFolio(kernel: Kernel, file: MappedFile, found: boolean): void {
  const { cpu } = kernel;
  cpu.run(F.__filemap_get_folio, found ? 87 : 54);
  rcuReadLock(cpu);
  xasLoadCost(kernel, file.size);
  rcuReadUnlock(cpu);
  if (found) condResched(cpu);
}

/**
 * shmem_get_folio for reading: the frame of page `index`, or -1 for a hole. Pages that have only
 * bytes so far get their frame without a charge: they were read before the run.
 */
export function shmemReadPage(kernel: Kernel, file: MappedFile, index: number): number {
  const frame = framedPage(kernel, file, index);
  kernel.cpu.run(F.shmem_get_folio_gfp, 74);
  filemapGetFolio(kernel, file, frame >= 0);
  if (frame >= 0) kernel.cpu.writePageStruct(frame);
  return frame;
}

/** The frame of a page that exists, or -1 for a hole or without memory. Untimed. */
export function framedPage(kernel: Kernel, file: MappedFile, index: number): number {
  const cached = file.pages.get(index);
  if (cached !== undefined) return cached;
  const offset = index * PAGE_BYTES;
  if (offset >= file.bytes.length) return -1;
  const frame = kernel.buddy.allocatePage(PageKind.FILE);
  if (frame < 0) return -1;
  const physical = frame << PAGE_SHIFT;
  kernel.memory.zeroPage(physical);
  kernel.memory.bytes.set(file.bytes.subarray(offset, offset + PAGE_BYTES), physical);
  kernel.memory.written(physical);
  file.pages.set(index, frame);
  return frame;
}

/** shmem_get_folio for writing: the frame of page `index`, new and zeroed where there was a hole; -1 without memory. */
export function shmemWritePage(kernel: Kernel, file: MappedFile, index: number): number {
  const { cpu } = kernel;
  const present = framedPage(kernel, file, index);
  cpu.run(F.shmem_get_folio_gfp, present >= 0 ? 73 : 132);
  filemapGetFolio(kernel, file, present >= 0);
  if (present >= 0) {
    cpu.run(F.folio_mark_accessed, 12);
    cpu.writePageStruct(present);
    return present;
  }
  cpu.run(F.__shmem_is_huge, 28);
  runSteps(cpu, ALLOC_FOLIO);
  const frame = vmaAllocFolio(kernel, PageKind.FILE);
  if (frame < 0) return -1;
  runSteps(cpu, ADD_TO_CACHE);
  cpu.writePageStruct(frame);
  cpu.run(F.folio_add_lru, 22);
  cpu.run(F._raw_spin_lock_irq, 9);
  cpu.run(F.shmem_recalc_inode, 14);
  cpu.run(F._raw_spin_unlock_irq, 8);
  file.pages.set(index, frame);
  return frame;
}

/** shmem_undo_range: drops the pages from `index` on. */
export function dropPages(kernel: Kernel, file: MappedFile, index: number): void {
  const { pages } = kernel.buddy;
  const frames: number[] = [];
  for (const [page, frame] of file.pages) {
    if (page < index) continue;
    file.pages.delete(page);
    if (pages.put(frame)) frames.push(frame);
  }
  runSteps(kernel.cpu, UNDO_RANGE);
  if (frames.length > 0) freeUnrefPageList(kernel, frames);
}

/** Every page that waits for a frame gets one: from here on the frames are all there is. */
export function adoptBytes(kernel: Kernel, file: MappedFile): void {
  for (let at = 0; at * PAGE_BYTES < file.bytes.length; at++) framedPage(kernel, file, at);
  file.bytes = new Uint8Array();
}

/** Reads bytes of a file for the kernel's own use (exec, tests), untimed. */
export function fileBytes(kernel: Kernel, file: MappedFile): Uint8Array {
  const bytes = new Uint8Array(file.size);
  bytes.set(file.bytes.subarray(0, file.size));
  for (const [index, frame] of file.pages) {
    const offset = index * PAGE_BYTES;
    const count = Math.min(PAGE_BYTES, file.size - offset);
    if (count <= 0) continue;
    const physical = frame << PAGE_SHIFT;
    bytes.set(kernel.memory.bytes.subarray(physical, physical + count), offset);
  }
  return bytes;
}
