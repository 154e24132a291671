/**
 * What it costs to charge a kernel object to the memory control group of its process, after Linux 6.1
 * mm/memcontrol.c and mm/slab.h. Instructions are what the counted paths of boot `off_memcg` have more
 * than those of boot `off`: fork (48 objects) and exit (43). Costs only; nothing is limited by it.
 */
import { PerCpu } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { KernelCpu } from '../arch/x86/model/kernel-cpu.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';

/** Caches with SLAB_ACCOUNT. */
export const ACCOUNTED_CACHES: ReadonlySet<string> = new Set([
  'task_struct',
  'mm_struct',
  'vm_area_struct',
  'anon_vma',
  'anon_vma_chain',
  'filp',
  'inode_cache',
  'signal_cache',
  'pid',
  'cred_jar',
  'files_cache',
  'sigqueue',
  'sighand_cache',
  'dentry',
  'shmem_inode_cache',
  'fs_cache',
  'eventpoll_epi',
  'eventpoll_pwq',
  'io_kiocb',
]);

const CHARGE: Steps = [
  [F.get_obj_cgroup_from_current, 37],
  [F.__get_obj_cgroup_from_memcg, 19],
  [F.obj_cgroup_charge, 43],
  [F.mod_objcg_state, 55],
  [F.__rcu_read_lock, 24, 4],
  [F.__rcu_read_unlock, 29, 4],
];

const UNCHARGE: Steps = [
  [F.mod_objcg_state, 55],
  [F.refill_obj_stock, 45],
  [F.__rcu_read_lock, 18, 3],
  [F.__rcu_read_unlock, 23, 3],
];

/** memcg_slab_pre_alloc_hook and memcg_slab_post_alloc_hook. */
export function chargeObject(cpu: KernelCpu): void {
  cpu.run(F.memcg_slab_post_alloc_hook, 95);
  runSteps(cpu, CHARGE);
  cpu.writePerCpu(PerCpu.MEMCG_STATS + 192);
}

/** memcg_slab_free_hook, inside kmem_cache_free. */
export function unchargeObject(cpu: KernelCpu): void {
  runSteps(cpu, UNCHARGE);
  cpu.writePerCpu(PerCpu.MEMCG_STATS + 192);
}
