/** The columns that every trace table begins with. */
import type { ColumnSpec } from '../../core/trace/event-table.ts';

export const TICK: ColumnSpec = {
  name: 'tick',
  type: 'u64',
  unit: 'ticks',
  comment: 'Clock of the CPU when the event happened.',
};
export const CPU: ColumnSpec = { name: 'cpu', type: 'u16', comment: 'CPU that it happened on.' };
export const TID: ColumnSpec = { name: 'tid', type: 'u32', comment: 'Thread that was running.' };
export const COMMON = [TICK, CPU, TID] as const;
