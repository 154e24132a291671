/** The built command line starts quickly and finds the host in order. */
import { performance } from 'node:perf_hooks';
import { describe, expect, it } from 'vitest';
import { lab } from './lab.ts';

/** Cold start that people do not notice. */
const HELP_MS_MAX = 300;
const ATTEMPTS = 7;

describe('lab --help', () => {
  it(`answers within ${HELP_MS_MAX} ms`, () => {
    // The least of several: a busy host delays some, a slow start delays all.
    const times = Array.from({ length: ATTEMPTS }, () => {
      const started = performance.now();
      expect(lab('--help').status).toBe(0);
      return performance.now() - started;
    });
    expect(Math.min(...times)).toBeLessThan(HELP_MS_MAX);
  });
});

describe('lab doctor', () => {
  it('finds nothing wrong where the tests run', () => {
    const { status, stdout } = lab('doctor', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ healthy: true });
    expect(status).toBe(0);
  });
});
