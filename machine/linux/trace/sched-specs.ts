/** The tables of the sched:* tracepoints about switching and waking, and of futex and lock waits. */
import type { ColumnSpec, TableSpec } from '../../core/trace/event-table.ts';
import { COMMON } from './columns.ts';

const PID: ColumnSpec = { name: 'pid', type: 'u32', comment: 'Task that it is about.' };
const PRIO: ColumnSpec = { name: 'prio', type: 'i32', comment: 'Its priority; 120 for nice 0.' };

export const SCHED_SWITCH: TableSpec = {
  name: 'sched_switch',
  comment: 'One row each time a CPU goes from one task to another.',
  default: true,
  columns: [
    ...COMMON,
    { name: 'prev_pid', type: 'u32', comment: 'Task that stops running; 0 is the idle task.' },
    { name: 'prev_prio', type: 'i32', comment: 'Its priority.' },
    {
      name: 'prev_state',
      type: 'u32',
      comment: 'Its state: 0 runnable, 1 sleeping, 2 waiting without signals, 4 stopped, 16 dead.',
    },
    { name: 'next_pid', type: 'u32', comment: 'Task that runs from now on.' },
    { name: 'next_prio', type: 'i32', comment: 'Its priority.' },
  ],
};

export const SCHED_WAKING: TableSpec = {
  name: 'sched_waking',
  comment: 'One row each time a sleeping task is about to be woken, on the CPU of the waker.',
  default: false,
  columns: [
    ...COMMON,
    PID,
    PRIO,
    { name: 'target_cpu', type: 'i32', comment: 'CPU that it last ran on.' },
  ],
};

export const SCHED_WAKEUP: TableSpec = {
  name: 'sched_wakeup',
  comment: 'One row each time a woken task is put on a run queue, on the CPU that does it.',
  default: false,
  columns: [
    ...COMMON,
    PID,
    PRIO,
    { name: 'target_cpu', type: 'i32', comment: 'CPU whose queue it is on.' },
  ],
};

export const SCHED_MIGRATE_TASK: TableSpec = {
  name: 'sched_migrate_task',
  comment: 'One row each time a task is given to another CPU.',
  default: false,
  columns: [
    ...COMMON,
    PID,
    PRIO,
    { name: 'orig_cpu', type: 'i32', comment: 'CPU that it leaves.' },
    { name: 'dest_cpu', type: 'i32', comment: 'CPU that it goes to.' },
  ],
};

export const SCHED_STAT_RUNTIME: TableSpec = {
  name: 'sched_stat_runtime',
  comment: 'One row each time a running task is charged for the time it has used.',
  default: false,
  columns: [
    ...COMMON,
    PID,
    { name: 'runtime', type: 'u64', comment: 'Nanoseconds since the last charge.' },
  ],
};

/** Values of the futex table's `op`. */
export const FUTEX_OPERATIONS = ['wait', 'wake', 'lock_pi', 'unlock_pi'] as const;

export const FUTEX: TableSpec = {
  name: 'futex',
  comment: 'One row for each waiter that is queued on a futex, and for each call that wakes.',
  default: false,
  columns: [
    ...COMMON,
    {
      name: 'op',
      type: 'dictionary',
      comment: 'What it was: wait, wake, lock_pi or unlock_pi.',
      values: FUTEX_OPERATIONS,
    },
    { name: 'uaddr', type: 'u64', unit: 'address', comment: 'Address of the word.' },
    { name: 'val', type: 'u32', comment: 'Value waited on, or how many to wake at most.' },
    { name: 'woken', type: 'u32', comment: 'Waiters woken.' },
  ],
};

export const SCHED_TABLES: readonly TableSpec[] = [
  SCHED_SWITCH,
  SCHED_WAKING,
  SCHED_WAKEUP,
  SCHED_MIGRATE_TASK,
  SCHED_STAT_RUNTIME,
  FUTEX,
];
