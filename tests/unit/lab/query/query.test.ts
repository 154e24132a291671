/** Queries: right answers over one run and several, from every column type. */
import { truncateSync, statSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { QuerySession } from '../../../../lab/query/database.ts';
import { QueryInterrupted } from '../../../../lab/query/query-error.ts';
import { queryRuns } from '../../../../lab/query/query.ts';
import { openRun, openTable } from '../../../../lab/recording/read-run.ts';
import { RecordingError } from '../../../../lab/recording/recording-error.ts';
import { scratchFolder } from '../recording/synthetic.ts';
import { CORE_MHZ, writeSyntheticRun } from '../recording/synthetic-run.ts';

const scratch = scratchFolder();
const ROWS = 70_000;
let base: string;
let packed: string;

beforeAll(async () => {
  base = scratch('base');
  packed = scratch('packed');
  await writeSyntheticRun(base, { rows: ROWS });
  await writeSyntheticRun(packed, { rows: ROWS, compression: 'zstd', seed: 2, calls: 50 });
});

async function rows(sql: string, ...runs: string[]): Promise<unknown[][]> {
  const answer = await queryRuns(runs.length === 0 ? [base] : runs, sql);
  return answer.rows.map((row) => [...row]);
}

const sum = (values: Iterable<number | bigint>): bigint => {
  let total = 0n;
  for (const value of values) total += BigInt(value);
  return total;
};

describe('one run', () => {
  it.each([0, 1])('sums every integer column as the file holds it (compressed: %i)', async (i) => {
    const path = [base, packed][i];
    const table = await openTable(openRun(path), 'every_type');
    const names = ['tick', 'cpu', 'tid', 'dur', 'word', 'long', 'ret'];
    const expected = names.map((name) => {
      const column = table.spec.columns.findIndex((c) => c.name === name);
      return table.batches.reduce((total, _, b) => {
        return total + sum(table.readColumn(b, column) as Iterable<bigint>);
      }, 0n);
    });
    table.close();
    const columns = names.map((name) => (name === 'dur' ? 'dur_ticks' : name));
    const list = columns.map((name) => `sum(${name})::HUGEINT`).join(', ');
    expect(await rows(`select ${list} from every_type`, path)).toEqual([expected]);
  });

  it('reads dictionaries of both widths as text, and doubles exactly', async () => {
    const table = await openTable(openRun(base), 'every_type');
    const row = table.readRow(1, 4000);
    table.close();
    const sql = `select name::VARCHAR, many::VARCHAR, ratio, address_of.tick
      from every_type as address_of where tick = ${String(row['tick'])}`;
    expect(await rows(sql)).toContainEqual([row['name'], row['many'], row['ratio'], row['tick']]);
  });

  it('counts, filters and limits', async () => {
    expect(await rows('select count(*) from every_type')).toEqual([[BigInt(ROWS)]]);
    expect(await rows("select count(*) from every_type where name = 'no such'")).toEqual([[0n]]);
    expect(await rows('select tick from every_type limit 3')).toHaveLength(3);
    expect(
      await rows('select count(*) from every_type a join every_type b using (tick, cpu, tid)'),
    ).toEqual([[BigInt(ROWS)]]);
  });

  it('adds cycles and nanoseconds of the board', async () => {
    const sql = 'select tick, cycle, ts, dur_ticks, dur_cycles, dur from syscalls limit 1 offset 1';
    const [[tick, cycle, ts, durTicks, durCycles, dur]] = await rows(sql);
    expect([tick, cycle, durTicks, durCycles]).toEqual([65_152n, 1018, 384n, 6]);
    expect(ts).toBe(BigInt(Math.round((1018 * 1000) / CORE_MHZ)));
    expect(dur).toBe(3n);
  });

  it('joins names of symbols and phases to the ledger', async () => {
    const sql = `select phase, context, module, symbol, cause, ticks, cycles, ns
      from ledger where ticks = 25600`;
    const found = [
      ['storm', 'kernel', 'vmlinux', 'do_syscall_64', 'transition', 25_600n, 400, 200],
    ];
    expect(await rows(sql)).toEqual(found);
  });

  it('has no residual, and says so', async () => {
    expect(await rows('select distinct residual_ticks from ledger_balance')).toEqual([[0n]]);
    const [[cpi, instructions]] = await rows(`
      select sum(cycles_per_instruction), (select sum(instructions) from ledger where phase='storm')
      from cpi_stack where phase = 'storm'`);
    expect(cpi).toBeCloseTo(900 / Number(instructions), 12);
  });

  it('states what the run was', async () => {
    const sql = 'select target, board, kernel, seed, ticks, operations from runs';
    expect(await rows(sql)).toEqual([['synthetic', 'simple', 'pti=on', 1n, 122_240n, 100n]]);
  });

  it('reads addresses above 2^63 as unsigned', async () => {
    expect(await rows("select address from symbols where module = 'vmlinux'")).toEqual([
      [0xffffffff81000000n],
    ]);
  });
});

describe('several runs', () => {
  it('are told apart by a column', async () => {
    const sql = 'select run, count(*) from syscalls group by run order by run';
    const expected = [
      ['base', 100n],
      ['packed', 50n],
    ];
    expect(await rows(sql, base, packed)).toEqual(expected);
  });

  it('of the same name are called by their paths, and the same one twice by number', async () => {
    const twin = scratch('elsewhere/base');
    await writeSyntheticRun(twin, { rows: 10 });
    const sql = 'select run from runs order by run';
    expect(await rows(sql, base, twin)).toEqual([base, twin].sort().map((path) => [path]));
    expect(await rows(sql, twin, twin)).toEqual([[twin], [`${twin}#2`]]);
  });
});

describe('torn runs', () => {
  it('are refused, or read as far as they are whole', async () => {
    const torn = scratch('torn');
    await writeSyntheticRun(torn, { rows: ROWS });
    const file = join(torn, 'every_type.arrow');
    truncateSync(file, statSync(file).size - 100_000);
    const sql = 'select count(*) from every_type';
    await expect(queryRuns([torn], sql)).rejects.toBeInstanceOf(RecordingError);
    expect((await queryRuns([torn], sql, { recover: true })).rows).toEqual([[65_536n]]);
    rmSync(join(torn, 'manifest.json'));
    rmSync(join(torn, 'symbols.arrow'));
    expect((await queryRuns([torn], sql, { recover: true })).rows).toEqual([[65_536n]]);
    const ledger = 'select sum(ticks)::BIGINT from ledger';
    expect((await queryRuns([torn], ledger, { recover: true })).rows).toEqual([[122_240n]]);
  });

  it('report what was lost', async () => {
    const session = await QuerySession.open([scratch('torn')], { recover: true });
    expect(session.reports).toHaveLength(1);
    expect(session.reports[0].losses.join()).toContain('left out');
    session.close();
  });
});

describe('interrupting', () => {
  it('ends a long query within a second, with an error of its own', async () => {
    const abort = new AbortController();
    const begin = performance.now();
    setTimeout(() => {
      abort.abort();
    }, 100);
    const sql =
      'select sum(a.tick * b.word) from every_type a, every_type b where a.tick <> b.long';
    const query = queryRuns([base], sql, { signal: abort.signal });
    await expect(query).rejects.toBeInstanceOf(QueryInterrupted);
    expect(performance.now() - begin).toBeLessThan(5000);
  });
});
