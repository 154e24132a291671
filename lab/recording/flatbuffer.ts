/**
 * A bounded reader of flatbuffers, for files that may be hostile or torn: every read is checked
 * against the buffer, every vector's length against what is left. The generated readers of the
 * flatbuffers package check neither: a corrupt length makes them run for minutes or return zeros.
 */

export class FlatbufferError extends Error {
  override readonly name = 'FlatbufferError';
}

/** Where a vector's elements stand. */
export interface FlatVector {
  readonly at: number;
  readonly length: number;
}

const TWO_32 = 2 ** 32;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Bytes of tables and strings that may still be decoded. Honest writers share none, so twice the
 * buffer is plenty; without it a few offsets to one place could ask for any amount of work.
 */
interface Budget {
  left: number;
}

export class FlatTable {
  private readonly vtable: number;
  private readonly vtableBytes: number;

  private constructor(
    private readonly view: DataView,
    private readonly at: number,
    private readonly budget: Budget,
  ) {
    this.spend(4);
    this.vtable = at - this.checked(at, 4).getInt32(at, true);
    this.vtableBytes = this.checked(this.vtable, 4).getUint16(this.vtable, true);
    if (this.vtableBytes < 4) throw new FlatbufferError('a table of fields that is too short');
    this.checked(this.vtable, this.vtableBytes);
  }

  /** The root table of `bytes`. */
  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.byteLength < 8) throw new FlatbufferError('metadata of less than 8 bytes');
    return new FlatTable(view, view.getUint32(0, true), { left: bytes.byteLength * 2 });
  }

  bool(id: number): boolean {
    return this.u8(id) !== 0;
  }

  u8(id: number): number {
    const at = this.field(id, 1);
    return at === 0 ? 0 : this.view.getUint8(at);
  }

  i16(id: number): number {
    const at = this.field(id, 2);
    return at === 0 ? 0 : this.view.getInt16(at, true);
  }

  i32(id: number): number {
    const at = this.field(id, 4);
    return at === 0 ? 0 : this.view.getInt32(at, true);
  }

  /** A 64-bit field, which must be a safe integer. */
  i64(id: number): number {
    const at = this.field(id, 8);
    return at === 0 ? 0 : this.i64At(at);
  }

  table(id: number): FlatTable | null {
    const at = this.field(id, 4);
    return at === 0 ? null : this.tableAt(at);
  }

  string(id: number): string | null {
    const at = this.field(id, 4);
    if (at === 0) return null;
    const { at: start, length } = this.vectorAt(at, 1);
    this.spend(length);
    const bytes = new Uint8Array(this.view.buffer, this.view.byteOffset + start, length);
    try {
      return utf8.decode(bytes);
    } catch {
      throw new FlatbufferError('a string that is not UTF-8');
    }
  }

  /** A vector of elements of `elementBytes`; empty where the field is absent. */
  vector(id: number, elementBytes: number): FlatVector {
    const at = this.field(id, 4);
    return at === 0 ? { at: 0, length: 0 } : this.vectorAt(at, elementBytes);
  }

  /** The tables of a vector of tables. */
  tables(id: number): FlatTable[] {
    const { at, length } = this.vector(id, 4);
    return Array.from({ length }, (_, i) => this.tableAt(at + i * 4));
  }

  /** A 64-bit integer inside a vector of structs. */
  i64At(at: number): number {
    const value =
      this.checked(at, 8).getInt32(at + 4, true) * TWO_32 + this.view.getUint32(at, true);
    if (!Number.isSafeInteger(value)) throw new FlatbufferError('a length beyond 2^53');
    return value;
  }

  /** A 32-bit integer inside a vector of structs. */
  i32At(at: number): number {
    return this.checked(at, 4).getInt32(at, true);
  }

  /** Position of a field's value, or 0 when the table leaves it out. */
  private field(id: number, bytes: number): number {
    const slot = 4 + id * 2;
    if (slot + 2 > this.vtableBytes) return 0;
    const offset = this.view.getUint16(this.vtable + slot, true);
    if (offset === 0) return 0;
    this.checked(this.at + offset, bytes);
    return this.at + offset;
  }

  private tableAt(at: number): FlatTable {
    return new FlatTable(this.view, at + this.checked(at, 4).getUint32(at, true), this.budget);
  }

  private vectorAt(at: number, elementBytes: number): FlatVector {
    const start = at + this.checked(at, 4).getUint32(at, true);
    const length = this.checked(start, 4).getUint32(start, true);
    this.checked(start + 4, length * elementBytes);
    return { at: start + 4, length };
  }

  private spend(bytes: number): void {
    this.budget.left -= bytes;
    if (this.budget.left < 0) throw new FlatbufferError('metadata that repeats itself without end');
  }

  private checked(at: number, bytes: number): DataView {
    if (at < 0 || at + bytes > this.view.byteLength) {
      throw new FlatbufferError('an offset that points outside the metadata');
    }
    return this.view;
  }
}
