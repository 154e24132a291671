/** Little-endian output and the fixed-size records of ELF64, for the writers of executables and images. */
import {
  ELF_MAGIC,
  ElfClass,
  ElfData,
  EM_X86_64,
  EntryBytes,
  HeaderField,
  Ident,
} from './format.ts';
import type { FileType } from './format.ts';

export function alignUp(value: number, align: number): number {
  return Math.ceil(value / align) * align;
}

/** Grows as it is written. */
export class ByteWriter {
  private buffer = new Uint8Array(1024);
  private view = new DataView(this.buffer.buffer);
  length = 0;

  u8(value: number): void {
    const at = this.reserve(1);
    this.view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.reserve(2);
    this.view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.reserve(4);
    this.view.setUint32(at, value, true);
  }

  u64(value: bigint | number): void {
    const at = this.reserve(8);
    this.view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
  }

  bytes(data: Uint8Array): void {
    const at = this.reserve(data.length);
    this.buffer.set(data, at);
  }

  zero(count: number): void {
    this.reserve(count);
  }

  finish(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }

  /** Makes room for `count` bytes, which are zero, and returns where they begin. */
  private reserve(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.buffer.length) {
      const larger = new Uint8Array(Math.max(this.length, this.buffer.length * 2));
      larger.set(this.buffer);
      this.buffer = larger;
      this.view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** A string table: offset 0 is the empty string, equal strings share a place. */
export class StringTableBuilder {
  private readonly out = new ByteWriter();
  private readonly offsets = new Map<string, number>();

  constructor() {
    this.add('');
  }

  add(text: string): number {
    let offset = this.offsets.get(text);
    if (offset === undefined) {
      offset = this.out.length;
      this.offsets.set(text, offset);
      this.out.bytes(new TextEncoder().encode(text));
      this.out.u8(0);
    }
    return offset;
  }

  finish(): Uint8Array {
    return this.out.finish();
  }
}

export interface SegmentRecord {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: bigint;
  readonly fileBytes: number;
  readonly memoryBytes: number;
  readonly align: number;
}

export function programHeader(out: ByteWriter, segment: SegmentRecord): void {
  out.u32(segment.type);
  out.u32(segment.flags);
  out.u64(segment.offset);
  out.u64(segment.address);
  out.u64(segment.address);
  out.u64(segment.fileBytes);
  out.u64(segment.memoryBytes);
  out.u64(segment.align);
}

export interface SectionHeader {
  /** Offset of its name in the section name table. */
  readonly name: number;
  readonly type: number;
  readonly flags?: number;
  readonly address?: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link?: number;
  readonly info?: number;
  readonly align?: number;
  readonly entryBytes?: number;
}

export function sectionHeader(out: ByteWriter, header: SectionHeader): void {
  out.u32(header.name);
  out.u32(header.type);
  out.u64(header.flags ?? 0);
  out.u64(header.address ?? 0);
  out.u64(header.offset);
  out.u64(header.size);
  out.u32(header.link ?? 0);
  out.u32(header.info ?? 0);
  out.u64(header.align ?? 0);
  out.u64(header.entryBytes ?? 0);
}

export interface SymbolRecord {
  readonly name: number;
  readonly type: number;
  readonly binding: number;
  readonly section: number;
  readonly address: bigint;
  readonly size: number;
}

export function symbolEntry(out: ByteWriter, symbol: SymbolRecord): void {
  out.u32(symbol.name);
  out.u8(symbol.binding * 16 + symbol.type);
  out.u8(0);
  out.u16(symbol.section);
  out.u64(symbol.address);
  out.u64(symbol.size);
}

/** Fills in the file header; program headers follow it, and the last section holds section names. */
export function writeHeader(
  file: Uint8Array,
  header: {
    readonly type: FileType;
    readonly entry: bigint;
    readonly programHeaders: number;
    readonly sectionOffset: number;
    readonly sections: number;
  },
): void {
  const view = new DataView(file.buffer, file.byteOffset, EntryBytes.HEADER);
  view.setUint32(Ident.MAGIC, ELF_MAGIC, true);
  view.setUint8(Ident.CLASS, ElfClass.CLASS64);
  view.setUint8(Ident.DATA, ElfData.LITTLE_ENDIAN);
  view.setUint8(Ident.VERSION, 1);
  view.setUint16(HeaderField.TYPE, header.type, true);
  view.setUint16(HeaderField.MACHINE, EM_X86_64, true);
  view.setUint32(HeaderField.VERSION, 1, true);
  view.setBigUint64(HeaderField.ENTRY, header.entry, true);
  view.setBigUint64(HeaderField.PHOFF, BigInt(EntryBytes.HEADER), true);
  view.setBigUint64(HeaderField.SHOFF, BigInt(header.sectionOffset), true);
  view.setUint16(HeaderField.EHSIZE, EntryBytes.HEADER, true);
  view.setUint16(HeaderField.PHENTSIZE, EntryBytes.PROGRAM_HEADER, true);
  view.setUint16(HeaderField.PHNUM, header.programHeaders, true);
  view.setUint16(HeaderField.SHENTSIZE, EntryBytes.SECTION_HEADER, true);
  view.setUint16(HeaderField.SHNUM, header.sections, true);
  view.setUint16(HeaderField.SHSTRNDX, header.sections - 1, true);
}
