/** Queries that cannot be answered: what is wrong, where in the text, and what helps. */

export interface SqlPlace {
  /** From 1. */
  readonly line: number;
  /** From 1, in characters. */
  readonly column: number;
}

export class QueryError extends Error {
  override readonly name = 'QueryError';
  readonly place: SqlPlace | null;
  readonly remedy: string;

  constructor(problem: string, place: SqlPlace | null, remedy: string) {
    const at = place === null ? '' : `line ${String(place.line)}, column ${String(place.column)}: `;
    super(`${at}${problem}. ${remedy}.`);
    this.place = place;
    this.remedy = remedy;
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
  return { line: lines.length, column: [...(lines.at(-1) ?? '')].length + 1 };
}

const REMEDIES: Readonly<Record<string, string>> = {
  Parser: 'Correct the SQL; `lab query --help` has examples',
  Binder: 'List tables and columns with `lab query RUN --tables`',
  Catalog: 'List tables and columns with `lab query RUN --tables`',
  Permission: 'Queries read the run and nothing else; save results with --csv or --json',
  Conversion: 'Cast with TRY_CAST, or select the rows that can be converted',
  'Out of Memory': 'Select fewer columns or rows, or aggregate',
};

/** Why a table may be missing although it exists elsewhere. Null where that is not the reason. */
export type MissingTable = (name: string) => string | null;

/** Turns an error of the database into a QueryError. `sql` is the text that was run. */
export function queryErrorFrom(error: unknown, sql: string, missing: MissingTable): Error {
  const message = error instanceof Error ? error.message : String(error);
  if (/INTERRUPT/i.test(message)) return new QueryInterrupted('the query was interrupted');
  const duck = parseDuckError(message);
  const lines = (duck?.exception_message ?? message).split('\n');
  // The second line says what was meant, if anything.
  const problem = lines
    .slice(0, 2)
    .map((line) => line.trim().replace(/[.!]$/, ''))
    .filter((line) => line !== '')
    .join('; ');
  const byteOffset = Number(duck?.position);
  const place = Number.isInteger(byteOffset) ? placeOf(sql, byteOffset) : null;
  const reason = duck?.type === 'Table' ? missing(duck.name ?? '') : null;
  const remedy = reason ?? REMEDIES[duck?.exception_type ?? ''] ?? 'Correct the query';
  return new QueryError(problem, place, remedy);
}
