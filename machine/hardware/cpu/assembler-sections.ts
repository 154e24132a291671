/**
 * Sections, labels, data and symbols of a program being assembled, and its layout: what an assembler
 * does besides encoding. A section is a list of items whose sizes are final once every branch is
 * known to be short or near; `link` then places the sections and fills in addresses.
 */
import { MachineBug } from '../../core/assert.ts';
import type { Label, Operand } from './operands.ts';

export type Prefix = 'lock' | 'rep' | 'repne';

export interface EncodableInstruction {
  readonly mnemonic: string;
  readonly operands: readonly Operand[];
  readonly prefix: Prefix | undefined;
}

interface EncodeAt {
  readonly address: bigint;
  readonly addressOf: (label: Label) => bigint;
}

/** How to encode one instruction anywhere; `encodeShort` exists where a one-byte branch does. */
export interface Encoding {
  readonly encode: (at: EncodeAt) => Uint8Array;
  readonly encodeShort?: (at: EncodeAt) => Uint8Array;
}

export type SymbolKind = 'function' | 'object';

export interface AssembledSymbol {
  readonly name: string;
  readonly kind: SymbolKind;
  readonly section: string;
  readonly address: bigint;
  readonly size: number;
}

/** Size and alignment of a section, known before it has an address. */
export interface SectionSize {
  readonly name: string;
  readonly size: number;
  readonly align: number;
}

export interface LinkedSection {
  readonly name: string;
  readonly address: bigint;
  readonly bytes: Uint8Array;
}

/** Which source line made the instruction at `address`. */
export interface SourceNote {
  readonly address: bigint;
  readonly source: string;
}

export interface LinkedProgram {
  readonly sections: readonly LinkedSection[];
  readonly symbols: readonly AssembledSymbol[];
  /** One note for each instruction, when the assembler was given `sourceOf`. */
  readonly sources: readonly SourceNote[];
  readonly addressOf: (label: Label) => bigint;
}

interface Item {
  /** Bytes that it takes, for all but alignments final from the start or after relaxation. */
  size: number;
  readonly bytes?: Uint8Array;
  readonly align?: number;
  readonly encoding?: Encoding;
  /** Target of a branch that is short until it proves too far. */
  shortTarget?: Label | undefined;
  /** A quadword that holds the address of a label. */
  readonly pointer?: Label;
  readonly source?: string | undefined;
}

interface Section {
  readonly name: string;
  readonly items: Item[];
  align: number;
  readonly isCode: boolean;
}

interface Binding {
  readonly section: Section;
  /** Index of the item that follows the label. */
  readonly item: number;
}

interface OpenSymbol {
  readonly name: string;
  readonly kind: SymbolKind;
  readonly begin: Label;
  readonly end: Label;
}

/** Items of a section with their offsets; the last offset is the size. */
type Offsets = readonly number[];

/** No-operation instructions of 1 to 9 bytes, as processor manuals recommend them. */
const NOPS = [
  [0x90],
  [0x66, 0x90],
  [0x0f, 0x1f, 0x00],
  [0x0f, 0x1f, 0x40, 0x00],
  [0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
  [0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
  [0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
] as const;

const SHORT_BRANCH_MIN = -128;
const SHORT_BRANCH_MAX = 127;

/** Called for each instruction; returns its place in the program's source, if known. */
export type SourceOf = () => string | undefined;

export class AssemblerSections {
  private readonly sections: Section[] = [];
  private current: Section;
  private readonly bindings = new Map<Label, Binding>();
  private readonly absolute = new Map<Label, bigint>();
  private readonly symbols: OpenSymbol[] = [];
  private layout: ReadonlyMap<Section, Offsets> | undefined;
  private readonly sourceOf: SourceOf;

  constructor(options: { readonly sourceOf?: SourceOf } = {}) {
    this.sourceOf = options.sourceOf ?? (() => undefined);
    this.current = this.openSection('.text');
  }

  /** Makes `name` (.text, .rodata, .data, .bss) the section that everything goes into from now on. */
  section(name: string): this {
    this.current = this.sections.find((section) => section.name === name) ?? this.openSection(name);
    return this;
  }

  /** A label that `bind` will place. */
  newLabel(name = 'label'): Label {
    return { kind: 'label', name };
  }

  bind(label: Label): void {
    if (this.bindings.has(label)) throw new MachineBug(`label ${label.name} is bound twice`);
    this.bindings.set(label, { section: this.current, item: this.current.items.length });
  }

  /** A label at this place. */
  here(name?: string): Label {
    const label = this.newLabel(name);
    this.bind(label);
    return label;
  }

  /** A label for an address outside the program, relative to the image's own addresses. */
  define(name: string, at: bigint): Label {
    const label = this.newLabel(name);
    this.absolute.set(label, at);
    return label;
  }

  /** Emits `body` as a function with a symbol, aligned to 16 bytes. Returns its entry. */
  function(name: string | Label, body: () => void): Label {
    return this.symbol('function', name, 16, body);
  }

  /** Emits `body` as data with a symbol. Returns its address. */
  object(name: string | Label, align: number, body: () => void): Label {
    return this.symbol('object', name, align, body);
  }

  bytes(data: Uint8Array | readonly number[]): void {
    this.append({ size: data.length, bytes: Uint8Array.from(data) });
  }

  /** UTF-8 text without a terminator; `text.length` in bytes is what write(2) needs. */
  text(text: string): number {
    const data = new TextEncoder().encode(text);
    this.bytes(data);
    return data.length;
  }

  zero(count: number): void {
    this.append({ size: count });
  }

  /** 64-bit words. A label stands for its address: only in programs linked at a fixed address. */
  quads(...values: readonly (bigint | number | Label)[]): void {
    for (const value of values) {
      if (typeof value === 'object') {
        this.append({ size: 8, pointer: value });
        continue;
      }
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
      this.append({ size: 8, bytes });
    }
  }

  /** Fills up to a multiple of `align` bytes: with no-operations in code, with zeros elsewhere. */
  align(align: number): void {
    if (align <= 0 || (align & (align - 1)) !== 0) throw new MachineBug(`alignment of ${align}`);
    this.current.align = Math.max(this.current.align, align);
    this.append({ size: 0, align });
  }

  protected emit(instruction: EncodableInstruction, encoding: Encoding): void {
    const source = this.sourceOf();
    if (!instruction.operands.some(refersToLabel)) {
      const bytes = encoding.encode({ address: 0n, addressOf: () => 0n });
      this.append({ size: bytes.length, bytes, source });
      return;
    }
    const shortTarget =
      encoding.encodeShort === undefined ? undefined : instruction.operands.find(isLabel);
    const encode = encoding.encodeShort ?? encoding.encode;
    const { length } = encode({ address: 0n, addressOf: () => 0n });
    this.append({ size: length, encoding, shortTarget, source });
  }

  /** Fixes the layout inside every section: nothing may be added afterwards. */
  measure(): readonly SectionSize[] {
    this.layout ??= new Map(this.sections.map((section) => [section, this.relax(section)]));
    const layout = this.layout;
    return this.sections.map((section) => {
      const size = layout.get(section)?.at(-1) ?? 0;
      return { name: section.name, size, align: section.align };
    });
  }

  /**
   * Places every section at `addresses` and returns the finished bytes. `absolutePointers` says
   * whether data may hold addresses, which is so only when the image loads where it is linked.
   */
  link(
    addresses: ReadonlyMap<string, bigint>,
    { absolutePointers }: { readonly absolutePointers: boolean },
  ): LinkedProgram {
    this.measure();
    const baseOf = (section: Section): bigint => {
      const base = addresses.get(section.name);
      if (base === undefined) throw new MachineBug(`section ${section.name} was given no address`);
      return base;
    };
    const addressOf = (label: Label): bigint => {
      const fixed = this.absolute.get(label);
      if (fixed !== undefined) return fixed;
      const { section, item } = this.bindingOf(label);
      return baseOf(section) + BigInt(this.offsetsOf(section)[item]);
    };
    const sources: SourceNote[] = [];
    const sections = this.sections.map((section) => {
      const at = { section, base: baseOf(section), addressOf, absolutePointers };
      return this.fill(at, sources);
    });
    return { sections, symbols: this.linkSymbols(addressOf), sources, addressOf };
  }

  private openSection(name: string): Section {
    const section = { name, items: [], align: 1, isCode: name.startsWith('.text') };
    this.sections.push(section);
    return section;
  }

  private append(item: Item): void {
    if (this.layout !== undefined) throw new MachineBug('the program is already laid out');
    this.current.items.push(item);
  }

  private symbol(kind: SymbolKind, name: string | Label, align: number, body: () => void): Label {
    this.align(align);
    const section = this.current;
    const begin = typeof name === 'string' ? this.newLabel(name) : name;
    const end = this.newLabel(`end of ${begin.name}`);
    this.bind(begin);
    body();
    if (this.current !== section) throw new MachineBug(`${begin.name} ends in another section`);
    this.bind(end);
    this.symbols.push({ name: begin.name, kind, begin, end });
    return begin;
  }

  private bindingOf(label: Label): Binding {
    const binding = this.bindings.get(label);
    if (binding === undefined) throw new MachineBug(`label ${label.name} is used but not bound`);
    return binding;
  }

  private offsetsOf(section: Section): Offsets {
    const offsets = this.layout?.get(section);
    if (offsets === undefined) throw new MachineBug(`section ${section.name} has no layout`);
    return offsets;
  }

  /** Lengthens branches until each short one reaches its target. Lengths only grow, so it ends. */
  private relax(section: Section): Offsets {
    for (;;) {
      const offsets = itemOffsets(section);
      let settled = true;
      for (const [i, item] of section.items.entries()) {
        if (item.shortTarget === undefined || this.reaches(section, offsets, i)) continue;
        item.shortTarget = undefined;
        item.size = encodedLength(item);
        settled = false;
      }
      if (settled) return offsets;
    }
  }

  private reaches(section: Section, offsets: Offsets, i: number): boolean {
    const target = section.items[i].shortTarget;
    if (target === undefined || this.absolute.has(target)) return false;
    const binding = this.bindingOf(target);
    if (binding.section !== section) return false;
    const distance = offsets[binding.item] - offsets[i + 1];
    return distance >= SHORT_BRANCH_MIN && distance <= SHORT_BRANCH_MAX;
  }

  private fill(
    at: {
      readonly section: Section;
      readonly base: bigint;
      readonly addressOf: (label: Label) => bigint;
      readonly absolutePointers: boolean;
    },
    sources: SourceNote[],
  ): LinkedSection {
    const { section, base, addressOf } = at;
    const offsets = this.offsetsOf(section);
    const image = new Uint8Array(offsets[section.items.length]);
    for (const [i, item] of section.items.entries()) {
      const address = base + BigInt(offsets[i]);
      if (item.source !== undefined) sources.push({ address, source: item.source });
      if (item.bytes !== undefined) {
        image.set(item.bytes, offsets[i]);
      } else if (item.encoding !== undefined) {
        const { encode, encodeShort = encode } = item.encoding;
        const chosen = item.shortTarget === undefined ? encode : encodeShort;
        image.set(chosen({ address, addressOf }), offsets[i]);
      } else if (item.pointer !== undefined) {
        if (!at.absolutePointers) {
          throw new MachineBug(`${item.pointer.name} needs a relocation in ${section.name}`);
        }
        new DataView(image.buffer).setBigUint64(offsets[i], addressOf(item.pointer), true);
      } else if (item.align !== undefined && section.isCode) {
        fillWithNops(image.subarray(offsets[i], offsets[i + 1]));
      }
    }
    return { name: section.name, address: base, bytes: image };
  }

  private linkSymbols(addressOf: (label: Label) => bigint): AssembledSymbol[] {
    return this.symbols.map(({ name, kind, begin, end }) => {
      const address = addressOf(begin);
      const size = Number(addressOf(end) - address);
      return { name, kind, section: this.bindingOf(begin).section.name, address, size };
    });
  }
}

const isLabel = (operand: Operand): operand is Label =>
  typeof operand === 'object' && operand.kind === 'label';

const refersToLabel = (operand: Operand): boolean =>
  isLabel(operand) ||
  (typeof operand === 'object' && operand.kind === 'memory' && operand.base?.kind === 'label');

const encodedLength = ({ encoding }: Item): number =>
  encoding?.encode({ address: 0n, addressOf: () => 0n }).length ?? 0;

function itemOffsets({ items }: Section): Offsets {
  const offsets: number[] = [];
  let offset = 0;
  for (const item of items) {
    offsets.push(offset);
    offset = item.align === undefined ? offset + item.size : alignUp(offset, item.align);
  }
  offsets.push(offset);
  return offsets;
}

const alignUp = (value: number, align: number): number => Math.ceil(value / align) * align;

function fillWithNops(gap: Uint8Array): void {
  for (let at = 0; at < gap.length;) {
    const nop = NOPS[Math.min(gap.length - at, NOPS.length) - 1];
    gap.set(nop, at);
    at += nop.length;
  }
}
