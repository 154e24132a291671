import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shapleyShares } from '../../../../lab/compare/shapley.ts';

describe('shapleyShares', () => {
  it('gives independent knobs exactly their own cost', () => {
    const cost = [5, -3, 11];
    const shares = shapleyShares(3, (subset) =>
      cost.reduce((sum, c, knob) => sum + ((subset >> knob) & 1) * c, 100),
    );
    shares.forEach((share, knob) => {
      expect(share).toBeCloseTo(cost[knob] ?? NaN, 9);
    });
  });

  it('splits an interaction evenly between the two knobs that make it', () => {
    const shares = shapleyShares(2, (subset) => (subset === 3 ? 10 : 0));
    expect(shares).toEqual([5, 5]);
  });

  it('adds up to the whole difference for any game', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000_000), { minLength: 16, maxLength: 16 }), (values) => {
        const value = (subset: number): number => values[subset] ?? NaN;
        const total = shapleyShares(4, value).reduce((sum, share) => sum + share, 0);
        expect(total).toBeCloseTo(value(15) - value(0), 5);
      }),
    );
  });
});
