/**
 * The ELF64 format as x86-64 Linux uses it: identification bytes, header fields and table entries
 * as byte offsets, and the enumerations that loaders and linkers agree on. After the System V gABI,
 * the x86-64 psABI and Linux's `include/uapi/linux/elf.h`. Omits: relocations, ELF32, core notes.
 */

/** `7f 45 4c 46`, read as a little-endian word. */
export const ELF_MAGIC = 0x464c457f;

/** What each table entry must measure in an ELF64 file. */
export const enum EntryBytes {
  HEADER = 64,
  PROGRAM_HEADER = 56,
  SECTION_HEADER = 64,
  SYMBOL = 24,
  DYNAMIC = 16,
  VERSYM = 2,
  VERDEF = 20,
  VERDAUX = 8,
}

/** Byte offsets of the identification, e_ident. */
export const enum Ident {
  MAGIC = 0,
  CLASS = 4,
  DATA = 5,
  VERSION = 6,
  OSABI = 7,
  ABI_VERSION = 8,
}

export const enum ElfClass {
  CLASS32 = 1,
  CLASS64 = 2,
}

export const enum ElfData {
  LITTLE_ENDIAN = 1,
  BIG_ENDIAN = 2,
}

/** Byte offsets of the fields of the file header. */
export const enum HeaderField {
  TYPE = 16,
  MACHINE = 18,
  VERSION = 20,
  ENTRY = 24,
  PHOFF = 32,
  SHOFF = 40,
  FLAGS = 48,
  EHSIZE = 52,
  PHENTSIZE = 54,
  PHNUM = 56,
  SHENTSIZE = 58,
  SHNUM = 60,
  SHSTRNDX = 62,
}

export const enum FileType {
  NONE = 0,
  RELOCATABLE = 1,
  EXECUTABLE = 2,
  /** Shared objects and position-independent executables. */
  SHARED = 3,
  CORE = 4,
}

export const EM_X86_64 = 62;

/** Names of machines that users are likely to hand over by mistake. */
export const MACHINE_NAMES: Readonly<Record<number, string>> = {
  2: 'SPARC',
  3: '80386 (32-bit)',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC64',
  22: 'S390',
  40: 'ARM (32-bit)',
  62: 'x86-64',
  183: 'AArch64',
  243: 'RISC-V',
  247: 'BPF',
  258: 'LoongArch',
};

/** Byte offsets of the fields of a program header. */
export const enum ProgramField {
  TYPE = 0,
  FLAGS = 4,
  OFFSET = 8,
  VADDR = 16,
  PADDR = 24,
  FILESZ = 32,
  MEMSZ = 40,
  ALIGN = 48,
}

export const enum SegmentType {
  NULL = 0,
  LOAD = 1,
  DYNAMIC = 2,
  INTERP = 3,
  NOTE = 4,
  PHDR = 6,
  TLS = 7,
  GNU_EH_FRAME = 0x6474e550,
  GNU_STACK = 0x6474e551,
  GNU_RELRO = 0x6474e552,
  GNU_PROPERTY = 0x6474e553,
}

export const enum SegmentFlags {
  EXECUTE = 1,
  WRITE = 2,
  READ = 4,
}

/** Byte offsets of the fields of a section header. */
export const enum SectionField {
  NAME = 0,
  TYPE = 4,
  FLAGS = 8,
  ADDR = 16,
  OFFSET = 24,
  SIZE = 32,
  LINK = 40,
  INFO = 44,
  ADDRALIGN = 48,
  ENTSIZE = 56,
}

export const enum SectionType {
  NULL = 0,
  PROGBITS = 1,
  SYMTAB = 2,
  STRTAB = 3,
  HASH = 5,
  DYNAMIC = 6,
  NOTE = 7,
  NOBITS = 8,
  DYNSYM = 11,
  GNU_HASH = 0x6ffffff6,
  GNU_VERDEF = 0x6ffffffd,
  GNU_VERSYM = 0x6fffffff,
}

export const enum SectionFlags {
  WRITE = 1,
  ALLOC = 2,
  EXECUTE = 4,
}

/** Reserved section indices. */
export const enum SectionIndex {
  UNDEFINED = 0,
  ABSOLUTE = 0xfff1,
}

/** Byte offsets of the fields of a symbol. */
export const enum SymbolField {
  NAME = 0,
  INFO = 4,
  OTHER = 5,
  SHNDX = 6,
  VALUE = 8,
  SIZE = 16,
}

export const enum SymbolBinding {
  LOCAL = 0,
  GLOBAL = 1,
  WEAK = 2,
  GNU_UNIQUE = 10,
}

export const enum SymbolType {
  NOTYPE = 0,
  OBJECT = 1,
  FUNC = 2,
  SECTION = 3,
  FILE = 4,
  TLS = 6,
  GNU_IFUNC = 10,
}

export const enum DynamicTag {
  NULL = 0,
  HASH = 4,
  STRTAB = 5,
  SYMTAB = 6,
  STRSZ = 10,
  SYMENT = 11,
  SONAME = 14,
  SYMBOLIC = 16,
  FLAGS = 30,
  GNU_HASH = 0x6ffffef5,
  VERSYM = 0x6ffffff0,
  VERDEF = 0x6ffffffc,
  VERDEFNUM = 0x6ffffffd,
}

/** Values of DynamicTag.FLAGS. */
export const enum DynamicFlags {
  SYMBOLIC = 2,
}

/** Flags of a version definition. */
export const enum VersionFlags {
  BASE = 1,
}

/** Reserved version indices; versions of the file's own start at 2. */
export const enum VersionIndex {
  LOCAL = 0,
  GLOBAL = 1,
  FIRST = 2,
}

/** The System V hash of a symbol or version name (DT_HASH, vd_hash). Names are ASCII. */
export function sysvHash(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) {
    hash = (hash * 16 + name.charCodeAt(i)) >>> 0;
    const high = hash & 0xf0000000;
    hash = (hash ^ (high >>> 24)) & ~high;
  }
  return hash >>> 0;
}

/** The GNU hash of a symbol name (DT_GNU_HASH): h * 33 + c from 5381, modulo 2^32. */
export function gnuHash(name: string): number {
  let hash = 5381;
  for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 33) + name.charCodeAt(i)) >>> 0;
  return hash;
}
