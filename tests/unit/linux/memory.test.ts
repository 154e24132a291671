import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PageFaultCode } from '../../../machine/hardware/layout.ts';
import { BuddyAllocator } from '../../../machine/linux/mm/buddy.ts';
import { PageKind } from '../../../machine/linux/mm/mem_map.ts';
import type { MmStruct } from '../../../machine/linux/include/linux/mm_types.ts';
import { call, fault, look, ScriptedKernel, type Step } from './scripted-kernel.ts';

const PAGE = 4096;
const RW = 3;
const ANON = 0x22;
const FIXED = 0x10;
const AREA = 0x20000000;
const WRITE = PageFaultCode.WRITE | PageFaultCode.USER;
const EINVAL = -22n;
const ENOMEM = -12n;

const start = (commandLine = 'norandmaps'): ScriptedKernel => new ScriptedKernel({ commandLine });

function mmOf(scripted: ScriptedKernel): MmStruct {
  const { mm } = scripted.kernel.current;
  if (mm === null) throw new Error('no address space');
  return mm;
}

const map = (address: number, pages: number, prot = RW): Step =>
  call('mmap', address, pages * PAGE, prot, ANON | FIXED, -1, 0);

/** The mappings inside AREA .. AREA + 1 MiB. */
const areas = (s: ScriptedKernel): [number, number, number][] =>
  mmOf(s)
    .vmas.list.filter(({ start: at }) => at >= AREA && at < AREA + 2 ** 20)
    .map(({ start: from, end, flags }) => [(from - AREA) / PAGE, (end - AREA) / PAGE, flags & 7]);

describe('the buddy allocator', () => {
  it('hands out every frame once, in any mix of orders, and joins everything again', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 10 }), { maxLength: 60 }), (orders) => {
        const buddy = new BuddyAllocator(4096);
        buddy.addRange(1, 4096);
        expect(buddy.freePages).toBe(4095);
        const taken = new Set<number>();
        const blocks: [number, number][] = [];
        for (const order of orders) {
          const frame = buddy.allocateBlock(order);
          if (frame < 0) continue;
          expect(frame % 2 ** order).toBe(0);
          for (let i = 0; i < 2 ** order; i++) {
            expect(taken.has(frame + i)).toBe(false);
            taken.add(frame + i);
          }
          blocks.push([frame, order]);
        }
        expect(buddy.freePages).toBe(4095 - taken.size);
        for (const [frame, order] of blocks) buddy.freeBlock(frame, order);
        expect(buddy.freePages).toBe(4095);
        // All joined: the largest blocks are there again.
        expect(buddy.allocateBlock(10)).toBeGreaterThan(0);
      }),
      { numRuns: 50 },
    );
  });

  it('says when it is empty', () => {
    const buddy = new BuddyAllocator(4096);
    buddy.addRange(0, 3);
    const frames = [buddy.allocatePage(), buddy.allocatePage(), buddy.allocatePage()];
    expect(new Set(frames).size).toBe(3);
    expect(buddy.allocatePage()).toBe(-1);
  });
});

describe('mmap', () => {
  it('goes top down, joins neighbours, and keeps others apart', () => {
    const results: bigint[] = [];
    const scripted = start();
    const keep = look((s) => results.push(s.result));
    scripted.play(
      call('mmap', 0, PAGE, RW, ANON, -1, 0),
      keep,
      call('mmap', 0, PAGE, RW, ANON, -1, 0),
      keep,
    );
    expect(results[0] - results[1]).toBe(BigInt(PAGE));
  });

  it('checks its arguments as Linux does', () => {
    const results: bigint[] = [];
    const attempts: [Step, bigint][] = [
      [call('mmap', 0, 0, RW, ANON, -1, 0), EINVAL],
      [call('mmap', 0, PAGE, RW, 0, -1, 0), EINVAL],
      [call('mmap', 1, PAGE, RW, ANON | FIXED, -1, 0), EINVAL],
      [call('mmap', 0, PAGE, RW, ANON, -1, 1), EINVAL],
      [call('mmap', 0, PAGE, RW, 0x02, 9, 0), -9n],
      [call('mmap', 0, 2 ** 47, RW, ANON, -1, 0), ENOMEM],
      [call('mmap', 0, 2 ** 62, RW, ANON, -1, 0), ENOMEM],
      [call('munmap', 1, PAGE), EINVAL],
      [call('mprotect', AREA, PAGE, 1), ENOMEM],
      [call('madvise', AREA, PAGE, 99), EINVAL],
    ];
    start().play(...attempts.flatMap(([step]) => [step, look((s) => results.push(s.result))]));
    expect(results).toEqual(attempts.map(([, expected]) => expected));
  });

  it('splits and merges', () => {
    start().play(
      map(AREA, 8),
      call('mprotect', AREA + 2 * PAGE, 2 * PAGE, 1),
      look((s) => {
        expect(areas(s)).toEqual([
          [0, 2, 3],
          [2, 4, 1],
          [4, 8, 3],
        ]);
      }),
      call('mprotect', AREA + 2 * PAGE, 2 * PAGE, 3),
      look((s) => {
        expect(areas(s)).toEqual([[0, 8, 3]]);
      }),
      call('munmap', AREA + 3 * PAGE, PAGE),
      look((s) => {
        expect(areas(s)).toEqual([
          [0, 3, 3],
          [4, 8, 3],
        ]);
      }),
      map(AREA + PAGE, 6, 1),
      look((s) => {
        expect(areas(s)).toEqual([
          [0, 1, 3],
          [1, 7, 1],
          [7, 8, 3],
        ]);
      }),
    );
  });

  it('agrees with a map of pages under random calls', () => {
    const operation = fc.tuple(
      fc.constantFrom('map', 'unmap', 'protect'),
      fc.nat(31),
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom(0, 1, 3),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 25 }), (operations) => {
        const model = new Map<number, number>();
        const steps = operations.map(([kind, page, pages, prot]): Step => {
          const range = Array.from({ length: pages }, (_, i) => page + i);
          if (kind === 'map') for (const p of range) model.set(p, prot);
          if (kind === 'unmap') for (const p of range) model.delete(p);
          if (kind === 'protect') {
            // Up to the first hole, as Linux does.
            for (const p of range) {
              if (!model.has(p)) break;
              model.set(p, prot);
            }
          }
          const address = AREA + page * PAGE;
          if (kind === 'map') return map(address, pages, prot);
          if (kind === 'unmap') return call('munmap', address, pages * PAGE);
          return call('mprotect', address, pages * PAGE, prot);
        });
        start().play(
          ...steps,
          look((s) => {
            const real = new Map<number, number>();
            for (const [from, to, prot] of areas(s)) {
              for (let p = from; p < to; p++) real.set(p, prot);
            }
            expect([...real].sort((a, b) => a[0] - b[0])).toEqual(
              [...model].sort((a, b) => a[0] - b[0]),
            );
          }),
        );
      }),
      { numRuns: 15 },
    );
  });
});

describe('page faults', () => {
  it('write: a zeroed page of its own; read: the zero page, then a copy', () => {
    const scripted = start();
    let zero = 0;
    scripted.play(
      map(AREA, 4),
      fault(AREA, PageFaultCode.USER),
      look((s) => {
        zero = s.hierarchy.translate(0, BigInt(AREA), PageFaultCode.USER);
        expect(zero).toBe(s.kernel.zeroPage);
        expect(s.hierarchy.translate(0, BigInt(AREA), WRITE)).toBe(-1);
      }),
      fault(AREA, WRITE | PageFaultCode.PRESENT),
      look((s) => {
        const own = s.hierarchy.translate(0, BigInt(AREA), WRITE);
        expect(own).toBeGreaterThan(0);
        expect(own).not.toBe(zero);
      }),
    );
  });

  it('grow the stack, within its limit', () => {
    const scripted = start();
    const stackEnd = 0x7ffffffff000;
    scripted.play(
      fault(stackEnd - 2 ** 20, WRITE),
      look((s) => {
        expect(s.hierarchy.translate(0, BigInt(stackEnd - 2 ** 20), WRITE)).toBeGreaterThan(0);
      }),
      fault(stackEnd - 9 * 2 ** 20, WRITE),
    );
    expect(scripted.kernel.fatalSignal?.name).toBe('SIGSEGV');
  });

  it.each([
    ['nothing mapped', 0x10000, WRITE, 'nothing is mapped there'],
    ['a write to text', 0x400000, WRITE | PageFaultCode.PRESENT, 'not writable'],
    ['a kernel address', 0xffff888000000000n, PageFaultCode.USER, 'not user space'],
    ['a jump to data', 0x401000, PageFaultCode.USER | PageFaultCode.FETCH, 'not executable'],
  ])('%s ends the program with SIGSEGV and says where', (_name, address, code, reason) => {
    const scripted = start();
    scripted.steps = [fault(address, code)];
    const end = scripted.running.run();
    expect(end.status).toBe(139);
    expect(end.signal).toMatchObject({ name: 'SIGSEGV', rip: 0x400200n });
    expect(BigInt.asUintN(64, end.signal?.address ?? 0n)).toBe(BigInt.asUintN(64, BigInt(address)));
    expect(end.signal?.reason).toContain(reason);
  });
});

describe('the end of a process', () => {
  const live = ({ kernel }: ScriptedKernel): Record<string, number> =>
    Object.fromEntries(kernel.caches.all.map(({ name, liveObjects }) => [name, liveObjects]));

  /** Frames that are free, in slabs or in the page cache: all that a process can have left. */
  const accounted = ({ kernel }: ScriptedKernel): number => {
    const slabs = kernel.caches.all.reduce((sum, { pages }) => sum + pages, 0);
    const cached = kernel.buddy.pages.census()[PageKind.FILE];
    return kernel.buddy.freePages + slabs + cached;
  };

  const busy: Step[] = [
    map(AREA, 64),
    ...Array.from({ length: 64 }, (_, i) => fault(AREA + i * PAGE, WRITE)),
    call('mprotect', AREA + 8 * PAGE, PAGE, 1),
    call('munmap', AREA + 20 * PAGE, 3 * PAGE),
    call('madvise', AREA + 30 * PAGE, 3 * PAGE, 4),
    call('brk', 0x500000),
    fault(0x480000, WRITE),
    fault(0x400000, PageFaultCode.USER | PageFaultCode.FETCH),
  ];

  it.each(['norandmaps', 'pti=on'])('gives every frame and object back (%s)', (words) => {
    const idle = start(words).play();
    const worked = start(words).play(...busy);
    expect(live(worked)).toEqual(live(idle));
    expect(accounted(worked)).toBe(accounted(idle));
    expect(live(worked)).toMatchObject({
      vm_area_struct: 0,
      maple_node: 0,
      anon_vma: 0,
      mm_struct: 0,
    });
  });

  it('comes with SIGKILL when memory is used up', () => {
    const scripted = start('norandmaps mem=64M');
    const pages = 20000;
    scripted.steps = [
      // One mapping of more than there is would be refused at once.
      ...[0, 1, 2, 3].map((part) => map(AREA + part * (pages / 4) * PAGE, pages / 4)),
      ...Array.from({ length: pages }, (_, i) => fault(AREA + i * PAGE, WRITE)),
    ];
    const end = scripted.running.run();
    expect(end.status).toBe(137);
    expect(end.signal?.reason).toBe('out of memory');
  });
});

describe('brk', () => {
  it('moves up and down and refuses what is not its own', () => {
    const heap = 0x404000;
    const results: bigint[] = [];
    const ask = (to: number): Step[] => [call('brk', to), look((s) => results.push(s.result))];
    start().play(
      ...ask(0),
      ...ask(heap + 5),
      ...ask(heap + 3 * PAGE),
      ...ask(heap),
      ...ask(0x1000),
    );
    expect(results).toEqual([heap, heap + 5, heap + 3 * PAGE, heap, heap].map(BigInt));
  });
});
