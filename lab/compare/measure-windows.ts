/** The windows of a run by name: a run may have several called `between`, which are one. */
import type { LedgerWindow } from '../../machine/core/ledger/ledger.ts';
import type { MeasuredWindow } from './posting.ts';

/** @param operations operations of the workload by window name */
export function measureWindows(
  windows: readonly LedgerWindow[],
  operations: ReadonlyMap<string, number>,
): MeasuredWindow[] {
  const ticks = new Map<string, number>();
  for (const { name, begin, end } of windows) {
    const length = end.reduce((sum, tick, cpu) => sum + tick - (begin[cpu] ?? 0), 0);
    ticks.set(name, (ticks.get(name) ?? 0) + length);
  }
  return [...ticks].map(([name, length]) => ({
    name,
    ticks: length,
    operations: operations.get(name) ?? 0,
  }));
}
