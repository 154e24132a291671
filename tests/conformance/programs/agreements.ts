/**
 * What every guest program must show on the machine, as vitest suites over the fixtures: the native
 * outcome, one result whichever tier runs and whether or not the inline filter is on, and the
 * counts of QEMU at every address that does not depend on the host.
 */
import { describe, expect, it } from 'vitest';

import { loadCounts } from './counts.ts';
import type { ExpectedCounts } from './counts.ts';
import { fixtureNames, loadFixture } from './fixtures.ts';
import type { Fixture } from './fixtures.ts';
import type { ProgramInput, ProgramResult, RunProgram } from './program-run.ts';
import { caseOf, GUEST_PATH } from './programs.ts';

const BASE = { board: 'simple', seed: 1, tier: 'auto', filter: true } as const;

/** Least share of the varying addresses at which the machine must agree with the native run. */
const NATIVE_SHARE_MIN = 0.8;

function inputOf(fixture: Fixture, variant: Partial<ProgramInput> = {}): ProgramInput {
  const { elf, argv, env } = fixture;
  return { elf, path: GUEST_PATH, argv, env, ...BASE, ...variant };
}

function outcomeOf({ stdout, stderr, exit, signal }: ProgramResult | Fixture): object {
  return { stdout, stderr, exit, signal };
}

/** Everything that must not depend on how the machine executes, counts in address order. */
function observable(result: ProgramResult): object {
  const counts = [...result.counts].sort(([a], [b]) => a - b);
  const { ticks, instructions, loadBias } = result;
  return { ...outcomeOf(result), ticks, instructions, loadBias, counts };
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** Counted cases; every other one has only an outcome. */
export function countedNames(): string[] {
  return fixtureNames().filter((name) => caseOf(name).counted);
}

/** Retired counts of the image's own code by link-time address. */
function linkedCounts(expected: ExpectedCounts, result: ProgramResult): Map<number, number> {
  const linked = new Map<number, number>();
  for (const [address, count] of result.counts) {
    const at = address - result.loadBias;
    if (expected.contains(at)) linked.set(at, count);
  }
  return linked;
}

function expectCounts(name: string, shown: ProgramResult, hidden: ProgramResult): void {
  const expected = loadCounts(name);
  // User-mode QEMU has no vDSO.
  expect(expected.differences(linkedCounts(expected, hidden), 'no vDSO')).toEqual([]);
  const actual = linkedCounts(expected, shown);
  expect(expected.differences(actual, 'vDSO')).toEqual([]);
  const { addresses, asNative, neither } = expected.varyingReport(actual);
  // The native oracle has the guest's CPUID and Linux's auxiliary vector, so there the machine has
  // no choice either; only the vDSO and the stack are its own.
  const surprising = Object.keys(neither).filter((key) => /^(cpuid|auxv)/.test(key));
  expect(surprising).toEqual([]);
  expect(asNative).toBeGreaterThanOrEqual(addresses * NATIVE_SHARE_MIN);
}

/**
 * Each program prints and ends as on Linux, retires what QEMU counts, and gives the same result when
 * the other executor runs it with the filter off.
 */
export function describePrograms(runProgram: RunProgram, names: readonly string[]): void {
  describe('a guest program', () => {
    it.each(names)('%s', async (name) => {
      const fixture = loadFixture(name);
      const result = await runProgram(inputOf(fixture));
      expect(outcomeOf(result)).toEqual(outcomeOf(fixture));
      expect(sum(result.counts.values())).toBe(result.instructions);
      const interpreted = { tier: 'interpreter', filter: false } as const;
      const other = await runProgram(inputOf(fixture, interpreted));
      expect(observable(other)).toEqual(observable(result));
      if (!caseOf(name).counted) return;
      const noVdso = await runProgram(inputOf(fixture, { ...interpreted, kernel: 'vdso=0' }));
      expectCounts(name, result, noVdso);
    });
  });
}

/** The remaining ways to run a program, and other seeds and boards. */
export function describeVariants(runProgram: RunProgram, names: readonly string[]): void {
  describe('a guest program gives one result', () => {
    it.each(names)('%s', async (name) => {
      const fixture = loadFixture(name);
      const run = async (variant: Partial<ProgramInput>): Promise<object> => {
        return observable(await runProgram(inputOf(fixture, variant)));
      };
      for (const board of ['simple', 'zen4-vm']) {
        const reference = await run({ board });
        expect(await run({ board }), 'repeated').toEqual(reference);
        expect(await run({ board, filter: false }), 'with the filter off').toEqual(reference);
        expect(await run({ board, tier: 'interpreter' }), 'interpreted').toEqual(reference);
        expect(await run({ board, tier: 'translator' }), 'translated').toEqual(reference);
      }
      const elsewhere = await runProgram(inputOf(fixture, { seed: 2 }));
      expect(outcomeOf(elsewhere)).toEqual(outcomeOf(fixture));
    });
  });
}
