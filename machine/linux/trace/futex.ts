/** The `futex` table: ours, Linux has no tracepoint there. */
import type { Kernel } from '../init/kernel.ts';
import { FUTEX_OPERATIONS } from './sched-specs.ts';

const enum Column {
  TICK,
  CPU,
  TID,
  OP,
  ADDRESS,
  VALUE,
  WOKEN,
}

export function traceFutex(
  { trace, cpu, current }: Kernel,
  event: {
    readonly op: (typeof FUTEX_OPERATIONS)[number];
    readonly address: number;
    readonly value: number;
    readonly woken: number;
  },
): void {
  const table = trace.futex;
  if (table === null) return;
  const row = table.next();
  table.setWide(Column.TICK, row, cpu.now);
  table.set(Column.CPU, row, cpu.number);
  table.set(Column.TID, row, current.pid);
  table.set(Column.OP, row, FUTEX_OPERATIONS.indexOf(event.op));
  table.setWide(Column.ADDRESS, row, event.address);
  table.set(Column.VALUE, row, event.value);
  table.set(Column.WOKEN, row, event.woken);
}
