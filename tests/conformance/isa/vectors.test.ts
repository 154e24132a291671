/**
 * Both executors against a real processor: every form of forms.txt (what real programs execute,
 * most frequent first) and more-forms.txt, with random operands and states, recorded natively.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { BareMachine, InterpreterExecutor } from './bare-machine.ts';
import { failuresOf } from './failures.ts';
import { decodeFixture, NO_TRAP } from './fixture.ts';
import type { Fixture } from './fixture.ts';
import { placeCode, replay } from './replay.ts';

const HERE = import.meta.dirname;

vi.setConfig({ testTimeout: 60_000 });
const fixture = readFixture('vectors.bin');

function readFixture(name: string): Fixture {
  return decodeFixture(readFileSync(path.join(HERE, name)));
}

/** Vectors of forms.txt that cannot be recorded: their result is not a function of the state. */
const NOT_RECORDED = new Set([
  ...['syscall', 'cpuid', 'rdtsc', 'tzcnt r64,r64', 'tzcnt r64,m64', 'rdsspq r64'],
]);

function listedForms(): string[] {
  const lines = readFileSync(path.join(HERE, 'forms.txt'), 'utf8').trim().split('\n');
  return lines.map((line) => (line.split('\t')[0] ?? '').trim());
}

describe('instruction vectors', () => {
  // Without the filter every access takes the slow path; a sample of the vectors shows as much.
  test.each([
    { name: 'interpreter', filter: true, stride: 1 },
    { name: 'interpreter', filter: false, stride: 5 },
    { name: 'translator', filter: true, stride: 1 },
    { name: 'translator', filter: false, stride: 5 },
  ] as const)('through the $name, filter $filter', ({ name, filter, stride }) => {
    expect(failuresOf(fixture, name, filter, (_, index) => index % stride === 0)).toEqual([]);
  });

  test.each(['interpreter', 'translator'] as const)(
    'under every rounding mode, DAZ and FTZ, through the %s',
    (name) => {
      expect(failuresOf(readFixture('mxcsr-vectors.bin'), name, true)).toEqual([]);
    },
  );

  test('with exceptions unmasked, which is the interpreter alone', () => {
    const unmasked = readFixture('unmasked-vectors.bin');
    expect(failuresOf(unmasked, 'interpreter', true)).toEqual([]);
  });

  test.each(['interpreter', 'translator'] as const)(
    'that were wrong once, through the %s',
    (name) => {
      expect(failuresOf(readFixture('found-vectors.bin'), name, true)).toEqual([]);
    },
  );

  test('are 50,000 and more', () => {
    const others = ['mxcsr-vectors.bin', 'unmasked-vectors.bin'].map(readFixture);
    const count = [fixture, ...others].reduce((sum, { vectors }) => sum + vectors.length, 0);
    expect(count).toBeGreaterThanOrEqual(50_000);
  });

  test('cover every listed form', () => {
    const covered = new Set(fixture.vectors.map(({ form }) => fixture.forms[form]));
    const missing = listedForms().filter((form) => !covered.has(form) && !NOT_RECORDED.has(form));
    expect(missing).toEqual([]);
  });

  test('include every kind of fault', () => {
    const traps = new Set(fixture.vectors.map(({ trap }) => trap));
    for (const vector of [0, 3, 6, 13, 14])
      expect([vector, traps.has(vector)]).toEqual([vector, true]);
    expect(traps.has(NO_TRAP)).toBe(true);
  });

  test('a wrong result is noticed', () => {
    const machine = new BareMachine();
    const executor = new InterpreterExecutor(machine);
    placeCode(machine, fixture.vectors);
    const index = fixture.vectors.findIndex(
      ({ trap, registers }) => trap === NO_TRAP && registers.size > 0,
    );
    const vector = fixture.vectors.at(index);
    if (vector === undefined) throw new Error('no vector changes a register');
    const [register, value] = [...vector.registers][0] ?? [0, 0n];
    const wrong = { ...vector, registers: new Map([[register, value ^ 1n]]) };
    expect(replay(machine, executor, wrong, index).length).toBeGreaterThan(0);
  });
});
