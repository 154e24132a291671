/**
 * The interpreter against a real processor: every form of forms.txt (what real programs execute,
 * most frequent first) and more-forms.txt, with random operands and states, recorded natively.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { BareMachine, InterpreterExecutor } from './bare-machine.ts';
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

/** Replays every `stride`th vector through the interpreter; returns what differs. */
function failuresOf(vectors: Fixture, options: { filter: boolean; stride: number }): string[] {
  const machine = new BareMachine({ filter: options.filter });
  const executor = new InterpreterExecutor(machine);
  placeCode(machine, vectors.vectors);
  const failures: string[] = [];
  vectors.vectors.forEach((vector, index) => {
    if (index % options.stride !== 0) return;
    const differences = replay(machine, executor, vector, index);
    if (differences.length > 0) {
      const code = Buffer.from(vector.code).toString('hex');
      const form = vectors.forms[vector.form] ?? '';
      failures.push(`${form}: ${code} seed ${String(vector.seed)}: ${differences.join('; ')}`);
    }
  });
  return failures;
}

describe('instruction vectors', () => {
  test('through the interpreter', () => {
    expect(failuresOf(fixture, { filter: true, stride: 1 }).slice(0, 20)).toEqual([]);
  });

  test('through the interpreter, every access on the slow path', () => {
    expect(failuresOf(fixture, { filter: false, stride: 5 }).slice(0, 20)).toEqual([]);
  });

  test('under every rounding mode, DAZ and FTZ', () => {
    const rounded = readFixture('mxcsr-vectors.bin');
    expect(failuresOf(rounded, { filter: true, stride: 1 }).slice(0, 20)).toEqual([]);
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
