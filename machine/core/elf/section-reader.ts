/**
 * Section headers and symbol tables of an ELF file: what profiles and error messages use to name
 * addresses. A loader does not need them, so any damage empties the result and leaves a warning.
 */
import type { ElfError, ElfFile, ElfSection, ElfSymbol } from './elf-file.ts';
import { EntryBytes, HeaderField, SectionField, SectionType, SymbolField } from './format.ts';

/** Names are cut here; Linux's own limit for a kernel symbol is 512, C++ names can be longer. */
const NAME_BYTES_MAX = 4096;
/**
 * A hostile table may point every name at one long string. Genuine tables share suffixes but stay
 * well below this multiple of the string table's size.
 */
const NAME_BUDGET_FACTOR = 8;
const NAME_BUDGET_MIN = 1 << 20;

type Tables = Pick<ElfFile, 'sections' | 'symbols' | 'dynamicSymbols'>;

const NO_TABLES: Tables = { sections: [], symbols: [], dynamicSymbols: [] };

/** Reads sections and both symbol tables, pushing onto `warnings` whatever had to be ignored. */
export function readSections(bytes: Uint8Array, view: DataView, warnings: ElfError[]): Tables {
  const warn = (field: string, offset: number, message: string): void => {
    const remedy = 'addresses will have no names; rebuild the file if you need them';
    warnings.push({ kind: 'elf-error', field, offset, message, remedy });
  };
  const count = view.getUint16(HeaderField.SHNUM, true);
  if (count === 0) return NO_TABLES;
  const offset = view.getBigUint64(HeaderField.SHOFF, true);
  const end = offset + BigInt(count * EntryBytes.SECTION_HEADER);
  if (view.getUint16(HeaderField.SHENTSIZE, true) !== EntryBytes.SECTION_HEADER) {
    warn('e_shentsize', HeaderField.SHENTSIZE, 'section headers ignored: their size is wrong');
    return NO_TABLES;
  }
  if (end > BigInt(view.byteLength)) {
    warn('e_shoff', HeaderField.SHOFF, 'section headers ignored: they end beyond the file');
    return NO_TABLES;
  }
  const sections: ElfSection[] = [];
  const nameOffsets: number[] = [];
  for (let i = 0; i < count; i++) {
    const at = Number(offset) + i * EntryBytes.SECTION_HEADER;
    nameOffsets.push(view.getUint32(at + SectionField.NAME, true));
    sections.push(readSection(view, at));
  }
  const names = stringTable(bytes, sections, view.getUint16(HeaderField.SHSTRNDX, true));
  if (names === undefined) {
    warn('e_shstrndx', HeaderField.SHSTRNDX, 'section names ignored: no such string table');
  }
  const symbols = readSymbols(bytes, view, sections, SectionType.SYMTAB, warn);
  const dynamicSymbols = readSymbols(bytes, view, sections, SectionType.DYNSYM, warn);
  return {
    sections: sections.map((section, i) => ({ ...section, name: names?.at(nameOffsets[i]) ?? '' })),
    symbols,
    dynamicSymbols,
  };
}

function readSection(view: DataView, at: number): ElfSection {
  const word = (field: SectionField): bigint => view.getBigUint64(at + field, true);
  const type = view.getUint32(at + SectionField.TYPE, true);
  const offset = word(SectionField.OFFSET);
  const bytes = word(SectionField.SIZE);
  const inFile =
    type !== SectionType.NOBITS &&
    type !== SectionType.NULL &&
    offset + bytes <= BigInt(view.byteLength);
  return {
    name: '',
    type,
    flags: word(SectionField.FLAGS),
    address: word(SectionField.ADDR),
    offset: inFile ? Number(offset) : 0,
    bytes: Number(bytes),
    link: view.getUint32(at + SectionField.LINK, true),
    entryBytes: Number(word(SectionField.ENTSIZE)),
    inFile,
  };
}

/** Names of one string table, decoded on demand within a budget. */
class StringTable {
  private readonly decoder = new TextDecoder();
  private budget: number;

  constructor(private readonly table: Uint8Array) {
    this.budget = Math.max(NAME_BUDGET_MIN, table.length * NAME_BUDGET_FACTOR);
  }

  /** The name at `offset`; undefined when it is outside the table or the budget is spent. */
  at(offset: number): string | undefined {
    if (offset >= this.table.length) return undefined;
    const limit = Math.min(this.table.length, offset + NAME_BYTES_MAX);
    let end = offset;
    while (end < limit && this.table[end] !== 0) end++;
    this.budget -= end - offset + 1;
    if (this.budget < 0) return undefined;
    return this.decoder.decode(this.table.subarray(offset, end));
  }

  get exhausted(): boolean {
    return this.budget < 0;
  }
}

function stringTable(
  bytes: Uint8Array,
  sections: readonly ElfSection[],
  index: number,
): StringTable | undefined {
  if (index >= sections.length) return undefined;
  const section = sections[index];
  if (section.type !== SectionType.STRTAB || !section.inFile) return undefined;
  return new StringTable(bytes.subarray(section.offset, section.offset + section.bytes));
}

/** The symbols of the first table of `type`; only the first counts, which also bounds the work. */
function readSymbols(
  bytes: Uint8Array,
  view: DataView,
  sections: readonly ElfSection[],
  type: SectionType,
  warn: (field: string, offset: number, message: string) => void,
): ElfSymbol[] {
  const table = sections.find((section) => section.type === type);
  if (table === undefined) return [];
  const names = stringTable(bytes, sections, table.link);
  if (!table.inFile || names === undefined || table.entryBytes !== EntryBytes.SYMBOL) {
    warn('sh_type', table.offset, 'a symbol table was ignored: it is damaged or outside the file');
    return [];
  }
  const symbols: ElfSymbol[] = [];
  const count = Math.floor(table.bytes / EntryBytes.SYMBOL);
  for (let i = 1; i < count; i++) {
    const at = table.offset + i * EntryBytes.SYMBOL;
    const name = names.at(view.getUint32(at + SymbolField.NAME, true));
    if (names.exhausted) {
      warn('st_name', at, `symbols from number ${i} on were ignored: their names never end`);
      break;
    }
    symbols.push(readSymbol(view, at, name ?? ''));
  }
  return symbols;
}

function readSymbol(view: DataView, at: number, name: string): ElfSymbol {
  const info = view.getUint8(at + SymbolField.INFO);
  return {
    name,
    address: view.getBigUint64(at + SymbolField.VALUE, true),
    size: Number(view.getBigUint64(at + SymbolField.SIZE, true)),
    type: info & 15,
    binding: info >> 4,
    section: view.getUint16(at + SymbolField.SHNDX, true),
  };
}
