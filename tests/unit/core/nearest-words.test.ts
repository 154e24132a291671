import { describe, expect, it } from 'vitest';
import { editDistance, nearestWords } from '../../../machine/core/nearest-words.ts';

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['pti', 'pti', 0],
    ['ptii', 'pti', 1],
    ['pt', 'pti', 1],
    ['pto', 'pti', 1],
    ['tpi', 'pti', 1],
    ['kitten', 'sitting', 3],
  ])('%s -> %s is %d', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });
});

describe('nearestWords', () => {
  it('puts the nearest first and leaves out what is too far', () => {
    expect(nearestWords('nopcidd', ['nopti', 'nopcid', 'quiet'])).toEqual(['nopcid', 'nopti']);
    expect(nearestWords('zzzz', ['quiet'])).toEqual([]);
  });
});
