/** The same experiment gives the same bytes, whatever executes it; another seed gives other addresses. */
import { describe, expect, it } from 'vitest';
import { deterministicFiles, labRun, withTemporaryFolder } from './lab.ts';

const EXPERIMENT = [
  'vdso-vs-syscall',
  '--param',
  'operations=300',
  '--board',
  'zen4-vm',
  '--kernel',
  'pti=on',
  '--events',
  'page_fault_user,syscalls',
];

function filesOf(folder: string, name: string, ...options: string[]): Map<string, Buffer> {
  return deterministicFiles(labRun(...EXPERIMENT, '--out', `${folder}/${name}`, ...options).run);
}

function expectSameBytes(a: Map<string, Buffer>, b: Map<string, Buffer>): void {
  expect([...a.keys()]).toEqual([...b.keys()]);
  for (const [name, bytes] of a) {
    expect(b.get(name)?.equals(bytes), `${name} is byte-identical`).toBe(true);
  }
}

describe('one experiment, executed in different ways', () => {
  it('is byte-identical when repeated, on either tier, and with the filter off', () => {
    withTemporaryFolder((folder) => {
      const first = filesOf(folder, 'first');
      expectSameBytes(first, filesOf(folder, 'again', '--seed', '1'));
      expectSameBytes(first, filesOf(folder, 'interpreter', '--tier', 'interpreter'));
      expectSameBytes(first, filesOf(folder, 'translator', '--tier', 'translator'));
      expectSameBytes(first, filesOf(folder, 'no-filter', '--no-filter'));
    });
  });

  it('moves addresses with the seed, and does not with norandmaps', () => {
    withTemporaryFolder((folder) => {
      const faults = (name: string, ...options: string[]): Buffer | undefined =>
        filesOf(folder, name, ...options).get('page_fault_user.arrow');
      const one = faults('one', '--seed', '1');
      expect(one).toBeDefined();
      expect(faults('two', '--seed', '2')?.equals(one ?? Buffer.alloc(0))).toBe(false);
      const fixed = faults('fixed-one', '--seed', '1', '--kernel', 'pti=on norandmaps');
      const other = faults('fixed-two', '--seed', '2', '--kernel', 'pti=on norandmaps');
      expect(other?.equals(fixed ?? Buffer.alloc(0))).toBe(true);
    });
  });
});
