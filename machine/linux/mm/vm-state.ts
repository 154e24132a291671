/** Ours, not Linux's: what the memory manager knows of the whole machine, beside the page allocator. */
import type { Hardening } from '../arch/x86/model/hardening.ts';

/** vm.overcommit_memory */
export const enum Overcommit {
  /** Refuse only what can never fit. */
  GUESS = 0,
  ALWAYS = 1,
  /** Swap plus overcommit_ratio percent of memory is the limit. */
  NEVER = 2,
}

export type HugePagePolicy = 'always' | 'madvise' | 'never';

/** The configuration's words about memory. */
export interface MemoryPolicy {
  readonly overcommit: Overcommit;
  /** vm.overcommit_ratio, percent. */
  readonly overcommitRatio: number;
  readonly transparentHugePages: HugePagePolicy;
  /** Kernel objects of a process are charged to its memory control group. */
  readonly kmemAccounting: boolean;
  readonly hardening: Hardening;
  /** Reserved 2 MiB pages (hugepages=). */
  readonly hugePages: number;
}

export class VmState {
  /** vm_committed_as: pages that private writable mappings may come to need. */
  committedPages = 0;
  /** Free pages of the hugetlb pool, by first frame, and pages promised to mappings. */
  readonly hugePool: number[] = [];
  hugeReserved = 0;
  /** Huge pages of the pool that a shared mapping's file keeps. */
  readonly sharedHuge = new Set<number>();
  /** System-wide count of OOM kills. */
  oomKills = 0;

  constructor(readonly policy: MemoryPolicy) {}
}
