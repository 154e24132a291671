/** Replacement orders, page-walk costs and table bits, worked out by hand on the tiny machine. */
import { describe, expect, it } from 'vitest';
import { Rig, TINY } from './rig.ts';

const BASE = 0x400000n;
const FRAME = 0x200000;
const { walkTicks, dramTicks } = TINY;

/** `pages` consecutive writable user pages from BASE; returns the leaf entries' addresses. */
function mapPages(rig: Rig, pages: number, flags = 7n): { root: number; entries: number[] } {
  const root = rig.table();
  const entries: number[] = [];
  for (let i = 0; i < pages; i++) {
    entries.push(rig.map(root, BASE + BigInt(i) * 4096n, BigInt(FRAME + i * 4096) | flags));
  }
  rig.space(0, root, 0, true);
  return { root, entries };
}

function line(page: number, n: number): bigint {
  return BASE + BigInt(page * 4096 + n * 64);
}

describe('page walks', () => {
  it('the first one reads four table entries and the line from DRAM', () => {
    const rig = new Rig();
    mapPages(rig, 1);
    const { cells } = rig.user(0, 'read', BASE, 8);
    expect(cells).toEqual({ PAGE_WALK: walkTicks + 4 * dramTicks, DRAM: dramTicks });
  });

  it('of a 2 MiB page reads three entries', () => {
    const rig = new Rig();
    const root = rig.table();
    rig.map(root, 0x40000000n, 0x400000n | 0x87n, 1);
    rig.space(0, root, 0, true);
    const { cells } = rig.user(0, 'read', 0x40000000n, 8);
    expect(cells.PAGE_WALK).toBe(walkTicks + 3 * dramTicks);
    expect(rig.user(0, 'read', 0x40000000n + 0x1ff000n, 8).cells).toEqual({ DRAM: dramTicks });
  });

  it('for a fetch are frontend stalls', () => {
    const rig = new Rig();
    mapPages(rig, 1);
    const { cells } = rig.user(0, 'fetch', BASE, 1);
    expect(cells).toEqual({ FRONTEND: walkTicks + 5 * dramTicks });
  });

  it('happen once for each page until a TLB forgets it', () => {
    const rig = new Rig();
    mapPages(rig, 2);
    for (let i = 0; i < 5; i++) {
      rig.user(0, 'read', line(0, i), 8);
      rig.user(0, 'read', line(1, i), 8);
    }
    expect(rig.hierarchy.counters(0).walks).toBe(2);
    rig.invalidate(0, BASE, 0);
    rig.user(0, 'read', line(0, 0), 8);
    rig.user(0, 'read', line(1, 0), 8);
    expect(rig.hierarchy.counters(0).walks).toBe(3);
  });
});

describe('accessed and dirty bits', () => {
  it('a read sets accessed at every level, the first write dirty in the leaf', () => {
    const rig = new Rig();
    const { root, entries } = mapPages(rig, 1);
    rig.user(0, 'read', BASE, 8);
    expect(rig.physical.read64(entries[0]) & 0x60n).toBe(0x20n);
    expect(rig.physical.read64(root) & 0x60n).toBe(0x20n);
    rig.user(0, 'read', BASE, 8);
    const walks = rig.hierarchy.counters(0).walks;
    expect(rig.user(0, 'write', BASE, 8).cells.PAGE_WALK).toBeGreaterThan(0);
    expect(rig.physical.read64(entries[0]) & 0x60n).toBe(0x60n);
    expect(rig.physical.read64(root) & 0x60n).toBe(0x20n);
    rig.user(0, 'write', line(0, 1), 8);
    expect(rig.hierarchy.counters(0).walks).toBe(walks + 1);
  });

  it('a forbidden write leaves the leaf alone and says what the tables say', () => {
    const rig = new Rig();
    const { entries } = mapPages(rig, 1, 5n);
    rig.user(0, 'read', BASE, 8);
    const { fault } = rig.user(0, 'write', BASE + 6n, 8);
    expect(fault).toEqual({ vector: 14, address: BASE + 6n, code: 7 });
    expect(rig.physical.read64(entries[0]) & 0x60n).toBe(0x20n);
  });

  it('a page made writable is written without a spurious fault', () => {
    const rig = new Rig();
    const { entries } = mapPages(rig, 1, 5n);
    rig.user(0, 'read', BASE, 8);
    rig.setEntry(entries[0], BigInt(FRAME) | 7n);
    expect(rig.user(0, 'write', BASE, 8).fault).toBeUndefined();
  });

  it('a page moved and made writable is read at its new place after the write', () => {
    const rig = new Rig();
    const { entries } = mapPages(rig, 1, 5n);
    rig.user(0, 'read', line(0, 3), 8);
    rig.user(0, 'read', line(0, 3), 8);
    expect(rig.filterHits).toBe(1);
    rig.setEntry(entries[0], 0x300000n | 7n);
    rig.user(0, 'write', line(0, 4), 8);
    expect(rig.user(0, 'read', line(0, 3), 8).physical).toBe(0x3000c0);
  });
});

describe('replacement', () => {
  it('L1D is FIFO: a hit does not save the oldest line', () => {
    const rig = new Rig();
    mapPages(rig, 1);
    // 4 sets x 3 ways: lines 0, 4, 8, 12 share a set.
    for (const n of [0, 4, 8]) rig.user(0, 'read', line(0, n), 8);
    rig.user(0, 'read', line(0, 0), 8);
    rig.user(0, 'read', line(0, 12), 8);
    expect(rig.user(0, 'read', line(0, 4), 8).ticks).toBe(0);
    expect(rig.user(0, 'read', line(0, 8), 8).ticks).toBe(0);
    expect(rig.user(0, 'read', line(0, 0), 8).cells).toEqual({ L2: TINY.l2.ticks });
  });

  it('the DTLB is FIFO: the page used last may go first', () => {
    const rig = new Rig();
    mapPages(rig, 5);
    // 2 sets x 2 ways: even pages share a set.
    for (const p of [0, 2]) rig.user(0, 'read', line(p, p), 8);
    rig.user(0, 'read', line(0, 0), 8);
    rig.user(0, 'read', line(4, 4), 8);
    expect(rig.user(0, 'read', line(2, 2), 8).cells.DTLB).toBeUndefined();
    expect(rig.user(0, 'read', line(0, 0), 8).cells.DTLB).toBe(TINY.stlb.ticks);
  });

  it('the second-level TLB is LRU', () => {
    const rig = new Rig();
    mapPages(rig, 26);
    // 4 sets x 3 ways; pages 0, 4, 8, 12 share a set, and the L1 set of even pages.
    for (const p of [0, 4, 8]) rig.user(0, 'read', line(p, 0), 8);
    const walks = (): number => rig.hierarchy.counters(0).walks;
    rig.user(0, 'read', line(0, 0), 8); // from the second level: now the latest
    rig.user(0, 'read', line(12, 0), 8); // displaces page 4
    expect(walks()).toBe(4);
    rig.user(0, 'read', line(2, 0), 8);
    rig.user(0, 'read', line(6, 0), 8); // both pages out of the L1 TLB set
    const before = walks();
    rig.user(0, 'read', line(0, 0), 8);
    expect(walks()).toBe(before);
    rig.user(0, 'read', line(4, 0), 8);
    expect(walks()).toBe(before + 1);
  });

  it('L2 is LRU', () => {
    const rig = new Rig();
    mapPages(rig, 1);
    const read = (n: number): unknown => rig.user(0, 'read', line(0, n), 8).cells;
    // 8 sets x 5 ways: these share set 3 (page table lines are in set 0). L1D keeps the last three.
    for (const n of [3, 11, 19, 27, 35]) read(n);
    expect(read(3)).toEqual({ L2: TINY.l2.ticks });
    read(43); // displaces 11, the least recently used
    expect(read(11)).toEqual({ LLC: TINY.llc.ticks }); // displaces 19
    expect(read(27)).toEqual({ L2: TINY.l2.ticks });
    expect(read(19)).toEqual({ LLC: TINY.llc.ticks });
  });

  it('a dirty line goes down when it leaves L1D, a clean one does not', () => {
    const rig = new Rig();
    mapPages(rig, 1, 0x67n);
    const writebacks = (): number => rig.hierarchy.counters(0).l1dWritebacks;
    for (const n of [1, 5, 9]) rig.user(0, 'read', line(0, n), 8);
    const before = writebacks();
    for (const n of [13, 17]) rig.user(0, 'read', line(0, n), 8);
    expect(writebacks()).toBe(before);
    rig.user(0, 'write', line(0, 17), 8);
    for (const n of [21, 25, 29]) rig.user(0, 'read', line(0, n), 8);
    expect(writebacks()).toBe(before + 1);
    expect(rig.user(0, 'read', line(0, 17), 8).cells).toEqual({ L2: TINY.l2.ticks });
  });
});
