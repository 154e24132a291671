import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BATCH_ROWS,
  EventTable,
  type ColumnData,
  type TableSpec,
  type TraceSink,
} from '../../../machine/core/trace/event-table.ts';

const SPEC: TableSpec = {
  name: 'sample',
  comment: 'Rows for this test.',
  default: true,
  columns: [
    { name: 'tick', type: 'u64', comment: 'When.', unit: 'ticks' },
    { name: 'ret', type: 'i64', comment: 'Result.' },
    { name: 'kind', type: 'dictionary', comment: 'Which.', values: ['a', 'b'] },
  ],
};

class Keeper implements TraceSink {
  readonly batches: number[] = [];
  readonly rows: [bigint, bigint, number][] = [];

  write(_: TableSpec, columns: readonly ColumnData[], rows: number): void {
    this.batches.push(rows);
    const [tick, ret, kind] = columns.map((column) => column.slice());
    const ticks = new BigUint64Array(tick.buffer);
    const rets = new BigInt64Array(ret.buffer);
    for (let row = 0; row < rows; row++) this.rows.push([ticks[row], rets[row], kind[row]]);
  }
}

describe('EventTable', () => {
  it('keeps 64-bit values of either sign up to 2^53 exactly', () => {
    const wide = fc.tuple(
      fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      fc.integer({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }),
    );
    fc.assert(
      fc.property(fc.array(wide, { maxLength: 50 }), (values) => {
        const keeper = new Keeper();
        const table = new EventTable(SPEC, keeper);
        for (const [tick, ret] of values) {
          const row = table.next();
          table.setWide(0, row, tick);
          table.setWide(1, row, ret);
          table.set(2, row, 1);
        }
        table.finish();
        expect(keeper.rows).toEqual(values.map(([t, r]) => [BigInt(t), BigInt(r), 1]));
      }),
    );
  });

  it('hands over full batches in order and the rest at the end, once', () => {
    const keeper = new Keeper();
    const table = new EventTable(SPEC, keeper);
    for (let i = 0; i < BATCH_ROWS + 3; i++) table.setWide(0, table.next(), i);
    expect(keeper.batches).toEqual([BATCH_ROWS]);
    table.finish();
    table.finish();
    expect(keeper.batches).toEqual([BATCH_ROWS, 3]);
    expect(table.rowCount).toBe(BATCH_ROWS + 3);
    expect(keeper.rows.every(([tick], i) => tick === BigInt(i))).toBe(true);
  });
});
