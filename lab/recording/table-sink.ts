/** The sink of a recorded run: one Arrow file for each table, and the digests for the manifest. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from '../../machine/core/assert.ts';
import type { ColumnData, TableSpec, TraceSink } from '../../machine/core/trace/event-table.ts';
import { ArrowTableWriter } from './arrow-writer.ts';
import { nextChain, schemaSha256 } from './batch-digest.ts';
import { loadZstd, type Zstd } from './codec.ts';
import { TABLE_FILE_SUFFIX, TABLE_NAME } from './format.ts';

/** A batch as the manifest states it. */
export interface BatchEntry {
  readonly rows: number;
  readonly tickMin: number | null;
  readonly tickMax: number | null;
  readonly sha256: string;
  /** sha256(chain of the batch before, sha256): equal chains mean equal tables so far. */
  readonly chain: string;
}

/** A table as the manifest states it. */
export interface TableEntry {
  readonly rows: number;
  readonly schemaSha256: string;
  readonly batches: readonly BatchEntry[];
}

export type TableEntries = Readonly<Record<string, TableEntry>>;

export type Compression = 'none' | 'zstd';

interface OpenTable {
  readonly spec: TableSpec;
  readonly writer: ArrowTableWriter;
  readonly batches: BatchEntry[];
  rows: number;
  chain: string;
}

export class TableSink implements TraceSink {
  private readonly tables = new Map<string, OpenTable>();

  constructor(
    private readonly directory: string,
    private readonly zstd: Zstd | null,
  ) {
    mkdirSync(directory, { recursive: true });
  }

  /** Creates the file of a table, so that it exists even if no row is ever written. */
  open(spec: TableSpec): void {
    this.tableOf(spec);
  }

  write(spec: TableSpec, columns: readonly ColumnData[], rows: number): void {
    const table = this.tableOf(spec);
    const { columnSha256: _, ...digest } = table.writer.write(columns, rows);
    table.chain = nextChain(table.chain, digest.sha256);
    table.rows += rows;
    table.batches.push({ ...digest, chain: table.chain });
  }

  /** Writes the footers and returns what the manifest says of the tables, by name. */
  finish(): TableEntries {
    const names = [...this.tables.keys()].sort();
    const entries = names.map((name): [string, TableEntry] => {
      const { spec, writer, rows, batches } = this.existing(name);
      writer.finish();
      return [name, { rows, schemaSha256: schemaSha256(spec), batches }];
    });
    this.tables.clear();
    return Object.fromEntries(entries);
  }

  /** Closes the files as they are. */
  abandon(): void {
    for (const { writer } of this.tables.values()) writer.abandon();
    this.tables.clear();
  }

  private existing(name: string): OpenTable {
    const table = this.tables.get(name);
    assert(table !== undefined, `table ${name} is not open`);
    return table;
  }

  private tableOf(spec: TableSpec): OpenTable {
    const open = this.tables.get(spec.name);
    if (open !== undefined) {
      assert(open.spec === spec, `two tables are named ${spec.name}`);
      return open;
    }
    assert(TABLE_NAME.test(spec.name), `${spec.name} is no table name`);
    const path = join(this.directory, `${spec.name}${TABLE_FILE_SUFFIX}`);
    const writer = new ArrowTableWriter(path, spec, { zstd: this.zstd ?? undefined });
    const chain = schemaSha256(spec);
    const table: OpenTable = { spec, writer, batches: [], rows: 0, chain };
    this.tables.set(spec.name, table);
    return table;
  }
}

/** A sink that writes into `directory`, which is created where it is missing. */
export async function createTableSink(
  directory: string,
  compression: Compression = 'none',
): Promise<TableSink> {
  return new TableSink(directory, compression === 'zstd' ? await loadZstd() : null);
}
