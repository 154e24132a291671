/** The tlb_flush tracepoint. */
import type { Kernel } from '../init/kernel.ts';

/** enum tlb_flush_reason */
export const enum TlbFlushReason {
  ON_TASK_SWITCH = 0,
  REMOTE_SHOOTDOWN = 1,
  LOCAL_SHOOTDOWN = 2,
  LOCAL_MM_SHOOTDOWN = 3,
  REMOTE_SEND_IPI = 4,
}

const enum Column {
  TICK,
  CPU,
  TID,
  REASON,
  PAGES,
}

/** Linux's number for a flush of everything: TLB_FLUSH_ALL, shortened to the column. */
const ALL = -1;

export function traceTlbFlush(
  { trace, cpu, current }: Kernel,
  reason: TlbFlushReason,
  pages: number,
): void {
  const table = trace.tlbFlush;
  if (table === null) return;
  const row = table.next();
  table.setWide(Column.TICK, row, cpu.now);
  table.set(Column.CPU, row, cpu.number);
  table.set(Column.TID, row, current.pid);
  table.set(Column.REASON, row, reason);
  table.set(Column.PAGES, row, pages === Infinity ? ALL : pages);
}
