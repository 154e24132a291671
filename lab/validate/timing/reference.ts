/** The measured rows that a board is held against, and the groups that they are judged in. */
import { readFileSync } from 'node:fs';
import { datasetPath } from '../data-folder.ts';
import { parseCsv } from '../csv.ts';

/** One measured row; times in TSC cycles of the reference machine. */
export interface ReferenceRow {
  readonly name: string;
  readonly params: string;
  /** Of the medians of several rounds. */
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
  /** The fastest round: the machine with the least noise. */
  readonly best: number;
}

/** Median and 90th percentile of the absolute errors that a group may have. */
export interface Threshold {
  readonly median: number;
  readonly p90: number;
}

/** What decides the verdict; `other` rows are shown with the thresholds of the kernel. */
export type Judged = 'hardware' | 'kernel' | 'other';

export interface Group {
  readonly name: string;
  /** Row names; a trailing `*` stands for anything. */
  readonly rows: readonly string[];
  /** Groups that are judged together; thresholds are THRESHOLDS[judged]. */
  readonly judged: Judged;
}

export const THRESHOLDS: Readonly<Record<Judged, Threshold>> = {
  hardware: { median: 0.12, p90: 0.35 },
  kernel: { median: 0.15, p90: 0.4 },
  other: { median: 0.15, p90: 0.4 },
};

const group = (judged: Judged, name: string, rows: string): Group => ({
  name,
  judged,
  rows: rows.split(' '),
});

/** In the order of the table. A row belongs to the first group that names it. */
export const GROUPS: readonly Group[] = [
  group(
    'hardware',
    'instructions',
    'insn_* empty_loop branch_pattern indirect_call rep_* smt_probe_*',
  ),
  group('hardware', 'pointer_chase', 'pointer_chase'),
  group('hardware', 'tlb', 'tlb_one_line_per_page tlb_compact_control tlb2m_*'),
  group('hardware', 'bandwidth', 'bw_*'),
  group(
    'kernel',
    'system call',
    'syscall_* uname rt_sigprocmask umask getrandom_syscall sched_getaffinity getpriority',
  ),
  group('kernel', 'clock', 'clock_gettime_* gettimeofday time getcpu sched_getcpu'),
  group('kernel', 'fault', 'fault_*'),
  group('kernel', 'mmap', 'mmap_* munmap_* mprotect_* brk_*'),
  group('kernel', 'fork', 'fork_*'),
  group('kernel', 'thread', 'pthread_*'),
  group('kernel', 'ping-pong', 'pingpong_*'),
  group('kernel', 'yield', 'sched_yield'),
  group('kernel', 'signal', 'sigaction signal_* kill_* ud2_*'),
  group('kernel', 'futex', 'futex_*'),
  group('kernel', 'mutex', 'mutex_* spinlock_* rwlock_* cond_*'),
  group('other', 'line transfer', 'cacheline_pingpong_roundtrip'),
  group('other', 'timer', 'nanosleep setitimer_* timerfd_* timer_*'),
  group('other', 'file', 'read_* write_* pread_tmpfs stat fstat lseek fcntl_* open_close ioctl_*'),
  group('other', 'pipe', 'pipe_* unix_stream_write_read_same_thread'),
];

/** The data set of each board that has one. */
export const DATASETS: Readonly<Record<string, string>> = { 'zen4-vm': 'host-zen4' };

/** Frequency of the counter that the rows are in, of each data set. */
const TSC_GHZ = 2.59615;

const matches = (pattern: string, name: string): boolean =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;

export function groupOf(name: string): Group | undefined {
  return GROUPS.find(({ rows }) => rows.some((pattern) => matches(pattern, name)));
}

/** The timed rows of a data set that belong to a group. */
export function readReference(dataset: string): ReferenceRow[] {
  const text = readFileSync(datasetPath(`${dataset}/measurements.csv`), 'utf8');
  return parseCsv(text)
    .filter((row) => row['cycles_median'] !== '' && groupOf(row['name'] ?? '') !== undefined)
    .map((row) => ({
      name: row['name'] ?? '',
      params: row['params'] ?? '',
      median: Number(row['cycles_median']),
      p10: Number(row['cycles_p10']),
      p90: Number(row['cycles_p90']),
      best: Number(row['ns_best_round']) * TSC_GHZ,
    }));
}
