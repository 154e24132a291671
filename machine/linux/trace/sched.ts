/** The sched_* tracepoints. */
import type { EventTable } from '../../core/trace/event-table.ts';
import type { Task } from '../include/linux/sched.ts';
import type { Kernel } from '../init/kernel.ts';

const enum Column {
  TICK,
  CPU,
  TID,
  FIRST,
  SECOND,
  THIRD,
  FOURTH,
  FIFTH,
}

export function traceProcessExit({ trace, cpu, current }: Kernel): void {
  const table = trace.schedProcessExit;
  if (table === null) return;
  const row = table.next();
  table.setWide(Column.TICK, row, cpu.now);
  table.set(Column.CPU, row, cpu.number);
  table.set(Column.TID, row, current.pid);
  table.set(Column.FIRST, row, current.pid);
  table.set(Column.SECOND, row, current.sched.prio);
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

export function traceProcessFork(kernel: Kernel, child: Task): void {
  const table = kernel.trace.schedProcessFork;
  if (table === null) return;
  const row = begin(table, kernel);
  table.set(Column.FIRST, row, kernel.current.pid);
  table.set(Column.SECOND, row, child.pid);
}

/** `pid` 0: any child. */
export function traceProcessWait(kernel: Kernel, pid: number): void {
  const table = kernel.trace.schedProcessWait;
  if (table === null) return;
  const row = begin(table, kernel);
  table.set(Column.FIRST, row, pid);
  table.set(Column.SECOND, row, kernel.current.sched.prio);
}

/** The columns that every row begins with. Returns the row. */
function begin(table: EventTable, { cpu, current }: Pick<Kernel, 'cpu' | 'current'>): number {
  const row = table.next();
  table.setWide(Column.TICK, row, cpu.now);
  table.set(Column.CPU, row, cpu.number);
  table.set(Column.TID, row, current.pid);
  return row;
}

/** TASK_* bits as sched_switch shows them. */
const STATE_BITS = { R: 0, S: 1, D: 2, T: 4, Z: 32, X: 16 } as const;

export function traceSwitch(kernel: Kernel, prev: Task, next: Task): void {
  const table = kernel.trace.schedSwitch;
  if (table === null) return;
  const row = begin(table, kernel);
  table.set(Column.FIRST, row, prev.pid);
  table.set(Column.SECOND, row, prev.sched.prio);
  table.set(Column.THIRD, row, prev.pid === 0 ? 0 : STATE_BITS[prev.state]);
  table.set(Column.FOURTH, row, next.pid);
  table.set(Column.FIFTH, row, next.sched.prio);
}

function traceTask(kernel: Kernel, table: EventTable | null, task: Task): void {
  if (table === null) return;
  const row = begin(table, kernel);
  table.set(Column.FIRST, row, task.pid);
  table.set(Column.SECOND, row, task.sched.prio);
  table.set(Column.THIRD, row, task.sched.cpu);
}

export function traceWaking(kernel: Kernel, task: Task): void {
  traceTask(kernel, kernel.trace.schedWaking, task);
}

export function traceWakeup(kernel: Kernel, task: Task): void {
  traceTask(kernel, kernel.trace.schedWakeup, task);
}

/** A task as the scheduling classes know it. */
type TracedTask = Pick<Task, 'pid' | 'sched'>;

export function traceMigrate(kernel: Kernel, task: TracedTask, from: number, to: number): void {
  const table = kernel.trace.schedMigrateTask;
  if (table === null) return;
  const row = begin(table, kernel);
  table.set(Column.FIRST, row, task.pid);
  table.set(Column.SECOND, row, task.sched.prio);
  table.set(Column.THIRD, row, from);
  table.set(Column.FOURTH, row, to);
}

export function traceRuntime(kernel: Kernel, task: TracedTask, ns: number): void {
  const table = kernel.trace.schedStatRuntime;
  if (table === null) return;
  const row = begin(table, kernel);
  table.set(Column.FIRST, row, task.pid);
  table.setWide(Column.SECOND, row, ns);
}
