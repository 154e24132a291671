/**
 * What every guest program must show on the machine, as vitest suites over the fixtures: the native
 * outcome, one result whichever tier runs and whether or not the inline filter is on, and the
 * counts of QEMU at every address that does not depend on the host.
 */
import { describe, expect, it } from 'vitest';

import { loadCounts } from './counts.ts';
import { fixtureNames, loadFixture } from './fixtures.ts';
import type { Fixture } from './fixtures.ts';
import type { ProgramInput, ProgramResult, RunProgram } from './program-run.ts';
import { caseOf, GUEST_PATH } from './programs.ts';

const BASE = { board: 'simple', seed: 1, tier: 'auto', filter: true } as const;

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

/** Outcomes equal the ones that Linux gave. */
export function describeOutcomes(runProgram: RunProgram, names = fixtureNames()): void {
  describe('a guest program prints and ends as on Linux', () => {
    it.each(names)('%s', async (name) => {
      const fixture = loadFixture(name);
      const result = await runProgram(inputOf(fixture));
      expect(outcomeOf(result)).toEqual(outcomeOf(fixture));
      expect(sum(result.counts.values())).toBe(result.instructions);
    });
  });
}

/** The tiers agree, and the filter changes nothing. */
export function describeExecutors(runProgram: RunProgram, names = fixtureNames()): void {
  describe('a guest program runs alike', () => {
    it.each(names)('%s', async (name) => {
      const fixture = loadFixture(name);
      const reference = observable(await runProgram(inputOf(fixture)));
      const unfiltered = observable(await runProgram(inputOf(fixture, { filter: false })));
      expect(unfiltered, 'with the filter off').toEqual(reference);
      const interpreted = observable(await runProgram(inputOf(fixture, { tier: 'interpreter' })));
      expect(interpreted, 'interpreted').toEqual(reference);
      if (!countedNames().includes(name)) return;
      // Slow, as every block becomes a module: so for the counted programs only.
      const translated = observable(await runProgram(inputOf(fixture, { tier: 'translator' })));
      expect(translated, 'translated').toEqual(reference);
    });
  });
}

/** Counted cases, all of which describeCounts compares. */
export function countedNames(): string[] {
  return fixtureNames().filter((name) => caseOf(name).counted);
}

/** Functions of glibc whose counts depend on the symbol table and headers of the vDSO at hand. */
const VDSO_READERS: readonly string[] = ['__strcmp_sse2', '_dl_find_object_from_map'];

/** With a vDSO, nothing differs but where glibc reads it. */
export function describeVdsoCounts(runProgram: RunProgram, names = countedNames()): void {
  describe('a vDSO changes the counts only of the functions that read it', () => {
    it.each(names)('%s', async (name) => {
      const expected = loadCounts(name);
      const { counts, loadBias } = await runProgram(inputOf(loadFixture(name)));
      const linked = new Map([...counts].map(([address, count]) => [address - loadBias, count]));
      const inImage = new Map([...linked].filter(([address]) => expected.contains(address)));
      const others = expected
        .differences(inImage)
        .filter(({ symbol }) => !VDSO_READERS.includes(symbol));
      expect(others).toEqual([]);
    });
  });
}

/** Retired instructions equal QEMU's, address by address. */
export function describeCounts(runProgram: RunProgram, names = countedNames()): void {
  describe('a guest program retires what QEMU counts', () => {
    it.each(names)('%s', async (name) => {
      const fixture = loadFixture(name);
      const expected = loadCounts(name);
      // QEMU's user mode has no vDSO; with one, the look-ups in it depend on its symbol table.
      const result = await runProgram(inputOf(fixture, { kernel: 'vdso=0' }));
      const actual = new Map<number, number>();
      for (const [address, count] of result.counts) {
        if (expected.contains(address - result.loadBias)) {
          actual.set(address - result.loadBias, count);
        }
      }
      expect(expected.differences(actual)).toEqual([]);
      // The native oracle has the guest's CPUID, so there the machine has no choice either.
      const { neither } = expected.varyingReport(actual);
      expect(Object.keys(neither).filter((key) => key.startsWith('cpuid'))).toEqual([]);
    });
  });
}
