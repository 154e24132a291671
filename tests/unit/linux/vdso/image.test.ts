import { describe, expect, test } from 'vitest';
import { parseElf } from '../../../../machine/core/elf/reader.ts';
import { buildVdsoImage } from '../../../../machine/linux/arch/x86/entry/vdso/vdso2c.ts';
import { NAMES, SymbolTables } from './symbol-walk.ts';

const OPTIONS = { features: ['rdtscp'], hz: 250 };

function occurrences(image: Uint8Array, bytes: readonly number[]): number {
  return (
    Buffer.from(image)
      .toString('latin1')
      .split(String.fromCharCode(...bytes)).length - 1
  );
}

describe('the vDSO image', () => {
  const { image, symbols, vvarPages } = buildVdsoImage(OPTIONS);
  const tables = new SymbolTables(image);

  test('is whole pages of a shared object that the reader accepts', () => {
    expect(image.length % 4096).toBe(0);
    const file = parseElf(image);
    if (file.kind === 'elf-error') throw new Error(file.message);
    expect(file.placement).toBe('relocatable');
    expect(file.warnings).toEqual([]);
    expect(file.dynamicSymbols.filter(({ type }) => type === 2)).toHaveLength(10);
  });

  test('has the soname that debuggers and libraries look for', () => {
    expect(tables.soname).toBe('linux-vdso.so.1');
  });

  test.each(NAMES)('%s is found through either hash table under LINUX_2.6', (name) => {
    const found = tables.lookUpSysv(name, 'LINUX_2.6');
    expect(found).toBeDefined();
    expect(tables.lookUpGnu(name, 'LINUX_2.6')).toEqual(found);
    const strong = name.startsWith('__vdso_') ? name : `__vdso_${name}`;
    const symbol = symbols.find((candidate) => candidate.name === strong);
    expect(found).toMatchObject({ value: symbol?.offset, size: symbol?.size });
    expect(found?.binding).toBe(name === strong ? 1 : 2);
  });

  test('other names and other versions are not found', () => {
    for (const [name, version] of [
      ['__vdso_getrandom', 'LINUX_2.6'],
      ['_clock_gettime', 'LINUX_2.6'],
      ['__vdso_time', 'LINUX_2.5'],
    ]) {
      expect(tables.lookUpSysv(name, version)).toBeUndefined();
      expect(tables.lookUpGnu(name, version)).toBeUndefined();
    }
  });

  test('symbols do not overlap and lie in the code', () => {
    const sorted = symbols.toSorted((a, b) => a.offset - b.offset);
    for (let i = 1; i < sorted.length; i++) {
      expect(sorted[i].offset).toBeGreaterThanOrEqual(sorted[i - 1].offset + sorted[i - 1].size);
    }
    expect(sorted.map(({ name }) => name)).toContain('__arch_get_hw_counter');
  });

  test('wants four pages right below itself', () => {
    expect(vvarPages.map(({ name, offset }) => [name, offset])).toEqual([
      ['vvar', -0x4000],
      ['pvclock', -0x3000],
      ['hvclock', -0x2000],
      ['timens', -0x1000],
    ]);
  });

  test('is the same for the same options', () => {
    expect(buildVdsoImage(OPTIONS).image).toEqual(image);
  });

  test('reads the counter as the CPU allows', () => {
    const rdtscp = [0x0f, 0x01, 0xf9];
    const fenced = [0x0f, 0xae, 0xe8, 0x0f, 0x31];
    const count = (features: readonly string[]): readonly number[] => {
      const built = buildVdsoImage({ features, hz: 250 }).image;
      return [rdtscp, fenced, [0x0f, 0x31]].map((bytes) => occurrences(built, bytes));
    };
    // Once for the TSC itself, once for KVM's page.
    expect(count(['rdtscp', 'lfence_rdtsc'])).toEqual([2, 0, 0]);
    expect(count(['lfence_rdtsc'])).toEqual([0, 2, 2]);
    expect(count([])).toEqual([0, 0, 2]);
  });

  test('states the resolution of coarse clocks for the tick of the kernel', () => {
    const tick = (hz: number): number => {
      const { image: built } = buildVdsoImage({ features: [], hz });
      const ns = Math.round(1e9 / hz);
      return occurrences(built, [0xb8, ns & 255, (ns >> 8) & 255, (ns >> 16) & 255, ns >> 24]);
    };
    expect([100, 250, 300, 1000].map(tick)).toEqual([1, 1, 1, 1]);
  });
});
