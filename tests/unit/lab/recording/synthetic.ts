/** Synthetic tables from the TableSpec contract: every column type, seeded values, no machine. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import {
  EventTable,
  type ColumnData,
  type TableSpec,
  type TraceSink,
} from '../../../../machine/core/trace/event-table.ts';

export const NAMES = ['read', 'write', 'ünïcode — 名前', ''] as const;

/** 300 values: indices of 16 bits. */
export const MANY = Array.from({ length: 300 }, (_, i) => `value ${String(i)}`);

export const EVERY_TYPE: TableSpec = {
  name: 'every_type',
  comment: 'One column of each type.',
  default: true,
  columns: [
    { name: 'tick', type: 'u64', unit: 'ticks', comment: 'When.' },
    { name: 'cpu', type: 'u8', comment: 'CPU.' },
    { name: 'tid', type: 'i32', comment: 'Thread.' },
    { name: 'dur', type: 'u64', unit: 'ticks', comment: 'How long.' },
    { name: 'name', type: 'dictionary', comment: 'Narrow dictionary.', values: NAMES },
    { name: 'many', type: 'dictionary', comment: 'Wide dictionary.', values: MANY },
    { name: 'word', type: 'u16', comment: '16 bits.' },
    { name: 'long', type: 'u32', unit: 'pages', comment: '32 bits.' },
    { name: 'ret', type: 'i64', comment: 'Signed 64 bits.' },
    { name: 'ratio', type: 'f64', comment: 'Double.' },
  ],
};

/** A small deterministic generator (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** Fills one row of EVERY_TYPE. */
function fillRow(table: EventTable, index: number, next: () => number): void {
  const row = table.next();
  table.setWide(0, row, index * 640 + (next() % 640));
  table.set(1, row, next() & 3);
  table.set(2, row, (next() % 1000) - 2);
  table.setHalves(3, row, next() & 0xffff, 0);
  table.set(4, row, next() % NAMES.length);
  table.set(5, row, next() % MANY.length);
  table.set(6, row, next());
  table.set(7, row, next());
  table.setHalves(8, row, next(), next());
  table.set(9, row, next() / 7);
}

/** Writes `rows` rows of EVERY_TYPE into the sink. */
export function fillEveryType(sink: TraceSink, rows: number, seed = 1): void {
  const table = new EventTable(EVERY_TYPE, sink);
  const next = generator(seed);
  for (let i = 0; i < rows; i++) fillRow(table, i, next);
  table.finish();
}

/** Keeps a copy of every batch. */
export class KeepingSink implements TraceSink {
  readonly batches: { table: TableSpec; columns: ColumnData[]; rows: number }[] = [];

  write(table: TableSpec, columns: readonly ColumnData[], rows: number): void {
    this.batches.push({ table, columns: columns.map((column) => column.slice()), rows });
  }
}

/** A folder for the tests of one file, removed after them. */
export function scratchFolder(): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'cyclelab-test-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return (name) => join(folder, name);
}
