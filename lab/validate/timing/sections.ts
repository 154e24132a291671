/**
 * The sections of the measuring program (datasets/host-zen4/programs) with the rows they print, and
 * why some measured rows have none.
 */

export interface Section {
  /** Argument of the measuring program. */
  readonly name: string;
  /** Names of the rows that it prints. */
  readonly rows: readonly string[];
  /** Part of the parameters that tells its rows from those of the same name in other sections. */
  readonly params?: RegExp;
}

const section = (name: string, rows: string, params?: RegExp): Section => ({
  name,
  rows: rows.split(' '),
  ...(params === undefined ? {} : { params }),
});

export const SECTIONS: readonly Section[] = [
  section(
    'core',
    'empty_loop insn_10_dependent_adds insn_imul_dep insn_div64 insn_rdtsc insn_rdtscp ' +
      'insn_lfence_rdtsc insn_cpuid_vmexit insn_lfence insn_store_mfence insn_pause insn_lock_xadd ' +
      'insn_lock_cmpxchg insn_store_load_forward insn_rdpid insn_lsl insn_wrfsbase ' +
      'smt_probe_add_chain smt_probe_4wide_add',
    /^(?!.*cpu1 running)/,
  ),
  section('branch', 'branch_pattern indirect_call'),
  section('string', 'rep_movsb rep_stosb'),
  section(
    'locks',
    'mutex_uncontended spinlock_uncontended rwlock_uncontended cond_signal_no_waiter',
  ),
  section('chase', 'pointer_chase', /4K$/),
  section('huge-chase', 'pointer_chase', /2M$/),
  section('tlb', 'tlb_one_line_per_page', /4K$/),
  section('huge-tlb', 'tlb_one_line_per_page tlb_compact_control', /2M-backed$/),
  section('huge-page-tlb', 'tlb2m_one_line_per_2M'),
  section('bandwidth', 'bw_memcpy bw_memset bw_read_avx2 bw_ntstore'),
  section('line', 'cacheline_pingpong_roundtrip'),
  section(
    'calls',
    'syscall_getppid syscall_getpid syscall_gettid syscall_getuid syscall_enosys uname ' +
      'rt_sigprocmask umask getrandom_syscall futex_wake_nobody futex_wait_mismatch ' +
      'sched_getaffinity getpriority sched_yield mmap_munmap mmap_touch_munmap brk_grow_shrink',
  ),
  section(
    'clocks',
    'clock_gettime_vdso clock_gettime_syscall clock_gettime_libc gettimeofday time getcpu sched_getcpu',
  ),
  section('fault', 'fault_first_touch fault_read_zero_page munmap_per_page', /^(?!.*4K 512MiB)/),
  section('mprotect', 'mprotect_flip', /1 thread$/),
  section(
    'files',
    'read_devzero write_devnull pread_tmpfs fstat lseek fcntl_getfl pipe_write_read_same_thread ' +
      'ioctl_fionread open_close stat unix_stream_write_read_same_thread',
    /^(?!.*(1048576B|5 components))/,
  ),
  section(
    'signals',
    'mprotect_flip_pair sigaction kill_sig0 signal_kill_self_deliver_return ud2_sigill_handler',
  ),
  section('timers', 'setitimer_rearm timerfd_settime_rearm nanosleep timer_signal_latency'),
  section('fork', 'fork_exit_wait fork_call_in_parent'),
  section('threads', 'pthread_create_join'),
  section('pingpong', 'pingpong_pipe pingpong_futex', /^same cpu/),
  section('cross-pingpong', 'pingpong_pipe pingpong_futex', /^cross cpu/),
  section('shootdown', 'mprotect_flip', /remote shootdown/),
  section('contended', 'mutex_contended', /^pthread/),
  section('own-contended', 'mutex_contended', /^own-futex.*cores=(1|2\(pinned\))/),
];

/** The section that measures a row, if there is one. */
export function sectionOf(name: string, params: string): Section | undefined {
  return SECTIONS.find(
    (section) => section.rows.includes(name) && (section.params?.test(params) ?? true),
  );
}

/** Why a measured row is not tried on the model, by row name or `name params`; first match counts. */
const UNTRIED: readonly (readonly [RegExp, string])[] = [
  [/^insn_(xsave_avx512|clflushopt)/, 'the instruction is outside x86-64-v1'],
  [/^smt_probe/, 'the board has no second thread in a core'],
  [/^fork_exec_wait/, 'needs a second program in the guest'],
  [/5 components/, 'needs an ext4 file of the host'],
  [/^mutex_contended .*unpinned/, 'the host places the threads'],
];

export function reasonUntried(name: string, params: string): string {
  const row = `${name} ${params}`;
  return UNTRIED.find(([pattern]) => pattern.test(row))?.[1] ?? 'no measuring program';
}

/** Mebibytes of the working set that a row needs; larger rows are left to `--full`. */
export function megabytesOf(name: string, params: string): number {
  const number = (pattern: RegExp): number => Number(pattern.exec(params)?.[1] ?? 0);
  switch (name) {
    case 'pointer_chase':
      return number(/ws=(\d+)K/) / 1024;
    case 'tlb_one_line_per_page':
    case 'tlb_compact_control':
      return number(/(?:pages|lines)=(\d+)/) / 256;
    case 'tlb2m_one_line_per_2M':
      return number(/2Mpages=(\d+)/) * 2;
    case 'bw_memcpy':
    case 'bw_memset':
    case 'bw_read_avx2':
    case 'bw_ntstore':
      return number(/^(\d+)K/) / 1024;
    case 'fork_exit_wait':
    case 'fork_call_in_parent':
      return number(/touched=(\d+)MiB/) * 2;
    default:
      return number(/(\d+)MiB/);
  }
}
