/** The corpus of bad inputs is what its users take it for. */
import { describe, expect, it } from 'vitest';

import { parseElf } from '../../machine/core/elf/reader.ts';
import { badInputs, fuzzedInputs } from './bad-inputs.ts';
import { loadBinary } from './programs/fixtures.ts';

describe('bad inputs', () => {
  it('have names of their own and do not change the fixtures', () => {
    const before = loadBinary('bare').slice();
    const inputs = [...badInputs(), ...fuzzedInputs(20)];
    expect(new Set(inputs.map(({ name }) => name)).size).toBe(inputs.length);
    expect(loadBinary('bare')).toEqual(before);
  });

  it('are the same each time', () => {
    expect(badInputs()).toEqual(badInputs());
    expect(fuzzedInputs(50, 7)).toEqual(fuzzedInputs(50, 7));
    expect(fuzzedInputs(50, 7)).not.toEqual(fuzzedInputs(50, 8));
  });
});

describe('the ELF reader', () => {
  const files = badInputs().flatMap(({ name, content, machine }) => {
    return typeof content === 'string' ? [] : [{ name, content, machine }];
  });

  it.each(files)('judges $name', ({ content, machine }) => {
    const result = parseElf(content);
    if (machine === 'runs') expect(result.kind).toBe('elf');
    // An interpreter is a matter for execve, which has to find it.
    const loadable = result.kind === 'elf' && result.interpreter === undefined;
    if (machine === 'refused') expect(loadable).toBe(false);
    if (result.kind !== 'elf-error') return;
    expect(result.message).not.toBe('');
    expect(result.remedy).not.toBe('');
    expect(result.offset).toBeGreaterThanOrEqual(0);
  });

  it('survives random damage', () => {
    for (const { content } of fuzzedInputs(2000)) {
      expect(parseElf(content).kind).toMatch(/^elf(-error)?$/);
    }
  });
});
