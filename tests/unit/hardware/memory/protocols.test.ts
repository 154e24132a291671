/** Protocols with the outside: crossing accesses, code pages, address spaces, several CPUs. */
import { describe, expect, it } from 'vitest';
import { Budget, CodePage, Cpu, ExitReason, Header } from '../../../../machine/hardware/layout.ts';
import { SpaceUse } from '../../../../machine/hardware/memory/hierarchy.ts';
import { TlbFlush } from '../../../../machine/hardware/memory/model-layout.ts';
import { Rig, SMALL } from './rig.ts';

const BASE = 0x400000n;
const KERNEL = BigInt.asIntN(64, 0xffff888000000000n);
const FRAMES = [0x300000, 0x200000, 0x201000];

/** Three user pages; the first two in frames that do not follow each other, and one kernel page. */
function machine(options: { cpus?: number } = {}): Rig & { root: number } {
  const rig = new Rig({ ...options, geometry: SMALL });
  const root = rig.table();
  FRAMES.forEach((frame, i) => rig.map(root, BASE + BigInt(i) * 4096n, BigInt(frame) | 0x67n));
  rig.map(root, KERNEL, 0x500000n | 0x63n);
  for (let cpu = 0; cpu < (options.cpus ?? 1); cpu++) rig.space(cpu, root, 0, true);
  return Object.assign(rig, { root });
}

describe('an access that crosses pages', () => {
  it('gathers the bytes of a read from both frames', () => {
    const rig = machine();
    rig.physical.write(0x300ffd, Uint8Array.of(1, 2, 3));
    rig.physical.write(0x200000, Uint8Array.of(4, 5, 6, 7, 8));
    const block = rig.linear.cpuBlock(0);
    const host = rig.hierarchy.core.read(block, BASE + 0xffdn, 8, rig.record);
    expect(host).toBe(block + Cpu.BOUNCE);
    expect([...rig.linear.u8.subarray(host, host + 8)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('spreads a write over both frames when it is committed, not before', () => {
    const rig = machine();
    rig.physical.write32(0x300ffc, 0x01020304);
    const block = rig.linear.cpuBlock(0);
    const host = rig.hierarchy.core.write(block, BASE + 0xffen, 4, rig.record);
    expect(rig.field(0, Cpu.SPLIT_PENDING)).toBe(1);
    // A locked read-modify-write finds the current bytes there.
    expect(rig.linear.data.getUint32(host, true)).toBe(0x0102);
    rig.linear.data.setUint32(host, 0xa1b2c3d4, true);
    expect(rig.physical.read32(0x300ffc)).toBe(0x01020304);
    rig.hierarchy.core.commitSplit(block);
    expect(rig.field(0, Cpu.SPLIT_PENDING)).toBe(0);
    expect(rig.physical.read32(0x300ffc)).toBe(0xc3d40304);
    expect(rig.physical.read16(0x200000)).toBe(0xa1b2);
  });

  it('needs no bounce when the frames follow each other', () => {
    const rig = machine();
    const host = rig.hierarchy.core.write(rig.linear.cpuBlock(0), BASE + 0x1ffen, 4, rig.record);
    expect(host).toBe(rig.linear.guestBase + 0x200ffe);
    expect(rig.field(0, Cpu.SPLIT_PENDING)).toBe(0);
  });

  it('faults with the address of the missing page and touches nothing', () => {
    const rig = machine();
    const { fault } = rig.user(0, 'write', BASE + 0x2ffdn, 8);
    expect(fault).toEqual({ vector: 14, address: BASE + 0x3000n, code: 6 });
    expect(rig.hierarchy.counters(0).l1dWritebacks).toBe(0);
  });
});

describe('code pages', () => {
  it('a user write is refused unless allowed, then noticed every time, and shortens the budget but not the clock', () => {
    const rig = machine();
    const block = rig.linear.cpuBlock(0);
    const limit = (block + Cpu.LIMIT) >> 3;
    rig.user(0, 'write', BASE, 8);
    rig.user(0, 'write', BASE, 8);
    expect(rig.filterHits).toBe(1);
    rig.hierarchy.markCodePage(0x300);
    rig.linear.i64[limit] = 5_000_000n;
    expect(rig.hierarchy.core.write(block, BASE, 8, rig.record)).toBe(0);
    expect(rig.field(0, Cpu.EXIT_REASON)).toBe(ExitReason.CODE_WRITTEN);
    expect(rig.hierarchy.codeWritten).toBe(false);
    rig.linear.i32[(block + Cpu.MAY_WRITE_CODE) >> 2] = 1;
    for (let i = 1; i <= 2; i++) {
      expect(rig.hierarchy.core.write(block, BASE, 8, rig.record)).not.toBe(0);
      expect(rig.field(0, Cpu.STALL)).toBe(Budget.FORCE);
      expect(rig.linear.i64[limit]).toBe(5_000_000n - BigInt(i * Budget.FORCE));
    }
    expect(rig.header(Header.CODE_WRITTEN)).toBe(1);
    expect(rig.header(Header.CODE_WRITTEN_PAGE)).toBe(0x300);
    expect(rig.hierarchy.takeWrittenCodePages()).toEqual([0x300]);
    expect(rig.hierarchy.codeWritten).toBe(false);
    // No longer a code page: ordinary again, and filtered.
    rig.user(0, 'write', BASE, 8);
    const hits = rig.filterHits;
    rig.user(0, 'write', BASE, 8);
    expect(rig.filterHits).toBe(hits + 1);
  });

  it('reads of one stay filtered', () => {
    const rig = machine();
    rig.hierarchy.markCodePage(0x300);
    rig.user(0, 'read', BASE, 8);
    rig.user(0, 'read', BASE, 8);
    expect(rig.filterHits).toBe(1);
    expect(rig.hierarchy.codeWritten).toBe(false);
  });

  it('kernel writes and physical writes are noticed, and leave the budget alone', () => {
    const rig = machine();
    const limit = (rig.linear.cpuBlock(0) + Cpu.LIMIT) >> 3;
    rig.hierarchy.markCodePage(0x500);
    rig.hierarchy.markCodePage(0x201);
    rig.hierarchy.markCodePage(0x200);
    rig.kernel(0, 'write', KERNEL);
    rig.physical.zero(0x200ff0, 0x20);
    expect(rig.linear.i64[limit]).toBe(0n);
    expect(rig.header(Header.CODE_WRITTEN)).toBe(3);
    expect(rig.linear.u8[rig.linear.codePages + 0x500]).toBe(CodePage.WRITTEN);
    expect(rig.hierarchy.takeWrittenCodePages()).toEqual([0x200, 0x201, 0x500]);
  });
});

describe('address spaces', () => {
  it('keep the user filter while the kernel runs on its own tables', () => {
    const rig = machine();
    const kernelRoot = rig.table();
    rig.map(kernelRoot, KERNEL, 0x500000n | 0x63n);
    rig.user(0, 'read', BASE, 8);
    rig.space(0, kernelRoot, 1, false, SpaceUse.KERNEL);
    rig.kernel(0, 'read', KERNEL);
    rig.space(0, rig.root, 0, false, SpaceUse.USER);
    rig.user(0, 'read', BASE, 8);
    expect(rig.filterHits).toBe(1);
  });

  it('a flush takes the filter with it', () => {
    const rig = machine();
    rig.user(0, 'read', BASE, 8);
    rig.space(0, rig.root, 0, true);
    expect(rig.user(0, 'read', BASE, 8).cells.PAGE_WALK).toBeGreaterThan(0);
  });

  it('global pages survive all but a full flush', () => {
    const rig = machine();
    rig.map(rig.root, KERNEL, 0x500000n | 0x163n);
    rig.kernel(0, 'read', KERNEL);
    const walks = (): number => rig.hierarchy.counters(0).walks;
    const before = walks();
    rig.flush(0, TlbFlush.NON_GLOBAL, 0);
    rig.kernel(0, 'read', KERNEL);
    expect(walks()).toBe(before);
    rig.flush(0, TlbFlush.ALL, 0);
    rig.kernel(0, 'read', KERNEL);
    expect(walks()).toBe(before + 1);
  });

  it('user code cannot use what the kernel entered', () => {
    const rig = machine();
    rig.kernel(0, 'read', KERNEL);
    const { fault } = rig.user(0, 'read', KERNEL, 8);
    expect(fault).toEqual({ vector: 14, address: KERNEL, code: 5 });
  });
});

describe('two CPUs', () => {
  it('a write takes the line from the other, whose next read waits for it', () => {
    const rig = machine({ cpus: 2 });
    rig.user(0, 'read', BASE, 8);
    rig.user(1, 'read', BASE, 8);
    expect(rig.user(0, 'write', BASE, 8).cells).toEqual({ COHERENCE: SMALL.transferTicks });
    expect(rig.user(0, 'write', BASE, 8).ticks).toBe(0);
    expect(rig.user(1, 'read', BASE, 8).cells).toEqual({ COHERENCE: SMALL.transferTicks });
    // Shared again: the owner must ask before it writes.
    expect(rig.user(0, 'write', BASE, 8).cells).toEqual({ COHERENCE: SMALL.transferTicks });
    expect(rig.hierarchy.counters(1).drops).toBeGreaterThan(0);
  });
});
