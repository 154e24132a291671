import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cause } from '../../../machine/core/ledger/cause.ts';
import { Context } from '../../../machine/core/ledger/context.ts';
import { Ledger } from '../../../machine/core/ledger/ledger.ts';

const CPUS = 2;

const step = fc.oneof(
  fc.record({
    kind: fc.constant('post' as const),
    cpu: fc.nat(CPUS - 1),
    tid: fc.nat(400),
    context: fc.constantFrom(Context.USER, Context.KERNEL, Context.IDLE),
    symbol: fc.nat(300),
    cause: fc.nat(Cause.COUNT - 1),
    ticks: fc.nat(2 ** 40),
  }),
  fc.record({ kind: fc.constant('window' as const), name: fc.string() }),
);

describe('Ledger', () => {
  it('balances to the tick over any postings and windows', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
        const ledger = new Ledger(CPUS);
        const clocks = [0, 0];
        for (const s of steps) {
          if (s.kind === 'window') {
            ledger.closeWindow(s.name, clocks);
          } else {
            ledger.post(ledger.account(s.cpu, s.tid, s.context, s.symbol), s.cause, s.ticks);
            clocks[s.cpu] += s.ticks;
          }
        }
        ledger.closeWindow('end', clocks);
        expect(ledger.residuals(clocks)).toEqual([0, 0]);
        for (let cpu = 0; cpu < CPUS; cpu++) {
          const booked = ledger.rows
            .filter((row) => row.cpu === cpu)
            .reduce((sum, row) => sum + row.ticks.reduce((a, b) => a + b, 0), 0);
          expect(booked).toBe(clocks[cpu]);
        }
      }),
    );
  });

  it('shows a tick that was posted twice, and one that was never posted', () => {
    const ledger = new Ledger(1);
    const id = ledger.account(0, 1, Context.USER, 0);
    ledger.post(id, Cause.BASE, 64);
    expect(ledger.residuals([63])).toEqual([-1]);
    expect(ledger.residuals([65])).toEqual([1]);
  });

  it('keeps each window its own rows', () => {
    const ledger = new Ledger(1);
    const id = ledger.account(0, 1, Context.USER, 7);
    ledger.post(id, Cause.BASE, 10);
    ledger.closeWindow('measured', [10]);
    ledger.post(id, Cause.L2, 5);
    ledger.count(id, 2, 30);
    ledger.closeWindow('end', [15]);
    expect(ledger.windows.map(({ name, begin, end }) => [name, begin, end])).toEqual([
      ['startup', [0], [10]],
      ['measured', [10], [15]],
    ]);
    expect(ledger.rows.map((r) => [r.window, r.ticks[Cause.BASE], r.ticks[Cause.L2]])).toEqual([
      [0, 10, 0],
      [1, 0, 5],
    ]);
    expect(ledger.rows[1].instructions).toBe(30);
  });
});
