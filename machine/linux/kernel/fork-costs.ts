/**
 * What the parts of fork and clone retire, after Linux 6.1 kernel/fork.c, as counted on a real kernel
 * (datasets/linux-6.1-paths: fork_small and clone_thread, boot off). Objects are allocated, and page
 * tables copied, at their own cost.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Steps } from '../arch/x86/model/steps.ts';

export const DUP_TASK_STRUCT: Steps = [
  [F.tsk_fork_get_node, 5],
  [F.arch_dup_task_struct, 12],
  [F.__memcpy, 1],
  [F.memcpy_erms, 4],
  [F.__memset, 1],
  [F.memset_erms, 6],
  [F.memcg_charge_kernel_stack, 35],
  [F.mod_lruvec_page_state, 64, 4],
  [F.__mod_lruvec_page_state, 156, 4],
  [F.__rcu_read_lock, 24, 4],
  [F.__rcu_read_unlock, 32, 4],
  [F.__mod_node_page_state, 94, 4],
  [F.get_random_u64, 43],
  [F.dup_user_cpus_ptr, 6],
  [F.ftrace_graph_init_task, 6],
];

export const INHERIT_CREDS: Steps = [
  [F.copy_creds, 39],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
  [F.inc_rlimit_ucounts, 26],
];

export const COPY_CREDS: Steps = [
  [F.copy_creds, 48],
  [F.key_put, 4],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
  [F.inc_rlimit_ucounts, 26],
];

export const PREPARE_CREDS: Steps = [
  [F.get_ucounts, 5],
  [F.security_prepare_creds, 72],
  [F.__kmalloc, 31],
  [F.kmalloc_slab, 26],
  [F.__kmem_cache_alloc_node, 100],
  [F.__cond_resched, 6],
  [F.should_failslab, 3],
  [F.__memset, 1],
  [F.memset_erms, 6],
  [F.memcg_slab_post_alloc_hook, 18],
  [F.hook_cred_prepare, 12],
  [F.apparmor_cred_prepare, 27],
  [F.tomoyo_cred_prepare, 8],
  [F.bpf_lsm_cred_prepare, 3],
];

export const CHECK_LIMITS: Steps = [
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
  [F.is_rlimit_overlimit, 25],
  [F.acct_clear_integrals, 5],
  [F.cgroup_fork, 6],
];

export const SCHED_FORK: Steps = [
  [F.sched_fork, 36],
  [F.__sched_fork, 53],
  [F.init_dl_task_timer, 10],
  [F.hrtimer_init, 30, 2],
  [F.__hrtimer_init, 110, 2],
  [F.init_dl_inactive_task_timer, 10],
  [F.__dl_clear_params, 11],
  [F.init_numa_balancing, 48],
  [F.__msecs_to_jiffies, 7],
  [F.init_entity_runnable_average, 23],
];

export const AUDIT_AND_SECURITY: Steps = [
  [F.perf_event_init_task, 53],
  [F.__mutex_init, 8],
  [F.audit_alloc, 19],
  [F.security_task_alloc, 54],
  [F.__kmalloc, 31],
  [F.kmalloc_slab, 18],
  [F.__kmem_cache_alloc_node, 100],
  [F.__cond_resched, 6],
  [F.should_failslab, 3],
  [F.__memset, 1],
  [F.memset_erms, 6],
  [F.memcg_slab_post_alloc_hook, 18],
  [F.apparmor_task_alloc, 28],
  [F.tomoyo_task_alloc, 12],
  [F.bpf_lsm_task_alloc, 3],
  [F.copy_semundo, 14],
];

export const COPY_FS: Steps = [
  [F.copy_fs_struct, 41],
  [F._raw_spin_lock, 7],
  [F.path_get, 22, 2],
  [F.mntget, 14, 2],
  [F.lockref_get, 28, 2],
  [F._raw_spin_unlock, 6],
];

export const COPY_SIGNAL: Steps = [
  [F.hrtimer_init, 15],
  [F.__hrtimer_init, 55],
  [F._raw_spin_lock, 14, 2],
  [F._raw_spin_unlock, 12, 2],
  [F.posix_cputimers_group_init, 18],
  [F.tty_audit_fork, 6],
  [F.sched_autogroup_fork, 37],
  [F.__lock_task_sighand, 22],
  [F.__rcu_read_lock, 6],
  [F._raw_spin_lock_irqsave, 16],
  [F.__rcu_read_unlock, 8],
  [F._raw_spin_unlock_irqrestore, 10],
  [F.__mutex_init, 16, 2],
  [F.__init_rwsem, 9],
];

export const COPY_THREAD: Steps = [
  [F.copy_namespaces, 24],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
  [F.copy_thread, 80],
  [F.current_save_fsgs, 26],
  [F.__rdgsbase_inactive, 5],
  [F.fpu_clone, 62],
  [F.save_fpregs_to_fpstate, 33],
  [F.xfd_validate_state, 6],
  [F.__local_bh_enable_ip, 18],
];

export const ALLOC_PID: Steps = [
  [F.alloc_pid, 109],
  [F.idr_preload, 5],
  [F.__radix_tree_preload, 20],
  [F._raw_spin_lock_irq, 18, 2],
  [F.idr_alloc_cyclic, 41],
  [F.idr_alloc_u32, 59],
  [F.idr_get_free, 127],
  [F.radix_tree_node_alloc, 34],
  [F.radix_tree_iter_replace, 2],
  [F.__radix_tree_replace, 58, 2],
  [F.delete_node, 28, 2],
  [F.radix_tree_iter_tag_clear, 4],
  [F.node_tag_clear, 14],
  [F._raw_spin_unlock_irq, 16, 2],
  [F.__init_waitqueue_head, 6],
  [F.idr_replace, 44],
  [F.__radix_tree_lookup, 67],
  [F.radix_tree_tag_get, 54],
];

export const JOIN_CGROUP: Steps = [
  [F.user_disable_single_step, 12],
  [F.clear_posix_cputimers_work, 12],
  [F.__mutex_init, 8],
  [F.cgroup_can_fork, 105],
  [F.__cond_resched, 6],
  [F._raw_spin_lock_irq, 9],
  [F._raw_spin_unlock_irq, 8],
  [F.cpuset_can_fork, 21],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
  [F.pids_can_fork, 13],
];

export const SCHED_CGROUP_FORK: Steps = [
  [F.sched_cgroup_fork, 61],
  [F._raw_spin_lock_irqsave, 16],
  [F.set_task_rq_fair, 10],
  [F.task_fork_fair, 50],
  [F.raw_spin_rq_lock_nested, 5],
  [F._raw_spin_lock, 7],
  [F.update_rq_clock, 31],
  [F.sched_clock_cpu, 10],
  [F.sched_clock, 1],
  [F.native_sched_clock, 30],
  [F.update_curr, 50],
  [F.update_min_vruntime, 18],
  [F.cpuacct_charge, 13],
  [F.place_entity, 26],
  [F.sched_slice, 66],
  [F.__calc_delta, 50],
  [F.raw_spin_rq_unlock, 2],
  [F._raw_spin_unlock, 6],
  [F._raw_spin_unlock_irqrestore, 10],
];

export const LINK_TASK: Steps = [
  [F.ktime_get, 38],
  [F.read_tsc, 10, 2],
  [F.ktime_get_with_offset, 46],
  [F._raw_write_lock_irq, 9],
  [F.klp_copy_process, 11],
  [F.get_seccomp_filter, 7],
  [F.__list_add_valid, 51, 3],
  [F.__list_add_rcu, 17],
  [F.attach_pid, 76, 4],
  [F._raw_write_unlock_irq, 7],
  [F.proc_fork_connector, 20],
  [F.sched_post_fork, 2],
  [F.cgroup_post_fork, 102],
  [F._raw_spin_lock_irq, 9],
  [F.css_set_move_task, 52],
  [F.cgroup_move_task, 37],
  [F.task_rq_lock, 42],
  [F._raw_spin_lock_irqsave, 16],
  [F._raw_spin_lock, 7],
  [F.raw_spin_rq_unlock, 2],
  [F._raw_spin_unlock, 6],
  [F._raw_spin_unlock_irqrestore, 8],
  [F._raw_spin_unlock_irq, 8],
  [F.cpuset_fork, 22],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
  [F.freezer_fork, 6],
  [F.cgroup_css_set_put_fork, 25],
  [F.perf_event_fork, 25],
  [F.uprobe_copy_process, 23],
];

export const AFTER_COPY: Steps = [
  [F.add_device_randomness, 36],
  [F._raw_spin_lock_irqsave, 16],
  [F.blake2s_update, 49, 2],
  [F.__memcpy, 1],
  [F.memcpy_erms, 4],
  [F._raw_spin_unlock_irqrestore, 10],
  [F.get_task_pid, 24],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
  [F.pid_vnr, 24],
  [F.put_pid, 17, 2],
];

export const LRU_GEN_ADD_MM: Steps = [
  [F._raw_spin_lock, 14, 2],
  [F.lru_gen_add_mm, 67],
  [F.get_mem_cgroup_from_mm, 22],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
  [F._find_first_bit, 13],
  [F._find_next_bit, 136],
  [F.__list_add_valid, 17],
  [F._raw_spin_unlock, 12, 2],
];

export const DUP_FD: Steps = [
  [F.__init_waitqueue_head, 6],
  [F._raw_spin_lock, 7],
  [F.sane_fdtable_size, 18],
  [F._find_last_bit, 17],
  [F.__memcpy, 3, 3],
  [F.memcpy_erms, 12, 3],
  [F.__memset, 4, 4],
  [F.memset_erms, 24, 4],
  [F._raw_spin_unlock, 6],
];
