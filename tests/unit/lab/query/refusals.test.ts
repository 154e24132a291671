/** What a query may not do, and how mistakes are told. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QuerySession } from '../../../../lab/query/database.ts';
import { QueryError } from '../../../../lab/query/query-error.ts';
import { RecordingError } from '../../../../lab/recording/recording-error.ts';
import { scratchFolder } from '../recording/synthetic.ts';
import { writeSyntheticRun } from '../recording/synthetic-run.ts';

const scratch = scratchFolder();
let session: QuerySession;

beforeAll(async () => {
  await writeSyntheticRun(scratch('run'));
  writeFileSync(scratch('secret.csv'), 'a,b\n1,2\n');
  session = await QuerySession.open([scratch('run')]);
});

afterAll(() => {
  session.close();
});

async function errorOf(sql: string): Promise<QueryError> {
  try {
    await (await session.query(sql)).rows();
  } catch (error) {
    expect(error, sql).toBeInstanceOf(QueryError);
    return error as QueryError;
  }
  throw new Error(`answered: ${sql}`);
}

describe('the outside world is out of reach', () => {
  const secret = (): string => scratch('secret.csv');
  const attempts: readonly (() => string)[] = [
    () => `select * from read_csv('${secret()}')`,
    () => `select * from '${secret()}'`,
    () => `from read_text('${secret()}')`,
    () => `from read_blob('/etc/passwd')`,
    () => `from glob('/*')`,
    () => `from read_json('${secret()}')`,
    () => `from read_parquet('${secret()}')`,
    () => `from sniff_csv('${secret()}')`,
    () => `copy syscalls to '${scratch('out.csv')}'`,
    () => `copy (select 1) to '${scratch('out.parquet')}' (format parquet)`,
    () => `attach '${scratch('out.db')}'`,
    () => `export database '${scratch('out')}'`,
    () => `install httpfs`,
    () => `load httpfs`,
    () => `from 'https://example.org/x.parquet'`,
    () => `set enable_external_access = true`,
    () => `reset enable_external_access`,
    () => `set lock_configuration = false`,
    () => `set threads = 1`,
    () => `pragma threads = 4`,
    () => `create table t as select 1`,
    () => `create view v as select 1`,
    () => `create macro m() as 1`,
    () => `drop view syscalls`,
    () => `insert into syscalls values (1)`,
    () => `delete from syscalls`,
    () => `update runs set seed = 2`,
    () => `call pragma_version()`,
    () => `explain analyze select 1`,
    () => `checkpoint`,
    () => `begin`,
    () => `prepare p as select 1`,
    () => `select 1; drop view syscalls`,
    () => `select 1; select 2`,
    () => `pivot syscalls on name using count(*)`,
    () => `select getenv('HOME')`,
  ];

  it.each(attempts.map((attempt, i) => [i, attempt] as const))('attempt %i', async (_, attempt) => {
    await errorOf(attempt());
    const here = readdirSync(scratch('.')).sort();
    expect(here).toEqual(['run', 'secret.csv']);
  });

  it('and the session still answers', async () => {
    const result = await session.query('select count(*) from syscalls');
    expect(await result.rows()).toEqual([[100n]]);
    expect(existsSync('.tmp')).toBe(false);
  });
});

describe('mistakes are told with place and remedy', () => {
  const mistakes: readonly (readonly [string, { line: number; column: number } | null, RegExp])[] =
    [
      ['selec 1', { line: 1, column: 1 }, /syntax error/],
      ['select nope from syscalls', { line: 1, column: 8 }, /"nope" not found.*--tables/s],
      ['select 1,\n  a + \n  nope', { line: 2, column: 3 }, /"a" was not found/],
      ["select 'ünï', nope from syscalls", { line: 1, column: 15 }, /nope/],
      ['select * from syscal', { line: 1, column: 15 }, /did you mean syscalls/],
      ['select * from sched_switch', { line: 1, column: 15 }, /the tables are .*syscalls/],
      ["select cast('x' as int)", { line: 1, column: 8 }, /Could not convert/],
      ['', null, /empty/],
      [' ;; -- nothing\n /* at all */', null, /empty/],
      ['select 1; select 2', null, /2 statements; give one SELECT/],
      ['select ?', null, /parameters/],
      ['create table t (a int)', null, /type CREATE; give one SELECT/],
      ['select (', { line: 1, column: 9 }, /syntax error/],
      ["select 'open", { line: 1, column: 8 }, /unterminated/],
    ];

  it.each(mistakes)('%j', async (sql, place, message) => {
    const error = await errorOf(sql);
    expect(error.message).toMatch(message);
    expect(error.place).toEqual(place);
    expect(error.remedy).not.toBe('');
    expect(error.message).not.toContain('\n');
  });

  it('errors while rows are computed too', async () => {
    const sql = `select cast(name::VARCHAR as int) from syscalls`;
    expect((await errorOf(sql)).message).toMatch(/Could not convert/);
  });

  it('of a view whose table was not recorded: how to record it', async () => {
    const partial = scratch('run/../partial');
    await writeSyntheticRun(partial);
    const manifest = JSON.parse(readFileSync(join(partial, 'manifest.json'), 'utf8')) as {
      tables: Record<string, unknown>;
    };
    delete manifest.tables['syscalls'];
    writeFileSync(join(partial, 'manifest.json'), JSON.stringify(manifest));
    const other = await QuerySession.open([partial]);
    try {
      await expect(other.query('from syscall_summary')).rejects.toThrow(/--events syscalls/);
    } finally {
      other.close();
    }
  });
});

it('a corrupt column is told when a query reads it, and only then', async () => {
  const path = scratch('corrupt');
  await writeSyntheticRun(path, { rows: 5000 });
  const file = join(path, 'every_type.arrow');
  const bytes = readFileSync(file);
  // In the middle of the batch: a column of 8 bytes per row.
  bytes[bytes.length >> 1] ^= 0x10;
  writeFileSync(file, bytes);
  const corrupt = await QuerySession.open([path]);
  try {
    const outcomes = await Promise.allSettled(
      [
        'select sum(tick) from every_type',
        'select count(*) from (select distinct columns(*) from every_type)',
      ].map(async (sql) => (await corrupt.query(sql)).rows()),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    const [, rejected] = outcomes;
    const reason: unknown = rejected.status === 'rejected' ? rejected.reason : null;
    expect(reason).toBeInstanceOf(RecordingError);
    expect((reason as RecordingError).message).toMatch(/every_type\.arrow, byte \d+.*corrupt/);
  } finally {
    corrupt.close();
  }
});
