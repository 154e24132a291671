/** Queries that cannot be answered: what is wrong, where in the text, and what helps. */

export interface SqlPlace {
  /** From 1. */
  readonly line: number;
  /** From 1, in characters. */
  readonly column: number;
}

export class QueryError extends Error {
  override readonly name = 'QueryError';

  constructor(
    /** What is wrong, without place, remedy or full stop. */
    readonly problem: string,
    /** Where in the text; null where the whole of it is meant. */
    readonly place: SqlPlace | null,
    /** What helps, in the imperative and without a full stop. */
    readonly remedy: string,
  ) {
    const at = place === null ? '' : `line ${String(place.line)}, column ${String(place.column)}: `;
    super(`${at}${problem}; ${remedy}`);
  }
}

/** The query was stopped, by a signal or by its caller. */
export class QueryInterrupted extends Error {
  override readonly name = 'QueryInterrupted';
}

/** What DuckDB's errors hold when they come as JSON. */
interface DuckError {
  readonly exception_type?: string;
  readonly exception_message?: string;
  readonly error_subtype?: string;
  readonly position?: string;
  readonly type?: string;
  readonly name?: string;
}

function parseDuckError(message: string): DuckError | null {
  const begin = message.indexOf('{');
  if (begin < 0) return null;
  try {
    return JSON.parse(message.slice(begin)) as DuckError;
  } catch {
    return null;
  }
}

/** Line and column of a byte offset in `sql`. */
function placeOf(sql: string, byteOffset: number): SqlPlace {
  const before = Buffer.from(sql, 'utf8').subarray(0, byteOffset).toString('utf8');
  const lines = before.split('\n');
  return { line: lines.length, column: Array.from(lines.at(-1) ?? '').length + 1 };
}

const REMEDIES: Readonly<Record<string, string>> = {
  Parser: "correct the SQL; 'lab query --help' has examples",
  Binder: "list tables and columns with 'lab query RUN --tables'",
  Catalog: "list tables and columns with 'lab query RUN --tables'",
  Permission: 'queries read the run and nothing else; save results with --csv or --json',
  Conversion: 'cast with TRY_CAST, or select the rows that can be converted',
  'Out of Memory': 'select fewer columns or rows, or aggregate',
};

/** What to do about a table that the session does not have. */
export type MissingTable = (name: string) => string;

/** Turns an error of the database into a QueryError. `sql` is the text that was run. */
export function queryErrorFrom(error: unknown, sql: string, missing: MissingTable): Error {
  const message = error instanceof Error ? error.message : String(error);
  if (/INTERRUPT/i.test(message)) return new QueryInterrupted('the query was interrupted');
  const duck = parseDuckError(message);
  const isMissingTable = duck?.type === 'Table';
  const lines = (duck?.exception_message ?? message).split('\n').map((line) => line.trim());
  // The second line says what was meant: for tables the session knows better.
  const problem = lines
    .slice(0, isMissingTable ? 1 : 2)
    .map((line) => line.replace(/[.!]$/, ''))
    .filter((line) => line !== '')
    .join('; ');
  const byteOffset = Number(duck?.position);
  const place = Number.isInteger(byteOffset) ? placeOf(sql, byteOffset) : null;
  const remedy = isMissingTable ? missing(duck.name ?? '') : REMEDIES[duck?.exception_type ?? ''];
  return new QueryError(problem, place, remedy ?? 'correct the query');
}
