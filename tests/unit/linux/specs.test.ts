import { describe, expect, it } from 'vitest';
import { TRACE_TABLES } from '../../../machine/board/trace-tables.ts';
import { DECLARED_TABLES } from '../../../machine/linux/trace/specs.ts';

describe('trace tables', () => {
  const tables = [...TRACE_TABLES, ...DECLARED_TABLES];

  it('have names of their own', () => {
    expect(new Set(tables.map(({ name }) => name)).size).toBe(tables.length);
  });

  it.each(tables)(
    '$name: every column has a comment, tick is first, cpu and tid are there',
    ({ columns, comment }) => {
      expect(comment).toMatch(/\.$/);
      expect(columns[0].name).toBe('tick');
      expect(columns.map(({ name }) => name)).toEqual(expect.arrayContaining(['cpu', 'tid']));
      for (const column of columns) expect(column.comment).toMatch(/\.$/);
    },
  );
});
