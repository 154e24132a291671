/**
 * Writes a small ELF64 shared object in one read-only executable segment, as the vDSO is: dynamic
 * symbols under one version, both hash tables, notes and code. Like the executable writer it plans
 * first (`planSharedObject` says where the code goes) and writes when the code is linked.
 * Omits: relocations, data, needed libraries, unwind tables.
 */
import { assert } from '../assert.ts';
import { ByteWriter, StringTableBuilder, alignUp, writeHeader } from './byte-writer.ts';
import { programHeader, sectionHeader, symbolEntry } from './byte-writer.ts';
import type { SectionHeader } from './byte-writer.ts';
import {
  DynamicFlags,
  DynamicTag,
  EntryBytes,
  FileType,
  SectionFlags,
  SectionIndex,
  SectionType,
  SegmentFlags,
  SegmentType,
  SymbolBinding,
  SymbolType,
  VersionFlags,
  VersionIndex,
  gnuHash,
  sysvHash,
} from './format.ts';

const PAGE_BYTES = 4096;
const TEXT_ALIGN = 16;
/** GNU hash: one bloom word suffices for a handful of symbols. */
const BLOOM_SHIFT = 6;
const HASH_BUCKETS = 3;

export interface ExportedName {
  readonly name: string;
  readonly binding: 'global' | 'weak';
}

export interface NoteRecord {
  /** `Linux`, `GNU`. */
  readonly owner: string;
  readonly type: number;
  readonly description: Uint8Array;
}

export interface SharedObjectSpec {
  readonly soname: string;
  /** The one version that every exported symbol has. */
  readonly version: string;
  readonly exports: readonly ExportedName[];
  readonly notes: readonly NoteRecord[];
}

interface DynamicSymbol {
  readonly name: string;
  readonly binding: SymbolBinding;
  readonly type: SymbolType;
}

interface Tables {
  readonly symbols: readonly DynamicSymbol[];
  readonly strings: StringTableBuilder;
  readonly sections: readonly { readonly name: string; readonly offset: number; size: number }[];
}

export interface SharedObjectPlan {
  readonly spec: SharedObjectSpec;
  /** Address of .text, which is also its place in the file: the image is linked at 0. */
  readonly textAddress: bigint;
  readonly tables: Tables;
}

/** Sections in file order, with their types; sizes follow from the spec alone. */
const SECTIONS = {
  '.hash': SectionType.HASH,
  '.gnu.hash': SectionType.GNU_HASH,
  '.dynsym': SectionType.DYNSYM,
  '.dynstr': SectionType.STRTAB,
  '.gnu.version': SectionType.GNU_VERSYM,
  '.gnu.version_d': SectionType.GNU_VERDEF,
  '.dynamic': SectionType.DYNAMIC,
  '.note': SectionType.NOTE,
} as const;

type TableName = keyof typeof SECTIONS;
const TABLE_NAMES = Object.keys(SECTIONS) as TableName[];

const PROGRAM_HEADERS = 3;

/** Lays out everything before the code. */
export function planSharedObject(spec: SharedObjectSpec): SharedObjectPlan {
  const strings = new StringTableBuilder();
  const symbols = orderSymbols(spec);
  for (const { name } of symbols) strings.add(name);
  strings.add(spec.soname);
  strings.add(spec.version);
  const draft: Tables = { symbols, strings, sections: [] };
  let offset = EntryBytes.HEADER + PROGRAM_HEADERS * EntryBytes.PROGRAM_HEADER;
  const sections = TABLE_NAMES.map((name) => {
    // Sizes do not depend on addresses, so a draft with none of them measures true.
    const size = tableBytes(name, { spec, textAddress: 0n, tables: draft }, new Map()).length;
    const at = alignUp(offset, 8);
    offset = at + size;
    return { name, offset: at, size };
  });
  const textAddress = BigInt(alignUp(offset, TEXT_ALIGN));
  return { spec, textAddress, tables: { ...draft, sections } };
}

/** Bytes of the whole image, not yet padded to pages. */
export function writeSharedObject(
  plan: SharedObjectPlan,
  text: Uint8Array,
  symbols: ReadonlyMap<string, { readonly address: bigint; readonly size: number }>,
): Uint8Array {
  const { tables } = plan;
  for (const { name } of plan.spec.exports) assert(symbols.has(name), `${name} has an address`);
  const end = Number(plan.textAddress) + text.length;
  const out = new ByteWriter();
  out.zero(EntryBytes.HEADER);
  writeProgramHeaders(out, plan, end);
  for (const { name, offset } of tables.sections) {
    out.zero(offset - out.length);
    out.bytes(tableBytes(name as TableName, plan, symbols));
  }
  out.zero(Number(plan.textAddress) - out.length);
  out.bytes(text);
  const headers = sectionHeaders(out, plan, text.length);
  out.zero(alignUp(out.length, 8) - out.length);
  const sectionOffset = out.length;
  for (const header of headers) sectionHeader(out, header);
  const file = out.finish();
  writeHeader(file, {
    type: FileType.SHARED,
    entry: 0n,
    programHeaders: PROGRAM_HEADERS,
    sectionOffset,
    sections: headers.length,
  });
  return file;
}

/** The GNU hash table wants symbols grouped by bucket; both tables then share one order. */
function orderSymbols({ exports, version }: SharedObjectSpec): DynamicSymbol[] {
  const symbols = exports.map(({ name, binding }) => ({
    name,
    binding: binding === 'weak' ? SymbolBinding.WEAK : SymbolBinding.GLOBAL,
    type: SymbolType.FUNC,
  }));
  // The linker exports the version itself as an absolute object.
  symbols.push({ name: version, binding: SymbolBinding.GLOBAL, type: SymbolType.OBJECT });
  const bucket = ({ name }: DynamicSymbol): number => gnuHash(name) % HASH_BUCKETS;
  return symbols.sort((a, b) => bucket(a) - bucket(b));
}

function writeProgramHeaders(out: ByteWriter, plan: SharedObjectPlan, end: number): void {
  const at = (name: TableName): { offset: number; address: bigint; fileBytes: number } => {
    const { offset, size } = sectionOf(plan.tables, name);
    return { offset, address: BigInt(offset), fileBytes: size };
  };
  const { READ, EXECUTE } = { READ: SegmentFlags.READ, EXECUTE: SegmentFlags.EXECUTE };
  const dynamic = at('.dynamic');
  const note = at('.note');
  programHeader(out, {
    type: SegmentType.LOAD,
    flags: READ | EXECUTE,
    offset: 0,
    address: 0n,
    fileBytes: end,
    memoryBytes: end,
    align: PAGE_BYTES,
  });
  programHeader(out, {
    type: SegmentType.DYNAMIC,
    flags: READ,
    ...dynamic,
    memoryBytes: dynamic.fileBytes,
    align: 8,
  });
  programHeader(out, {
    type: SegmentType.NOTE,
    flags: READ,
    ...note,
    memoryBytes: note.fileBytes,
    align: 4,
  });
}

function sectionOf(tables: Tables, name: TableName): { offset: number; size: number } {
  return tables.sections.find((section) => section.name === name) ?? { offset: 0, size: 0 };
}

type Addresses = ReadonlyMap<string, { readonly address: bigint; readonly size: number }>;

function tableBytes(name: TableName, plan: SharedObjectPlan, addresses: Addresses): Uint8Array {
  const out = new ByteWriter();
  WRITERS[name](out, plan, addresses);
  return out.finish();
}

const WRITERS: Readonly<
  Record<TableName, (out: ByteWriter, plan: SharedObjectPlan, addresses: Addresses) => void>
> = {
  '.hash': writeSysvHash,
  '.gnu.hash': writeGnuHash,
  '.dynsym': writeSymbols,
  '.dynstr': (out, { tables }) => {
    out.bytes(tables.strings.finish());
  },
  '.gnu.version': (out, { tables }) => {
    out.u16(VersionIndex.LOCAL);
    for (let i = 0; i < tables.symbols.length; i++) out.u16(VersionIndex.FIRST);
  },
  '.gnu.version_d': writeVersions,
  '.dynamic': writeDynamic,
  '.note': (out, { spec }) => {
    for (const note of spec.notes) writeNote(out, note);
  },
};

function writeSysvHash(out: ByteWriter, { tables }: SharedObjectPlan): void {
  const count = tables.symbols.length + 1;
  const buckets = new Array<number>(HASH_BUCKETS).fill(0);
  const chains = new Array<number>(count).fill(0);
  for (const [i, { name }] of tables.symbols.entries()) {
    const bucket = sysvHash(name) % HASH_BUCKETS;
    chains[i + 1] = buckets[bucket];
    buckets[bucket] = i + 1;
  }
  for (const value of [HASH_BUCKETS, count, ...buckets, ...chains]) out.u32(value);
}

function writeGnuHash(out: ByteWriter, { tables }: SharedObjectPlan): void {
  const hashes = tables.symbols.map(({ name }) => gnuHash(name));
  let bloom = 0n;
  for (const hash of hashes)
    bloom |= (1n << BigInt(hash & 63)) | (1n << BigInt((hash >>> BLOOM_SHIFT) & 63));
  out.u32(HASH_BUCKETS);
  out.u32(1);
  out.u32(1);
  out.u32(BLOOM_SHIFT);
  out.u64(bloom);
  for (let bucket = 0; bucket < HASH_BUCKETS; bucket++) {
    out.u32(1 + hashes.findIndex((hash) => hash % HASH_BUCKETS === bucket));
  }
  for (const [i, hash] of hashes.entries()) {
    const last = i + 1 === hashes.length || hashes[i + 1] % HASH_BUCKETS !== hash % HASH_BUCKETS;
    // The low bit of a chain's entry says that the chain ends.
    out.u32(((hash & ~1) | (last ? 1 : 0)) >>> 0);
  }
}

function writeSymbols(out: ByteWriter, plan: SharedObjectPlan, addresses: Addresses): void {
  out.zero(EntryBytes.SYMBOL);
  for (const { name, binding, type } of plan.tables.symbols) {
    const isVersion = type === SymbolType.OBJECT;
    const { address, size } = addresses.get(name) ?? { address: 0n, size: 0 };
    symbolEntry(out, {
      name: plan.tables.strings.add(name),
      type,
      binding,
      section: isVersion ? SectionIndex.ABSOLUTE : TABLE_NAMES.length + 1,
      address,
      size,
    });
  }
}

function writeVersions(out: ByteWriter, { spec, tables }: SharedObjectPlan): void {
  const definitions = [
    { name: spec.soname, flags: VersionFlags.BASE, index: VersionIndex.GLOBAL },
    { name: spec.version, flags: 0, index: VersionIndex.FIRST },
  ];
  for (const [i, { name, flags, index }] of definitions.entries()) {
    const bytes = EntryBytes.VERDEF + EntryBytes.VERDAUX;
    out.u16(1);
    out.u16(flags);
    out.u16(index);
    out.u16(1);
    out.u32(sysvHash(name));
    out.u32(EntryBytes.VERDEF);
    out.u32(i + 1 === definitions.length ? 0 : bytes);
    out.u32(tables.strings.add(name));
    out.u32(0);
  }
}

function writeDynamic(out: ByteWriter, { spec, tables }: SharedObjectPlan): void {
  const at = (name: TableName): number => sectionOf(tables, name).offset;
  const entries: readonly (readonly [DynamicTag, number])[] = [
    [DynamicTag.SONAME, tables.strings.add(spec.soname)],
    [DynamicTag.SYMBOLIC, 0],
    [DynamicTag.HASH, at('.hash')],
    [DynamicTag.GNU_HASH, at('.gnu.hash')],
    [DynamicTag.STRTAB, at('.dynstr')],
    [DynamicTag.SYMTAB, at('.dynsym')],
    [DynamicTag.STRSZ, sectionOf(tables, '.dynstr').size],
    [DynamicTag.SYMENT, EntryBytes.SYMBOL],
    [DynamicTag.VERDEF, at('.gnu.version_d')],
    [DynamicTag.VERDEFNUM, 2],
    [DynamicTag.FLAGS, DynamicFlags.SYMBOLIC],
    [DynamicTag.VERSYM, at('.gnu.version')],
    [DynamicTag.NULL, 0],
  ];
  for (const [tag, value] of entries) {
    out.u64(tag);
    out.u64(value);
  }
}

function writeNote(out: ByteWriter, { owner, type, description }: NoteRecord): void {
  const name = new TextEncoder().encode(`${owner}\0`);
  out.u32(name.length);
  out.u32(description.length);
  out.u32(type);
  out.bytes(name);
  out.zero(alignUp(name.length, 4) - name.length);
  out.bytes(description);
  out.zero(alignUp(description.length, 4) - description.length);
}

/** Fields of the section headers that do not follow from the type alone. */
const LINKS: Readonly<Partial<Record<TableName, { link: TableName; entryBytes?: number }>>> = {
  '.hash': { link: '.dynsym', entryBytes: 4 },
  '.gnu.hash': { link: '.dynsym' },
  '.dynsym': { link: '.dynstr', entryBytes: EntryBytes.SYMBOL },
  '.gnu.version': { link: '.dynsym', entryBytes: EntryBytes.VERSYM },
  '.gnu.version_d': { link: '.dynstr' },
  '.dynamic': { link: '.dynstr', entryBytes: EntryBytes.DYNAMIC },
};
const INFOS: Readonly<Partial<Record<TableName, number>>> = { '.dynsym': 1, '.gnu.version_d': 2 };
const ALIGNS: Readonly<Partial<Record<TableName, number>>> = {
  '.dynstr': 1,
  '.gnu.version': 2,
  '.note': 4,
};

/** Writes the section name table and returns all section headers. */
function sectionHeaders(
  out: ByteWriter,
  plan: SharedObjectPlan,
  textBytes: number,
): SectionHeader[] {
  const names = new StringTableBuilder();
  const headers: SectionHeader[] = [{ name: 0, type: SectionType.NULL, offset: 0, size: 0 }];
  const indexOf = (name: TableName): number => 1 + TABLE_NAMES.indexOf(name);
  for (const name of TABLE_NAMES) {
    const { offset, size } = sectionOf(plan.tables, name);
    const link = LINKS[name];
    headers.push({
      name: names.add(name),
      type: SECTIONS[name],
      flags: SectionFlags.ALLOC,
      address: BigInt(offset),
      offset,
      size,
      link: link === undefined ? 0 : indexOf(link.link),
      info: INFOS[name] ?? 0,
      align: ALIGNS[name] ?? 8,
      entryBytes: link?.entryBytes ?? 0,
    });
  }
  headers.push({
    name: names.add('.text'),
    type: SectionType.PROGBITS,
    flags: SectionFlags.ALLOC | SectionFlags.EXECUTE,
    address: plan.textAddress,
    offset: Number(plan.textAddress),
    size: textBytes,
    align: TEXT_ALIGN,
  });
  const nameOffset = names.add('.shstrtab');
  const bytes = names.finish();
  headers.push({
    name: nameOffset,
    type: SectionType.STRTAB,
    offset: out.length,
    size: bytes.length,
    align: 1,
  });
  out.bytes(bytes);
  return headers;
}
