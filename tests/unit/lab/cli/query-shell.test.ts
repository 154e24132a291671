/** The shell: statements over several lines, commands, mistakes that do not end it. */
import { Readable } from 'node:stream';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { runShell } from '../../../../lab/cli/query-shell.ts';
import { QuerySession, TABLES_SQL } from '../../../../lab/query/database.ts';
import { scratchFolder } from '../recording/synthetic.ts';
import { writeSyntheticRun } from '../recording/synthetic-run.ts';

const scratch = scratchFolder();

beforeAll(async () => {
  await writeSyntheticRun(scratch('run'));
});

afterEach(() => {
  vi.restoreAllMocks();
});

async function typed(...lines: string[]): Promise<{ output: string; errors: unknown[] }> {
  const errors: unknown[] = [];
  const output: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    output.push(String(chunk));
    return true;
  });
  const session = await QuerySession.open([scratch('run')]);
  try {
    await runShell(session, {
      reportError: (error) => errors.push(error),
      tablesSql: TABLES_SQL,
      input: Readable.from(lines.map((line) => `${line}\n`)),
    });
  } finally {
    session.close();
  }
  return { output: output.join(''), errors };
}

describe('lab query without SQL', () => {
  it('runs statements that end with a semicolon, over several lines', async () => {
    const { output, errors } = await typed('.mode csv', 'select 1 as a,', '  2 as b;', 'select 3;');
    expect(errors).toEqual([]);
    expect(output).toContain('a,b\n1,2\n');
    expect(output).toContain('3\n');
  });

  it('goes on after a mistake, and leaves when told', async () => {
    const { output, errors } = await typed('selec;', 'select 7 as n;', '.quit', 'select 8 as m;');
    expect(errors.map(String)).toEqual([expect.stringContaining('syntax error') as string]);
    expect(output).toContain('n\n7\n');
    expect(output).not.toContain('8');
  });

  it('lists tables and explains itself', async () => {
    const { output } = await typed('.tables', '.help');
    expect(output).toContain('syscall_summary');
    expect(output).toContain('.mode MODE');
  });
});
