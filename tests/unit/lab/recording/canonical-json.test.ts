import fc from 'fast-check';
import { expect, it } from 'vitest';
import { canonicalJson, type JsonValue } from '../../../../lab/recording/canonical-json.ts';

it('does not depend on the order in which keys were set, and loses nothing', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
      const reversed = Object.fromEntries(Object.entries(object).reverse());
      const text = canonicalJson(object);
      expect(canonicalJson(reversed as JsonValue)).toBe(text);
      expect(JSON.stringify(JSON.parse(text))).toBe(
        JSON.stringify(JSON.parse(canonicalJson(JSON.parse(text) as JsonValue))),
      );
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(object)));
    }),
  );
});

it('refuses what JSON cannot hold, and leaves out what is not set', () => {
  expect(() => canonicalJson({ ratio: Infinity })).toThrow(RangeError);
  expect(canonicalJson({ b: undefined, a: 1 })).toBe('{\n  "a": 1\n}\n');
});
