/** The fixture of instruction vectors: what a real processor did with each; see generate/. */

export const NO_TRAP = 255;

/** What one vector does, as recorded natively. */
export interface Vector {
  /** Index into the forms of the fixture. */
  readonly form: number;
  readonly seed: number;
  readonly code: Uint8Array;
  /** rflags bits that the manual defines. */
  readonly flagsMask: number;
  /** Exception vector, or NO_TRAP. */
  readonly trap: number;
  /** Offset of the faulting instruction in the code. */
  readonly ripOffset: number;
  readonly errorCode: number;
  readonly faultAddress: bigint;
  readonly flags: number;
  /** Bit n: register n changed; values in order. So for xmm, memory quadwords and x87 registers. */
  readonly registers: ReadonlyMap<number, bigint>;
  readonly xmm: ReadonlyMap<number, readonly [bigint, bigint]>;
  readonly memory: ReadonlyMap<number, bigint>;
  readonly x87: X87Outcome | undefined;
  /** MXCSR afterwards, if it changed. */
  readonly mxcsr: number | undefined;
}

export interface X87Outcome {
  readonly control: number;
  readonly status: number;
  readonly tag: number;
  /** Stack register -> significand and sign with exponent. */
  readonly registers: ReadonlyMap<number, readonly [bigint, number]>;
}

export interface Fixture {
  /** Text of each form, as in forms.txt. */
  readonly forms: readonly string[];
  readonly vectors: readonly Vector[];
}

const MAGIC = 0x4153_494c;
/** Bits of the byte that says which of the rarer parts follow. */
const HAS_X87 = 1;
const HAS_MXCSR = 2;

/** Appends little-endian values to a growing buffer. */
export class Writer {
  private bytes = new Uint8Array(1 << 16);
  private view = new DataView(this.bytes.buffer);
  private at = 0;

  private room(count: number): number {
    if (this.at + count > this.bytes.length) {
      const larger = new Uint8Array(this.bytes.length * 2);
      larger.set(this.bytes);
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    const at = this.at;
    this.at += count;
    return at;
  }

  u8(value: number): void {
    const at = this.room(1);
    this.view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.room(2);
    this.view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.room(4);
    this.view.setUint32(at, value, true);
  }

  u64(value: bigint): void {
    const at = this.room(8);
    this.view.setBigUint64(at, value, true);
  }

  raw(value: Uint8Array): void {
    const at = this.room(value.length);
    this.bytes.set(value, at);
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.at);
  }
}

class Reader {
  private at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private take(count: number): number {
    const at = this.at;
    this.at += count;
    return at;
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }

  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  u64(): bigint {
    return this.view.getBigUint64(this.take(8), true);
  }

  raw(count: number): Uint8Array {
    const at = this.take(count);
    return this.bytes.subarray(at, at + count);
  }
}

function writeChanges<T>(
  writer: Writer,
  changes: ReadonlyMap<number, T>,
  bits: 8 | 16 | 32,
  write: (value: T) => void,
): void {
  let bitmap = 0;
  for (const key of changes.keys()) bitmap |= 1 << key;
  if (bits === 8) writer.u8(bitmap);
  else if (bits === 16) writer.u16(bitmap);
  else writer.u32(bitmap >>> 0);
  for (const key of [...changes.keys()].sort((a, b) => a - b)) write(changes.get(key) as T);
}

function readChanges<T>(bitmap: number, read: () => T): Map<number, T> {
  const changes = new Map<number, T>();
  for (let bit = 0; bit < 32; bit++) if ((bitmap >>> bit) & 1) changes.set(bit, read());
  return changes;
}

function writeVector(writer: Writer, vector: Vector): void {
  writer.u16(vector.form);
  writer.u32(vector.seed);
  writer.u8(vector.code.length);
  writer.raw(vector.code);
  writer.u16(vector.flagsMask);
  writer.u8(vector.trap);
  if (vector.trap !== NO_TRAP) {
    writer.u8(vector.ripOffset);
    writer.u8(vector.errorCode);
    writer.u64(vector.faultAddress);
  }
  writer.u16(vector.flags);
  writeChanges(writer, vector.registers, 16, (value) => {
    writer.u64(value);
  });
  writeChanges(writer, vector.xmm, 16, ([low, high]) => {
    writer.u64(low);
    writer.u64(high);
  });
  writeChanges(writer, vector.memory, 32, (value) => {
    writer.u64(value);
  });
  const { x87, mxcsr } = vector;
  writer.u8((x87 === undefined ? 0 : HAS_X87) | (mxcsr === undefined ? 0 : HAS_MXCSR));
  if (mxcsr !== undefined) writer.u16(mxcsr);
  if (vector.x87 === undefined) return;
  writer.u16(vector.x87.control);
  writer.u16(vector.x87.status);
  writer.u8(vector.x87.tag);
  writeChanges(writer, vector.x87.registers, 8, ([significand, exponent]) => {
    writer.u64(significand);
    writer.u16(exponent);
  });
}

function readVector(reader: Reader): Vector {
  const form = reader.u16();
  const seed = reader.u32();
  const code = reader.raw(reader.u8());
  const flagsMask = reader.u16();
  const trap = reader.u8();
  const trapped = trap !== NO_TRAP;
  const ripOffset = trapped ? reader.u8() : 0;
  const errorCode = trapped ? reader.u8() : 0;
  const faultAddress = trapped ? reader.u64() : 0n;
  const flags = reader.u16();
  const registers = readChanges(reader.u16(), () => reader.u64());
  const xmm = readChanges(reader.u16(), () => [reader.u64(), reader.u64()] as const);
  const memory = readChanges(reader.u32(), () => reader.u64());
  const parts = reader.u8();
  const mxcsr = (parts & HAS_MXCSR) === 0 ? undefined : reader.u16();
  const x87 = (parts & HAS_X87) === 0 ? undefined : readX87(reader);
  const trapFields = { trap, ripOffset, errorCode, faultAddress };
  return { form, seed, code, flagsMask, ...trapFields, flags, registers, xmm, memory, x87, mxcsr };
}

function readX87(reader: Reader): X87Outcome {
  const control = reader.u16();
  const status = reader.u16();
  const tag = reader.u8();
  const registers = readChanges(reader.u8(), () => [reader.u64(), reader.u16()] as const);
  return { control, status, tag, registers };
}

export function encodeFixture(fixture: Fixture): Uint8Array {
  const writer = new Writer();
  writer.u32(MAGIC);
  const text = new TextEncoder().encode(fixture.forms.join('\n'));
  writer.u32(text.length);
  writer.raw(text);
  writer.u32(fixture.vectors.length);
  for (const vector of fixture.vectors) writeVector(writer, vector);
  return writer.finish();
}

export function decodeFixture(bytes: Uint8Array): Fixture {
  const reader = new Reader(bytes);
  if (reader.u32() !== MAGIC) throw new Error('not a fixture of instruction vectors');
  const forms = new TextDecoder().decode(reader.raw(reader.u32())).split('\n');
  const vectors = Array.from({ length: reader.u32() }, () => readVector(reader));
  return { forms, vectors };
}
