/** The timing validation: reading both sides of the table, joining them, and summing up errors. */
import { describe, expect, it } from 'vitest';
import { parseCsv } from '../../../../lab/validate/csv.ts';
import { parseRows } from '../../../../lab/validate/timing/measure.ts';
import { GROUPS, readReference } from '../../../../lab/validate/timing/reference.ts';
import { reasonUntried, SECTIONS, sectionOf } from '../../../../lab/validate/timing/sections.ts';
import { quantile, validateTiming } from '../../../../lab/validate/timing/timing.ts';
import { findBoard } from '../../../../machine/board/boards.ts';

describe('reference rows', () => {
  it('keep commas and quotes inside quoted fields', () => {
    expect(parseCsv('a,b,c\n1,"x, ""y""",\n')).toEqual([{ a: '1', b: 'x, "y"', c: '' }]);
  });

  it('are read with their parameters and times', () => {
    const rows = readReference('host-zen4');
    expect(rows.find(({ name }) => name === 'insn_imul_dep')).toMatchObject({
      median: 2.11,
      p10: 2.11,
    });
    const flips = rows.filter(({ name }) => name === 'mprotect_flip');
    expect(flips.map(({ params }) => params)).toContain('1 pages, RO+RW pair, 1 thread');
    for (const { median, best } of rows) {
      expect(median).toBeGreaterThan(0);
      expect(best).toBeGreaterThan(0);
    }
  });

  it('are measured by one section each, or say why not', () => {
    for (const { name, params } of readReference('host-zen4')) {
      const fitting = SECTIONS.filter(
        (section) => section.rows.includes(name) && (section.params?.test(params) ?? true),
      );
      expect(fitting.length, `${name} ${params}`).toBeLessThanOrEqual(1);
      if (sectionOf(name, params) === undefined) expect(reasonUntried(name, params)).not.toBe('');
    }
  });

  it('reach every group', () => {
    const names = new Set(readReference('host-zen4').map(({ name }) => name));
    for (const { name, rows } of GROUPS) {
      const patterns = rows.map((row) => new RegExp(`^${row.replace('*', '.*')}$`));
      expect(
        [...names].some((row) => patterns.some((pattern) => pattern.test(row))),
        name,
      ).toBe(true);
    }
  });
});

describe('measured rows', () => {
  it('are figures or reasons', () => {
    const rows = parseRows('a\tp\t1.50\nb\t\t-\tno memory\nnoise\n');
    expect([...rows]).toEqual([
      ['a\tp', { cycles: 1.5 }],
      ['b\t', { reason: 'no memory' }],
    ]);
  });

  it('are joined with the reference on a machine that runs the measuring program', () => {
    const board = findBoard('zen4-vm');
    if (board === undefined) throw new Error('no board');
    const sections: string[] = [];
    const report = validateTiming({
      board,
      kernel: '',
      filter: 'insn_imul_dep',
      full: false,
      onSection: (name) => sections.push(name),
    });
    expect(sections).toEqual(['core']);
    expect(report?.rows.length).toBe(1);
    const [row] = report?.rows ?? [];
    // Three core cycles by definition, in TSC cycles.
    expect(row?.model).toBeCloseTo(3 / 1.4125, 1);
    expect(row?.error).toBeCloseTo((row?.model ?? 0) / (row?.median ?? 1) - 1, 10);
    expect(report?.ok).toBe(true);
  });

  it('do not exist for a board without a data set', () => {
    const board = findBoard('simple');
    if (board === undefined) throw new Error('no board');
    const options = { board, kernel: '', filter: '', full: false, onSection: () => undefined };
    expect(validateTiming(options)).toBeUndefined();
  });
});

describe('quantile', () => {
  it('interpolates between values', () => {
    expect(quantile([], 0.5)).toBeNull();
    expect(quantile([3], 0.9)).toBe(3);
    expect(quantile([0, 10], 0.5)).toBe(5);
    expect(quantile([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.9)).toBe(9);
  });
});
