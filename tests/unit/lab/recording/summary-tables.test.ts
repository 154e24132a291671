/** The ledger table: complete, free of zeros, in an order that depends on nothing but the accounts. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LEDGER_TABLE, writeLedgerTable } from '../../../../lab/recording/summary-tables.ts';
import { Cause, CAUSES } from '../../../../machine/core/ledger/cause.ts';
import type { LedgerRow } from '../../../../machine/core/ledger/ledger.ts';
import { liveRows } from '../../../../lab/replay/divergence.ts';
import { KeepingSink } from './synthetic.ts';

const account = fc.record({
  window: fc.nat(3),
  cpu: fc.nat(3),
  tid: fc.nat(5),
  context: fc.nat(4),
  symbol: fc.nat(9),
  instructions: fc.nat(100),
  count: fc.nat(10),
  booked: fc.array(fc.tuple(fc.nat(Cause.COUNT - 1), fc.nat(2 ** 40)), { maxLength: 5 }),
});

type AccountDraw = typeof account extends fc.Arbitrary<infer T> ? T : never;

const accounts = fc.uniqueArray(account, {
  selector: ({ window, cpu, tid, context, symbol }) =>
    [window, cpu, tid, context, symbol].join(' '),
  maxLength: 40,
});

function ledgerRow({ booked, ...rest }: AccountDraw): LedgerRow {
  const ticks = new Float64Array(Cause.COUNT);
  for (const [cause, amount] of booked) ticks[cause] += amount;
  return { ...rest, ticks };
}

type Written = Record<string, number | bigint | string>;

function written(rows: readonly LedgerRow[]): Written[] {
  const sink = new KeepingSink();
  writeLedgerTable(sink, rows);
  return sink.batches.flatMap(({ table, columns, rows: count }) => {
    const batch = liveRows(table, columns, count);
    return Array.from({ length: count }, (_, i) => batch.at(i));
  });
}

const sumOf = (rows: readonly Written[], column: string): bigint =>
  rows.reduce((sum, row) => sum + BigInt(row[column]), 0n);

it('holds every tick, instruction and execution once, whatever order the accounts come in', () => {
  fc.assert(
    fc.property(accounts, fc.integer(), (list, shuffle) => {
      const rows = list.map(ledgerRow);
      const table = written(rows);
      const total = (pick: (row: LedgerRow) => number): bigint =>
        BigInt(rows.reduce((sum, row) => sum + pick(row), 0));
      expect(sumOf(table, 'ticks')).toBe(total((row) => row.ticks.reduce((a, b) => a + b, 0)));
      expect(sumOf(table, 'instructions')).toBe(total((row) => row.instructions));
      expect(sumOf(table, 'count')).toBe(total((row) => row.count));
      const rotated = rows.map((_, i) => rows[(i + Math.abs(shuffle)) % rows.length]);
      expect(written(rotated.reverse())).toEqual(table);
      for (const row of table) {
        expect(row['ticks'] !== 0n || row['cause'] === CAUSES[Cause.BASE]).toBe(true);
      }
    }),
    { numRuns: 30 },
  );
});

it('names every column of every kind of row', () => {
  expect(LEDGER_TABLE.columns.every(({ comment }) => comment.endsWith('.'))).toBe(true);
});
