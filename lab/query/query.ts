/** Answers one SQL query over recorded runs. */
import { QuerySession, type SessionOptions } from './database.ts';
import type { Cell, ResultColumn } from './query-result.ts';

export interface QueryOptions extends SessionOptions {
  /** Stops the query; the promise then rejects with QueryInterrupted. */
  readonly signal?: AbortSignal;
}

export interface QueryAnswer {
  readonly columns: readonly ResultColumn[];
  readonly rows: readonly (readonly Cell[])[];
}

/**
 * Runs one SELECT over the run directories and returns all its rows: 64-bit integers as bigint.
 * Throws RecordingError (a run cannot be read), QueryError (the SQL) or QueryInterrupted.
 */
export async function queryRuns(
  runs: readonly string[],
  sql: string,
  options: QueryOptions = {},
): Promise<QueryAnswer> {
  const session = await QuerySession.open(runs, options);
  const stop = (): void => {
    session.interrupt();
  };
  options.signal?.addEventListener('abort', stop);
  try {
    const result = await session.query(sql);
    return { columns: result.columns, rows: await result.rows() };
  } finally {
    options.signal?.removeEventListener('abort', stop);
    session.close();
  }
}
