/** The fields of a CPU's block lie apart: executors, core and kernel all write into it. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Field {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}

const SOURCE = new URL('../../../machine/hardware/layout.ts', import.meta.url);

/** Members of `enum Cpu` with the size that their comment gives; without one, 4 bytes. */
function fields(): Field[] {
  const body = /const enum Cpu \{(.*?)\n\}/su.exec(readFileSync(SOURCE, 'utf8'))?.[1] ?? '';
  const found: Field[] = [];
  let bytes = 4;
  for (const line of body.split('\n')) {
    const type = /^\s+(?:\/?\*\*?)\s+(i64|f64|i32)\b/u.exec(line)?.[1];
    if (type !== undefined) bytes = type === 'i32' ? 4 : 8;
    const member = /^ {2}([A-Z0-9_]+) = (0x[0-9a-f]+),/u.exec(line);
    if (member === null) continue;
    found.push({ name: member[1], offset: Number(member[2]), bytes });
    bytes = 4;
  }
  return found;
}

test('no two fields of a CPU block overlap', () => {
  const sorted = fields().sort((a, b) => a.offset - b.offset);
  expect(sorted.length).toBeGreaterThan(40);
  const overlaps = sorted
    .slice(1)
    .filter((field, index) => field.offset < sorted[index].offset + sorted[index].bytes)
    .map(({ name }) => name);
  expect(overlaps).toEqual([]);
});
