/** Ours, not Linux's: the tables of the tracepoints that are on; null where one is off. */
import type { EventTable } from '../../core/trace/event-table.ts';

export interface Tracepoints {
  readonly syscalls: EventTable | null;
  readonly pageFaultUser: EventTable | null;
  readonly schedProcessExec: EventTable | null;
  readonly schedProcessExit: EventTable | null;
  readonly signalGenerate: EventTable | null;
  readonly signalDeliver: EventTable | null;
  readonly schedProcessFork: EventTable | null;
  readonly schedProcessWait: EventTable | null;
  readonly irqHandler: EventTable | null;
  readonly tlbFlush: EventTable | null;
}
