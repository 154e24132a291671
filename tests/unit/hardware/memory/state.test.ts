/** Linear memory, physical memory and the architectural state of a CPU. */
import { describe, expect, it } from 'vitest';
import { MachineBug } from '../../../../machine/core/assert.ts';
import { FlagKind, Width } from '../../../../machine/hardware/cpu/ir.ts';
import { Cpu } from '../../../../machine/hardware/layout.ts';
import { LinearCpuState } from '../../../../machine/hardware/memory/cpu-state.ts';
import { LinearMemory } from '../../../../machine/hardware/memory/linear-memory.ts';
import { PhysicalMemory } from '../../../../machine/hardware/memory/physical.ts';

const GUEST_BYTES = 1 << 20;

function machine(): LinearMemory {
  return new LinearMemory({ cpus: 2, guestBytes: GUEST_BYTES, arenaBytes: 1 << 16 });
}

describe('linear memory', () => {
  it('keeps CPU blocks, arena and guest memory apart', () => {
    const linear = machine();
    const first = linear.arena.allocate(100, 64);
    const second = linear.arena.allocate(8, 4096);
    expect(first % 64).toBe(0);
    expect(second % 4096).toBe(0);
    expect(second).toBeGreaterThanOrEqual(first + 100);
    expect(first).toBeGreaterThanOrEqual(linear.cpuBlock(1) + 0x10000);
    expect(second + 8).toBeLessThanOrEqual(linear.guestBase);
    expect(linear.u8.length).toBeGreaterThanOrEqual(linear.guestBase + GUEST_BYTES);
  });

  it('says when the arena is full', () => {
    const linear = machine();
    expect(() => linear.arena.allocate(linear.arena.free + 1)).toThrow(MachineBug);
  });
});

describe('physical memory', () => {
  it('reads what was written, little-endian', () => {
    const physical = new PhysicalMemory(machine());
    physical.write64(0x1000, -2n);
    expect(physical.read64(0x1000)).toBe(0xfffffffffffffffen);
    physical.writeNumber64(0x1008, 2 ** 52 + 3);
    expect(physical.readNumber64(0x1008)).toBe(2 ** 52 + 3);
    expect(physical.read64(0x1008)).toBe(BigInt(2 ** 52 + 3));
    physical.write32(0x1010, 0x89abcdef);
    expect(physical.read16(0x1012)).toBe(0x89ab);
    expect(physical.read8(0x1010)).toBe(0xef);
    physical.write16(0x1010, 0x1234);
    physical.write8(0x1012, 0x56);
    expect(physical.read32(0x1010)).toBe(0x89561234);
    physical.copy(0x2000, 0x1010, 4);
    expect([...physical.view(0x2000, 4)]).toEqual([0x34, 0x12, 0x56, 0x89]);
    physical.zero(0x2001, 2);
    expect(physical.read32(0x2000)).toBe(0x89000034);
  });

  it('refuses addresses outside', () => {
    const physical = new PhysicalMemory(machine());
    expect(() => physical.read32(GUEST_BYTES - 3)).toThrow(MachineBug);
    expect(() => {
      physical.zero(-1, 1);
    }).toThrow(MachineBug);
  });
});

describe('CPU state', () => {
  it('moves LEFT when the clock is set, and survives negative LEFT', () => {
    const linear = machine();
    const state = new LinearCpuState(linear, 1);
    const block = linear.cpuBlock(1);
    linear.i64[(block + Cpu.LIMIT) >> 3] = 10_000_000_000_000n;
    linear.i64[(block + Cpu.LEFT) >> 3] = -5n;
    expect(state.clock).toBe(10_000_000_000_005);
    state.clock += 1000;
    expect(linear.i64[(block + Cpu.LEFT) >> 3]).toBe(-1005n);
    state.clock = 3;
    expect(linear.i64[(block + Cpu.LEFT) >> 3]).toBe(9_999_999_999_997n);
    expect(state.clock).toBe(3);
  });

  it('shows lazy flags in rflags and takes them back', () => {
    const linear = machine();
    const state = new LinearCpuState(linear, 0);
    const block = linear.cpuBlock(0);
    // 0 - 1 in 64 bits: CF, PF, AF, SF.
    linear.i32[(block + Cpu.CC_OP) >> 2] = FlagKind.SUB * 4 + Width.W64;
    linear.i64[(block + Cpu.CC_RESULT) >> 3] = -1n;
    linear.i64[(block + Cpu.CC_SOURCE) >> 3] = 1n;
    linear.i32[(block + Cpu.DF) >> 2] = 1;
    linear.i32[(block + Cpu.RFLAGS_OTHER) >> 2] = 0x200;
    expect(state.rflags).toBe(0x697n);
    for (const image of [0x2n, 0x246n, 0xed7n, 0x200a93n]) {
      state.rflags = image;
      expect(state.rflags).toBe(image);
    }
  });

  it('holds registers and bases', () => {
    const state = new LinearCpuState(machine(), 0);
    state.setRegister(15, 0xfedcba9876543210n);
    state.rip = 0x401000n;
    state.fsBase = 0x7ffff7d00000n;
    state.gsBase = 1n;
    expect(state.register(15)).toBe(0xfedcba9876543210n);
    expect([state.rip, state.fsBase, state.gsBase]).toEqual([0x401000n, 0x7ffff7d00000n, 1n]);
  });
});
