import { describe, expect, it } from 'vitest';
import { PageFaultCode } from '../../../machine/hardware/layout.ts';
import type { MmStruct } from '../../../machine/linux/include/linux/mm_types.ts';
import { checkMemoryInvariants } from '../../../machine/linux/mm/debug.ts';
import { PageFlag, PageKind } from '../../../machine/linux/mm/mem_map.ts';
import { call, fault, look, ScriptedKernel, type Step } from './scripted-kernel.ts';

const PAGE = 4096;
const HUGE = 2 ** 21;
const AREA = 0x20000000;
const FAR = 0x40000000;
const RW = 3;
const PRIVATE = 0x22;
const SHARED = 0x21;
const FIXED = 0x10;
const READ = PageFaultCode.USER;
const WRITE = PageFaultCode.WRITE | PageFaultCode.USER;
const ENOMEM = -12n;
const EINVAL = -22n;

const map = (address: number, bytes: number, flags = PRIVATE | FIXED, prot = RW): Step =>
  call('mmap', address, bytes, prot, flags, -1, 0);

function mmOf({ kernel }: ScriptedKernel): MmStruct {
  const { mm } = kernel.current;
  if (mm === null) throw new Error('no address space');
  return mm;
}

/** Physical address behind a user address, as the hardware walks there; -1 where there is none. */
const at = (s: ScriptedKernel, address: number, code = READ): number =>
  s.hierarchy.translate(0, BigInt(address), code);

const poke = (s: ScriptedKernel, address: number, value: number): void => {
  s.kernel.memory.bytes[at(s, address)] = value;
};
const peek = (s: ScriptedKernel, address: number): number => s.kernel.memory.bytes[at(s, address)];

/** Runs the steps; the books must agree before the program ends, and at its end. */
function run(words: string, ...steps: Step[]): ScriptedKernel {
  const check = look((s) => {
    checkMemoryInvariants(s.kernel);
  });
  return new ScriptedKernel({ commandLine: `norandmaps ${words}` }).play(...steps, check);
}

/** Results of calls, in order. */
function results(words: string, ...steps: Step[]): bigint[] {
  const seen: bigint[] = [];
  const keep = look((s) => seen.push(s.result));
  run(words, ...steps.flatMap((step) => [step, keep]));
  return seen;
}

describe('mremap', () => {
  it('grows in place, moves what it must, and takes the contents along', () => {
    run(
      '',
      map(AREA, 2 * PAGE),
      map(AREA + 4 * PAGE, PAGE),
      fault(AREA, WRITE),
      look((s) => {
        poke(s, AREA, 7);
      }),
      call('mremap', AREA, 2 * PAGE, 4 * PAGE, 0),
      look((s) => {
        expect(s.result).toBe(BigInt(AREA));
        expect(mmOf(s).vmas.find(AREA)?.end).toBe(AREA + 4 * PAGE);
      }),
      call('mremap', AREA, 4 * PAGE, 8 * PAGE, 0),
      look((s) => {
        expect(s.result).toBe(ENOMEM);
      }),
      call('mremap', AREA, 4 * PAGE, 8 * PAGE, 3, FAR),
      look((s) => {
        expect(s.result).toBe(BigInt(FAR));
        expect(peek(s, FAR)).toBe(7);
        expect(at(s, AREA)).toBe(-1);
        expect(mmOf(s).vmas.find(AREA)?.start).toBe(AREA + 4 * PAGE);
      }),
      call('mremap', FAR, 8 * PAGE, PAGE, 0),
      look((s) => {
        expect(mmOf(s).vmas.find(FAR)?.end).toBe(FAR + PAGE);
      }),
    );
  });

  it('makes a second mapping of shared memory from an empty range', () => {
    run(
      '',
      map(AREA, PAGE, SHARED | FIXED),
      fault(AREA, WRITE),
      call('mremap', AREA, 0, PAGE, 3, FAR),
      fault(FAR, READ),
      look((s) => {
        poke(s, AREA, 9);
        expect(peek(s, FAR)).toBe(9);
        expect(at(s, FAR)).toBe(at(s, AREA));
      }),
    );
  });

  it('refuses as Linux does', () => {
    expect(
      results(
        '',
        map(AREA, PAGE),
        call('mremap', AREA + 1, PAGE, PAGE, 0),
        call('mremap', AREA, PAGE, 0, 0),
        call('mremap', AREA, 0, PAGE, 1),
        call('mremap', AREA, PAGE, PAGE, 2, FAR),
        call('mremap', AREA, 2 * PAGE, 3 * PAGE, 1),
        call('mremap', FAR, PAGE, 2 * PAGE, 1),
      ).slice(1),
    ).toEqual([EINVAL, EINVAL, EINVAL, EINVAL, -14n, -14n]);
  });
});

describe('promises', () => {
  it('answers 100 TB as Linux does', () => {
    const tb = 100 * 2 ** 40;
    const [plain, noReserve, none] = results(
      '',
      map(0, tb, PRIVATE),
      map(0, tb, PRIVATE | 0x4000),
      map(0, tb, PRIVATE, 0),
    );
    expect(plain).toBe(ENOMEM);
    expect(noReserve).toBeGreaterThan(0n);
    // 128 TB are there, and 100 of them are taken.
    expect(none).toBe(ENOMEM);
  });

  it('keeps its books with vm.overcommit_memory=2', () => {
    const half = 20 * 2 ** 20;
    const seen = results(
      'vm.overcommit_memory=2',
      map(AREA, half),
      map(FAR, half),
      call('munmap', AREA, half),
      map(FAR, half),
    );
    expect(seen.slice(1)).toEqual([ENOMEM, 0n, BigInt(FAR)]);
  });

  it('counts the address space against RLIMIT_AS', () => {
    const limits = 0x402000;
    const seen = results(
      '',
      fault(limits, WRITE),
      (s) => {
        s.kernel.memory.setBigUint64(at(s, limits), BigInt(8 * 2 ** 20));
        s.kernel.memory.setBigUint64(at(s, limits) + 8, BigInt(8 * 2 ** 20));
        return call('setrlimit', 9, limits)(s);
      },
      map(AREA, 64 * 2 ** 20, PRIVATE | FIXED | 0x4000),
      map(AREA, PAGE),
    );
    expect(seen.slice(2)).toEqual([ENOMEM, BigInt(AREA)]);
  });
});

describe('mlock, mincore, madvise', () => {
  it('locks what is mapped, and makes it present', () => {
    run(
      '',
      map(AREA, 4 * PAGE),
      call('mlock', AREA + PAGE, 2 * PAGE),
      look((s) => {
        expect(s.result).toBe(0n);
        expect(mmOf(s).lockedVm).toBe(2);
        expect([0, 1, 2, 3].map((page) => at(s, AREA + page * PAGE) > 0)).toEqual([
          false,
          true,
          true,
          false,
        ]);
      }),
      call('madvise', AREA + PAGE, PAGE, 4),
      look((s) => {
        expect(s.result).toBe(EINVAL);
      }),
      call('mlock', AREA + 3 * PAGE, 2 * PAGE),
      look((s) => {
        expect(s.result).toBe(ENOMEM);
      }),
      call('munlock', AREA, 4 * PAGE),
      look((s) => {
        expect(mmOf(s).lockedVm).toBe(0);
        expect(mmOf(s).vmas.find(AREA)?.end).toBe(AREA + 4 * PAGE);
      }),
    );
  });

  it('says which pages are there', () => {
    const vector = 0x402000;
    run(
      '',
      map(AREA, 3 * PAGE),
      fault(AREA + PAGE, WRITE),
      fault(vector, WRITE),
      call('mincore', AREA, 3 * PAGE, vector),
      look((s) => {
        expect([0, 1, 2].map((page) => peek(s, vector + page))).toEqual([0, 1, 0]);
      }),
      call('mincore', FAR, PAGE, vector),
      look((s) => {
        expect(s.result).toBe(ENOMEM);
      }),
    );
  });

  it('frees lazily, drops at once, populates', () => {
    run(
      '',
      map(AREA, 4 * PAGE),
      fault(AREA, WRITE),
      look((s) => {
        poke(s, AREA, 5);
      }),
      call('madvise', AREA, PAGE, 8),
      look((s) => {
        expect(peek(s, AREA)).toBe(5);
      }),
      call('madvise', AREA, PAGE, 4),
      look((s) => {
        expect(at(s, AREA)).toBe(-1);
      }),
      call('madvise', AREA, 4 * PAGE, 23),
      look((s) => {
        expect(mmOf(s).rss).toBeGreaterThanOrEqual(4);
        expect(at(s, AREA + 3 * PAGE, WRITE)).toBeGreaterThan(0);
      }),
    );
  });
});

describe('shared anonymous memory', () => {
  it('is one set of pages, given back with the last mapping', () => {
    let before = 0;
    const cached = (s: ScriptedKernel): number => s.kernel.buddy.pages.census()[PageKind.FILE];
    run(
      '',
      look((s) => {
        before = cached(s);
      }),
      map(AREA, 2 * PAGE, SHARED | FIXED),
      fault(AREA, READ),
      fault(AREA + PAGE, WRITE),
      look((s) => {
        const frame = at(s, AREA + PAGE) >>> 12;
        expect(s.kernel.buddy.pages.kind[frame]).toBe(PageKind.FILE);
        expect(s.kernel.buddy.pages.refs[frame]).toBe(2);
        // A hole that was read is a page like any other.
        expect(at(s, AREA, WRITE)).toBeGreaterThan(0);
      }),
      call('munmap', AREA, 2 * PAGE),
      look((s) => {
        expect(cached(s)).toBe(before);
      }),
    );
  });
});

describe('huge pages', () => {
  const ALWAYS = 'transparent_hugepage=always';
  const touchHuge = [map(FAR, 2 * HUGE), fault(FAR + 5 * PAGE, WRITE)];

  it('come with the first write of an aligned range', () => {
    run(
      ALWAYS,
      ...touchHuge,
      look((s) => {
        const first = at(s, FAR, WRITE);
        expect(first % HUGE).toBe(0);
        expect(at(s, FAR + HUGE - PAGE, WRITE)).toBe(first + HUGE - PAGE);
        expect(at(s, FAR + HUGE)).toBe(-1);
      }),
    );
  });

  it('come only where they are asked for with madvise', () => {
    run(
      'transparent_hugepage=madvise',
      ...touchHuge,
      look((s) => {
        expect(at(s, FAR)).toBe(-1);
      }),
      call('madvise', FAR + HUGE, HUGE, 14),
      fault(FAR + HUGE, WRITE),
      look((s) => {
        expect(at(s, FAR + HUGE + 9 * PAGE)).toBeGreaterThan(0);
      }),
    );
  });

  it.each([
    ['munmap of a page', call('munmap', FAR + 3 * PAGE, PAGE)],
    ['mprotect of a page', call('mprotect', FAR + 3 * PAGE, PAGE, 1)],
    ['MADV_DONTNEED of a page', call('madvise', FAR + 3 * PAGE, PAGE, 4)],
  ])('are split by %s', (_name, step) => {
    run(
      ALWAYS,
      ...touchHuge,
      look((s) => {
        poke(s, FAR + 4 * PAGE, 3);
      }),
      step,
      look((s) => {
        expect(at(s, FAR + 3 * PAGE, WRITE)).toBe(-1);
        expect(peek(s, FAR + 4 * PAGE)).toBe(3);
        const flags = s.kernel.buddy.pages.flags[at(s, FAR) >>> 12];
        expect(flags & PageFlag.HUGE).toBe(0);
      }),
    );
  });

  it('go back whole', () => {
    run(
      ALWAYS,
      ...touchHuge,
      call('munmap', FAR, 2 * HUGE),
      look((s) => {
        expect(mmOf(s).deposits).toEqual([]);
      }),
    );
  });

  it('of the pool are reserved, taken, and given back', () => {
    const hugetlb = PRIVATE | FIXED | 0x40000;
    const seen = results(
      'hugepages=2',
      map(FAR, 2 * HUGE, hugetlb),
      map(FAR + 4 * HUGE, HUGE, hugetlb),
      fault(FAR + HUGE + 17, WRITE),
      call('munmap', FAR + PAGE, PAGE),
      call('munmap', FAR, 2 * HUGE),
      map(FAR, 2 * HUGE, hugetlb),
    );
    expect([seen[0], seen[1], seen[3], seen[4], seen[5]]).toEqual([
      BigInt(FAR),
      ENOMEM,
      EINVAL,
      0n,
      BigInt(FAR),
    ]);
    expect(results('', map(FAR, HUGE, hugetlb))).toEqual([ENOMEM]);
  });
});
