/** What a parsed ELF file is: the types that the reader returns and loaders and symbolisers use. */
import type { SegmentType } from './format.ts';

/** One program header; file positions are checked to lie inside the file. */
export interface ElfSegment {
  /** SegmentType, or a value that has no name here. */
  readonly type: SegmentType | number;
  /** SegmentFlags. */
  readonly flags: number;
  /** First byte in the file. */
  readonly offset: number;
  readonly fileBytes: number;
  readonly address: bigint;
  /** Bytes in memory; those beyond fileBytes are zero. Below 2^47. */
  readonly memoryBytes: number;
  readonly align: bigint;
}

/** One section header. Its contents are in the file only where `inFile` is true. */
export interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly flags: bigint;
  readonly address: bigint;
  readonly offset: number;
  readonly bytes: number;
  readonly link: number;
  readonly entryBytes: number;
  readonly inFile: boolean;
}

export interface ElfSymbol {
  readonly name: string;
  readonly address: bigint;
  readonly size: number;
  /** SymbolType. */
  readonly type: number;
  /** SymbolBinding. */
  readonly binding: number;
  /** Index of its section, or a SectionIndex. */
  readonly section: number;
}

/**
 * Why a file cannot be used, or, in `ElfFile.warnings`, what was ignored in it.
 * `offset` is the byte in the file of the field `field` (its ELF name) that is wrong.
 */
export interface ElfError {
  readonly kind: 'elf-error';
  readonly message: string;
  readonly offset: number;
  readonly field: string;
  readonly remedy: string;
}

export interface ElfFile {
  readonly kind: 'elf';
  readonly bytes: Uint8Array;
  /** `fixed` is ET_EXEC; `relocatable` is ET_DYN, loadable at any page. */
  readonly placement: 'fixed' | 'relocatable';
  readonly entry: bigint;
  /** Place and number of the program headers, as AT_PHDR and AT_PHNUM need them. */
  readonly programHeaders: {
    readonly offset: number;
    readonly count: number;
    /** Address at which a loaded segment holds the table, if one does. */
    readonly address: bigint | undefined;
  };
  readonly segments: readonly ElfSegment[];
  /** Path of the dynamic loader that the file asks for. */
  readonly interpreter: string | undefined;
  /** Empty when the file has none or they are damaged (then see `warnings`). */
  readonly sections: readonly ElfSection[];
  /** The full symbol table, empty in a stripped file. */
  readonly symbols: readonly ElfSymbol[];
  readonly dynamicSymbols: readonly ElfSymbol[];
  readonly warnings: readonly ElfError[];
}
