/**
 * House rules that no off-the-shelf tool checks: where files come from, what they must not hold,
 * and counts that may only fall.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as summaryTables from '../../lab/recording/summary-tables.ts';
import { SQL_MODULES } from '../../lab/query/stdlib.ts';
import { traceTables } from '../../machine/board/catalogue.ts';
import type { TableSpec } from '../../machine/core/trace/event-table.ts';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const LINES_MAX = 500;

const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');

interface Ratchet {
  readonly any: number;
  readonly lintSuppressions: number;
  readonly typeSuppressions: number;
  readonly skippedTests: number;
  /** Lines of each file that is too long. */
  readonly oversizedFiles: Readonly<Record<string, number>>;
}

const RATCHET = JSON.parse(read('tests/architecture/ratchet.json')) as Ratchet;

/** What git knows or would add: not what lies around in ignored folders. */
const FILES = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(path.join(ROOT, file)));

const isGenerated = (file: string): boolean => file.includes('/generated/');
const SOURCES = FILES.filter(
  (file) => /\.(ts|mjs|cjs|js|c|h|S|sql)$/.test(file) && !isGenerated(file),
);
const TEXTS = FILES.filter((file) => /\.(ts|mjs|cjs|js|c|h|S|sql|md|json)$/.test(file)).filter(
  (file) => !isGenerated(file) && file !== 'package-lock.json',
);

/** The comment at the top of a file, without its stars. */
function firstComment(file: string): string {
  const match = /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//.exec(read(file));
  return (match === null ? '' : match[1]).replaceAll(/\n \* ?/g, ' ').trim();
}

describe('every source file', () => {
  it('is neither empty nor longer than it should be', () => {
    const lengths = SOURCES.map((file) => [file, read(file).trimEnd().split('\n').length] as const);
    expect(SOURCES.filter((file) => read(file).trim() === '')).toEqual([]);
    const oversized = lengths.filter(([, lines]) => lines > LINES_MAX);
    expect(Object.fromEntries(oversized)).toEqual(RATCHET.oversizedFiles);
  });

  it('says in a first comment what it is', () => {
    const files = SOURCES.filter((file) => /^(lab|machine|workloads)\/.*\.ts$/.test(file));
    expect(files.length).toBeGreaterThan(100);
    expect(files.filter((file) => firstComment(file).length < 12)).toEqual([]);
  });
});

describe('every file of the kernel model', () => {
  const LINUX_PATH =
    /\b(arch|block|crypto|Documentation|drivers|fs|include|init|io_uring|ipc|kernel|lib|mm|net|security)\/[\w./*-]+/;
  const OURS = /^Ours, not Linux's\b/;
  const TRACEPOINT = /^machine\/linux\/trace\//;

  it('names the file of Linux that it follows, or says that it is ours', () => {
    const files = SOURCES.filter((file) => file.startsWith('machine/linux/'));
    expect(files.length).toBeGreaterThan(20);
    const unsaid = files.filter((file) => {
      const comment = firstComment(file);
      const isNamed = LINUX_PATH.test(comment) || OURS.test(comment);
      return !isNamed && !TRACEPOINT.test(file);
    });
    expect(unsaid).toEqual([]);
  });
});

describe('every table', () => {
  const isTable = (value: unknown): value is TableSpec =>
    typeof value === 'object' && value !== null && 'columns' in value && 'comment' in value;
  const tables = [...traceTables(), ...Object.values(summaryTables).filter(isTable)];

  it.each(tables.map((table) => [table.name, table] as const))(
    '%s explains itself and each column, and begins with a name',
    (_name, { name, comment, columns }) => {
      expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
      expect(comment.length).toBeGreaterThan(10);
      expect(columns.length).toBeGreaterThan(0);
      expect(columns.filter((column) => column.comment.length < 5)).toEqual([]);
      expect(new Set(columns.map((column) => column.name)).size).toBe(columns.length);
    },
  );

  it.each(SQL_MODULES.map((view) => [view.name, view] as const))(
    'view %s explains itself and each column',
    (_name, { comment, columns }) => {
      expect(comment.length).toBeGreaterThan(10);
      expect(columns.size).toBeGreaterThan(0);
      for (const text of columns.values()) expect(text.length).toBeGreaterThan(3);
    },
  );
});

describe('no file', () => {
  // Written so that this file does not hold what it looks for.
  const MARKS = new RegExp(
    String.raw`\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\b`,
  );
  const HOST_PATHS = new RegExp(
    String.raw`(^|[\s'"\x60(=])/(${['wo' + 'rk', 'ro' + 'ot', 'ho' + 'me'].join('|')})/\w`,
  );

  it('keeps notes to self', () => {
    expect(TEXTS.filter((file) => MARKS.test(read(file)))).toEqual([]);
  });

  it('names a path of the machine it was written on', () => {
    expect(TEXTS.filter((file) => HOST_PATHS.test(read(file)))).toEqual([]);
  });
});

describe('what should become rarer', () => {
  const count = (pattern: RegExp, files: readonly string[]): number =>
    files.reduce((sum, file) => sum + [...read(file).matchAll(pattern)].length, 0);
  const here = path.relative(ROOT, fileURLToPath(import.meta.url));
  const code = SOURCES.filter((file) => file.endsWith('.ts') && file !== here);
  const found = {
    any: count(/(: |<)any\b(?=[;,)>[\]]| =)|\bas any\b(?=[;,)\]]|$)/gm, code),
    lintSuppressions: count(/eslint-disable/g, code),
    typeSuppressions: count(/@ts-(ignore|expect-error|nocheck)/g, code),
    skippedTests: count(/\b(it|test|describe)\.skip\(/g, code),
  };

  it.each(Object.keys(found) as (keyof typeof found)[])(
    '%s: as many as tests/architecture/ratchet.json says (lower it when there are fewer)',
    (kind) => {
      expect(found[kind]).toBe(RATCHET[kind]);
    },
  );
});

describe('docs/dependencies.md', () => {
  it('lists exactly the packages of package.json, each with a reason', () => {
    const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;
    const packages = ['dependencies', 'devDependencies'].flatMap((kind) =>
      Object.keys(manifest[kind] ?? {}),
    );
    const rows = [...read('docs/dependencies.md').matchAll(/^- `([^`]+)`: (.+)$/gm)];
    expect(rows.map(([, name]) => name).sort()).toEqual(packages.sort());
    for (const [, , reason] of rows) expect(reason.length).toBeGreaterThan(15);
  });
});
