import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decompose } from '../../../../lab/compare/decompose.ts';
import type { Posting, RunLedger } from '../../../../lab/compare/posting.ts';

const posting = fc.record({
  window: fc.constantFrom('startup', 'monotonic/vdso', 'monotonic/syscall'),
  cpu: fc.nat(1),
  tid: fc.constantFrom(1, 300),
  context: fc.constantFrom('user', 'kernel', 'hardirq'),
  module: fc.constantFrom('vmlinux', 'a.out'),
  symbol: fc.constantFrom('main', 'entry_SYSCALL_64', 'do_syscall_64'),
  cause: fc.constantFrom('base', 'l2', 'transition'),
  ticks: fc.nat(1_000_000),
});

function ledgerOf(label: string, postings: readonly Posting[], clockError = 0): RunLedger {
  const names = [...new Set(postings.map((p) => p.window))];
  const windows = names.map((name, index) => ({
    name,
    operations: 10,
    ticks:
      postings.filter((p) => p.window === name).reduce((sum, p) => sum + p.ticks, 0) +
      (index === 0 ? clockError : 0),
  }));
  return { label, coreMHz: 1000, windows, postings, retired: [] };
}

describe('decompose', () => {
  it('leaves no residual whatever the dimensions, when the books balance', () => {
    fc.assert(
      fc.property(fc.array(posting), fc.array(posting), (a, b) => {
        const difference = decompose(ledgerOf('a', a), ledgerOf('b', b), {
          by: ['context', 'symbol', 'cause'],
        });
        const explained = difference.parts.reduce((sum, part) => sum + part.deltaTicks, 0);
        expect(difference.residualTicks).toBe(0);
        expect(explained).toBe(difference.variantTicks - difference.baseTicks);
      }),
    );
  });

  it('shows what the clocks have and the postings lack', () => {
    const one: Posting = {
      window: 'w',
      cpu: 0,
      tid: 1,
      context: 'user',
      module: 'a.out',
      symbol: 'main',
      cause: 'base',
      ticks: 640,
    };
    const difference = decompose(ledgerOf('a', [one]), ledgerOf('b', [one], 7), { by: ['cause'] });
    expect(difference.residualTicks).toBe(7);
  });

  it('counts only the windows asked for', () => {
    fc.assert(
      fc.property(fc.array(posting), fc.array(posting), (a, b) => {
        const windows = new Set(['startup']);
        const { parts, residualTicks } = decompose(ledgerOf('a', a), ledgerOf('b', b), {
          by: ['window'],
          windows,
        });
        expect(parts.every(({ key }) => key[0] === 'startup')).toBe(true);
        expect(residualTicks).toBe(0);
      }),
    );
  });
});
