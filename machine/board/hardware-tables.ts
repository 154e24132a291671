/** The tables of the machine's own events, which `--events` asks for; after perf's mem and branch events. */
import type { ColumnSpec, TableSpec } from '../core/trace/event-table.ts';
import { COMMON } from '../linux/trace/columns.ts';

const CONTEXT: ColumnSpec = {
  name: 'context',
  type: 'dictionary',
  values: ['user', 'kernel'],
  comment: 'Whose code it was: the program, or the kernel in any of its contexts.',
};
const IP: ColumnSpec = {
  name: 'ip',
  type: 'u64',
  unit: 'address',
  comment:
    'User: address of the instruction, or of the first one of its block on a board without overlap of misses. Kernel: where the function begins.',
};
const ADDRESS: ColumnSpec = {
  name: 'address',
  type: 'u64',
  unit: 'address',
  comment: 'Virtual address that was accessed.',
};
const LATENCY: ColumnSpec = {
  name: 'latency',
  type: 'u64',
  unit: 'ticks',
  comment: 'From the miss until it was served. Misses overlap: less may have been booked.',
};
const PAGE_SIZE: ColumnSpec = {
  name: 'page_size',
  type: 'dictionary',
  values: ['4K', '2M', '1G', 'none'],
  comment:
    'Size of the translation; none after a page fault. With nested paging, pieces of large pages are 4K.',
};
const ACCESSES = ['read', 'write', 'fetch', 'walk'];

export const TLB_MISS: TableSpec = {
  name: 'tlb_miss',
  comment: 'One row for each translation that a first-level TLB lacks.',
  default: false,
  columns: [
    ...COMMON,
    CONTEXT,
    IP,
    ADDRESS,
    {
      name: 'access',
      type: 'dictionary',
      values: ACCESSES,
      comment: 'What accessed: fetch misses the instruction TLB, read and write the data TLB.',
    },
    PAGE_SIZE,
    {
      name: 'served_by',
      type: 'dictionary',
      values: ['stlb', 'walk'],
      comment: 'The second-level TLB, or a walk of the page tables.',
    },
    LATENCY,
  ],
};

export const PAGE_WALK: TableSpec = {
  name: 'page_walk',
  comment:
    'One row for each walk of the page tables: after TLB misses, to set a dirty bit, and before a page fault.',
  default: false,
  columns: [
    ...COMMON,
    CONTEXT,
    IP,
    ADDRESS,
    {
      name: 'access',
      type: 'dictionary',
      values: ACCESSES,
      comment: 'What the translation was for.',
    },
    PAGE_SIZE,
    LATENCY,
  ],
};

export const CACHE_MISS: TableSpec = {
  name: 'cache_miss',
  comment: 'One row for each line that a first-level cache lacks.',
  default: false,
  columns: [
    ...COMMON,
    CONTEXT,
    IP,
    {
      ...ADDRESS,
      comment: 'Virtual address that was accessed; of a walk, the one that is translated.',
    },
    {
      name: 'physical',
      type: 'u64',
      unit: 'address',
      comment:
        "Physical address of the line; beyond the guest's memory for the host's page tables.",
    },
    {
      name: 'access',
      type: 'dictionary',
      values: ACCESSES,
      comment:
        'What accessed: fetch misses the L1I, the others the L1D; walk is the page walker reading a table.',
    },
    {
      name: 'served_by',
      type: 'dictionary',
      values: ['l2', 'llc', 'dram', 'other_cpu', 'other_cpu_clean', 'none'],
      comment:
        'Where the line came from. other_cpu: a cache that had it modified or gave it up for a write; other_cpu_clean: the last level missed first; none: a line overwritten whole is not read.',
    },
    LATENCY,
  ],
};

export const BRANCH_MISS: TableSpec = {
  name: 'branch_miss',
  comment: 'One row for each mispredicted branch of user code (the kernel has no predictor model).',
  default: false,
  columns: [
    ...COMMON,
    { ...IP, comment: 'Address of the branch.' },
    {
      name: 'kind',
      type: 'dictionary',
      values: ['conditional', 'indirect', 'return'],
      comment: 'Conditional branch, indirect jump or call, or return.',
    },
    {
      ...LATENCY,
      comment: 'Ticks that it cost: until it was resolved, and the refill of the pipeline.',
    },
  ],
};

export const HARDWARE_TABLES: readonly TableSpec[] = [TLB_MISS, PAGE_WALK, CACHE_MISS, BRANCH_MISS];
