/** Random access sequences: the model in WebAssembly against the reference, access by access. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpaceUse } from '../../../../machine/hardware/memory/hierarchy.ts';
import { TlbFlush } from '../../../../machine/hardware/memory/model-layout.ts';
import type { MemoryGeometry } from '../../../../machine/hardware/memory/model-setup.ts';
import { GUEST, GUEST_BYTES, Rig, SMALL, TINY, WALKS, type Access } from './rig.ts';

/** Operations in a sequence, at most. */
const LENGTH = 600;

const USER = 0x400000n;
const USER_FAR = 0x7ffff7ff0000n;
const USER_LARGE = 0x40000000n;
const KERNEL = BigInt.asIntN(64, 0xffff888000000000n);
const KERNEL_LARGE = BigInt.asIntN(64, 0xffffffff80000000n);
const UNMAPPED = 0x123456789000n;
const NON_CANONICAL = 0x800000000000n;

const PAGES = [
  ...Array.from({ length: 10 }, (_, i) => USER + BigInt(i) * 4096n),
  ...Array.from({ length: 3 }, (_, i) => USER_FAR + BigInt(i) * 4096n),
  ...Array.from({ length: 3 }, (_, i) => USER_LARGE + BigInt(i) * 0x5000n),
  ...Array.from({ length: 5 }, (_, i) => KERNEL + BigInt(i) * 4096n),
  ...Array.from({ length: 3 }, (_, i) => KERNEL_LARGE + BigInt(i) * 0x3000n),
  UNMAPPED,
  NON_CANONICAL - 4096n,
];

const FLAG_CHOICES = [7n, 7n, 7n, 5n, 3n, 0n, 0x107n, 7n | (1n << 63n), 0x47n];

type Operation =
  | { do: 'user'; cpu: number; access: Access; page: number; offset: number; size: number }
  /** The user or kernel access that was made `back` accesses ago. */
  | { do: 'again'; cpu: number; back: number }
  | { do: 'kernel'; cpu: number; access: Access; page: number; offset: number }
  | { do: 'space'; cpu: number; space: number; flush: boolean; use: SpaceUse }
  | { do: 'invalidate'; cpu: number; page: number; pcid: number }
  | { do: 'flush'; cpu: number; kind: TlbFlush; pcid: number }
  | { do: 'remap'; space: number; page: number; frame: number; flags: number; silent: boolean };

const cpu = fc.nat({ max: 1 });
const page = fc.oneof(
  { weight: 4, arbitrary: fc.nat({ max: 5 }) },
  { weight: 2, arbitrary: fc.nat({ max: PAGES.length - 1 }) },
);
const access = fc.constantFrom<Access>('read', 'read', 'write', 'fetch');
const offset = fc.oneof(
  { weight: 4, arbitrary: fc.nat({ max: 7 }).map((n) => n * 16) },
  { weight: 2, arbitrary: fc.nat({ max: 4095 }) },
  { weight: 1, arbitrary: fc.integer({ min: 4080, max: 4095 }) },
);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.record({
      do: fc.constant('user' as const),
      cpu,
      access,
      page,
      offset,
      size: fc.constantFrom(1, 2, 4, 8, 16),
    }),
  },
  {
    weight: 40,
    arbitrary: fc.record({ do: fc.constant('again' as const), cpu, back: fc.nat({ max: 7 }) }),
  },
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant('kernel' as const), cpu, access, page, offset }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('space' as const),
      cpu,
      space: fc.nat({ max: 2 }),
      flush: fc.boolean(),
      use: fc.constantFrom(SpaceUse.BOTH, SpaceUse.BOTH, SpaceUse.KERNEL, SpaceUse.USER),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('invalidate' as const),
      cpu,
      page,
      pcid: fc.nat({ max: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('flush' as const),
      cpu,
      kind: fc.constantFrom(TlbFlush.ALL, TlbFlush.NON_GLOBAL, TlbFlush.PCID),
      pcid: fc.nat({ max: 2 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('remap' as const),
      space: fc.nat({ max: 1 }),
      page: fc.nat({ max: 12 }),
      frame: fc.nat({ max: 15 }),
      flags: fc.nat({ max: FLAG_CHOICES.length - 1 }),
      silent: fc.boolean(),
    }),
  },
);

/** Two address spaces (three PCIDs: space 2 is space 0 under another one). */
function build(rig: Rig): number[] {
  const roots = [rig.table(), rig.table()];
  for (const root of roots) {
    PAGES.forEach((va, i) => {
      if (va === UNMAPPED) return;
      if (va >= USER_LARGE && va < USER_LARGE + 0x200000n) {
        rig.map(root, USER_LARGE, 0x400000n | 0x87n, 1);
      } else if (va >= KERNEL_LARGE && va < 0n) {
        rig.map(root, KERNEL_LARGE, 0x600000n | 0x183n, 1);
      } else {
        const flags = va < 0n ? (i % 2 === 0 ? 0x103n : 3n) : 7n;
        rig.map(root, va, BigInt(frameOf(i)) | flags);
      }
    });
  }
  return [roots[0], roots[1], roots[0]];
}

/** Frames repeat, so that one physical line is seen at several virtual ones. */
function frameOf(i: number): number {
  return 0x100000 + (i % 9) * 0x1000;
}

class Run {
  readonly rig: Rig;
  private readonly cpus: number;
  private readonly roots: number[];
  /** By CPU: may user code run, by the last address space switch. */
  private readonly userRuns: boolean[];

  private readonly accesses: Operation[] = [];

  constructor(cpus: number, filter: boolean, geometry: MemoryGeometry) {
    this.rig = new Rig({ cpus, filter, geometry });
    this.cpus = cpus;
    this.roots = build(this.rig);
    this.userRuns = new Array<boolean>(cpus).fill(true);
    for (let c = 0; c < cpus; c++) this.rig.space(c, this.roots[0], 0, true);
  }

  step(op: Operation): void {
    const { rig } = this;
    if (op.do === 'remap') {
      this.remap(op.space, op.page, op.frame, op.flags, op.silent);
      return;
    }
    if (op.do === 'again') {
      const earlier = this.accesses.at(-1 - op.back);
      if (earlier !== undefined) this.step({ ...earlier, cpu: op.cpu } as Operation);
      return;
    }
    const c = op.cpu % this.cpus;
    if (op.do === 'user' || op.do === 'kernel') this.accesses.push(op);
    if (op.do === 'user') {
      if (!this.userRuns[c]) return;
      rig.user(c, op.access, PAGES[op.page] + BigInt(op.offset), op.size);
    } else if (op.do === 'kernel') {
      rig.kernel(c, op.access, PAGES[op.page] + BigInt(op.offset));
    } else if (op.do === 'space') {
      rig.space(c, this.roots[op.space], op.space, op.flush, op.use);
      this.userRuns[c] = op.use !== SpaceUse.KERNEL;
    } else if (op.do === 'invalidate') {
      rig.invalidate(c, PAGES[op.page], op.pcid);
    } else {
      rig.flush(c, op.kind, op.pcid);
    }
  }

  /** Changes a page's entry; unless `silent`, every CPU then drops its translations as kernels do. */
  private remap(space: number, p: number, frame: number, flags: number, silent: boolean): void {
    const va = PAGES[p];
    const entry = BigInt(0x100000 + frame * 0x1000) | FLAG_CHOICES[flags];
    this.rig.map(this.roots[space], va, entry);
    if (silent) return;
    for (let c = 0; c < this.cpus; c++) {
      for (const pcid of [0, 1, 2]) this.rig.invalidate(c, va, pcid);
    }
  }
}

describe.each([
  { cpus: 1, filter: true, size: 'tiny', geometry: TINY },
  { cpus: 1, filter: true, size: 'small', geometry: SMALL },
  { cpus: 1, filter: false, size: 'small', geometry: SMALL },
  { cpus: 2, filter: true, size: 'tiny', geometry: TINY },
  { cpus: 2, filter: true, size: 'small', geometry: SMALL },
  { cpus: 2, filter: false, size: 'tiny', geometry: TINY },
  { cpus: 1, filter: true, size: 'guest', geometry: GUEST },
  { cpus: 2, filter: true, size: 'guest', geometry: GUEST },
  { cpus: 1, filter: true, size: 'cached walks', geometry: WALKS },
])('random accesses: $cpus CPUs, filter $filter, $size', ({ cpus, filter, geometry }) => {
  it('stall, book and fault exactly as the reference', () => {
    let filterHits = 0;
    fc.assert(
      fc.property(
        fc.array(operation, { minLength: LENGTH / 2, maxLength: LENGTH, size: 'max' }),
        (operations) => {
          const run = new Run(cpus, filter, geometry);
          for (const op of operations) run.step(op);
          run.rig.expectSameTables();
          let walks = 0;
          let dramReads = 0;
          for (let c = 0; c < cpus; c++) {
            walks += run.rig.hierarchy.counters(c).walks;
            dramReads += run.rig.hierarchy.counters(c).dramReads;
          }
          expect(walks).toBe(run.rig.reference.walks);
          expect(dramReads).toBe(run.rig.reference.dramReads);
          filterHits += run.rig.filterHits;
        },
      ),
      { numRuns: 15, seed: 20231123, endOnFailure: true },
    );
    if (filter) expect(filterHits).toBeGreaterThan(300);
    else expect(filterHits).toBe(0);
  });
});

it('the guest is large enough for the large pages', () => {
  expect(GUEST_BYTES).toBeGreaterThanOrEqual(0x800000);
});
