/** `lab query` as users run it, over synthetic runs: formats, standard input, exit codes, signals. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, statSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../../unit/lab/recording/synthetic.ts';
import { writeSyntheticRun } from '../../unit/lab/recording/synthetic-run.ts';
import { lab } from './lab.ts';

const LAB = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../dist/lab.js');
const scratch = scratchFolder();
let run: string;

beforeAll(async () => {
  run = scratch('run');
  await writeSyntheticRun(run, { rows: 70_000 });
});

describe('formats', () => {
  const SQL = 'select phase, ns, \'a "b", c\' as text from phase_summary';

  it('table', () => {
    const { status, stdout, stderr } = lab('query', run, SQL);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.split('\n')).toEqual([
      'phase     ns  text',
      'startup  505  a "b", c',
      'storm    450  a "b", c',
      '',
    ]);
  });

  it('json', () => {
    const { stdout } = lab('query', run, SQL, '--json');
    expect(JSON.parse(stdout)).toEqual([
      { phase: 'startup', ns: 505, text: 'a "b", c' },
      { phase: 'storm', ns: 450, text: 'a "b", c' },
    ]);
    const none = lab('query', run, 'from syscalls where false', '--json');
    expect(JSON.parse(none.stdout)).toEqual([]);
    const big = lab('query', run, 'select address, 9007199254740993 as big from symbols', '--json');
    expect(JSON.parse(big.stdout)).toContainEqual({
      address: '18446744071578845184',
      big: '9007199254740993',
    });
  });

  it('csv', () => {
    const { stdout } = lab('query', run, SQL, '--csv');
    expect(stdout).toBe('phase,ns,text\nstartup,505,"a ""b"", c"\nstorm,450,"a ""b"", c"\n');
  });

  it('all rows in csv, the first thousand in a table', () => {
    const csv = lab('query', run, 'select tick from every_type', '--csv');
    expect(csv.stdout.trimEnd().split('\n')).toHaveLength(70_001);
    const table = lab('query', run, 'select tick from every_type');
    expect(table.stdout.trimEnd().split('\n')).toHaveLength(1001);
    expect(table.stderr).toContain('--csv');
  });

  it('control characters of a guest do not reach the terminal', () => {
    const { stdout } = lab('query', run, "select chr(27) || '[2J' as x");
    expect(stdout).toBe('x\n\\x1b[2J\n');
  });

  it('--tables lists every column with its comment', () => {
    const { stdout } = lab('query', run, '--tables', '--json');
    const columns = JSON.parse(stdout) as { table: string; column: string; comment: string }[];
    const found = columns.find(({ table, column }) => table === 'syscalls' && column === 'dur');
    expect(found?.comment).toMatch(/nanoseconds/);
  });
});

it('reads one statement from standard input', () => {
  const options = { input: 'select 6 * 7 as answer;\n', encoding: 'utf8' as const };
  const { status, stdout } = spawnSync(process.execPath, [LAB, 'query', run, '--csv'], options);
  expect([status, stdout]).toEqual([0, 'answer\n42\n']);
  const empty = spawnSync(process.execPath, [LAB, 'query', run], { input: '', encoding: 'utf8' });
  expect(empty.status).toBe(2);
  expect(empty.stderr).toMatch(/^error: SQL: the query is empty/);
});

it('tells where the SQL is wrong, in one line, and exits 2', () => {
  const { status, stdout, stderr } = lab('query', run, 'select name,\n  nope from syscalls');
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^error: SQL line 2, column 3: .*nope.*--tables/);
  expect(stderr.trimEnd()).not.toContain('\n');
});

it('reads what is whole of a torn run when asked, and says what it lost', async () => {
  const torn = scratch('torn');
  await writeSyntheticRun(torn, { rows: 70_000 });
  const file = path.join(torn, 'every_type.arrow');
  truncateSync(file, statSync(file).size - 50_000);
  const sql = 'select count(*) as n from every_type';
  const refused = lab('query', torn, sql);
  expect([refused.status, refused.stdout]).toEqual([2, '']);
  expect(refused.stderr).toMatch(/every_type\.arrow, byte \d+: the file is torn.*--recover/);
  rmSync(path.join(torn, 'manifest.json'));
  const { status, stdout, stderr } = lab('query', torn, sql, '--recover', '--csv');
  expect([status, stdout]).toEqual([0, 'n\n65536\n']);
  expect(stderr).toMatch(/^warning: .*every_type\.arrow: recovered 65536 rows in 1 batches; /);
});

it('is stopped by Ctrl-C within seconds, with exit code 130', async () => {
  const sql = 'select sum(a.tick * b.word) from every_type a, every_type b where a.tick <> b.long';
  const child = spawn(process.execPath, [LAB, 'query', run, sql]);
  const exit = once(child, 'exit');
  setTimeout(() => child.kill('SIGINT'), 1000);
  const [code] = (await exit) as [number];
  expect(code).toBe(130);
});
