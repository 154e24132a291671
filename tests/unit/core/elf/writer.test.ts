import { describe, expect, test } from 'vitest';
import { SegmentFlags, SegmentType, SymbolType } from '../../../../machine/core/elf/format.ts';
import { parseElf } from '../../../../machine/core/elf/reader.ts';
import type { ElfFile } from '../../../../machine/core/elf/elf-file.ts';
import { planExecutable } from '../../../../machine/core/elf/writer.ts';
import { EXIT_CODE, sampleExecutable } from './sample.ts';

function parsed(bytes: Uint8Array): ElfFile {
  const file = parseElf(bytes);
  if (file.kind === 'elf-error') throw new Error(file.message);
  return file;
}

const loads = (file: ElfFile): ElfFile['segments'] =>
  file.segments.filter(({ type }) => type === SegmentType.LOAD);

describe('executables', () => {
  test('have one segment for each set of permissions, none writable and executable', () => {
    const file = parsed(sampleExecutable());
    expect(file.warnings).toEqual([]);
    expect(loads(file).map(({ flags }) => flags)).toEqual([4, 5, 4, 6]);
    for (const { flags, offset, address } of loads(file)) {
      expect(flags & SegmentFlags.WRITE && flags & SegmentFlags.EXECUTE).toBe(0);
      expect(address % 4096n).toBe(BigInt(offset % 4096));
    }
  });

  test('hold the bytes of their sections where the segments say', () => {
    const file = parsed(sampleExecutable());
    const text = loads(file)[1];
    expect(file.bytes.subarray(text.offset, text.offset + text.fileBytes)).toEqual(EXIT_CODE);
    expect(file.entry).toBe(text.address);
    const data = loads(file)[3];
    expect(data.fileBytes).toBe(16);
    // .data, then .bss from the next multiple of 32 on.
    expect(data.memoryBytes).toBe(32 + 10_000);
  });

  test('name their functions and objects', () => {
    const { symbols, sections } = parsed(sampleExecutable());
    expect(symbols.map(({ name, type, size }) => [name, type, size])).toEqual([
      ['_start', SymbolType.FUNC, 9],
      ['buffer', SymbolType.OBJECT, 10_000],
    ]);
    expect(symbols.map(({ section }) => sections[section].name)).toEqual(['.text', '.bss']);
  });

  test('are linked at 0x400000, or at 0 when relocatable', () => {
    const fixed = parsed(sampleExecutable());
    expect([fixed.placement, fixed.programHeaders.address]).toEqual(['fixed', 0x400040n]);
    const pie = parsed(sampleExecutable('relocatable'));
    expect([pie.placement, pie.programHeaders.address]).toEqual(['relocatable', 0x40n]);
  });

  test('never put .bss into a page of constants', () => {
    const plan = planExecutable(
      [
        { name: '.text', size: 1, align: 1 },
        { name: '.rodata', size: 100, align: 1 },
        { name: '.bss', size: 8, align: 8 },
      ],
      'fixed',
    );
    expect(plan.addresses.get('.bss')).toBe(0x403000n);
  });
});
