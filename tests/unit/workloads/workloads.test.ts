import { describe, expect, test } from 'vitest';
import { parseElf } from '../../../machine/core/elf/reader.ts';
import type { WorkloadProgram } from '../../../workloads/lib/program.ts';
import { WORKLOADS, findWorkload } from '../../../workloads/registry.ts';
import { WHY_NOT_NATIVE, runNatively } from '../linux/run-natively.ts';

const SHORT = { operations: '300', warmup: '3' };

function build(
  name: string,
  given: Record<string, string> = SHORT,
  placement: 'fixed' | 'relocatable' = 'fixed',
): WorkloadProgram {
  const program = findWorkload(name)?.build(given, { placement });
  if (program?.kind !== 'program') throw new Error(`${name} cannot be built`);
  return program;
}

/** Numbers of the marker instructions in the code, in order. */
function markers(bytes: Uint8Array): number[] {
  const found: number[] = [];
  for (let at = 0; at + 8 <= bytes.length; at++) {
    const isMarker =
      [0x0f, 0x1f, 0x84, 0x00].every((value, i) => bytes[at + i] === value) &&
      bytes[at + 6] === 0x43 &&
      bytes[at + 7] === 0x4c;
    if (isMarker) found.push(bytes[at + 4] + bytes[at + 5] * 256);
  }
  return found;
}

describe.each(WORKLOADS)('$name', (workload) => {
  test('describes itself and each of its parameters', () => {
    expect(workload.summary).toMatch(/\w/);
    expect(workload.name).toMatch(/^[a-z0-9-]+$/);
    for (const { description } of Object.values(workload.parameters)) {
      expect(description).toMatch(/\w/);
    }
  });

  test('is the same file for the same parameters', () => {
    expect(build(workload.name).bytes).toEqual(build(workload.name).bytes);
  });

  test('is an executable with symbols and without warnings', () => {
    const file = parseElf(build(workload.name).bytes);
    if (file.kind === 'elf-error') throw new Error(file.message);
    expect(file.warnings).toEqual([]);
    expect(file.symbols.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['_start', 'main']),
    );
    expect(file.interpreter).toBeUndefined();
  });

  test('marks the begin and the end of each phase once, in order', () => {
    const { bytes, phases } = build(workload.name);
    expect(phases.length).toBeGreaterThan(0);
    expect(markers(bytes)).toEqual(phases.flatMap((_, k) => [2 * k + 1, 2 * k + 2]));
    expect(new Set(phases.map(({ name }) => name)).size).toBe(phases.length);
  });
});

test('names are unique', () => {
  expect(new Set(WORKLOADS.map(({ name }) => name)).size).toBe(WORKLOADS.length);
  expect(findWorkload('no-such-workload')).toBeUndefined();
});

describe('vdso-vs-syscall', () => {
  test('has a phase for each clock and method', () => {
    const names = (given: Record<string, string>): string[] =>
      build('vdso-vs-syscall', given).phases.map(({ name }) => name);
    expect(names({})).toEqual(['MONOTONIC/vdso', 'MONOTONIC/syscall']);
    expect(names({ clock: 'TAI', method: 'syscall' })).toEqual(['TAI/syscall']);
    expect(names({ clock: 'all' })).toHaveLength(18);
  });

  test('refuses what it does not know', () => {
    const workload = findWorkload('vdso-vs-syscall');
    expect(workload?.build({ clock: 'SGI' })).toMatchObject({ kind: 'parameter-error' });
    expect(workload?.build({ operations: '0' })).toMatchObject({ kind: 'parameter-error' });
  });

  test.skipIf(WHY_NOT_NATIVE !== undefined).each(['fixed', 'relocatable'] as const)(
    'runs on a real kernel, %s',
    (placement) => {
      const { bytes, phases } = build('vdso-vs-syscall', { ...SHORT, clock: 'all' }, placement);
      const { status, stdout } = runNatively(bytes);
      const lines = phases.map(({ name, operations }) => `${name}: ${operations} readings\n`);
      expect([status, stdout]).toEqual([0, `vdso: found\n${lines.join('')}`]);
    },
  );
});
