import { describe, expect, test } from 'vitest';
import { choice, integer, readParameters } from '../../../workloads/lib/parameters.ts';

const DECLARED = {
  count: integer({ default: 5, min: 1, max: 100, description: 'how many' }),
  way: choice({ choices: ['fast', 'slow'], default: 'slow', description: 'how' }),
};

describe('parameters', () => {
  test('what is not given has its default', () => {
    expect(readParameters(DECLARED, {})).toEqual({ count: 5, way: 'slow' });
    expect(readParameters(DECLARED, { way: 'fast' })).toEqual({ count: 5, way: 'fast' });
  });

  test('limits belong to the range', () => {
    expect(readParameters(DECLARED, { count: '1' })).toMatchObject({ count: 1 });
    expect(readParameters(DECLARED, { count: '100' })).toMatchObject({ count: 100 });
  });

  test.each([
    [{ count: '0' }, 'count', /0 is out of range/, /from 1 to 100/],
    [{ count: '101' }, 'count', /out of range/, /from 1 to 100/],
    [{ count: '1e1' }, 'count', /not a whole number/, /from 1 to 100/],
    [{ count: '-3' }, 'count', /not a whole number/, /from 1 to 100/],
    [{ count: '' }, 'count', /not a whole number/, /from 1 to 100/],
    [{ way: 'Fast' }, 'way', /'Fast' is not a choice/, /fast, slow/],
    [{ cuont: '3' }, 'cuont', /no such parameter/, /count, way/],
    [{ toString: '3' }, 'toString', /no such parameter/, /count, way/],
  ])('%j is refused', (given, parameter, message, remedy) => {
    const error = readParameters(DECLARED, given as Record<string, string>);
    expect(error).toMatchObject({ kind: 'parameter-error', parameter });
    expect(error).toHaveProperty('message', expect.stringMatching(message));
    expect(error).toHaveProperty('remedy', expect.stringMatching(remedy));
  });
});
