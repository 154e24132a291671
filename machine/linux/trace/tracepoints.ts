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
  readonly schedSwitch: EventTable | null;
  readonly schedWaking: EventTable | null;
  readonly schedWakeup: EventTable | null;
  readonly schedMigrateTask: EventTable | null;
  readonly schedStatRuntime: EventTable | null;
  readonly futex: EventTable | null;
  readonly tlbFlush: EventTable | null;
  /** By Point of points-specs.ts. */
  readonly points: readonly (EventTable | null)[];
}
