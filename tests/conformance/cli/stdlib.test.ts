/** Every view of the standard library answers on a run of the machine, and the books balance. */
import path from 'node:path';
import { expect, it } from 'vitest';
import { SQL_MODULES } from '../../../lab/query/stdlib.ts';
import { lab, labRun, withTemporaryFolder } from './lab.ts';

it('answers on a recorded run', () => {
  withTemporaryFolder((folder) => {
    const events = ['--events', 'tlb_miss,page_walk,cache_miss,branch_miss'];
    const target = ['vdso-vs-syscall', '--param', 'operations=50', ...events];
    const { run } = labRun(...target, '--out', path.join(folder, 'run'));
    for (const { name } of SQL_MODULES) {
      const { status, stderr } = lab('query', run, `from ${name}`, '--json');
      expect([name, status, stderr]).toEqual([name, 0, '']);
    }
    const sql = 'select * from ledger_balance where residual_ticks <> 0';
    expect(JSON.parse(lab('query', run, sql, '--json').stdout)).toEqual([]);
    const calls = lab('query', run, 'select count(*) as n from syscalls', '--csv').stdout;
    expect(Number(calls.split('\n')[1])).toBeGreaterThan(50);
  });
});
