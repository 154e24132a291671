/** The words of the command line become an experiment, or an error that says what to write. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../../lab/cli/errors.ts';
import {
  parseEnv,
  parseEvents,
  parseParams,
  parseSeed,
  parseTier,
} from '../../../../lab/experiment/experiment.ts';

/** The error that `run` must throw. */
function refusal(run: () => unknown): UserError {
  try {
    run();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('expected an error');
}

describe('parseEnv', () => {
  it('keeps order, empty values and equals signs in values', () => {
    expect(parseEnv(['B=2', 'A=', 'C=x=y'])).toEqual(['B=2', 'A=', 'C=x=y']);
  });

  it.each([
    [['PATH'], "'PATH' has no value"],
    [['=x'], "'=x' has no name"],
    [['A=1', 'A=2'], "'A' is given twice"],
    [['A=\0'], 'a value holds a NUL byte'],
  ])('refuses %j', (words, message) => {
    const error = refusal(() => parseEnv(words));
    expect(error.message).toBe(message);
    expect(error.place).toBe('--env');
  });

  it('gives back whatever pairs it was given', () => {
    const name = fc.stringMatching(/^[A-Z_][A-Z0-9_]*$/);
    const value = fc.string().filter((text) => !text.includes('\0'));
    const pairs = fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key });
    fc.assert(
      fc.property(pairs, (list) => {
        const words = list.map(([key, text]) => `${key}=${text}`);
        expect(parseEnv(words)).toEqual(words);
      }),
    );
  });
});

describe('parseParams', () => {
  it('makes a record, also of names that objects have already', () => {
    const params = parseParams(['operations=300', 'constructor=x', '__proto__=y']);
    expect(Object.entries(params)).toEqual([
      ['operations', '300'],
      ['constructor', 'x'],
      ['__proto__', 'y'],
    ]);
  });

  it('names its own option in errors', () => {
    expect(refusal(() => parseParams(['x'])).place).toBe('--param');
  });
});

describe('parseSeed', () => {
  it.each([
    ['0', 0],
    ['1', 1],
    ['0x10', 16],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('%s', (text, seed) => {
    expect(parseSeed(text)).toBe(seed);
  });

  it.each(['', 'x', '-1', '1.5', '1e3', ' 1', '9007199254740992', 'Infinity'])(
    'refuses %j',
    (text) => {
      const error = refusal(() => parseSeed(text));
      expect(error.place).toBe('--seed');
      expect(error.message).toContain(text);
    },
  );
});

describe('parseEvents', () => {
  it('splits at commas, trims, and takes each name once', () => {
    expect(parseEvents('tlb_miss, page_walk,tlb_miss,')).toEqual(['tlb_miss', 'page_walk']);
  });

  it('refuses an empty list', () => {
    expect(refusal(() => parseEvents(' ,')).remedy).toContain('lab list events');
  });
});

describe('parseTier', () => {
  it('knows the three', () => {
    expect(['interpreter', 'translator', 'auto'].map(parseTier)).toEqual([
      'interpreter',
      'translator',
      'auto',
    ]);
  });

  it('suggests', () => {
    expect(refusal(() => parseTier('interpretor')).remedy).toContain("'interpreter'");
  });
});
