/** The irq_handler table. */
import type { Ticks } from '../../core/units.ts';
import type { Kernel } from '../init/kernel.ts';

const enum Column {
  TICK,
  DUR,
  CPU,
  TID,
  VECTOR,
}

export function traceIrq({ trace, cpu, current }: Kernel, begin: Ticks, vector: number): void {
  const table = trace.irqHandler;
  if (table === null) return;
  const row = table.next();
  table.setWide(Column.TICK, row, begin);
  table.setWide(Column.DUR, row, cpu.now - begin);
  table.set(Column.CPU, row, cpu.number);
  table.set(Column.TID, row, current.pid);
  table.set(Column.VECTOR, row, vector);
}
