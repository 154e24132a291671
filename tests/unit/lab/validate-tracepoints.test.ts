/** Sequences of tracepoints: how they are compared, and that plain operations have the real one's. */
import { describe, expect, it } from 'vitest';
import { differences } from '../../../lab/validate/tracepoints/differences.ts';
import { validateTracepoints } from '../../../lab/validate/tracepoints/tracepoints.ts';

describe('differences', () => {
  it('is empty for equal sequences', () => {
    expect(differences(['a', 'b'], ['a', 'b'])).toEqual([]);
  });

  it('names what is missing and what is extra, by its place in the real sequence', () => {
    expect(differences(['a', 'b', 'c'], ['a', 'c', 'd'])).toEqual([
      { kind: 'missing', name: 'b', at: 1 },
      { kind: 'extra', name: 'd', at: 3 },
    ]);
  });
});

describe('lab validate tracepoints', () => {
  const validate = (filter: string): ReturnType<typeof validateTracepoints> =>
    validateTracepoints({ filter, onOperation: () => undefined });

  it.each(['fault_cow', 'kill_self_handler', 'pipe_write_wakes_reader', 'io_uring_nop_x4'])(
    'finds the sequence of the real kernel in %s',
    (name) => {
      const { rows } = validate(name);
      const row = rows.find(({ operation }) => operation === name);
      expect(row?.model).toEqual(row?.real);
      expect(row?.agrees).toBe(true);
    },
  );

  it('lists the differences where 6.18 and 6.1 part', () => {
    const { rows, ok } = validate('brk_grow');
    expect(ok).toBe(false);
    expect(rows[0]?.differences.length).toBeGreaterThan(0);
  });
});
