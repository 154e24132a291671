import { describe, expect, it } from 'vitest';
import { PageFaultCode } from '../../../machine/hardware/layout.ts';
import { loadAddressSpace } from '../../../machine/linux/arch/x86/mm/tlbflush.ts';
import { type MmStruct, Vm } from '../../../machine/linux/include/linux/mm_types.ts';
import type { Kernel } from '../../../machine/linux/init/kernel.ts';
import { dupMmap } from '../../../machine/linux/kernel/dup_mmap.ts';
import { mmAlloc } from '../../../machine/linux/kernel/mm.ts';
import { checkMemoryInvariants } from '../../../machine/linux/mm/debug.ts';
import { exitMmap } from '../../../machine/linux/mm/exit_mmap.ts';
import { PageKind } from '../../../machine/linux/mm/mem_map.ts';
import { handleMmFault } from '../../../machine/linux/mm/memory.ts';
import { call, fault, look, ScriptedKernel, type Step } from './scripted-kernel.ts';

const PAGE = 4096;
const AREA = 0x20000000;
const WRITE = PageFaultCode.WRITE | PageFaultCode.USER;
const map = (address: number, pages: number, flags = 0x32): Step =>
  call('mmap', address, pages * PAGE, 3, flags, -1, 0);

/** A fork without a task: the copy belongs to init, so that the books know it. */
function fork({ kernel }: ScriptedKernel): MmStruct {
  const { mm } = kernel.current;
  const copy = mmAlloc(kernel);
  if (mm === null || copy === null) throw new Error('no memory');
  expect(dupMmap(kernel, mm, copy)).toBe(0);
  const init = kernel.tasks[1];
  init.mm = copy;
  return copy;
}

function reap({ kernel }: ScriptedKernel): void {
  const init = kernel.tasks[1];
  if (init.mm === null) throw new Error('nothing to reap');
  exitMmap(kernel, init.mm);
  kernel.caches.mm.free(kernel, init.mm.address);
  init.mm = null;
}

/** Writes the page of `address` in `mm` as its program would: faults, then the byte. */
function poke(kernel: Kernel, mm: MmStruct, address: number, value: number): void {
  const vma = mm.vmas.find(address);
  if (vma === undefined) throw new Error('nothing is mapped there');
  handleMmFault(kernel, mm, vma, address, { write: true });
  kernel.memory.bytes[physical(kernel, mm, address)] = value;
}

const peek = (kernel: Kernel, mm: MmStruct, address: number): number =>
  kernel.memory.bytes[physical(kernel, mm, address)];

function physical(kernel: Kernel, mm: MmStruct, address: number): number {
  loadAddressSpace(kernel, mm);
  let table = mm.pgd;
  for (const shift of [39, 30, 21, 12]) {
    const index = Math.floor(address / 2 ** shift) % 512;
    const low = kernel.memory.words[(table + index * 8) >>> 2];
    if (low === 0) return -1;
    table = (low & 0xfffff000) >>> 0;
  }
  return table + (address % PAGE);
}

const run = (...steps: Step[]): ScriptedKernel => {
  const scripted = new ScriptedKernel({ commandLine: 'norandmaps' }).play(...steps);
  checkMemoryInvariants(scripted.kernel);
  return scripted;
};

describe('fork', () => {
  it('shares private pages until one side writes; the last owner keeps the page', () => {
    run(
      map(AREA, 4),
      fault(AREA, WRITE),
      fault(AREA + PAGE, WRITE),
      look((s) => {
        const { kernel } = s;
        const parent = kernel.current.mm as MmStruct;
        poke(kernel, parent, AREA, 1);
        const child = fork(s);
        checkMemoryInvariants(kernel);
        const shared = physical(kernel, parent, AREA);
        expect(physical(kernel, child, AREA)).toBe(shared);
        expect(child.rss).toBe(kernel.buddy.pages.maps[shared >>> 12] === 2 ? child.rss : -1);
        poke(kernel, child, AREA, 2);
        expect(physical(kernel, child, AREA)).not.toBe(shared);
        expect(peek(kernel, parent, AREA)).toBe(1);
        expect(peek(kernel, child, AREA)).toBe(2);
        // The parent is the last owner now: it writes in place.
        poke(kernel, parent, AREA, 3);
        expect(physical(kernel, parent, AREA)).toBe(shared);
        checkMemoryInvariants(kernel);
        reap(s);
        checkMemoryInvariants(kernel);
        const alone = physical(kernel, parent, AREA + PAGE);
        poke(kernel, parent, AREA + PAGE, 4);
        expect(physical(kernel, parent, AREA + PAGE)).toBe(alone);
        loadAddressSpace(kernel, parent);
      }),
    );
  });

  it('without memory for the tables keeps nothing of the new address space', () => {
    run(
      map(AREA, 1),
      look(({ kernel }) => {
        const { buddy, caches } = kernel;
        // An object that the cache has at hand, so that only the tables are missing.
        caches.mm.freeQuietly(caches.mm.allocate(kernel));
        const before = caches.mm.liveObjects;
        const taken: number[] = [];
        for (let frame = 0; frame >= 0;) {
          frame = buddy.allocateBlock(0, PageKind.TABLE);
          if (frame >= 0) taken.push(frame);
        }
        expect(mmAlloc(kernel)).toBeNull();
        expect(caches.mm.liveObjects).toBe(before);
        for (const frame of taken) buddy.freeBlock(frame, 0);
      }),
    );
  });

  it('does not copy what madvise says, and empties what it says', () => {
    run(
      map(AREA, 2),
      fault(AREA, WRITE),
      look((s) => {
        const parent = s.kernel.current.mm as MmStruct;
        const vma = parent.vmas.find(AREA);
        if (vma === undefined) throw new Error('no mapping');
        vma.flags |= Vm.DONTCOPY;
        expect(fork(s).vmas.find(AREA)?.start).not.toBe(AREA);
        reap(s);
        vma.flags = (vma.flags & ~Vm.DONTCOPY) | Vm.WIPEONFORK;
        const wiped = fork(s);
        expect(wiped.vmas.find(AREA)?.start).toBe(AREA);
        expect(physical(s.kernel, wiped, AREA)).toBe(-1);
        checkMemoryInvariants(s.kernel);
        reap(s);
        loadAddressSpace(s.kernel, parent);
      }),
    );
  });

  it('keeps anon_vma objects through generations', () => {
    run(
      map(AREA, 2),
      fault(AREA, WRITE),
      look((s) => {
        const { kernel } = s;
        const parent = kernel.current.mm as MmStruct;
        const before = kernel.caches.anonVma.liveObjects;
        const child = fork(s);
        const grandchild = mmAlloc(kernel) as MmStruct;
        expect(dupMmap(kernel, child, grandchild)).toBe(0);
        expect(grandchild.vmas.find(AREA)?.anonChains).toHaveLength(3);
        reap(s);
        exitMmap(kernel, grandchild);
        kernel.caches.mm.free(kernel, grandchild.address);
        expect(kernel.caches.anonVma.liveObjects).toBe(before);
        checkMemoryInvariants(kernel);
        loadAddressSpace(kernel, parent);
      }),
    );
  });
});
