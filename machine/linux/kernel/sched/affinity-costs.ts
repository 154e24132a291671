/**
 * What reading and setting the CPUs of a task runs besides the change itself, after Linux 6.1
 * kernel/sched/core.c, by the function. Omits: refusals, which leave earlier.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Steps } from '../../arch/x86/model/steps.ts';

/** A mask that is allocated and given back: CPUMASK_OFFSTACK. */
export const MASK: Steps = [
  [F.alloc_cpumask_var_node, 12],
  [F.__kmalloc_node, 34],
  [F.kmalloc_slab, 18],
  [F.__kmem_cache_alloc_node, 100],
  [F.__cond_resched, 6],
  [F.should_failslab, 3],
  [F.__memset, 1],
  [F.memset_erms, 6],
  [F.memcg_slab_post_alloc_hook, 18],
  [F.free_cpumask_var, 1],
  [F.kfree, 29],
  [F.__kmem_cache_free, 66],
];

/** sched_getaffinity, and the check of the mask before it is copied out. */
export const GET: Steps = [
  [F.sched_getaffinity, 39],
  [F.__rcu_read_lock, 6],
  [F.security_task_getscheduler, 21, 1, 1],
  [F.bpf_lsm_task_getscheduler, 3],
  [F._raw_spin_lock_irqsave, 16],
  [F.__bitmap_and, 21],
  [F._raw_spin_unlock_irqrestore, 10],
  [F.__rcu_read_unlock, 8],
  [F.__check_object_size, 72],
  [F.check_stack_object, 9],
  [F.is_vmalloc_addr, 6],
  [F.__virt_addr_valid, 48],
  [F.__check_heap_object, 30],
];

/** sched_setaffinity and __sched_setaffinity without the allocation of masks. */
export const SET: Steps = [
  [F.get_user_cpu_mask, 29],
  [F.__check_object_size, 72],
  [F.check_stack_object, 9],
  [F.is_vmalloc_addr, 6],
  [F.__virt_addr_valid, 48],
  [F.__check_heap_object, 30],
  [F.__rcu_read_lock, 30, 5],
  [F.__rcu_read_unlock, 40, 5],
  [F.security_task_setscheduler, 30, 1, 2],
  [F.cap_task_setscheduler, 2],
  [F.cap_safe_nice, 22],
  [F.bpf_lsm_task_setscheduler, 3],
  [F.__sched_setaffinity, 77],
  [F.cpuset_cpus_allowed, 36, 2],
  [F._raw_spin_lock_irqsave, 48, 3],
  [F._raw_spin_unlock_irqrestore, 30, 3],
  [F.guarantee_online_cpus, 58, 2],
  [F.__bitmap_and, 105, 5],
  [F.__bitmap_intersects, 38, 2],
  [F.__bitmap_subset, 38, 2],
  [F.dl_task_check_affinity, 12],
  [F.task_rq_lock, 42],
  [F._raw_spin_lock, 7],
  [F.update_rq_clock, 31],
  [F.sched_clock_cpu, 10],
  [F.sched_clock, 1],
  [F.native_sched_clock, 30],
  [F.__set_cpus_allowed_ptr_locked, 59],
  [F.__bitmap_equal, 18],
  [F._raw_spin_unlock, 6],
];
