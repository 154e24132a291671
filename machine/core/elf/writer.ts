/**
 * Writes static ELF64 executables as GNU ld lays them out with `-z separate-code`: headers, code,
 * constants and data in segments of their own, each at a page of its own, plus a symbol table for
 * profiles. Two steps, because code cannot be linked before it has addresses: `planExecutable` places
 * sections of known size, `writeExecutable` fills them. Omits: relocations, TLS, dynamic linking.
 */
import { assert } from '../assert.ts';
import {
  EntryBytes,
  FileType,
  SectionFlags,
  SectionType,
  SegmentFlags,
  SegmentType,
  SymbolBinding,
  SymbolType,
} from './format.ts';
import { ByteWriter, StringTableBuilder, alignUp, writeHeader } from './byte-writer.ts';
import { programHeader, sectionHeader, symbolEntry } from './byte-writer.ts';
import type { SectionHeader } from './byte-writer.ts';

const PAGE_BYTES = 4096;
/** Where GNU ld puts programs that are not position independent. */
const FIXED_BASE = 0x400000;

/** Sections that a program may have, in file order. */
const LAYOUT = [
  { name: '.text', flags: SegmentFlags.READ | SegmentFlags.EXECUTE },
  { name: '.rodata', flags: SegmentFlags.READ },
  { name: '.data', flags: SegmentFlags.READ | SegmentFlags.WRITE },
  { name: '.bss', flags: SegmentFlags.READ | SegmentFlags.WRITE },
] as const;

export interface PlannedSection {
  readonly name: string;
  readonly flags: number;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
  readonly align: number;
}

export interface ExecutablePlan {
  /** `fixed` is ET_EXEC at 0x400000; `relocatable` is a static PIE, linked at 0. */
  readonly placement: 'fixed' | 'relocatable';
  readonly base: bigint;
  readonly sections: readonly PlannedSection[];
  readonly addresses: ReadonlyMap<string, bigint>;
}

export interface ExecutableSymbol {
  readonly name: string;
  readonly kind: 'function' | 'object';
  readonly section: string;
  readonly address: bigint;
  readonly size: number;
}

/** Places `.text`, `.rodata`, `.data` and `.bss` (any of them, of the given sizes in bytes). */
export function planExecutable(
  sizes: readonly { readonly name: string; readonly size: number; readonly align: number }[],
  placement: ExecutablePlan['placement'],
): ExecutablePlan {
  const base = placement === 'fixed' ? FIXED_BASE : 0;
  const sections: PlannedSection[] = [];
  // The headers have the first page to themselves.
  let address = base + PAGE_BYTES;
  for (const { name, flags } of LAYOUT) {
    const given = sizes.find((section) => section.name === name);
    if (given === undefined || given.size === 0) continue;
    const { size, align } = given;
    assert(align <= PAGE_BYTES, `${name} is aligned to at most a page`);
    // .bss continues the segment of .data if there is one; no page has two sets of permissions.
    const continues = sections.at(-1)?.flags === flags;
    address = alignUp(address, continues ? align : PAGE_BYTES);
    sections.push({ name, flags, address: BigInt(address), offset: address - base, size, align });
    address += size;
  }
  for (const { name } of sizes) {
    assert(
      LAYOUT.some((known) => known.name === name),
      `no place for section ${name}`,
    );
  }
  const addresses = new Map(sizes.map(({ name }) => [name, BigInt(address)]));
  for (const section of sections) addresses.set(section.name, section.address);
  return { placement, base: BigInt(base), sections, addresses };
}

/** Builds the file. `contents` are the bytes of each section with an address in the plan. */
export function writeExecutable(
  plan: ExecutablePlan,
  program: {
    readonly entry: bigint;
    readonly contents: ReadonlyMap<string, Uint8Array>;
    readonly symbols: readonly ExecutableSymbol[];
  },
): Uint8Array {
  const inFile = plan.sections.filter(({ name }) => name !== '.bss');
  const segments = segmentsOf(plan);
  const out = new ByteWriter();
  out.zero(EntryBytes.HEADER);
  for (const segment of segments) programHeader(out, segment);
  assert(out.length <= PAGE_BYTES, 'the headers fit their page');
  for (const section of inFile) {
    const bytes = program.contents.get(section.name);
    assert(bytes?.length === section.size, `${section.name} has the size that was planned`);
    out.zero(section.offset - out.length);
    out.bytes(bytes);
  }
  const headers = writeTables(out, plan, program.symbols);
  out.zero(alignUp(out.length, 8) - out.length);
  const sectionOffset = out.length;
  for (const header of headers) sectionHeader(out, header);
  const file = out.finish();
  writeHeader(file, {
    type: plan.placement === 'fixed' ? FileType.EXECUTABLE : FileType.SHARED,
    entry: program.entry,
    programHeaders: segments.length,
    sectionOffset,
    sections: headers.length,
  });
  return file;
}

type Segment = Parameters<typeof programHeader>[1];

function segmentsOf({ base, sections }: ExecutablePlan): Segment[] {
  const whole = { type: SegmentType.LOAD, align: PAGE_BYTES };
  const bss = sections.find(({ name }) => name === '.bss');
  const loads = sections
    .filter(({ name }) => name !== '.bss')
    .map(({ name, flags, offset, address, size }): Segment => {
      const end = name === '.data' && bss ? Number(bss.address - address) + bss.size : size;
      return { ...whole, flags, offset, address, fileBytes: size, memoryBytes: end };
    });
  if (bss !== undefined && !sections.some(({ name }) => name === '.data')) {
    const { flags, address, size } = bss;
    loads.push({
      ...whole,
      flags,
      offset: bss.offset % PAGE_BYTES,
      address,
      fileBytes: 0,
      memoryBytes: size,
    });
  }
  const headerBytes = EntryBytes.HEADER + EntryBytes.PROGRAM_HEADER * (loads.length + 2);
  return [
    {
      ...whole,
      flags: SegmentFlags.READ,
      offset: 0,
      address: base,
      fileBytes: headerBytes,
      memoryBytes: headerBytes,
    },
    ...loads,
    {
      type: SegmentType.GNU_STACK,
      flags: SegmentFlags.READ | SegmentFlags.WRITE,
      offset: 0,
      address: 0n,
      fileBytes: 0,
      memoryBytes: 0,
      align: 16,
    },
  ];
}

/** Writes .symtab, .strtab and .shstrtab; returns all section headers. */
function writeTables(
  out: ByteWriter,
  plan: ExecutablePlan,
  symbols: readonly ExecutableSymbol[],
): SectionHeader[] {
  const names = new StringTableBuilder();
  const strings = new StringTableBuilder();
  const headers: SectionHeader[] = [{ name: 0, type: SectionType.NULL, offset: 0, size: 0 }];
  for (const section of plan.sections) {
    headers.push({
      name: names.add(section.name),
      type: section.name === '.bss' ? SectionType.NOBITS : SectionType.PROGBITS,
      flags: sectionFlags(section.flags),
      address: section.address,
      offset: section.offset,
      size: section.size,
      align: section.align,
    });
  }
  out.zero(alignUp(out.length, 8) - out.length);
  const symtabOffset = out.length;
  out.zero(EntryBytes.SYMBOL);
  for (const symbol of symbols) {
    symbolEntry(out, {
      name: strings.add(symbol.name),
      type: symbol.kind === 'function' ? SymbolType.FUNC : SymbolType.OBJECT,
      binding: SymbolBinding.GLOBAL,
      section: 1 + plan.sections.findIndex(({ name }) => name === symbol.section),
      address: symbol.address,
      size: symbol.size,
    });
  }
  headers.push({
    name: names.add('.symtab'),
    type: SectionType.SYMTAB,
    offset: symtabOffset,
    size: out.length - symtabOffset,
    link: headers.length + 1,
    info: 1,
    align: 8,
    entryBytes: EntryBytes.SYMBOL,
  });
  const stringTable = (name: string, table: StringTableBuilder): void => {
    const nameOffset = names.add(name);
    const bytes = table.finish();
    headers.push({
      name: nameOffset,
      type: SectionType.STRTAB,
      offset: out.length,
      size: bytes.length,
      align: 1,
    });
    out.bytes(bytes);
  };
  stringTable('.strtab', strings);
  stringTable('.shstrtab', names);
  return headers;
}

function sectionFlags(flags: number): number {
  const write = (flags & SegmentFlags.WRITE) === 0 ? 0 : SectionFlags.WRITE;
  const execute = (flags & SegmentFlags.EXECUTE) === 0 ? 0 : SectionFlags.EXECUTE;
  return SectionFlags.ALLOC | write | execute;
}
