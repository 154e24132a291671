/**
 * The interpreter against a real processor: every form of forms.txt (what real programs execute,
 * most frequent first) and more-forms.txt, with random operands and states, recorded natively.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { BareMachine, InterpreterExecutor } from './bare-machine.ts';
import { decodeFixture, NO_TRAP } from './fixture.ts';
import { placeCode, replay } from './replay.ts';

const HERE = import.meta.dirname;

vi.setConfig({ testTimeout: 60_000 });
const fixture = decodeFixture(readFileSync(path.join(HERE, 'vectors.bin')));

/** Vectors of forms.txt that cannot be recorded: their result is not a function of the state. */
const NOT_RECORDED = new Set([
  ...['syscall', 'cpuid', 'rdtsc', 'tzcnt r64,r64', 'tzcnt r64,m64', 'rdsspq r64'],
]);

function listedForms(): string[] {
  const lines = readFileSync(path.join(HERE, 'forms.txt'), 'utf8').trim().split('\n');
  return lines.map((line) => (line.split('\t')[0] ?? '').trim());
}

describe('instruction vectors', () => {
  test.each([true, false])('through the interpreter, filter %s', (filter) => {
    const machine = new BareMachine({ filter });
    const executor = new InterpreterExecutor(machine);
    placeCode(machine, fixture.vectors);
    const failures: string[] = [];
    // Without the filter every access takes the slow path; a sample of the vectors shows as much.
    const stride = filter ? 1 : 5;
    fixture.vectors.forEach((vector, index) => {
      if (index % stride !== 0) return;
      const differences = replay(machine, executor, vector, index);
      if (differences.length > 0) {
        const code = Buffer.from(vector.code).toString('hex');
        const form = fixture.forms[vector.form] ?? '';
        failures.push(`${form}: ${code} seed ${String(vector.seed)}: ${differences.join('; ')}`);
      }
    });
    expect(failures.slice(0, 20)).toEqual([]);
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
