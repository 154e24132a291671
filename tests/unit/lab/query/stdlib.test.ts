/** The standard library: every file is listed, every view works, every view and column is explained. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QuerySession, TABLES_SQL } from '../../../../lab/query/database.ts';
import { parseSqlModule, SQL_MODULES } from '../../../../lab/query/stdlib.ts';
import { scratchFolder } from '../recording/synthetic.ts';
import { writeSyntheticRun } from '../recording/synthetic-run.ts';

const FOLDER = fileURLToPath(new URL('../../../../lab/query/stdlib/', import.meta.url));
const scratch = scratchFolder();
let session: QuerySession;

beforeAll(async () => {
  await writeSyntheticRun(scratch('run'));
  session = await QuerySession.open([scratch('run')]);
});

afterAll(() => {
  session.close();
});

it('every file is a module of its name', () => {
  const files = readdirSync(FOLDER).sort();
  expect(files).toEqual(SQL_MODULES.map(({ name }) => `${name}.sql`).sort());
  for (const file of files) {
    expect(`${parseSqlModule(readFileSync(FOLDER + file, 'utf8')).name}.sql`).toBe(file);
  }
});

describe.each(SQL_MODULES)('$name', ({ name, columns, needs, comment }) => {
  it('answers, and explains exactly the columns that it has', async () => {
    const result = await session.query(`from ${name}`);
    expect(result.columns.map((column) => column.name)).toEqual([...columns.keys()]);
    expect((await result.rows()).length).toBeGreaterThan(0);
    expect(needs.length).toBeGreaterThan(0);
    expect(comment).toMatch(/\.$/);
  });
});

it('every view and every column of a session has a comment that is a sentence', async () => {
  const rows = (await (await session.query(TABLES_SQL)).rows()) as string[][];
  const views = new Set(rows.map(([view]) => view));
  expect(views.size).toBeGreaterThan(SQL_MODULES.length + 5);
  for (const [view, viewComment, column, , comment] of rows) {
    expect(viewComment, view).toMatch(/^[A-Z].*\.$/);
    expect(comment, `${view}.${column}`).toMatch(/^[A-Z0-9`].*\.$/);
  }
});
