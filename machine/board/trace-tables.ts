/** Every table that the machine can record, for those who choose among them and those who list them. */
import type { TableSpec } from '../core/trace/event-table.ts';
import { KERNEL_TABLES } from '../linux/trace/specs.ts';
import { HARDWARE_TABLES } from './hardware-tables.ts';

export const TRACE_TABLES: readonly TableSpec[] = [...KERNEL_TABLES, ...HARDWARE_TABLES];
