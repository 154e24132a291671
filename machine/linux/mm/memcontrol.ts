/**
 * Memory accounting on the way of a user page: memory cgroup charging and vm statistics, after
 * Linux 6.1 mm/memcontrol.c, mm/vmstat.c and kernel/cgroup/rstat.c. Costs only: there is one cgroup,
 * the root, without limits.
 */
import { ImageData, PerCpu } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { KernelCpu } from '../arch/x86/model/kernel-cpu.ts';
import { rcuReadLock, rcuReadUnlock } from '../kernel/rcu/tree_plugin.ts';

function rstatUpdated(cpu: KernelCpu): void {
  cpu.run(F.__cgroup_rstat_updated, 14);
  cpu.readPerCpu(PerCpu.MEMCG_STATS);
}

export function countMemcgEvents(cpu: KernelCpu): void {
  cpu.run(F.__count_memcg_events, 24);
  cpu.readImage(ImageData.MEMCG_ROOT);
  cpu.writePerCpu(PerCpu.MEMCG_STATS + 64);
  rstatUpdated(cpu);
}

/** count_memcg_event_mm at the start of every fault. */
export function countFault(cpu: KernelCpu): void {
  rcuReadLock(cpu);
  cpu.run(F.mem_cgroup_from_task, 6);
  cpu.run(F.count_memcg_events, 15);
  countMemcgEvents(cpu);
  rcuReadUnlock(cpu);
}

/** __mem_cgroup_charge and __cgroup_throttle_swaprate for a new user page. */
export function chargeNewPage(cpu: KernelCpu, frame: number): void {
  cpu.run(F.__mem_cgroup_charge, 21);
  cpu.run(F.get_mem_cgroup_from_mm, 22);
  rcuReadLock(cpu);
  rcuReadUnlock(cpu);
  cpu.run(F.charge_memcg, 43);
  cpu.writePageStruct(frame);
  cpu.writeImage(ImageData.MEMCG_ROOT + 64);
  countMemcgEvents(cpu);
  cpu.run(F.memcg_check_events, 7);
  cpu.run(F.__cgroup_throttle_swaprate, 12);
  cpu.run(F.blk_cgroup_congested, 24);
  rcuReadLock(cpu);
  cpu.run(F.kthread_blkcg, 6);
  rcuReadUnlock(cpu);
}

function modNodePageState(cpu: KernelCpu): void {
  cpu.run(F.__mod_node_page_state, 22);
  cpu.writePerCpu(PerCpu.VM_EVENTS + 64);
}

export function modLruvecState(cpu: KernelCpu): void {
  cpu.run(F.__mod_lruvec_state, 18);
  modNodePageState(cpu);
  cpu.run(F.__mod_memcg_lruvec_state, 26);
  cpu.writePerCpu(PerCpu.MEMCG_STATS + 128);
  rstatUpdated(cpu);
}

/** __mod_lruvec_page_state for a page that belongs to a cgroup. */
export function modLruvecPageState(cpu: KernelCpu, frame: number): void {
  cpu.run(F.__mod_lruvec_page_state, 43);
  cpu.writePageStruct(frame);
  rcuReadLock(cpu);
  modLruvecState(cpu);
  rcuReadUnlock(cpu);
}

/** mod_lruvec_page_state for a page of the kernel's own (page tables). */
export function modKernelPageState(cpu: KernelCpu, frame: number): void {
  cpu.run(F.mod_lruvec_page_state, 16);
  cpu.run(F.__mod_lruvec_page_state, 39);
  cpu.writePageStruct(frame);
  rcuReadLock(cpu);
  rcuReadUnlock(cpu);
  modNodePageState(cpu);
}
