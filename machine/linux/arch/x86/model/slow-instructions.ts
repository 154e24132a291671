/**
 * Ours, not Linux's: instructions of kernel functions that take far longer than the others, once a call.
 * A board has a figure for each kind. The counted paths of Linux 6.1 say how many of them an operation
 * runs, Linux's sources in which functions they are. Those of the way into the kernel and out of it are
 * inside the board's transitions; atomic instructions are in generated/locked-instructions.ts. Omits:
 * user memory that a function reaches without calling one of these.
 */

/** stac and clac around an access to user memory. */
export const USER_ACCESSES: ReadonlySet<string> = new Set([
  'copy_user_enhanced_fast_string',
  'copy_mc_enhanced_fast_string',
  'strncpy_from_user',
  'clear_user_erms',
  'strnlen_user',
  '__get_user_8',
  '__get_user_nocheck_4',
  '__get_user_nocheck_8',
  '__put_user_4',
  '__put_user_8',
  '__put_user_nocheck_4',
  '__put_user_nocheck_8',
]);

/** xsave, xsaveopt or xrstor of a task's whole floating-point and vector state. */
export const STATE_MOVES: ReadonlySet<string> = new Set([
  'copy_fpstate_to_sigframe',
  '__fpu_restore_sig',
  'fpu__clear_user_states',
  'save_fpregs_to_fpstate',
  'restore_fpregs_from_fpstate',
]);

/** cli, sti or pushf: how many. */
export const INTERRUPT_FLAG: Readonly<Record<string, number>> = {
  _raw_spin_lock_irq: 1,
  _raw_spin_unlock_irq: 1,
  _raw_spin_lock_irqsave: 2,
  _raw_spin_unlock_irqrestore: 1,
  do_sched_yield: 1,
  __schedule: 1,
  finish_task_switch: 1,
};
