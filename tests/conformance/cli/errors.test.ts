/** Bad input: one clear line that names place and remedy, exit 2, nothing half-written. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { lab, labRun, withTemporaryFolder, type LabResult } from './lab.ts';

/** The one line that a user gets, checked for its form. */
function refusal({ status, stdout, stderr }: LabResult): string {
  expect(status).toBe(2);
  expect(stdout).toBe('');
  const lines = stderr.trimEnd().split('\n');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^error: /);
  return lines[0] ?? '';
}

const QUICK = ['vdso-vs-syscall', '--param', 'operations=10', '--board', 'simple'];

describe('lab run refuses', () => {
  it('an unknown kernel word, with the nearest known one', () => {
    withTemporaryFolder((folder) => {
      const out = path.join(folder, 'run');
      const line = refusal(lab('run', ...QUICK, '--kernel', 'ptii=on', '--out', out));
      expect(line).toContain('ptii');
      expect(line).toMatch(/\bpti\b/);
      expect(readdirSync(folder)).toEqual([]);
    });
  });

  it('an unknown target, board, parameter and event, each with what there is', () => {
    expect(refusal(lab('run', 'vdso-vs-sycall'))).toContain('vdso-vs-syscall');
    expect(refusal(lab('run', ...QUICK, '--board', 'zen5'))).toContain('zen4-vm');
    expect(refusal(lab('run', ...QUICK, '--param', 'operation=3'))).toContain('operations');
    expect(refusal(lab('run', ...QUICK, '--param', 'operations=many'))).toContain('operations');
    expect(refusal(lab('run', ...QUICK, '--events', 'syscals'))).toContain('syscalls');
    expect(refusal(lab('run', ...QUICK, '--seed', 'x'))).toContain('seed');
  });

  it('a file that is not an executable', () => {
    withTemporaryFolder((folder) => {
      const file = path.join(folder, 'not-an-elf');
      writeFileSync(file, '#!/bin/sh\necho no\n');
      const out = path.join(folder, 'run');
      expect(refusal(lab('run', file, '--out', out))).toContain('not-an-elf');
      expect(existsSync(out)).toBe(false);
    });
  });

  it('to overwrite a run', () => {
    withTemporaryFolder((folder) => {
      const { run } = labRun(...QUICK, '--out', path.join(folder, 'run'));
      const before = readFileSync(path.join(run, 'manifest.json'));
      expect(refusal(lab('run', ...QUICK, '--out', run))).toContain('exists');
      expect(readFileSync(path.join(run, 'manifest.json')).equals(before)).toBe(true);
    });
  });
});

describe('lab query and lab replay refuse', () => {
  it('bad SQL, more than a SELECT, and what is not a run', () => {
    withTemporaryFolder((folder) => {
      const { run } = labRun(...QUICK, '--out', path.join(folder, 'run'));
      expect(refusal(lab('query', run, 'SELEC 1'))).toMatch(/syntax|parser/i);
      expect(refusal(lab('query', run, 'select nope from syscalls'))).toContain('nope');
      refusal(lab('query', run, `copy syscalls to '${folder}/x.csv'`));
      refusal(lab('query', run, 'select 1; select 2'));
      refusal(lab('query', path.join(folder, 'nothing'), 'select 1'));
      refusal(lab('replay', path.join(folder, 'nothing')));
      expect(readdirSync(folder)).toEqual(['run']);
    });
  });

  it('a torn Arrow file, naming the file', () => {
    withTemporaryFolder((folder) => {
      const { run } = labRun(...QUICK, '--out', path.join(folder, 'run'));
      const file = path.join(run, 'syscalls.arrow');
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.subarray(0, Math.floor(bytes.length / 2)));
      expect(refusal(lab('query', run, 'select count(*) from syscalls'))).toContain(
        'syscalls.arrow',
      );
    });
  });
});
