/**
 * Tables of the tracepoints that say little more than that they happened: memory, timers, RCU, new
 * tasks, io_uring. Names are Linux's; hrtimer_setup is 6.18's name of hrtimer_init, ma_write is the
 * maple tree's. Omits: most of Linux's fields.
 */
import type { ColumnSpec, TableSpec } from '../../core/trace/event-table.ts';
import { COMMON } from './columns.ts';

/** Index of a table in POINT_TABLES and in Tracepoints.points. */
export const enum Point {
  KMEM_CACHE_ALLOC,
  KMEM_CACHE_FREE,
  MM_PAGE_ALLOC,
  MM_PAGE_FREE,
  RSS_STAT,
  VM_UNMAPPED_AREA,
  MM_FILEMAP_MAP_PAGES,
  MA_WRITE,
  HRTIMER_SETUP,
  HRTIMER_START,
  HRTIMER_CANCEL,
  HRTIMER_EXPIRE_ENTRY,
  HRTIMER_EXPIRE_EXIT,
  RCU_UTILIZATION,
  SCHED_WAKEUP_NEW,
  TASK_NEWTASK,
  IO_URING_SUBMIT_REQ,
  IO_URING_COMPLETE,
  SYS_ENTER,
  SYS_EXIT,
  SOFTIRQ_RAISE,
  SOFTIRQ_ENTRY,
  SOFTIRQ_EXIT,
  RCU_GRACE_PERIOD,
  RCU_BATCH_START,
  RCU_BATCH_END,
  CONTENTION_BEGIN,
  CONTENTION_END,
}

function point(
  name: string,
  comment: string,
  first: Omit<ColumnSpec, 'type'>,
  second: Omit<ColumnSpec, 'type'>,
): TableSpec {
  const columns = [...COMMON, { type: 'i64', ...first }, { type: 'i64', ...second }] as const;
  return { name, comment, default: false, columns };
}

const PID = { name: 'pid', comment: 'Task that it is about.' };
const OBJECT = {
  name: 'ptr',
  unit: 'address',
  comment: 'Physical address of the object.',
} as const;
const BYTES = { name: 'bytes_alloc', unit: 'bytes', comment: 'Size of the object.' } as const;
const FRAME = { name: 'pfn', comment: 'Number of the first frame.' };
const ORDER = { name: 'order', comment: 'The block has 2^order frames.' };
const DUE = { name: 'expires', unit: 'ticks', comment: 'When it must expire.' } as const;
const SOFT = { name: 'softexpires', unit: 'ticks', comment: 'From when on it may.' } as const;
const CALL = { name: 'calls', comment: 'Always 1.' };
const NR = { name: 'id', comment: 'System call number.' };
const REQUEST = { name: 'user_data', comment: "The request's tag." };

const VECTOR = { name: 'vec', comment: 'Number of the softirq: 7 SCHED, 9 RCU.' };
const PENDING = { name: 'pending', comment: 'Softirqs that are raised, a bit each.' };
const LOCK = {
  name: 'lock_addr',
  unit: 'address',
  comment: 'Physical address of the lock.',
} as const;

/** In the order of Point. */
export const POINT_TABLES: readonly TableSpec[] = [
  point('kmem_cache_alloc', 'One row for each object taken from a slab cache.', OBJECT, BYTES),
  point('kmem_cache_free', 'One row for each object given back to a slab cache.', OBJECT, BYTES),
  point('mm_page_alloc', 'One row for each block of pages allocated.', FRAME, ORDER),
  point('mm_page_free', 'One row for each block of pages freed outside batches.', FRAME, ORDER),
  point(
    'rss_stat',
    'One row each time the number of resident pages of an address space is changed.',
    { name: 'mm', unit: 'address', comment: 'Physical address of the mm_struct.' },
    { name: 'size', unit: 'pages', comment: 'Resident pages, of all kinds.' },
  ),
  point(
    'vm_unmapped_area',
    'One row for each search for room in an address space.',
    { name: 'addr', unit: 'address', comment: 'What was found; negative: an error.' },
    { name: 'len', unit: 'bytes', comment: 'Room that was wanted.' },
  ),
  point(
    'mm_filemap_map_pages',
    'One row each time a fault on a file maps the pages around it.',
    { name: 'first', comment: 'Page of the file that was asked for.' },
    { name: 'count', unit: 'pages', comment: 'Pages mapped.' },
  ),
  point(
    'ma_write',
    'One row for each step of a change to the tree of mappings.',
    { name: 'entries', comment: 'Entries of the tree, gaps included.' },
    { name: 'step', comment: '0 the store begins, 1 a node is replaced or changed in place.' },
  ),
  point('hrtimer_setup', 'One row for each timer prepared.', DUE, SOFT),
  point('hrtimer_start', 'One row for each timer armed.', DUE, SOFT),
  point('hrtimer_cancel', 'One row for each armed timer taken back.', DUE, SOFT),
  point('hrtimer_expire_entry', 'One row for each timer that expires.', DUE, SOFT),
  point('hrtimer_expire_exit', 'One row for each expired timer that was handled.', DUE, SOFT),
  point(
    'rcu_utilization',
    'One row at the begin and one at the end of what RCU does at a context switch.',
    CALL,
    { name: 'end', comment: '0 begin, 1 end.' },
  ),
  point('sched_wakeup_new', 'One row for each new task put on a run queue.', PID, {
    name: 'target_cpu',
    comment: 'CPU whose queue it is on.',
  }),
  point('task_newtask', 'One row for each task made.', PID, {
    name: 'clone_flags',
    comment: 'Flags of clone().',
  }),
  point('io_uring_submit_req', 'One row for each io_uring request submitted.', REQUEST, {
    name: 'opcode',
    comment: 'IORING_OP_*.',
  }),
  point('io_uring_complete', 'One row for each io_uring request completed.', REQUEST, {
    name: 'res',
    comment: 'Its result.',
  }),
  point('sys_enter', 'One row for each system call that begins.', NR, {
    name: 'arg0',
    comment: 'Low 32 bits of its first argument.',
  }),
  point('sys_exit', 'One row for each system call that has its result.', NR, {
    name: 'ret',
    comment: 'The result; before signals and the scheduler have their turn.',
  }),
  point('softirq_raise', 'One row each time a softirq is raised.', VECTOR, PENDING),
  point('softirq_entry', 'One row for each softirq that begins.', VECTOR, PENDING),
  point('softirq_exit', 'One row for each softirq that has ended.', VECTOR, PENDING),
  point(
    'rcu_grace_period',
    'One row at the begin and one at the end of each grace period.',
    { name: 'gp_seq', comment: 'Grace periods before it.' },
    { name: 'gpevent', comment: '0 start, 1 end.' },
  ),
  point(
    'rcu_batch_start',
    'One row each time a CPU begins to invoke RCU callbacks.',
    { name: 'qlen', comment: 'Callbacks whose grace period is over.' },
    { name: 'blimit', comment: 'How many it invokes at most.' },
  ),
  point(
    'rcu_batch_end',
    'One row each time a CPU has invoked RCU callbacks.',
    { name: 'callbacks_invoked', comment: 'How many.' },
    { name: 'cb', comment: 'How many are left.' },
  ),
  point('contention_begin', 'One row each time a CPU begins to wait for a lock.', LOCK, {
    name: 'flags',
    comment: 'LCB_F_*: 1 it spins.',
  }),
  point('contention_end', 'One row each time a CPU has got a lock that it waited for.', LOCK, {
    name: 'ret',
    comment: 'Always 0: it has the lock.',
  }),
];
