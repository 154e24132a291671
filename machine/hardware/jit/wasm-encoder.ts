/**
 * Writes WebAssembly modules byte by byte, after the WebAssembly 2.0 core specification, chapter
 * "Binary Format". Only what generated code needs: function, import, export, element and code
 * sections; no start function, data, globals or memories of its own.
 */
import { assert } from '../../core/assert.ts';
import { Simd, ValueType, Wasm } from './wasm-opcodes.ts';

const INITIAL_BYTES = 1024;

/** A growing byte buffer with LEB128 output. */
export class ByteWriter {
  private buffer = new Uint8Array(INITIAL_BYTES);
  length = 0;

  u8(byte: number): void {
    if (this.length === this.buffer.length) this.reserve(1);
    this.buffer[this.length++] = byte;
  }

  /** Unsigned LEB128 of an integer in [0, 2^32). */
  unsigned(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.u8(rest);
  }

  /** Signed LEB128 of the 32-bit integer `value`. */
  signed(value: number): void {
    let rest = value | 0;
    while (rest < -0x40 || rest > 0x3f) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    this.u8(rest & 0x7f);
  }

  /** Signed LEB128 of `value` taken modulo 2^64. */
  signed64(value: bigint): void {
    let rest = BigInt.asIntN(64, value);
    if (rest >= -0x80000000n && rest <= 0x7fffffffn) {
      this.signed(Number(rest));
      return;
    }
    while (rest < -0x40n || rest > 0x3fn) {
      this.u8(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.u8(Number(rest & 0x7fn));
  }

  name(text: string): void {
    this.unsigned(text.length);
    for (let i = 0; i < text.length; i++) this.u8(text.charCodeAt(i));
  }

  append(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.buffer.length) this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** The bytes written so far; valid until the next write. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.buffer.subarray(0, this.length);
  }

  private reserve(extra: number): void {
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.length + extra));
    larger.set(this.buffer);
    this.buffer = larger;
  }
}

/** Nesting depth at which a block, loop or if was opened: the target of a branch. */
export type Label = number;

/** Index of a local, parameters first. */
export type Local = number;

/** Writes the body of one function. Locals are declared as they are asked for. */
export class FunctionWriter extends ByteWriter {
  private depth = 0;
  private readonly localTypes: ValueType[] = [];

  constructor(readonly parameterCount: number) {
    super();
  }

  newLocal(type: ValueType): Local {
    this.localTypes.push(type);
    return this.parameterCount + this.localTypes.length - 1;
  }

  get localCount(): number {
    return this.localTypes.length;
  }

  localGet(local: Local): void {
    this.u8(Wasm.LOCAL_GET);
    this.unsigned(local);
  }

  localSet(local: Local): void {
    this.u8(Wasm.LOCAL_SET);
    this.unsigned(local);
  }

  localTee(local: Local): void {
    this.u8(Wasm.LOCAL_TEE);
    this.unsigned(local);
  }

  i32Const(value: number): void {
    this.u8(Wasm.I32_CONST);
    this.signed(value);
  }

  i64Const(value: bigint): void {
    this.u8(Wasm.I64_CONST);
    this.signed64(value);
  }

  /** A load or store; the alignment hint is always 1 byte. */
  memory(opcode: Wasm, offset: number): void {
    this.u8(opcode);
    this.u8(0);
    this.unsigned(offset);
  }

  /** A 128-bit constant of two halves. */
  vectorConst(low: bigint, high = low): void {
    this.simd(Simd.V128_CONST);
    for (const half of [low, high]) {
      for (let shift = 0n; shift < 64n; shift += 8n) this.u8(Number((half >> shift) & 0xffn));
    }
  }

  simd(opcode: number): void {
    this.u8(Wasm.SIMD_PREFIX);
    this.unsigned(opcode);
  }

  simdMemory(opcode: number, offset: number): void {
    this.simd(opcode);
    this.u8(0);
    this.unsigned(offset);
  }

  call(functionIndex: number): void {
    this.u8(Wasm.CALL);
    this.unsigned(functionIndex);
  }

  block(): Label {
    return this.open(Wasm.BLOCK, ValueType.VOID);
  }

  loop(): Label {
    return this.open(Wasm.LOOP, ValueType.VOID);
  }

  if(type: ValueType = ValueType.VOID): Label {
    return this.open(Wasm.IF, type);
  }

  else(): void {
    this.u8(Wasm.ELSE);
  }

  end(): void {
    this.depth--;
    this.u8(Wasm.END);
  }

  br(label: Label): void {
    this.u8(Wasm.BR);
    this.unsigned(this.depth - label);
  }

  brIf(label: Label): void {
    this.u8(Wasm.BR_IF);
    this.unsigned(this.depth - label);
  }

  /** The finished entry of the code section: locals in runs of one type, then the body. */
  finish(): Uint8Array<ArrayBuffer> {
    assert(this.depth === 0, 'every block of a function is closed');
    const entry = new ByteWriter();
    const runs: [count: number, type: ValueType][] = [];
    for (const type of this.localTypes) {
      const last = runs.at(-1);
      if (last?.[1] === type) last[0]++;
      else runs.push([1, type]);
    }
    entry.unsigned(runs.length);
    for (const [count, type] of runs) {
      entry.unsigned(count);
      entry.u8(type);
    }
    entry.append(this.bytes());
    entry.u8(Wasm.END);
    return entry.bytes();
  }

  private open(opcode: Wasm, type: ValueType): Label {
    this.u8(opcode);
    this.u8(type);
    return ++this.depth;
  }
}

export interface FunctionType {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

export interface FunctionImport {
  readonly name: string;
  readonly type: FunctionType;
}

export interface ModuleFunction {
  readonly type: FunctionType;
  /** A finished code entry of FunctionWriter. */
  readonly body: Uint8Array;
  /** Exported under this name when given. */
  readonly exportName?: string;
}

export interface ModuleSpec {
  /** All imports come from the module name `env`; memory is `memory`, the table is `table`. */
  readonly imports: readonly FunctionImport[];
  readonly functions: readonly ModuleFunction[];
  /** Slot of the imported table that function 0 goes to; the others follow. Absent: no elements. */
  readonly tableBase?: number;
}

const enum Section {
  TYPE = 1,
  IMPORT = 2,
  FUNCTION = 3,
  EXPORT = 7,
  ELEMENT = 9,
  CODE = 10,
}

/** Index of the type in the module's type section; equal types share one entry. */
class TypeSection {
  private readonly keys: string[] = [];
  private readonly types: FunctionType[] = [];

  index(type: FunctionType): number {
    const key = `${type.parameters.join(',')}:${type.results.join(',')}`;
    const known = this.keys.indexOf(key);
    if (known >= 0) return known;
    this.keys.push(key);
    return this.types.push(type) - 1;
  }

  write(out: ByteWriter): void {
    out.unsigned(this.types.length);
    for (const type of this.types) {
      out.u8(0x60);
      out.unsigned(type.parameters.length);
      for (const parameter of type.parameters) out.u8(parameter);
      out.unsigned(type.results.length);
      for (const result of type.results) out.u8(result);
    }
  }
}

function section(out: ByteWriter, id: Section, write: (body: ByteWriter) => void): void {
  const body = new ByteWriter();
  write(body);
  out.u8(id);
  out.unsigned(body.length);
  out.append(body.bytes());
}

function writeImports(out: ByteWriter, spec: ModuleSpec, types: TypeSection): void {
  out.unsigned(spec.imports.length + 2);
  out.name('env');
  out.name('memory');
  out.append(new Uint8Array([0x02, 0x00, 0x01]));
  out.name('env');
  out.name('table');
  out.append(new Uint8Array([0x01, 0x70, 0x00, 0x00]));
  for (const { name, type } of spec.imports) {
    out.name('env');
    out.name(name);
    out.u8(0x00);
    out.unsigned(types.index(type));
  }
}

function writeExports(out: ByteWriter, spec: ModuleSpec): void {
  const exported = spec.functions.flatMap(({ exportName }, i) =>
    exportName === undefined ? [] : [{ exportName, index: spec.imports.length + i }],
  );
  out.unsigned(exported.length);
  for (const { exportName, index } of exported) {
    out.name(exportName);
    out.u8(0x00);
    out.unsigned(index);
  }
}

function writeElements(out: ByteWriter, spec: ModuleSpec, tableBase: number): void {
  out.unsigned(1);
  out.u8(0x00);
  out.u8(Wasm.I32_CONST);
  out.signed(tableBase);
  out.u8(Wasm.END);
  out.unsigned(spec.functions.length);
  for (let i = 0; i < spec.functions.length; i++) out.unsigned(spec.imports.length + i);
}

/**
 * Type index that `regionType` gets in every module written here: bodies are written before the
 * module is, so the type of indirect calls must have a fixed place.
 */
export const INDIRECT_TYPE_INDEX = 0;

/** The bytes of a module. `indirectType` is the type at INDIRECT_TYPE_INDEX. */
export function encodeModule(
  spec: ModuleSpec,
  indirectType: FunctionType,
): Uint8Array<ArrayBuffer> {
  const types = new TypeSection();
  types.index(indirectType);
  const imports = new ByteWriter();
  writeImports(imports, spec, types);
  const functionTypes = spec.functions.map(({ type }) => types.index(type));

  const out = new ByteWriter();
  out.append(new Uint8Array([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]));
  section(out, Section.TYPE, (body) => {
    types.write(body);
  });
  section(out, Section.IMPORT, (body) => {
    body.append(imports.bytes());
  });
  section(out, Section.FUNCTION, (body) => {
    body.unsigned(functionTypes.length);
    for (const index of functionTypes) body.unsigned(index);
  });
  section(out, Section.EXPORT, (body) => {
    writeExports(body, spec);
  });
  const { tableBase } = spec;
  if (tableBase !== undefined) {
    section(out, Section.ELEMENT, (body) => {
      writeElements(body, spec, tableBase);
    });
  }
  section(out, Section.CODE, (body) => {
    body.unsigned(spec.functions.length);
    for (const { body: code } of spec.functions) {
      body.unsigned(code.length);
      body.append(code);
    }
  });
  return out.bytes();
}
