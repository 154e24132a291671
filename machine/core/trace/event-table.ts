/**
 * Tracepoint tables: what the machine records, as columns.
 *
 * A table is declared once as data (name, columns, comment for each), filled by the tracepoint
 * through typed arrays without allocating, and handed to a sink whenever a batch is full. The
 * machine knows nothing of files: the lab's sink writes Arrow, tests use one that keeps rows.
 */

export const BATCH_ROWS = 65536;

/** `dictionary` columns hold an index into a list of strings that is known before the first row. */
export type ColumnType = 'u8' | 'u16' | 'u32' | 'i32' | 'u64' | 'i64' | 'f64' | 'dictionary';

export interface ColumnSpec {
  readonly name: string;
  readonly type: ColumnType;
  readonly comment: string;
  /** The unit of the values, where they have one. */
  readonly unit?: 'ticks' | 'bytes' | 'pages' | 'instructions' | 'address';
  /** For `dictionary`: every value the column can take, in index order. */
  readonly values?: readonly string[];
}

export interface TableSpec {
  readonly name: string;
  readonly comment: string;
  /** False for tables recorded only when asked for with --events. */
  readonly default: boolean;
  readonly columns: readonly ColumnSpec[];
}

/** 64-bit columns are filled as two 32-bit halves: no BigInt on the way. */
export type ColumnData = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

/** Takes full batches in order. `rows` of each column are valid; 64-bit columns hold 2 x rows u32. */
export interface TraceSink {
  /** Announces a table before its first batch, so that one without rows is recorded as such. */
  open?(table: TableSpec): void;
  write(table: TableSpec, columns: readonly ColumnData[], rows: number): void;
}

const ARRAYS = {
  u8: Uint8Array,
  u16: Uint16Array,
  u32: Uint32Array,
  i32: Int32Array,
  u64: Uint32Array,
  i64: Uint32Array,
  f64: Float64Array,
  dictionary: Uint16Array,
} as const;

const isWide = (type: ColumnType): boolean => type === 'u64' || type === 'i64';

const TWO_32 = 2 ** 32;

/**
 * One table being filled. Use: `const row = table.next(); table.u32[col][row] = ...; table.wide(...)`.
 * `next()` flushes a full batch by itself; `finish()` writes the rest.
 */
export class EventTable {
  readonly columns: ColumnData[];
  rowCount = 0;
  private rows = 0;

  constructor(
    readonly spec: TableSpec,
    private readonly sink: TraceSink,
  ) {
    this.columns = spec.columns.map(
      ({ type }) => new ARRAYS[type](isWide(type) ? BATCH_ROWS * 2 : BATCH_ROWS),
    );
    sink.open?.(spec);
  }

  /** Reserves a row and returns its index in the current batch. */
  next(): number {
    if (this.rows === BATCH_ROWS) this.flush();
    this.rowCount++;
    return this.rows++;
  }

  /** Sets a column of up to 32 bits, or an f64 or dictionary one. */
  set(column: number, row: number, value: number): void {
    this.columns[column][row] = value;
  }

  /** Sets a 64-bit column from an integer of magnitude at most 2^53. */
  setWide(column: number, row: number, value: number): void {
    const data = this.columns[column];
    data[row * 2] = value >>> 0;
    data[row * 2 + 1] = Math.floor(value / TWO_32) >>> 0;
  }

  /** Sets a 64-bit column from its two halves (addresses, register values). */
  setHalves(column: number, row: number, low: number, high: number): void {
    const data = this.columns[column];
    data[row * 2] = low >>> 0;
    data[row * 2 + 1] = high >>> 0;
  }

  finish(): void {
    if (this.rows > 0) this.flush();
  }

  private flush(): void {
    this.sink.write(this.spec, this.columns, this.rows);
    this.rows = 0;
  }
}
