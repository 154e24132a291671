/**
 * Symbols and executable ranges of an ELF64 image: a reader for the tests alone, independent of the
 * machine's own.
 */

interface ImageSymbols {
  readonly addresses: readonly number[];
  readonly names: readonly string[];
}

export interface AddressRange {
  readonly start: number;
  readonly end: number;
}

const cache = new WeakMap<Uint8Array, ImageSymbols>();

const SYMTAB = 2;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
const PROGRAM_HEADER_BYTES = 56;
const PT_LOAD = 1;
const PF_X = 1;
/** STT_NOTYPE, STT_FUNC, STT_GNU_IFUNC. */
const CODE_TYPES = new Set([0, 2, 10]);

function viewOf(elf: Uint8Array): DataView {
  return new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
}

function u64(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}

function textAt(elf: Uint8Array, offset: number): string {
  const end = elf.indexOf(0, offset);
  return Buffer.from(elf.subarray(offset, end)).toString('latin1');
}

function readSymbols(elf: Uint8Array): ImageSymbols {
  const view = viewOf(elf);
  const headers = u64(view, 0x28);
  const found: { address: number; name: string; rank: number }[] = [];
  for (let index = 0; index < view.getUint16(0x3c, true); index++) {
    const header = headers + index * SECTION_HEADER_BYTES;
    if (view.getUint32(header + 4, true) !== SYMTAB) continue;
    const link = headers + view.getUint32(header + 0x28, true) * SECTION_HEADER_BYTES;
    const strings = u64(view, link + 0x18);
    const start = u64(view, header + 0x18);
    for (let at = start; at < start + u64(view, header + 0x20); at += SYMBOL_BYTES) {
      const info = view.getUint8(at + 4);
      const name = textAt(elf, strings + view.getUint32(at, true));
      if (view.getUint16(at + 6, true) === 0 || name === '' || !CODE_TYPES.has(info & 15)) continue;
      found.push({ address: u64(view, at + 8), name, rank: (info >> 4) * 16 + (info & 15) });
    }
  }
  // Of several names for one address the most local sorts last: it names the implementation.
  found.sort((a, b) => a.address - b.address || b.rank - a.rank || (a.name < b.name ? 1 : -1));
  return { addresses: found.map((s) => s.address), names: found.map((s) => s.name) };
}

function symbolsOf(elf: Uint8Array): ImageSymbols {
  let symbols = cache.get(elf);
  if (!symbols) cache.set(elf, (symbols = readSymbols(elf)));
  return symbols;
}

/** Name of the nearest symbol at or below the link-time `address`, or `?` when there is none. */
export function symbolOf(elf: Uint8Array, address: number): string {
  const symbols = symbolsOf(elf);
  let low = 0;
  let high = symbols.addresses.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((symbols.addresses[middle] ?? Infinity) <= address) low = middle + 1;
    else high = middle;
  }
  return symbols.names[low - 1] ?? '?';
}

/** Link-time address of the symbol called `name`, if the image has one. */
export function addressOf(elf: Uint8Array, name: string): number | undefined {
  const { addresses, names } = symbolsOf(elf);
  return addresses[names.indexOf(name)];
}

/** Link-time address of the first instruction. */
export function entryOf(elf: Uint8Array): number {
  return u64(viewOf(elf), 0x18);
}

/** Link-time ranges of the executable segments. */
export function executableRanges(elf: Uint8Array): AddressRange[] {
  const view = viewOf(elf);
  const ranges: AddressRange[] = [];
  for (let index = 0; index < view.getUint16(0x38, true); index++) {
    const header = u64(view, 0x20) + index * PROGRAM_HEADER_BYTES;
    const isCode =
      view.getUint32(header, true) === PT_LOAD && view.getUint32(header + 4, true) & PF_X;
    if (!isCode) continue;
    const start = u64(view, header + 0x10);
    ranges.push({ start, end: start + u64(view, header + 0x28) });
  }
  return ranges;
}
