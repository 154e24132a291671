/** Rows of the tables in points-specs.ts. */
import type { Task } from '../include/linux/sched.ts';
import type { KernelCpu } from '../arch/x86/model/kernel-cpu.ts';
import type { Point } from './points-specs.ts';
import type { Tracepoints } from './tracepoints.ts';

/** What a tracepoint needs; the kernel is one. Before there are tasks, nothing is recorded. */
export interface TraceContext {
  readonly trace?: Tracepoints;
  readonly cpu: KernelCpu;
  readonly current?: Pick<Task, 'pid'>;
}

const enum Column {
  TICK,
  CPU,
  TID,
  FIRST,
  SECOND,
}

/** Records `point`; what `first` and `second` mean is in its table. Nothing when it is off. */
export function tracePoint(
  context: TraceContext,
  point: Point,
  first: number,
  second: number,
): void {
  const table = context.trace?.points[point] ?? null;
  if (table === null || context.current === undefined) return;
  const { cpu, current } = context;
  const row = table.next();
  table.setWide(Column.TICK, row, cpu.now);
  table.set(Column.CPU, row, cpu.number);
  table.set(Column.TID, row, current.pid);
  table.setWide(Column.FIRST, row, first);
  table.setWide(Column.SECOND, row, second);
}
