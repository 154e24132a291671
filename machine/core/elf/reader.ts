/**
 * Reads an ELF64 x86-64 executable or shared object. The input may be hostile: every position is
 * checked against the file before it is used, work is bounded by the size of the file, and a fault
 * is a value that names the field, its place and a remedy. What Linux's loader needs (headers,
 * segments) must be right; sections and symbols only serve people, so damage there is a warning.
 */
import type { ElfError, ElfFile, ElfSegment } from './elf-file.ts';
import {
  ELF_MAGIC,
  ElfClass,
  ElfData,
  EM_X86_64,
  EntryBytes,
  FileType,
  HeaderField,
  Ident,
  MACHINE_NAMES,
  ProgramField,
  SegmentFlags,
  SegmentType,
} from './format.ts';
import { readSections } from './section-reader.ts';

/** Linux refuses a program header table of more than 64 KiB. */
const PROGRAM_HEADER_TABLE_BYTES_MAX = 65536;
/** First address that user space cannot have: TASK_SIZE_MAX with four-level paging. */
const USER_SPACE_END = 0x7ffffffff000n;
const PAGE_BYTES = 4096n;
const INTERPRETER_BYTES_MAX = 4096;

const REBUILD = 'build or download it again';
const NEED = 'cyclelab runs 64-bit x86-64 Linux executables';

export function elfError(field: string, offset: number, message: string, remedy: string): ElfError {
  return { kind: 'elf-error', field, offset, message, remedy };
}

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** Parses a whole file. Never throws and never changes `bytes`; the result refers to them. */
export function parseElf(bytes: Uint8Array): ElfFile | ElfError {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bad = checkIdentification(view) ?? checkHeader(view);
  if (bad !== undefined) return bad;

  const table = readProgramHeaderTable(view);
  if ('kind' in table) return table;
  const segments: ElfSegment[] = [];
  for (let i = 0; i < table.count; i++) {
    const segment = readSegment(view, table.offset + i * EntryBytes.PROGRAM_HEADER, i);
    if ('kind' in segment) return segment;
    segments.push(segment);
  }
  const overlap = checkLoadable(segments, table.offset);
  if (overlap !== undefined) return overlap;
  const interpreter = readInterpreter(bytes, segments);
  if (typeof interpreter === 'object') return interpreter;

  const warnings: ElfError[] = [];
  const entry = view.getBigUint64(HeaderField.ENTRY, true);
  if (!isExecutable(segments, entry)) {
    const message = `the entry point ${hex(entry)} is in no executable segment`;
    warnings.push(elfError('e_entry', HeaderField.ENTRY, message, 'link with an entry symbol'));
  }
  return {
    kind: 'elf',
    bytes,
    placement:
      view.getUint16(HeaderField.TYPE, true) === FileType.EXECUTABLE ? 'fixed' : 'relocatable',
    entry,
    programHeaders: { ...table, address: addressOf(segments, table.offset) },
    segments,
    interpreter,
    ...readSections(bytes, view, warnings),
    warnings,
  };
}

function checkIdentification(view: DataView): ElfError | undefined {
  const size = view.byteLength;
  if (size === 0) return elfError('e_ident', 0, 'the file is empty', REBUILD);
  if (size >= 2 && view.getUint8(0) === 0x23 && view.getUint8(1) === 0x21) {
    const message = 'the file is a script (it starts with "#!"), not an ELF file';
    return elfError('e_ident', 0, message, 'give the interpreter as the target');
  }
  if (size < 4 || view.getUint32(Ident.MAGIC, true) !== ELF_MAGIC) {
    return elfError('e_ident', 0, 'not an ELF file: it does not start with 7f 45 4c 46', NEED);
  }
  if (size < EntryBytes.HEADER) {
    const message = `the file ends inside the ELF header: ${size} bytes of ${EntryBytes.HEADER}`;
    return elfError('e_ident', size, message, REBUILD);
  }
  const fileClass = view.getUint8(Ident.CLASS);
  const data = view.getUint8(Ident.DATA);
  if (fileClass === ElfClass.CLASS32) {
    const message = 'a 32-bit ELF file (EI_CLASS is ELFCLASS32)';
    return elfError('EI_CLASS', Ident.CLASS, message, 'rebuild it for x86-64 (gcc -m64)');
  }
  if (data === ElfData.BIG_ENDIAN) {
    const message = 'a big-endian ELF file (EI_DATA is ELFDATA2MSB)';
    return elfError('EI_DATA', Ident.DATA, message, 'rebuild it for x86-64');
  }
  if (fileClass !== ElfClass.CLASS64) {
    const message = `EI_CLASS is ${fileClass}, neither 32-bit nor 64-bit`;
    return elfError('EI_CLASS', Ident.CLASS, message, REBUILD);
  }
  if (data !== ElfData.LITTLE_ENDIAN) {
    const message = `EI_DATA is ${data}, no known byte order`;
    return elfError('EI_DATA', Ident.DATA, message, REBUILD);
  }
  return undefined;
}

const TYPE_REMEDIES: Readonly<Record<number, readonly [string, string]>> = {
  [FileType.RELOCATABLE]: ['an object file (ET_REL)', 'link it into an executable first'],
  [FileType.CORE]: ['a core dump (ET_CORE)', 'give the program that dumped it'],
};

function checkHeader(view: DataView): ElfError | undefined {
  const machine = view.getUint16(HeaderField.MACHINE, true);
  if (machine !== EM_X86_64) {
    const message = `built for ${MACHINE_NAMES[machine] ?? `machine ${machine}`}, not for x86-64`;
    return elfError('e_machine', HeaderField.MACHINE, message, 'rebuild it for x86-64');
  }
  const type = view.getUint16(HeaderField.TYPE, true);
  if (type !== FileType.EXECUTABLE && type !== FileType.SHARED) {
    const [what, remedy] = TYPE_REMEDIES[type] ?? [`of unknown type ${type}`, REBUILD];
    return elfError('e_type', HeaderField.TYPE, `not an executable: it is ${what}`, remedy);
  }
  const entryBytes = view.getUint16(HeaderField.PHENTSIZE, true);
  if (entryBytes !== EntryBytes.PROGRAM_HEADER) {
    const message = `e_phentsize is ${entryBytes}, must be ${EntryBytes.PROGRAM_HEADER}`;
    return elfError('e_phentsize', HeaderField.PHENTSIZE, message, REBUILD);
  }
  return undefined;
}

function readProgramHeaderTable(view: DataView): { offset: number; count: number } | ElfError {
  const count = view.getUint16(HeaderField.PHNUM, true);
  const tableBytes = count * EntryBytes.PROGRAM_HEADER;
  if (count === 0) {
    const message = 'the file has no program headers, so there is nothing to load';
    return elfError('e_phnum', HeaderField.PHNUM, message, 'link it into an executable');
  }
  if (tableBytes > PROGRAM_HEADER_TABLE_BYTES_MAX) {
    const message = `${count} program headers are more than Linux accepts (64 KiB of them)`;
    return elfError('e_phnum', HeaderField.PHNUM, message, REBUILD);
  }
  const offset = view.getBigUint64(HeaderField.PHOFF, true);
  if (offset + BigInt(tableBytes) > BigInt(view.byteLength)) {
    const message = `program headers at ${hex(offset)} end beyond the file of ${view.byteLength} bytes`;
    return elfError('e_phoff', HeaderField.PHOFF, message, `the file is truncated: ${REBUILD}`);
  }
  return { offset: Number(offset), count };
}

function readSegment(view: DataView, at: number, index: number): ElfSegment | ElfError {
  const word = (field: ProgramField): bigint => view.getBigUint64(at + field, true);
  const wrong = (name: string, field: ProgramField, message: string): ElfError =>
    elfError(name, at + field, `segment ${index}: ${message}`, REBUILD);
  const type = view.getUint32(at + ProgramField.TYPE, true);
  const loaded = type === SegmentType.LOAD;
  const offset = word(ProgramField.OFFSET);
  const fileBytes = word(ProgramField.FILESZ);
  const memoryBytes = word(ProgramField.MEMSZ);
  const address = word(ProgramField.VADDR);
  const inFile = offset + fileBytes <= BigInt(view.byteLength);
  if (!inFile && (loaded || type === SegmentType.INTERP)) {
    const message =
      `its ${fileBytes} bytes at ${hex(offset)} end beyond the file of ` +
      `${view.byteLength} bytes: the file is truncated or damaged`;
    return wrong('p_filesz', ProgramField.FILESZ, message);
  }
  if (loaded && fileBytes > memoryBytes) {
    const message = `p_filesz ${fileBytes} is larger than p_memsz ${memoryBytes}`;
    return wrong('p_filesz', ProgramField.FILESZ, message);
  }
  if (loaded && address + memoryBytes > USER_SPACE_END) {
    const message = `${hex(memoryBytes)} bytes at ${hex(address)} end beyond user space`;
    return wrong('p_vaddr', ProgramField.VADDR, message);
  }
  if (loaded && (address - offset) % PAGE_BYTES !== 0n) {
    const message = `p_vaddr ${hex(address)} and p_offset ${hex(offset)} differ within a page`;
    return wrong('p_offset', ProgramField.OFFSET, message);
  }
  return {
    type,
    flags: view.getUint32(at + ProgramField.FLAGS, true),
    // Segments that nobody loads may point anywhere: they are kept, without contents.
    offset: inFile ? Number(offset) : 0,
    fileBytes: inFile ? Number(fileBytes) : 0,
    address,
    memoryBytes: Number(memoryBytes),
    align: word(ProgramField.ALIGN),
  };
}

function checkLoadable(segments: readonly ElfSegment[], tableOffset: number): ElfError | undefined {
  const loadable = segments
    .map((segment, index) => ({ segment, index }))
    .filter(({ segment }) => segment.type === SegmentType.LOAD)
    .sort((a, b) => Number(a.segment.address - b.segment.address));
  if (loadable.length === 0) {
    const message = 'no program header is of type PT_LOAD, so there is nothing to load';
    return elfError('p_type', tableOffset, message, REBUILD);
  }
  for (let i = 1; i < loadable.length; i++) {
    const previous = loadable[i - 1];
    const { segment, index } = loadable[i];
    if (previous.segment.address + BigInt(previous.segment.memoryBytes) > segment.address) {
      const message = `segments ${previous.index} and ${index} overlap at ${hex(segment.address)}`;
      const at = tableOffset + index * EntryBytes.PROGRAM_HEADER + ProgramField.VADDR;
      return elfError('p_vaddr', at, message, REBUILD);
    }
  }
  return undefined;
}

/** The path in PT_INTERP. The first one counts, as for Linux. */
function readInterpreter(
  bytes: Uint8Array,
  segments: readonly ElfSegment[],
): string | undefined | ElfError {
  const segment = segments.find(({ type }) => type === SegmentType.INTERP);
  if (segment === undefined) return undefined;
  const { offset, fileBytes } = segment;
  if (fileBytes < 2 || fileBytes > INTERPRETER_BYTES_MAX || bytes[offset + fileBytes - 1] !== 0) {
    const message = 'PT_INTERP is not a path that ends in NUL within 4096 bytes';
    return elfError('p_type', offset, message, REBUILD);
  }
  const end = bytes.indexOf(0, offset);
  return new TextDecoder().decode(bytes.subarray(offset, end));
}

function isExecutable(segments: readonly ElfSegment[], address: bigint): boolean {
  return segments.some(
    (segment) =>
      segment.type === SegmentType.LOAD &&
      (segment.flags & SegmentFlags.EXECUTE) !== 0 &&
      address >= segment.address &&
      address < segment.address + BigInt(segment.memoryBytes),
  );
}

/** The address at which a loaded segment shows the byte at file position `offset`. */
function addressOf(segments: readonly ElfSegment[], offset: number): bigint | undefined {
  const holder = segments.find(
    (segment) =>
      segment.type === SegmentType.LOAD &&
      offset >= segment.offset &&
      offset < segment.offset + segment.fileBytes,
  );
  return holder && holder.address + BigInt(offset - holder.offset);
}
