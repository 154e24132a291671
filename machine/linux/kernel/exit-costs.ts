/**
 * What the parts of exit and wait retire, after Linux 6.1 kernel/exit.c, as counted on a real kernel
 * (datasets/linux-6.1-paths: exit_wait_small and wait4_zombie, boot off).
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Steps } from '../arch/x86/model/steps.ts';

export const EXIT_BEGIN: Steps = [
  [F.exit_signals, 36],
  [F.__cond_resched, 6],
  [F.sync_mm_rss, 114, 2],
  [F.acct_update_integrals, 40],
  [F.task_cputime, 19],
  [F.hrtimer_cancel, 9],
  [F.hrtimer_try_to_cancel, 16],
  [F.hrtimer_active, 17],
  [F.exit_itimers, 27],
];

export const EXIT_ACCOUNTING: Steps = [
  [F.tty_audit_exit, 10],
  [F.taskstats_exit, 44],
  [F.perf_event_exit_task, 66],
  [F.mutex_lock, 10],
  [F.__cond_resched, 6],
  [F.mutex_unlock, 6],
  [F.perf_lock_task_context, 70, 2],
  [F.__rcu_read_lock, 12, 2],
  [F.__rcu_read_unlock, 16, 2],
  [F.perf_event_task, 19],
];

export const ACCT_COLLECT: Steps = [
  [F.acct_collect, 203],
  [F.down_read, 23],
  [F.__cond_resched, 6],
  [F.up_read, 11],
  [F._raw_spin_lock_irq, 9],
  [F.task_cputime, 19],
  [F._raw_spin_unlock_irq, 8],
];

export const EXIT_MM_RELEASE: Steps = [
  [F.exit_mm_release, 11],
  [F.futex_exit_release, 22],
  [F.mutex_lock, 10],
  [F.__cond_resched, 6],
  [F._raw_spin_lock_irq, 9],
  [F._raw_spin_unlock_irq, 8],
  [F.futex_cleanup, 33],
  [F.mutex_unlock, 6],
  [F.mm_release, 19],
  [F.uprobe_free_utask, 13],
  [F.native_load_gs_index, 14],
  [F.asm_load_gs_index, 5],
];

export const EXIT_MM: Steps = [
  [F.down_read, 23],
  [F.__cond_resched, 6],
  [F._raw_spin_lock, 7],
  [F.membarrier_update_current_mm, 10],
  [F.enter_lazy_tlb, 6],
  [F._raw_spin_unlock, 6],
  [F.up_read, 11],
  [F.mm_update_next_owner, 23],
];

export const MMPUT: Steps = [
  [F.uprobe_clear_state, 25],
  [F.mutex_lock, 10],
  [F.__cond_resched, 6],
  [F.mutex_unlock, 6],
  [F.exit_aio, 26],
  [F.__khugepaged_exit, 48],
  [F._raw_spin_lock, 7],
  [F.__list_del_entry_valid, 20],
  [F._raw_spin_unlock, 6],
  [F.mm_put_huge_zero_page, 5],
  [F.fput, 4],
  [F.module_put, 4],
];

export const EXIT_LINKS: Steps = [
  [F.acct_process, 23],
  [F.task_active_pid_ns, 8],
  [F.exit_sem, 27],
  [F.exit_shm, 25],
  [F._raw_spin_lock, 7],
  [F._raw_spin_unlock, 6],
];

export const EXIT_REST: Steps = [
  [F.disassociate_ctty, 7],
  [F.exit_task_namespaces, 3],
  [F.switch_task_namespaces, 24],
  [F.__cond_resched, 6],
  [F._raw_spin_lock, 7],
  [F._raw_spin_unlock, 6],
  [F.task_work_run, 22],
  [F.exit_thread, 10],
  [F.fpu__drop, 17],
];

export const EXIT_CGROUP: Steps = [
  [F.cgroup_exit, 78],
  [F._raw_spin_lock_irq, 9],
  [F.css_set_move_task, 52],
  [F.__list_del_entry_valid, 20],
  [F.__list_add_valid, 17],
  [F._raw_spin_unlock_irq, 9],
  [F.blkcg_exit, 9],
  [F.flush_ptrace_hw_breakpoint, 37],
  [F.unregister_hw_breakpoint, 16, 4],
  [F.exit_tasks_rcu_start, 7],
  [F.__srcu_read_lock, 8],
];

export const EXIT_NOTIFY: Steps = [
  [F._raw_write_lock_irq, 9],
  [F.task_active_pid_ns, 8],
  [F.kill_orphaned_pgrp, 13],
  [F._raw_write_unlock_irq, 8],
  [F.proc_exit_connector, 20],
];

export const EXIT_LAST: Steps = [
  [F.mpol_put_task_policy, 18],
  [F._raw_spin_lock, 7],
  [F._raw_spin_unlock, 7],
  [F.exit_task_stack_account, 57],
  [F.mod_lruvec_page_state, 64, 4],
  [F.__mod_lruvec_page_state, 156, 4],
  [F.__rcu_read_lock, 24, 4],
  [F.__rcu_read_unlock, 32, 4],
  [F.__mod_node_page_state, 94, 4],
  [F.exit_rcu, 10],
  [F.exit_tasks_rcu_finish, 24],
  [F.__srcu_read_unlock, 6],
  [F.rcu_trc_cmpxchg_need_qs, 13],
];

export const RELEASE_TASK: Steps = [
  [F.release_task, 214],
  [F.__rcu_read_lock, 18, 3],
  [F.__rcu_read_unlock, 21, 3],
  [F.dec_rlimit_ucounts, 22],
  [F.cgroup_release, 60],
  [F.pids_release, 6],
  [F._raw_spin_lock_irq, 9],
  [F.__list_del_entry_valid, 100, 5],
  [F._raw_spin_unlock_irq, 8],
  [F._raw_write_lock_irq, 9],
  [F._raw_spin_lock, 14, 2],
  [F.posix_cpu_timers_exit, 20],
  [F.posix_cpu_timers_exit_group, 20],
  [F.add_device_randomness, 36],
  [F._raw_spin_lock_irqsave, 32, 2],
  [F.blake2s_update, 62, 2],
  [F.__memcpy, 2, 2],
  [F.memcpy_erms, 8, 2],
  [F._raw_spin_unlock_irqrestore, 16, 2],
  [F.task_cputime, 19],
  [F.task_gtime, 13],
  [F.detach_pid, 12, 4],
  [F.__change_pid, 158, 4],
  [F.free_pid, 43],
  [F.idr_remove, 4],
  [F.radix_tree_delete_item, 34],
  [F.__radix_tree_lookup, 67],
  [F.__radix_tree_delete, 51],
  [F.delete_node, 43],
  [F.call_rcu, 258, 3],
  [F.rcu_segcblist_pend_cbs, 27, 3],
  [F.rcu_segcblist_enqueue, 30, 3],
  [F._raw_spin_unlock, 12, 2],
  [F.flush_sigqueue, 22, 2],
  [F.__cleanup_sighand, 12],
  [F.signalfd_cleanup, 7],
  [F.tty_kref_put, 4],
  [F._raw_write_unlock_irq, 7],
  [F.seccomp_filter_release, 11],
  [F.__seccomp_filter_orphan, 4],
  [F.__put_seccomp_filter, 4],
  [F.proc_flush_pid, 4],
  [F.proc_invalidate_siblings_dcache, 18],
  [F.put_pid, 17, 2],
  [F.release_thread, 4],
  [F.put_task_struct_rcu_user, 9],
];

export const WAIT_ZOMBIE: Steps = [
  [F.__task_pid_nr_ns, 45],
  [F.__rcu_read_lock, 18, 3],
  [F.__rcu_read_unlock, 24, 3],
  [F.from_kuid_munged, 5],
  [F.map_id_up, 35],
  [F._raw_read_unlock, 6],
  [F.thread_group_cputime_adjusted, 30],
  [F.thread_group_cputime, 69],
  [F.task_cputime, 19],
  [F.cputime_adjust, 42],
  [F._raw_spin_lock_irqsave, 16],
  [F._raw_spin_unlock_irqrestore, 10],
  [F._raw_spin_lock_irq, 9],
  [F._raw_spin_lock, 7],
  [F.task_gtime, 13],
  [F._raw_spin_unlock, 6],
  [F._raw_spin_unlock_irq, 8],
];

export const DO_WAIT: Steps = [
  [F.do_wait, 73],
  [F.add_wait_queue, 39],
  [F._raw_spin_lock_irqsave, 32, 2],
  [F.__list_add_valid, 17],
  [F._raw_spin_unlock_irqrestore, 20, 2],
  [F._raw_read_lock, 7],
  [F._raw_read_unlock, 6],
  [F.remove_wait_queue, 26],
  [F.__list_del_entry_valid, 20],
];

export const FIND_GET_PID: Steps = [
  [F.find_get_pid, 27],
  [F.__rcu_read_lock, 6],
  [F.idr_find, 3],
  [F.radix_tree_lookup, 3],
  [F.__radix_tree_lookup, 65],
  [F.__rcu_read_unlock, 8],
];
