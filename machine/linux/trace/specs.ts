/**
 * The kernel's trace tables, with Linux's tracepoint and field names (include/trace/events/*.h of
 * Linux 6.1) after the columns that every table begins with.
 */
import type { ColumnSpec, TableSpec } from '../../core/trace/event-table.ts';
import { SYSCALL_NAMES } from '../arch/x86/entry/syscalls/syscall-64.ts';
import { COMMON, CPU, TICK, TID } from './columns.ts';
import { POINT_TABLES } from './points-specs.ts';
import { SCHED_TABLES } from './sched-specs.ts';

const argument = (index: number): ColumnSpec => ({
  name: `arg${index}`,
  type: 'u64',
  comment: `Argument ${index} as passed in its register; meaningless beyond the call's arity.`,
});

export const SYSCALLS: TableSpec = {
  name: 'syscalls',
  comment: 'One row for each system call, from its entry to its return to user mode.',
  default: true,
  columns: [
    TICK,
    {
      name: 'dur',
      type: 'u64',
      unit: 'ticks',
      comment: 'Ticks from the entry to the return to user mode (or to the end of the task).',
    },
    CPU,
    TID,
    { name: 'nr', type: 'i32', comment: 'System call number.' },
    {
      name: 'name',
      type: 'dictionary',
      comment: 'Name of the call, or `unknown`.',
      values: SYSCALL_NAMES,
    },
    ...[0, 1, 2, 3, 4, 5].map(argument),
    { name: 'ret', type: 'i64', comment: 'Result: a value, or minus an error number.' },
  ],
};

export const PAGE_FAULT_USER: TableSpec = {
  name: 'page_fault_user',
  comment: 'One row for each page fault from user mode (exceptions:page_fault_user).',
  default: true,
  columns: [
    ...COMMON,
    { name: 'address', type: 'u64', unit: 'address', comment: 'Address that was accessed (CR2).' },
    { name: 'ip', type: 'u64', unit: 'address', comment: 'Address of the instruction.' },
    {
      name: 'error_code',
      type: 'u32',
      comment: 'Bits: 1 page present, 2 write, 4 user mode, 8 reserved bit, 16 instruction fetch.',
    },
  ],
};

export const SCHED_PROCESS_EXEC: TableSpec = {
  name: 'sched_process_exec',
  comment: 'One row for each successful execve.',
  default: true,
  columns: [
    ...COMMON,
    { name: 'pid', type: 'u32', comment: 'Process.' },
    { name: 'old_pid', type: 'u32', comment: 'Thread that called execve.' },
  ],
};

export const SCHED_PROCESS_EXIT: TableSpec = {
  name: 'sched_process_exit',
  comment: 'One row for each task that ends.',
  default: true,
  columns: [
    ...COMMON,
    { name: 'pid', type: 'u32', comment: 'Task that ended.' },
    { name: 'prio', type: 'i32', comment: 'Its priority; 120 for nice 0.' },
  ],
};

export const SCHED_PROCESS_FORK: TableSpec = {
  name: 'sched_process_fork',
  comment: 'One row for each task made by fork, vfork or clone.',
  default: true,
  columns: [
    ...COMMON,
    { name: 'parent_pid', type: 'u32', comment: 'Task that called.' },
    { name: 'child_pid', type: 'u32', comment: 'Task that was made.' },
  ],
};

const SIGNAL_COLUMNS: readonly ColumnSpec[] = [
  { name: 'sig', type: 'u8', comment: 'Signal number.' },
  { name: 'errno', type: 'i32', comment: 'si_errno: nearly always 0.' },
  {
    name: 'code',
    type: 'i32',
    comment: 'si_code: 0 kill, -6 tkill, -1 sigqueue, 128 the kernel, others by signal.',
  },
];

export const SIGNAL_GENERATE: TableSpec = {
  name: 'signal_generate',
  comment: 'One row for each signal sent, whatever becomes of it.',
  default: true,
  columns: [
    ...COMMON,
    ...SIGNAL_COLUMNS,
    { name: 'pid', type: 'u32', comment: 'Task that it is sent to.' },
    { name: 'group', type: 'u8', comment: '1: to its process; 0: to this thread alone.' },
    {
      name: 'result',
      type: 'u8',
      comment: '0 delivered, 1 ignored, 2 already pending, 3 queue full, 4 sent without siginfo.',
    },
  ],
};

export const SIGNAL_DELIVER: TableSpec = {
  name: 'signal_deliver',
  comment: 'One row for each signal that a task takes.',
  default: true,
  columns: [
    ...COMMON,
    ...SIGNAL_COLUMNS,
    {
      name: 'sa_handler',
      type: 'u64',
      unit: 'address',
      comment: 'Its handler; 0 is the default action.',
    },
    { name: 'sa_flags', type: 'u64', comment: 'Flags of its action (SA_SIGINFO ...).' },
  ],
};

export const SCHED_PROCESS_WAIT: TableSpec = {
  name: 'sched_process_wait',
  comment: 'One row each time a task begins to wait for its children.',
  default: true,
  columns: [
    ...COMMON,
    { name: 'pid', type: 'u32', comment: 'Process that it waits for; 0 for any.' },
    { name: 'prio', type: 'i32', comment: 'Priority of the waiting task.' },
  ],
};

export const IRQ_HANDLER: TableSpec = {
  name: 'irq_handler',
  comment: 'One row for each hardware interrupt, from its entry to the end of its handler.',
  default: false,
  columns: [
    TICK,
    { name: 'dur', type: 'u64', unit: 'ticks', comment: 'Ticks in the interrupt.' },
    CPU,
    TID,
    { name: 'vector', type: 'u16', comment: 'Vector: 236 is the local timer.' },
  ],
};

export const TLB_FLUSH: TableSpec = {
  name: 'tlb_flush',
  comment: 'One row for each flush of translations of user addresses.',
  default: false,
  columns: [
    ...COMMON,
    {
      name: 'reason',
      type: 'u8',
      comment:
        '0 task switch, 1 asked for by another CPU, 2 pages of this CPU, 3 all of this CPU, 4 asks other CPUs.',
    },
    { name: 'pages', type: 'i32', comment: 'Pages flushed; -1 is everything.' },
  ],
};

/** Tables that the kernel can fill now. */
export const KERNEL_TABLES: readonly TableSpec[] = [
  SYSCALLS,
  PAGE_FAULT_USER,
  SCHED_PROCESS_EXEC,
  SCHED_PROCESS_EXIT,
  SIGNAL_GENERATE,
  SIGNAL_DELIVER,
  SCHED_PROCESS_FORK,
  SCHED_PROCESS_WAIT,
  IRQ_HANDLER,
  ...SCHED_TABLES,
  TLB_FLUSH,
  ...POINT_TABLES,
];

/** Tables whose events the model does not produce yet, declared so that their names are settled. */
export const DECLARED_TABLES: readonly TableSpec[] = [];
