/** A machine with tiny caches and TLBs, driven side by side with the reference model. */
import { expect } from 'vitest';
import {
  BlockRecord,
  Cpu,
  ExitReason,
  type Header,
  Region,
  Stall,
} from '../../../../machine/hardware/layout.ts';
import { MemoryHierarchy, SpaceUse } from '../../../../machine/hardware/memory/hierarchy.ts';
import { LinearMemory } from '../../../../machine/hardware/memory/linear-memory.ts';
import { TlbFlush } from '../../../../machine/hardware/memory/model-layout.ts';
import type { MemoryGeometry } from '../../../../machine/hardware/memory/model-setup.ts';
import { PhysicalMemory } from '../../../../machine/hardware/memory/physical.ts';
import { ReferenceModel, type Cell, type Outcome } from './reference-model.ts';

export const GUEST_BYTES = 16 << 20;

/** Everything small, so that a few hundred accesses displace everything many times. */
export const TINY: MemoryGeometry = {
  l1i: { bytes: 64 * 4, ways: 2, ticks: 0 },
  l1d: { bytes: 64 * 12, ways: 3, ticks: 0 },
  l2: { bytes: 64 * 40, ways: 5, ticks: 640 },
  llc: { bytes: 64 * 128, ways: 16, ticks: 2560 },
  itlb: { entries: 3, ways: 3, ticks: 0 },
  dtlb: { entries: 4, ways: 2, ticks: 0 },
  stlb: { entries: 12, ways: 3, ticks: 448 },
  walkTicks: 1280,
  dramTicks: 12800,
  transferTicks: 7000,
};

/** Large enough that most accesses hit, so that stale filter entries would be used. */
export const SMALL: MemoryGeometry = {
  ...TINY,
  l1i: { bytes: 64 * 16, ways: 4, ticks: 0 },
  l1d: { bytes: 64 * 32, ways: 8, ticks: 0 },
  l2: { bytes: 64 * 64, ways: 8, ticks: 640 },
  itlb: { entries: 8, ways: 8, ticks: 0 },
  dtlb: { entries: 10, ways: 10, ticks: 0 },
  stlb: { entries: 32, ways: 4, ticks: 448 },
};

/** With paging-structure caches. */
export const WALKS: MemoryGeometry = { ...TINY, walkCaches: { pde: 2, pdpte: 2, pml4e: 1 } };

/** A guest, too: every page that a walk uses is looked up in the host's tables. */
export const GUEST: MemoryGeometry = {
  ...SMALL,
  walkCaches: { pde: 4, pdpte: 1, pml4e: 2 },
  nested: { tlbEntries: 4, pdeEntries: 2 },
};

export const CELLS: Record<Cell, Stall> = {
  FRONTEND: Stall.FRONTEND,
  L2: Stall.L2,
  LLC: Stall.LLC,
  DRAM: Stall.DRAM,
  DTLB: Stall.DTLB,
  PAGE_WALK: Stall.PAGE_WALK,
  COHERENCE: Stall.COHERENCE,
};

/** fetch() tells only that it succeeded. */
const UNKNOWN = -1;

export type Access = 'read' | 'write' | 'fetch';

export class Rig {
  readonly linear: LinearMemory;
  readonly physical: PhysicalMemory;
  readonly hierarchy: MemoryHierarchy;
  readonly reference: ReferenceModel;
  readonly record: number;
  filterHits = 0;
  private nextTable = 0x1000;

  constructor(options: { cpus?: number; filter?: boolean; geometry?: MemoryGeometry } = {}) {
    const cpus = options.cpus ?? 1;
    const geometry = options.geometry ?? TINY;
    this.linear = new LinearMemory({ cpus, guestBytes: GUEST_BYTES, arenaBytes: 1 << 20 });
    this.physical = new PhysicalMemory(this.linear);
    this.hierarchy = new MemoryHierarchy(this.linear, geometry, { filter: options.filter ?? true });
    this.reference = new ReferenceModel(geometry, cpus, GUEST_BYTES);
    this.record = this.linear.arena.allocate(BlockRecord.BYTES, 64);
  }

  // Page tables ----------------------------------------------------------------------------------

  /** A new empty table below 1 MiB. */
  table(): number {
    this.nextTable += 0x1000;
    return this.nextTable;
  }

  setEntry(address: number, entry: bigint): void {
    this.physical.write64(address, entry);
    this.reference.memory.set(address, BigInt.asUintN(64, entry));
  }

  /** Maps `va` at `level` (0: 4 KiB, 1: 2 MiB). Upper levels allow everything. Returns the entry's address. */
  map(root: number, va: bigint, entry: bigint, level = 0): number {
    let table = root;
    for (let l = 3; l > level; l--) {
      const at = table + Number((va >> BigInt(12 + 9 * l)) & 511n) * 8;
      if (this.physical.read64(at) === 0n) this.setEntry(at, BigInt(this.table()) | 7n);
      table = Number(this.physical.read64(at) & 0x000ffffffffff000n);
    }
    const at = table + Number((va >> BigInt(12 + 9 * level)) & 511n) * 8;
    this.setEntry(at, entry);
    return at;
  }

  // Control --------------------------------------------------------------------------------------

  space(cpu: number, root: number, pcid: number, flush: boolean, use = SpaceUse.BOTH): void {
    this.hierarchy.setAddressSpace(cpu, BigInt(root), pcid, flush, use);
    this.reference.setAddressSpace(cpu, root, pcid, flush);
  }

  invalidate(cpu: number, va: bigint, pcid: number): void {
    this.hierarchy.invalidatePage(cpu, va, pcid);
    this.reference.invalidatePage(cpu, va, pcid);
  }

  flush(cpu: number, kind: TlbFlush, pcid: number): void {
    this.hierarchy.flushTlb(cpu, kind, pcid);
    this.reference.flush(
      cpu,
      (t) =>
        kind === TlbFlush.ALL || (kind === TlbFlush.PCID ? t.pcid === pcid : t.pcid !== 'global'),
    );
  }

  // Accesses -------------------------------------------------------------------------------------

  /** A user access as an executor makes it: inline filter first. Checked against the reference. */
  user(cpu: number, access: Access, va: bigint, size: number): Outcome {
    const actual = this.userActual(cpu, access, va, access === 'fetch' ? 1 : size);
    const expected =
      access === 'fetch'
        ? this.reference.fetch(cpu, va, true)
        : this.reference.data(cpu, va, size, access === 'write', true);
    if (actual.physical === UNKNOWN) actual.physical = expected.physical;
    expect(actual).toEqual(expected);
    return actual;
  }

  /** One timed kernel touch, checked against the reference. Returns ticks, or -1 - ticks. */
  kernel(cpu: number, access: Access, va: bigint): number {
    const low = Number(BigInt.asIntN(32, va));
    const high = Number(BigInt.asIntN(32, va >> 32n));
    this.clearCells();
    const ticks = this.hierarchy.kernelAccess(cpu)[access](low, high, this.record);
    const expected =
      access === 'fetch'
        ? this.reference.fetch(cpu, va, false)
        : this.reference.data(cpu, va, 1, access === 'write', false);
    expect(ticks).toBe(expected.fault ? -1 - expected.ticks : expected.ticks);
    expect(this.cells()).toEqual(expected.cells);
    return ticks;
  }

  /** Every accessed and dirty bit in the tables is as the reference set it. */
  expectSameTables(): void {
    for (const [address, entry] of this.reference.memory) {
      expect(this.physical.read64(address)).toBe(entry);
    }
  }

  field(cpu: number, offset: number): number {
    return this.linear.i32[(this.linear.cpuBlock(cpu) + offset) >> 2];
  }

  header(offset: Header): number {
    return this.linear.i32[(Region.HEADER + offset) >> 2];
  }

  private userActual(cpu: number, access: Access, va: bigint, size: number): Outcome {
    const block = this.linear.cpuBlock(cpu);
    const filter =
      access === 'read'
        ? Cpu.FILTER_READ
        : access === 'write'
          ? Cpu.FILTER_WRITE
          : Cpu.FILTER_FETCH;
    const unsigned = BigInt.asUintN(64, va);
    const entry = block + filter + Number((unsigned >> 2n) & 0x1ff0n);
    const line = BigInt.asUintN(64, unsigned + BigInt(size - 1)) >> 6n;
    if (this.linear.u64[entry >> 3] === line) {
      this.filterHits++;
      const host = (Number(BigInt.asIntN(32, va)) + this.linear.i32[(entry + 8) >> 2]) >>> 0;
      return { physical: host - this.linear.guestBase, ticks: 0, cells: {} };
    }
    this.clearCells();
    const { core } = this.hierarchy;
    const host =
      (access === 'fetch'
        ? core.fetch(block, va, this.record)
        : core[access](block, va, size, this.record)) >>> 0;
    const out: Outcome = { physical: 0, ticks: this.field(cpu, Cpu.STALL), cells: this.cells() };
    if (host === 0) {
      out.fault = this.fault(cpu);
    } else if (access === 'fetch') {
      out.physical = UNKNOWN;
    } else if (host === block + Cpu.BOUNCE) {
      out.physical = this.hierarchy.translate(cpu, va);
      if (access === 'write') {
        expect(this.field(cpu, Cpu.SPLIT_PENDING)).toBe(1);
        core.commitSplit(block);
      }
    } else {
      out.physical = host - this.linear.guestBase;
    }
    return out;
  }

  private fault(cpu: number): NonNullable<Outcome['fault']> {
    const reason: ExitReason = this.field(cpu, Cpu.EXIT_REASON);
    expect(this.field(cpu, Cpu.EXIT_RECORD)).toBe(this.record);
    const info = this.field(cpu, Cpu.EXIT_INFO);
    if (reason === ExitReason.EXCEPTION) {
      expect(info).toBe(13);
      return { vector: 13 };
    }
    expect(reason).toBe(ExitReason.PAGE_FAULT);
    const address = this.linear.i64[(this.linear.cpuBlock(cpu) + Cpu.EXIT_ADDRESS) >> 3];
    return { vector: 14, address, code: info };
  }

  private clearCells(): void {
    const begin = (this.record + BlockRecord.STALLS) >> 3;
    this.linear.i64.fill(0n, begin, begin + Stall.COUNT);
  }

  private cells(): Partial<Record<Cell, number>> {
    const out: Partial<Record<Cell, number>> = {};
    let sum = 0;
    for (const [cell, index] of Object.entries(CELLS) as [Cell, Stall][]) {
      const ticks = Number(this.linear.i64[((this.record + BlockRecord.STALLS) >> 3) + index]);
      if (ticks !== 0) out[cell] = ticks;
      sum += ticks;
    }
    let all = 0;
    for (let i = 0; i < (Stall.COUNT as number); i++) {
      all += Number(this.linear.i64[((this.record + BlockRecord.STALLS) >> 3) + i]);
    }
    expect(all).toBe(sum);
    return out;
  }
}
