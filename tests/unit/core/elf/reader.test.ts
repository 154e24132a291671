import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ElfError } from '../../../../machine/core/elf/elf-file.ts';
import { HeaderField, Ident, ProgramField } from '../../../../machine/core/elf/format.ts';
import { parseElf } from '../../../../machine/core/elf/reader.ts';
import { sampleExecutable } from './sample.ts';

const FIRST_SEGMENT = 64;
const SECOND_SEGMENT = FIRST_SEGMENT + 56;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** The sample with `change` made to it. */
function damaged(change: (view: DataView) => void): Uint8Array {
  const bytes = sampleExecutable();
  change(new DataView(bytes.buffer));
  return bytes;
}

function errorOf(bytes: Uint8Array): ElfError {
  const result = parseElf(bytes);
  if (result.kind === 'elf') throw new Error('the file was accepted');
  return result;
}

const text = (content: string): Uint8Array => new TextEncoder().encode(content);

describe('what is not a 64-bit x86-64 executable is refused by name', () => {
  const cases: readonly (readonly [string, Uint8Array, string, RegExp])[] = [
    ['an empty file', new Uint8Array(0), 'e_ident', /empty/],
    ['a script', text('#!/bin/sh\n'), 'e_ident', /script/],
    ['a text', text('hello, world'), 'e_ident', /not an ELF file/],
    ['a header cut short', sampleExecutable().subarray(0, 40), 'e_ident', /40 bytes of 64/],
    ['32-bit', damaged((v) => v.setUint8(Ident.CLASS, 1)), 'EI_CLASS', /32-bit/],
    ['class 7', damaged((v) => v.setUint8(Ident.CLASS, 7)), 'EI_CLASS', /neither/],
    ['big-endian', damaged((v) => v.setUint8(Ident.DATA, 2)), 'EI_DATA', /big-endian/],
    [
      'AArch64',
      damaged((v) => v.setUint16(HeaderField.MACHINE, 183, true)),
      'e_machine',
      /AArch64/,
    ],
    ['an object', damaged((v) => v.setUint16(HeaderField.TYPE, 1, true)), 'e_type', /ET_REL/],
    ['a core dump', damaged((v) => v.setUint16(HeaderField.TYPE, 4, true)), 'e_type', /core dump/],
  ];
  test.each(cases)('%s', (_name, bytes, field, message) => {
    const error = errorOf(bytes);
    expect(error.field).toBe(field);
    expect(error.message).toMatch(message);
    expect(error.remedy).not.toBe('');
  });
});

describe('damaged program headers are refused with their place', () => {
  const segment = (field: ProgramField, value: bigint): Uint8Array =>
    damaged((view) => view.setBigUint64(SECOND_SEGMENT + field, value, true));
  const cases: readonly (readonly [string, Uint8Array, number, RegExp])[] = [
    [
      'wrong entry size',
      damaged((v) => v.setUint16(HeaderField.PHENTSIZE, 32, true)),
      HeaderField.PHENTSIZE,
      /32, must be 56/,
    ],
    ['none', damaged((v) => v.setUint16(HeaderField.PHNUM, 0, true)), HeaderField.PHNUM, /no prog/],
    [
      'too many',
      damaged((v) => v.setUint16(HeaderField.PHNUM, 0xffff, true)),
      HeaderField.PHNUM,
      /more than Linux accepts/,
    ],
    [
      'table outside the file',
      damaged((v) => v.setBigUint64(HeaderField.PHOFF, ALL_ONES, true)),
      HeaderField.PHOFF,
      /end beyond the file/,
    ],
    [
      'contents outside the file',
      segment(ProgramField.FILESZ, 1n << 40n),
      SECOND_SEGMENT + ProgramField.FILESZ,
      /truncated/,
    ],
    [
      'more in the file than in memory',
      segment(ProgramField.MEMSZ, 1n),
      SECOND_SEGMENT + ProgramField.FILESZ,
      /larger than p_memsz/,
    ],
    [
      'address overflow',
      segment(ProgramField.MEMSZ, ALL_ONES),
      SECOND_SEGMENT + ProgramField.VADDR,
      /beyond user space/,
    ],
    [
      'place in page differs',
      segment(ProgramField.VADDR, 0x401008n),
      SECOND_SEGMENT + ProgramField.OFFSET,
      /differ within a page/,
    ],
    [
      'overlap',
      segment(ProgramField.MEMSZ, 0x2000n),
      SECOND_SEGMENT + 56 + ProgramField.VADDR,
      /overlap/,
    ],
  ];
  test.each(cases)('%s', (_name, bytes, offset, message) => {
    const error = errorOf(bytes);
    expect(error.offset).toBe(offset);
    expect(error.message).toMatch(message);
  });

  test('nothing to load', () => {
    const bytes = damaged((view) => {
      for (let i = 0; i < 5; i++) view.setUint32(FIRST_SEGMENT + i * 56, 4, true);
    });
    expect(errorOf(bytes).message).toMatch(/PT_LOAD/);
  });
});

describe('what only names addresses may be damaged', () => {
  test('section headers outside the file leave a warning', () => {
    const file = parseElf(damaged((v) => v.setBigUint64(HeaderField.SHOFF, ALL_ONES, true)));
    expect(file).toMatchObject({ kind: 'elf', sections: [], symbols: [] });
    expect(file.kind === 'elf' && file.warnings.map(({ field }) => field)).toEqual(['e_shoff']);
  });

  test('an entry point outside the code leaves a warning', () => {
    const file = parseElf(damaged((v) => v.setBigUint64(HeaderField.ENTRY, 5n, true)));
    expect(file.kind === 'elf' && file.warnings.map(({ field }) => field)).toEqual(['e_entry']);
  });

  test('a stripped file has no sections and no warnings', () => {
    const file = parseElf(damaged((v) => v.setUint16(HeaderField.SHNUM, 0, true)));
    expect(file).toMatchObject({ kind: 'elf', sections: [], warnings: [] });
  });
});

describe('interpreters', () => {
  const withInterpreter = (path: Uint8Array): Uint8Array =>
    damaged((view) => {
      const at = FIRST_SEGMENT + 2 * 56;
      const offset = Number(view.getBigUint64(at + ProgramField.OFFSET, true));
      new Uint8Array(view.buffer).set(path, offset);
      // The last entry is PT_GNU_STACK: it becomes PT_INTERP at the place of .rodata.
      const last = FIRST_SEGMENT + 4 * 56;
      view.setUint32(last, 3, true);
      view.setBigUint64(last + ProgramField.OFFSET, BigInt(offset), true);
      view.setBigUint64(last + ProgramField.FILESZ, BigInt(path.length), true);
    });

  test('the path is read', () => {
    expect(parseElf(withInterpreter(text('/l\0')))).toMatchObject({ interpreter: '/l' });
  });

  test('a path without an end is refused', () => {
    expect(errorOf(withInterpreter(text('/lib'))).message).toMatch(/PT_INTERP/);
  });
});

describe('hostile files', () => {
  const isResult = (bytes: Uint8Array): boolean => {
    const result = parseElf(bytes);
    if (result.kind === 'elf') return true;
    return result.message !== '' && result.remedy !== '' && Number.isInteger(result.offset);
  };
  const sample = sampleExecutable();
  const headerByte = fc.record({
    // Nine of ten changes go where the structure is.
    at: fc.oneof(
      { weight: 5, arbitrary: fc.nat(64 + 6 * 56) },
      { weight: 4, arbitrary: fc.integer({ min: sample.length - 800, max: sample.length - 1 }) },
      { weight: 1, arbitrary: fc.nat(sample.length - 1) },
    ),
    value: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)),
  });

  test('random changes never throw and always end', () => {
    const changes = fc.array(headerByte, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(changes, (list) => {
        const bytes = sample.slice();
        for (const { at, value } of list) bytes[at] = value;
        return isResult(bytes);
      }),
      { numRuns: 3000 },
    );
  });

  test('every truncation is an error or leaves out names alone', () => {
    for (let length = 0; length < sample.length; length += 7) {
      expect(isResult(sample.subarray(0, length))).toBe(true);
    }
    expect(parseElf(sample.subarray(0, 0x1004)).kind).toBe('elf-error');
  });

  test('random bytes behind a valid identification', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 600 }), (tail) => {
        const bytes = new Uint8Array(20 + tail.length);
        bytes.set(sample.subarray(0, 20));
        bytes.set(tail, 20);
        return isResult(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  test('a string table shared by thousands of endless names costs bounded work', () => {
    const symbols = 100_000;
    const bytes = hostileNames(symbols);
    const file = parseElf(bytes);
    if (file.kind === 'elf-error') throw new Error(file.message);
    expect(file.symbols.length).toBeLessThan(symbols);
    expect(file.warnings.map(({ field }) => field)).toContain('st_name');
  });
});

/** The sample with a symbol table whose every name is the same 4 KiB without an end. */
function hostileNames(symbols: number): Uint8Array {
  const sample = sampleExecutable();
  const names = sample.length;
  const table = names + 4096;
  const headers = table + symbols * 24;
  const bytes = new Uint8Array(headers + 3 * 64);
  bytes.set(sample);
  bytes.fill(0x41, names, table);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(HeaderField.SHOFF, BigInt(headers), true);
  view.setUint16(HeaderField.SHNUM, 3, true);
  view.setUint16(HeaderField.SHSTRNDX, 1, true);
  const section = (index: number, type: number, offset: number, size: number): void => {
    const at = headers + index * 64;
    view.setUint32(at + 4, type, true);
    view.setBigUint64(at + 24, BigInt(offset), true);
    view.setBigUint64(at + 32, BigInt(size), true);
  };
  section(1, 3, names, 4096);
  section(2, 2, table, symbols * 24);
  view.setUint32(headers + 2 * 64 + 40, 1, true);
  view.setBigUint64(headers + 2 * 64 + 56, 24n, true);
  return bytes;
}
