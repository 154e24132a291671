/** The rows of a query, as they come. */
import {
  type DuckDBResult,
  type DuckDBType,
  type DuckDBValue,
  JsonDuckDBValueConverter,
  type Json,
} from '@duckdb/node-api';

/** A value of a result: nested ones (lists, structs, dates ...) in DuckDB's JSON form. */
export type Cell = bigint | Json;

export interface ResultColumn {
  readonly name: string;
  /** SQL type. */
  readonly type: string;
}

function cellOf(value: DuckDBValue, type: DuckDBType): Cell {
  if (value === null || typeof value !== 'object') return value;
  return JsonDuckDBValueConverter(value, type, JsonDuckDBValueConverter);
}

export class QueryResult {
  readonly columns: readonly ResultColumn[];

  constructor(
    private readonly result: DuckDBResult,
    private readonly failure: (error: unknown) => Error,
  ) {
    const types = result.columnTypes();
    this.columns = result
      .deduplicatedColumnNames()
      .map((name, i) => ({ name, type: typeName(types[i]) }));
  }

  /** The rows in parts of at most 2048. */
  async *parts(): AsyncGenerator<Cell[][], void, void> {
    const types = this.result.columnTypes();
    for (;;) {
      const part = await this.nextPart(types);
      if (part === null) return;
      yield part;
    }
  }

  /** All rows. */
  async rows(): Promise<Cell[][]> {
    const rows: Cell[][] = [];
    for await (const part of this.parts()) rows.push(...part);
    return rows;
  }

  private async nextPart(types: readonly DuckDBType[]): Promise<Cell[][] | null> {
    try {
      const chunk = await this.result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) return null;
      return chunk
        .getRows()
        .map((row) => row.map((value, i) => cellOf(value, types[i] as DuckDBType)));
    } catch (error) {
      throw this.failure(error);
    }
  }
}

/** Enumerations are named as such: their values would fill a screen. */
function typeName(type: DuckDBType | undefined): string {
  const name = String(type);
  return name.startsWith('ENUM') ? 'ENUM' : name;
}
