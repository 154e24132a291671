import { describe, expect, it } from 'vitest';
import { BOOTS, type Boot, countPath, measuredPaths, OPERATIONS } from './kernel-paths.ts';

const MEDIAN_MAX = 0.03;
const P90_MAX = 0.1;
/**
 * Splitting and merging rewrites a leaf of the tree in one of two ways, depending on how full it is;
 * the model does not keep leaves yet and always takes the cheaper one.
 */
const APPROXIMATE = new Set(['mprotect_split_middle_of16', 'mprotect_merge_back']);

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

describe.each(Object.keys(BOOTS) as Boot[])('kernel instructions, boot %s', (boot) => {
  const measured = measuredPaths();
  const errors = Object.keys(OPERATIONS).map((name) => {
    const real = measured.get(name)?.[boot] ?? NaN;
    return { name, error: countPath(name, boot).instructions / real - 1 };
  });

  it('agree with the real kernel: median and 90th percentile', () => {
    const sizes = errors.map(({ error }) => Math.abs(error)).sort((a, b) => a - b);
    expect(quantile(sizes, 0.5)).toBeLessThan(MEDIAN_MAX);
    expect(quantile(sizes, 0.9)).toBeLessThan(P90_MAX);
  });

  it('agree within 10% for every operation but those whose reason is known', () => {
    const far = errors.filter(
      ({ name, error }) => !(Math.abs(error) <= P90_MAX) && !APPROXIMATE.has(name),
    );
    expect(far).toEqual([]);
  });
});

describe('counting', () => {
  it('is the same every time', () => {
    expect(countPath('munmap_touched_1', 'on_zen')).toEqual(
      countPath('munmap_touched_1', 'on_zen'),
    );
  });

  it('shows page table isolation as a cost of its own', () => {
    const off = countPath('getppid', 'off');
    const on = countPath('getppid', 'on');
    expect(on.instructions - off.instructions).toBe(9);
    expect(on.ticks).toBeGreaterThan(off.ticks);
  });
});
