/** Hardware event counts of a run under the names that perf gives them. */
import type { Processor } from '../hardware/cpu/dispatch.ts';
import type { SoftwareCounts } from '../linux/init/kernel.ts';
import type { MemoryHierarchy } from '../hardware/memory/hierarchy.ts';

/** Only events that do not depend on how user code was executed. Sums over the CPUs. */
export function countersOf(
  hierarchy: MemoryHierarchy,
  processor: Processor,
  cpus: number,
): Record<string, number> {
  const sums: Record<string, number> = {};
  const add = (name: string, value: number): void => {
    sums[name] = (sums[name] ?? 0) + value;
  };
  for (let cpu = 0; cpu < cpus; cpu++) {
    const counters = hierarchy.counters(cpu);
    // As perf has them on AMD since Zen: what the L2 is asked for, and what it lacks.
    add('cache-references', counters.l1iMisses + counters.l1dMisses);
    add('cache-misses', counters.l2Misses);
    add('L1-icache-load-misses', counters.l1iMisses);
    add('L1-dcache-load-misses', counters.l1dMisses);
    add('l2-misses', counters.l2Misses);
    add('iTLB-load-misses', counters.itlbMisses);
    add('dTLB-load-misses', counters.dtlbMisses);
    add('stlb-misses', counters.stlbMisses);
    add('page-walks', counters.walks);
    add('line-transfers', counters.transfers);
    add('branch-misses:u', processor.branchMisses(cpu));
  }
  add('LLC-load-misses', hierarchy.sharedCounters().llcMisses);
  return sums;
}

/** What was counted after `before`, which has the same names. */
export function countedSince(
  before: Readonly<Record<string, number>>,
  now: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(now).map(([name, value]) => [name, value - (before[name] ?? 0)]),
  );
}

/** The kernel's counts under perf's names. */
export function softwareEvents(counts: SoftwareCounts): Record<string, number> {
  return {
    'page-faults': counts.pageFaults,
    'context-switches': counts.contextSwitches,
    'cpu-migrations': counts.cpuMigrations,
  };
}
