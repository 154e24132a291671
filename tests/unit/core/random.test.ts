import { describe, expect, it } from 'vitest';
import { Random } from '../../../machine/core/random.ts';

const draw = (random: Random, count: number): number[] =>
  Array.from({ length: count }, () => random.u32());

describe('Random', () => {
  it('repeats for the same seed and stream, and differs for others', () => {
    expect(draw(new Random(7, 'a'), 8)).toEqual(draw(new Random(7, 'a'), 8));
    expect(draw(new Random(7, 'a'), 8)).not.toEqual(draw(new Random(8, 'a'), 8));
    expect(draw(new Random(7, 'a'), 8)).not.toEqual(draw(new Random(7, 'b'), 8));
    expect(draw(new Random(7, 'a'), 8)).not.toEqual(draw(new Random(7 + 2 ** 40, 'a'), 8));
  });

  it('is spread evenly over a range, wide ranges included', () => {
    const random = new Random(1, 'range');
    const buckets = new Array<number>(10).fill(0);
    for (let i = 0; i < 10000; i++) buckets[random.below(10)]++;
    for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(150);
    const wide = Array.from({ length: 100 }, () => random.below(2 ** 40));
    expect(Math.max(...wide)).toBeGreaterThan(2 ** 39);
    expect(wide.every((value) => Number.isInteger(value) && value < 2 ** 40)).toBe(true);
  });

  it('fills every byte of odd lengths', () => {
    const bytes = new Uint8Array(4099);
    new Random(3, 'fill').fill(bytes);
    expect(new Set(bytes).size).toBe(256);
    expect(bytes.slice(-3).some((byte) => byte !== 0)).toBe(true);
  });
});
