/**
 * Ours, not Linux's: functions of Linux 6.1 that Linux 6.18 has no call of. The model's paths are those
 * of 6.1; the host that costs are held against runs 6.18, whose sampled call trees show none of these in
 * operations that went through them before, small ones such as write() to /dev/null included. Their
 * instructions count as before, their returns are not predicted wrong. Omits what runs with interrupts
 * off other than entry and exit: samples do not reach it.
 */
const INLINED: ReadonlySet<string> = new Set([
  // Entry from user mode and exit to it are one function with the call's or the exception's handler.
  'syscall_enter_from_user_mode',
  'syscall_exit_to_user_mode',
  'syscall_exit_to_user_mode_prepare',
  'exit_to_user_mode_prepare',
  'fpregs_assert_state_consistent',
  'amd_clear_divider',
  'irqentry_enter',
  'irqentry_enter_from_user_mode',
  'irqentry_exit',
  'irqentry_exit_to_user_mode',
  'sync_regs',
  // Descriptors are looked up in the caller; one lookup is left where a file position is shared.
  '__fget_light',
  '__fdget',
  'fsnotify_perm',
  '__get_task_ioprio',
  // Copies of CPUs with fast short `rep movsb` are one instruction in their callers.
  'copy_user_enhanced_fast_string',
  'copy_user_generic_string',
  'copy_user_short_string',
  'page_copy_sane',
  'import_single_range',
  // Slab and page helpers.
  'should_failslab',
  'should_fail_alloc_page',
  'cache_from_obj',
  '_compound_head',
  'policy_node',
  'pmd_val',
  'pud_val',
  'pgd_none',
  'pmd_page_vaddr',
  'pmd_pfn',
  'pfn_pte',
  'PageHeadHuge',
  'free_swap_cache',
  '__tlb_remove_page_size',
  'folio_memcg_lock',
  'folio_memcg_unlock',
  'lock_page_memcg',
  'unlock_page_memcg',
  '__mod_lruvec_state',
  '__mod_memcg_lruvec_state',
  'kmalloc_slab',
  'xas_descend',
  'mtree_range_walk',
  'mas_next_entry',
  'mas_prev_nentry',
  'mas_is_span_wr',
]);

/** Security modules of the counted kernel that the host has not. */
const ABSENT = /^(aa|apparmor|tomoyo|ima)_/;

/** Whether `name` has no return of its own on the host's kernel. */
export function isInlined(name: string): boolean {
  return INLINED.has(name) || ABSENT.test(name);
}
