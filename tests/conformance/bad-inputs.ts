/**
 * A corpus of files that are not programs, or not quite: what users hand over by mistake and what
 * an attacker would. Made from the fixtures by editing bytes, the same on every host.
 *
 * `linux` is what execve of the file does natively (see tests/conformance/README.md): an error name,
 * the signal that ends the new program, or `runs`. `machine` is what the laboratory owes its user.
 */
import { loadBinary } from './programs/fixtures.ts';

export type Verdict =
  /** One clear line naming place and remedy, exit 2, nothing written. */
  | 'refused'
  /** Either of the two: a loader may see the fault at once, or the guest may run into it. */
  | 'refused or signal'
  /** Linux gives it a meaning that the machine need not share; it must end in an orderly way. */
  | 'orderly'
  /** Odd but valid: it must run and print what the unedited program prints. */
  | 'runs';

export interface BadInput {
  readonly name: string;
  readonly content: Uint8Array | 'directory' | 'absent';
  readonly linux: string;
  readonly machine: Verdict;
}

/** Offset and size of the header fields that the corpus edits. */
const HEADER = {
  class: [4, 1],
  data: [5, 1],
  identVersion: [6, 1],
  osAbi: [7, 1],
  type: [16, 2],
  machine: [18, 2],
  version: [20, 4],
  entry: [24, 8],
  phoff: [32, 8],
  shoff: [40, 8],
  flags: [48, 4],
  ehsize: [52, 2],
  phentsize: [54, 2],
  phnum: [56, 2],
  shentsize: [58, 2],
  shnum: [60, 2],
  shstrndx: [62, 2],
} as const;

/** The same for the fields of a program header. */
const SEGMENT = {
  type: [0, 4],
  flags: [4, 4],
  offset: [8, 8],
  vaddr: [16, 8],
  filesz: [32, 8],
  memsz: [40, 8],
  align: [48, 8],
} as const;

const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
const PT_LOAD = 1;
const PT_INTERP = 3;
const MAX_U64 = 0xffffffffffffffffn;

type Edit = readonly [offset: number, size: number, value: bigint];

function header(field: keyof typeof HEADER, value: bigint | number): Edit {
  const [offset, size] = HEADER[field];
  return [offset, size, BigInt(value)];
}

function segment(index: number, field: keyof typeof SEGMENT, value: bigint | number): Edit {
  const [offset, size] = SEGMENT[field];
  return [HEADER_BYTES + index * SEGMENT_BYTES + offset, size, BigInt(value)];
}

/** A copy of `image` with little-endian fields replaced. */
function edited(image: Uint8Array, ...edits: readonly Edit[]): Uint8Array {
  const copy = image.slice();
  for (const [offset, size, value] of edits) {
    for (let byte = 0; byte < size; byte++) {
      copy[offset + byte] = Number((value >> BigInt(8 * byte)) & 0xffn);
    }
  }
  return copy;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function field(image: Uint8Array, [offset, size]: readonly [number, number], base = 0): number {
  let value = 0;
  for (let byte = size - 1; byte >= 0; byte--) {
    value = value * 256 + (image[base + offset + byte] ?? 0);
  }
  return value;
}

/** Index of the first program header of `type`, from `after` on. */
function segmentOf(image: Uint8Array, type: number, after = 0): number {
  for (let index = after; index < field(image, HEADER.phnum); index++) {
    if (field(image, SEGMENT.type, HEADER_BYTES + index * SEGMENT_BYTES) === type) return index;
  }
  throw new Error(`no segment of type ${type}`);
}

function notPrograms(): BadInput[] {
  const one = (name: string, content: BadInput['content'], linux: string): BadInput => {
    return { name, content, linux, machine: 'refused' };
  };
  const ar = bytesOf('!<arch>\nhello.o/        0           0     0     644     8         `\n');
  return [
    one('absent', 'absent', 'ENOENT'),
    one('directory', 'directory', 'EACCES'),
    one('empty', new Uint8Array(0), 'ENOEXEC'),
    one('one-byte', bytesOf('\x7f'), 'ENOEXEC'),
    one('text', bytesOf('hello, world\n'), 'ENOEXEC'),
    one('script', bytesOf('#!/nowhere/interpreter\necho hello\n'), 'ENOENT'),
    one('zeros', new Uint8Array(4096), 'ENOEXEC'),
    one('archive', ar, 'ENOEXEC'),
    one('pe', Uint8Array.from([0x4d, 0x5a, ...new Uint8Array(126)]), 'ENOEXEC'),
    one('wasm', Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]), 'ENOEXEC'),
    one('mach-o', Uint8Array.from([0xcf, 0xfa, 0xed, 0xfe, ...new Uint8Array(60)]), 'ENOEXEC'),
  ];
}

/** Cut short at every boundary where a reader might look past the end. */
function truncated(): BadInput[] {
  const image = loadBinary('hello-musl');
  const table = HEADER_BYTES + field(image, HEADER.phnum) * SEGMENT_BYTES;
  const last = segmentOf(image, PT_LOAD, 3);
  const at = HEADER_BYTES + last * SEGMENT_BYTES;
  const code = HEADER_BYTES + segmentOf(image, PT_LOAD, 1) * SEGMENT_BYTES;
  const dataEnd = field(image, SEGMENT.offset, at) + field(image, SEGMENT.filesz, at);
  const codeStart = field(image, SEGMENT.offset, code);
  const cuts: readonly [string, number, string, Verdict][] = [
    ['magic', 4, 'ENOEXEC', 'refused'],
    ['identification', 16, 'ENOEXEC', 'refused'],
    ['inside-header', 40, 'ENOEXEC', 'refused'],
    ['header-less-one', HEADER_BYTES - 1, 'ENOEXEC', 'refused'],
    ['header', HEADER_BYTES, 'ENOEXEC', 'refused'],
    ['first-program-header', HEADER_BYTES + SEGMENT_BYTES, 'ENOEXEC', 'refused'],
    ['program-headers-less-one', table - 1, 'ENOEXEC', 'refused'],
    ['program-headers', table, 'SIGSEGV', 'refused'],
    ['before-code', codeStart, 'SIGSEGV', 'refused'],
    ['inside-code', codeStart + 100, 'SIGSEGV', 'refused'],
    ['data-less-one', dataEnd - 1, 'runs', 'refused'],
    // Only section headers and symbols are missing, which no loader needs.
    ['sections', dataEnd, 'runs', 'runs'],
    ['last-byte', image.length - 1, 'runs', 'runs'],
  ];
  return cuts.map(([name, length, linux, machine]) => {
    return { name: `truncated-${name}`, content: image.slice(0, length), linux, machine };
  });
}

type Row = readonly [name: string, linux: string, machine: Verdict, ...edits: Edit[]];

function rows(prefix: string, image: Uint8Array, table: readonly Row[]): BadInput[] {
  return table.map(([name, linux, machine, ...edits]) => {
    return { name: `${prefix}-${name}`, content: edited(image, ...edits), linux, machine };
  });
}

/** Fields of the file header, one wrong at a time. */
function wrongHeaders(): BadInput[] {
  const image = loadBinary('bare');
  return rows('header', image, [
    ['magic', 'ENOEXEC', 'refused', [0, 1, 0x7en]],
    ['32-bit-class', 'runs', 'refused', header('class', 1)],
    ['32-bit', 'ENOEXEC', 'refused', header('class', 1), header('machine', 3)],
    ['class-9', 'runs', 'refused', header('class', 9)],
    ['big-endian', 'runs', 'refused', header('data', 2)],
    ['arm', 'ENOEXEC', 'refused', header('class', 1), header('machine', 40)],
    ['aarch64', 'ENOEXEC', 'refused', header('machine', 183)],
    ['riscv', 'ENOEXEC', 'refused', header('machine', 243)],
    ['machine-0', 'ENOEXEC', 'refused', header('machine', 0)],
    ['object', 'ENOEXEC', 'refused', header('type', 1)],
    ['core', 'ENOEXEC', 'refused', header('type', 4)],
    ['type-0', 'ENOEXEC', 'refused', header('type', 0)],
    ['phentsize-0', 'ENOEXEC', 'refused', header('phentsize', 0)],
    ['phentsize-32', 'ENOEXEC', 'refused', header('phentsize', 32)],
    ['phentsize-57', 'ENOEXEC', 'refused', header('phentsize', 57)],
    ['phnum-0', 'ENOEXEC', 'refused', header('phnum', 0)],
    ['phnum-max', 'ENOEXEC', 'refused', header('phnum', 0xffff)],
    ['phnum-beyond-file', 'ENOEXEC', 'refused', header('phnum', 1000)],
    ['phoff-beyond-file', 'ENOEXEC', 'refused', header('phoff', 1 << 20)],
    ['phoff-max', 'ENOEXEC', 'refused', header('phoff', MAX_U64)],
    ['phoff-signed', 'ENOEXEC', 'refused', header('phoff', 1n << 63n)],
    ['entry-0', 'SIGSEGV', 'refused or signal', header('entry', 0)],
    ['entry-outside', 'SIGSEGV', 'refused or signal', header('entry', 0x500000)],
    ['entry-data', 'SIGSEGV', 'refused or signal', header('entry', 0x402000)],
    ['entry-kernel', 'SIGSEGV', 'refused or signal', header('entry', 0xffffffff81000000n)],
    ['entry-non-canonical', 'SIGSEGV', 'refused or signal', header('entry', 1n << 62n)],
    ['version-ignored', 'runs', 'runs', header('version', 77)],
    ['ident-version-ignored', 'runs', 'runs', header('identVersion', 9)],
    ['os-abi-ignored', 'runs', 'runs', header('osAbi', 64)],
    ['ehsize-ignored', 'runs', 'runs', header('ehsize', 1)],
    ['flags-ignored', 'runs', 'runs', header('flags', 0xffffffff)],
    ['sections-beyond-file', 'runs', 'runs', header('shoff', MAX_U64)],
    ['sections-too-many', 'runs', 'runs', header('shnum', 0xffff)],
    ['sections-of-size-1', 'runs', 'runs', header('shentsize', 1)],
    ['section-names-nowhere', 'runs', 'runs', header('shstrndx', 0xfffe)],
  ]);
}

/** Segments of `bare`: 0 headers at 0x400000, 1 code at 0x401000, 2 data at 0x402000. */
function wrongSegments(): BadInput[] {
  const image = loadBinary('bare');
  return rows('segment', image, [
    ['memsz-2^63', 'SIGSEGV', 'refused', segment(1, 'memsz', 1n << 63n)],
    ['memsz-max', 'SIGSEGV', 'refused', segment(2, 'memsz', MAX_U64)],
    ['memsz-2^47', 'SIGSEGV', 'refused', segment(2, 'memsz', 1n << 47n)],
    ['memsz-below-filesz', 'SIGSEGV', 'refused', segment(1, 'memsz', 1)],
    ['filesz-beyond-file', 'SIGSEGV', 'refused', segment(1, 'filesz', 1 << 20)],
    ['filesz-max', 'SIGSEGV', 'refused', segment(1, 'filesz', MAX_U64)],
    ['offset-beyond-file', 'SIGBUS', 'refused', segment(1, 'offset', 1 << 20)],
    ['offset-max', 'SIGSEGV', 'refused', segment(1, 'offset', MAX_U64 - 0xfffn)],
    ['offset-incongruent', 'SIGSEGV', 'refused', segment(1, 'offset', 0x1001)],
    ['vaddr-0', 'runs', 'orderly', segment(0, 'vaddr', 0)],
    ['vaddr-kernel', 'SIGSEGV', 'refused', segment(1, 'vaddr', 0xffffffff81000000n)],
    ['vaddr-non-canonical', 'SIGSEGV', 'refused', segment(1, 'vaddr', 1n << 62n)],
    ['vaddr-wraps', 'SIGSEGV', 'refused', segment(1, 'vaddr', MAX_U64 - 0xfffn)],
    ['vaddr-end-of-user-space', 'SIGSEGV', 'refused', segment(2, 'vaddr', 0x7ffffffff000n)],
    ['align-3', 'runs', 'orderly', segment(1, 'align', 3)],
    ['align-max', 'runs', 'orderly', segment(1, 'align', MAX_U64)],
    ['overlapping', 'SIGSEGV', 'orderly', segment(2, 'vaddr', 0x401000)],
    ['identical', 'runs', 'orderly', segment(2, 'vaddr', 0x400000)],
    ['descending', 'runs', 'orderly', segment(0, 'vaddr', 0x900000)],
    ['no-load', 'SIGSEGV', 'refused', ...[0, 1, 2].map((i) => segment(i, 'type', 4))],
    ['no-code', 'SIGSEGV', 'refused or signal', segment(1, 'flags', 4)],
    ['no-permissions', 'SIGSEGV', 'refused or signal', segment(1, 'flags', 0)],
    ['empty-load', 'runs', 'runs', segment(3, 'type', 1)],
    ['unknown-type', 'runs', 'runs', segment(3, 'type', 0x12345678)],
  ]);
}

/** Programs that need a dynamic loader, which the guest's root file system does not hold. */
function dynamic(): BadInput[] {
  const image = loadBinary('hello-dynamic');
  const index = segmentOf(image, PT_INTERP);
  const path = field(image, SEGMENT.offset, HEADER_BYTES + index * SEGMENT_BYTES);
  const elsewhere = bytesOf('/nowhere/ld.so\0');
  const renamed = edited(image);
  renamed.set(elsewhere, path);
  const rowsOfDynamic = rows('dynamic', renamed, [
    ['interpreter', 'ENOENT', 'refused'],
    ['path-empty', 'ENOEXEC', 'refused', segment(index, 'filesz', 1)],
    ['path-size-0', 'ENOEXEC', 'refused', segment(index, 'filesz', 0)],
    ['path-unterminated', 'ENOEXEC', 'refused', segment(index, 'filesz', 5)],
    ['path-too-long', 'ENOEXEC', 'refused', segment(index, 'filesz', 5000)],
    ['path-beyond-file', 'EIO', 'refused', segment(index, 'offset', 1 << 20)],
  ]);
  return rowsOfDynamic;
}

/** Every bad input whose fate is known, in a fixed order. */
export function badInputs(): BadInput[] {
  return [...notPrograms(), ...truncated(), ...wrongHeaders(), ...wrongSegments(), ...dynamic()];
}

/**
 * `count` copies of a small program, each with one to four bytes of its headers or code changed.
 * Nothing is promised of them but that the laboratory ends each one in an orderly way.
 */
export function fuzzedInputs(count: number, seed = 1): { name: string; content: Uint8Array }[] {
  const image = loadBinary('bare');
  const table = HEADER_BYTES + field(image, HEADER.phnum) * SEGMENT_BYTES;
  const code = HEADER_BYTES + segmentOf(image, PT_LOAD, 1) * SEGMENT_BYTES;
  const codeStart = field(image, SEGMENT.offset, code);
  const codeBytes = field(image, SEGMENT.filesz, code);
  let state = seed >>> 0;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return Array.from({ length: count }, (_, index) => {
    const content = image.slice();
    const inCode = index % 2 === 1;
    for (let edits = 1 + below(4); edits > 0; edits--) {
      const at = inCode ? codeStart + below(codeBytes) : below(table);
      content[at] = below(256);
    }
    return { name: `fuzzed-${seed}-${index}`, content };
  });
}
