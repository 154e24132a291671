/** The sched_process_* tracepoints. */
import type { Task } from '../include/linux/sched.ts';
import type { Kernel } from '../init/kernel.ts';

const enum Column {
  TICK,
  CPU,
  TID,
  FIRST,
  SECOND,
}

/** Priority of a task of nice 0. */
const DEFAULT_PRIO = 120;

export function traceProcessExit({ trace, cpu, current }: Kernel): void {
  const table = trace.schedProcessExit;
  if (table === null) return;
  const row = table.next();
  table.setWide(Column.TICK, row, cpu.now);
  table.set(Column.CPU, row, cpu.number);
  table.set(Column.TID, row, current.pid);
  table.set(Column.FIRST, row, current.pid);
  table.set(Column.SECOND, row, DEFAULT_PRIO);
}

export function traceProcessExec({ trace, cpu, current }: Kernel): void {
  const table = trace.schedProcessExec;
  if (table === null) return;
  const row = table.next();
  table.setWide(Column.TICK, row, cpu.now);
  table.set(Column.CPU, row, cpu.number);
  table.set(Column.TID, row, current.pid);
  table.set(Column.FIRST, row, current.pid);
  table.set(Column.SECOND, row, current.pid);
}

export function traceProcessFork({ trace, cpu, current }: Kernel, child: Task): void {
  const table = trace.schedProcessFork;
  if (table === null) return;
  const row = table.next();
  table.setWide(Column.TICK, row, cpu.now);
  table.set(Column.CPU, row, cpu.number);
  table.set(Column.TID, row, current.pid);
  table.set(Column.FIRST, row, current.pid);
  table.set(Column.SECOND, row, child.pid);
}

/** `pid` 0: any child. */
export function traceProcessWait({ trace, cpu, current }: Kernel, pid: number): void {
  const table = trace.schedProcessWait;
  if (table === null) return;
  const row = table.next();
  table.setWide(Column.TICK, row, cpu.now);
  table.set(Column.CPU, row, cpu.number);
  table.set(Column.TID, row, current.pid);
  table.set(Column.FIRST, row, pid);
  table.set(Column.SECOND, row, DEFAULT_PRIO);
}
