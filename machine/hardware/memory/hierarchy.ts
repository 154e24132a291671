/**
 * The memory hierarchy of a machine: timed kernel accesses, address spaces, TLB maintenance,
 * statistics. User accesses do not come through here; executors test the inline filters and call
 * the core themselves.
 */
import { assert } from '../../core/assert.ts';
import type { Ticks } from '../../core/units.ts';
import { CodePage, Cpu, Header, Region } from '../layout.ts';
import type { KernelAccess, RecordAddress } from '../processor.ts';
import { instantiateCore, type MemoryExports } from './core-module.ts';
import type { LinearMemory } from './linear-memory.ts';
import { CacheField, Model, Shared, TlbField, TlbFlush } from './model-layout.ts';
import { setupModel, type MemoryGeometry } from './model-setup.ts';

const CODE_WRITTEN = (Region.HEADER + Header.CODE_WRITTEN) >> 2;
const CODE_WRITTEN_PAGE = (Region.HEADER + Header.CODE_WRITTEN_PAGE) >> 2;

/** Who will run on an address space that is being switched to. */
export const enum SpaceUse {
  /** User code and kernel: one set of tables for both. */
  BOTH,
  /** The kernel only; user code does not run before the next switch with USER or BOTH. */
  KERNEL,
  /** User code, and the few kernel instructions of entry and exit. */
  USER,
}

/** One CPU's timed kernel accesses; supervisor permissions. A fault returns -1 - ticks. */
class CpuAccess implements KernelAccess {
  /** False while the kernel filters hold translations of another address space. */
  filterValid = true;
  private readonly block: number;
  private readonly i32: Int32Array;
  private readonly core: MemoryExports;

  constructor(block: number, i32: Int32Array, core: MemoryExports) {
    this.block = block;
    this.i32 = i32;
    this.core = core;
  }

  read(low: number, high: number, record: RecordAddress): Ticks {
    const entry = (this.block + Cpu.FILTER_KERNEL_READ + ((low >>> 2) & 0x1ff0)) >> 2;
    if (
      this.i32[entry] === ((low >>> 6) | (high << 26)) &&
      this.i32[entry + 1] === high >>> 6 &&
      this.filterValid
    ) {
      return 0;
    }
    return this.core.kernelRead(this.block, low, high, record);
  }

  write(low: number, high: number, record: RecordAddress): Ticks {
    const entry = (this.block + Cpu.FILTER_KERNEL_WRITE + ((low >>> 2) & 0x1ff0)) >> 2;
    if (
      this.i32[entry] === ((low >>> 6) | (high << 26)) &&
      this.i32[entry + 1] === high >>> 6 &&
      this.filterValid
    ) {
      return 0;
    }
    return this.core.kernelWrite(this.block, low, high, record);
  }

  fetch(low: number, high: number, record: RecordAddress): Ticks {
    const entry = (this.block + Cpu.FILTER_KERNEL_FETCH + ((low >>> 2) & 0x1ff0)) >> 2;
    if (
      this.i32[entry] === ((low >>> 6) | (high << 26)) &&
      this.i32[entry + 1] === high >>> 6 &&
      this.filterValid
    ) {
      return 0;
    }
    return this.core.kernelFetch(this.block, low, high, record);
  }
}

/** Events of one CPU since the start. First-level hits are not counted: most never leave the filter. */
export interface MemoryCounters {
  readonly slowCalls: number;
  readonly l1iMisses: number;
  readonly l1dMisses: number;
  readonly l1dWritebacks: number;
  readonly l2Hits: number;
  readonly l2Misses: number;
  readonly l2Writebacks: number;
  readonly dramReads: number;
  readonly itlbMisses: number;
  readonly dtlbMisses: number;
  readonly stlbHits: number;
  readonly stlbMisses: number;
  readonly walks: number;
  readonly transfers: number;
  /** Lines lost to other CPUs' writes, all levels. */
  readonly drops: number;
}

/** Events of the last level, all CPUs together. */
export interface SharedCounters {
  readonly llcHits: number;
  readonly llcMisses: number;
  readonly dramWrites: number;
}

export class MemoryHierarchy {
  readonly core: MemoryExports;
  /** Called when the log of hardware events is full; see HardwareEventLog. */
  drainEvents: (() => void) | undefined;
  private readonly linear: LinearMemory;
  private readonly accesses: readonly CpuAccess[];

  /** With `filter: false` the inline filters stay empty: same ticks and misses, more slowly. */
  constructor(
    linear: LinearMemory,
    geometry: MemoryGeometry,
    options: { readonly filter: boolean } = { filter: true },
  ) {
    setupModel(linear, geometry, options);
    this.linear = linear;
    this.core = instantiateCore(linear.memory, () => {
      this.drainEvents?.();
    });
    this.accesses = Array.from(
      { length: linear.cpus },
      (_, cpu) => new CpuAccess(linear.cpuBlock(cpu), linear.i32, this.core),
    );
  }

  kernelAccess(cpu: number): KernelAccess {
    return this.accesses[cpu];
  }

  /**
   * Writes CR3. `pcid` is 0 when the kernel does not use PCIDs. `flush` drops the PCID's non-global
   * translations, as a CR3 write without bit 63 does. `use` keeps the filters that stay usable.
   */
  setAddressSpace(
    cpu: number,
    cr3: bigint,
    pcid: number,
    flush: boolean,
    use = SpaceUse.BOTH,
  ): void {
    const block = this.linear.cpuBlock(cpu);
    const { i32, i64 } = this.linear;
    assert(pcid >= 0 && pcid < 4096, 'PCID has 12 bits');
    if (flush) this.core.flushTlb(block, TlbFlush.PCID, pcid);
    i64[(block + Cpu.CR3) >> 3] = BigInt.asIntN(64, cr3);
    i32[(block + Cpu.PCID) >> 2] = pcid;
    if (use !== SpaceUse.KERNEL) this.ownFilters(block, Model.USER_FILTER_PCID, pcid);
    if (use !== SpaceUse.USER) this.ownFilters(block, Model.KERNEL_FILTER_PCID, pcid);
    this.accesses[cpu].filterValid = i32[(block + Model.KERNEL_FILTER_PCID) >> 2] === pcid;
  }

  /** INVLPG, or INVPCID of one address: drops `va` in `pcid` (default: the current one) and globally. */
  invalidatePage(cpu: number, va: bigint, pcid?: number): void {
    const block = this.linear.cpuBlock(cpu);
    const space = pcid ?? this.linear.i32[(block + Cpu.PCID) >> 2];
    this.core.invalidateAddress(block, va, BigInt(space));
  }

  /** `pcid` matters to TlbFlush.PCID only. */
  flushTlb(cpu: number, kind: TlbFlush, pcid = 0): void {
    this.core.flushTlb(this.linear.cpuBlock(cpu), kind, pcid);
  }

  /**
   * Physical address of `va` in the CPU's address space by its tables, untimed; -1 if an access
   * with these PageFaultCode bits (WRITE, USER, FETCH) would fault.
   */
  translate(cpu: number, va: bigint, flags = 0): number {
    const physical = this.core.translate(this.linear.cpuBlock(cpu), BigInt.asIntN(64, va), flags);
    return physical === -1 ? -1 : physical >>> 0;
  }

  /** Declares that code of this physical page was decoded: writes to it are noticed from now on. */
  markCodePage(page: number): void {
    const { linear } = this;
    const at = linear.codePages + page;
    const known: CodePage = linear.u8[at];
    if (known !== CodePage.NONE) return;
    linear.u8[at] = CodePage.CODE;
    const host = linear.guestBase + page * 4096;
    for (let cpu = 0; cpu < linear.cpus; cpu++) {
      this.core.dropWritesToPage(linear.cpuBlock(cpu), host);
    }
  }

  /** Whether code pages were written since the last takeWrittenCodePages(). */
  get codeWritten(): boolean {
    return this.linear.i32[CODE_WRITTEN] !== 0;
  }

  /** Code pages written since the last call, ascending; they are no longer code pages. */
  takeWrittenCodePages(): number[] {
    const { i32, u8, codePages, guestBytes } = this.linear;
    const count = i32[CODE_WRITTEN];
    const pages: number[] = [];
    if (count === 1) {
      pages.push(i32[CODE_WRITTEN_PAGE]);
    } else if (count > 1) {
      const last = codePages + guestBytes / 4096;
      for (let at = codePages; pages.length < count && at < last; at++) {
        const state: CodePage = u8[at];
        if (state === CodePage.WRITTEN) pages.push(at - codePages);
      }
    }
    for (const page of pages) u8[codePages + page] = CodePage.NONE;
    i32[CODE_WRITTEN] = 0;
    return pages;
  }

  counters(cpu: number): MemoryCounters {
    const block = this.linear.cpuBlock(cpu);
    const at = (offset: number): number => Number(this.linear.i64[(block + offset) >> 3]);
    return {
      slowCalls: at(Model.SLOW_CALLS),
      l1iMisses: at(Model.L1I + CacheField.MISSES),
      l1dMisses: at(Model.L1D + CacheField.MISSES),
      l1dWritebacks: at(Model.L1D + CacheField.WRITEBACKS),
      l2Hits: at(Model.L2 + CacheField.HITS),
      l2Misses: at(Model.L2 + CacheField.MISSES),
      l2Writebacks: at(Model.L2 + CacheField.WRITEBACKS),
      dramReads: at(Model.DRAM_READS),
      itlbMisses: at(Model.ITLB + TlbField.MISSES),
      dtlbMisses: at(Model.DTLB + TlbField.MISSES),
      stlbHits: at(Model.STLB + TlbField.HITS),
      stlbMisses: at(Model.STLB + TlbField.MISSES),
      walks: at(Model.WALKS),
      transfers: at(Model.TRANSFERS),
      drops:
        at(Model.L1I + CacheField.DROPS) +
        at(Model.L1D + CacheField.DROPS) +
        at(Model.L2 + CacheField.DROPS),
    };
  }

  sharedCounters(): SharedCounters {
    const at = (offset: number): number => Number(this.linear.i64[(Region.HEADER + offset) >> 3]);
    return {
      llcHits: at(Shared.LLC + CacheField.HITS),
      llcMisses: at(Shared.LLC + CacheField.MISSES),
      dramWrites: at(Shared.DRAM_WRITES),
    };
  }

  /** Gives one side's filters to a PCID; what they hold of another goes. */
  private ownFilters(block: number, field: Model, pcid: number): void {
    const { i32 } = this.linear;
    if (i32[(block + field) >> 2] === pcid) return;
    this.core.clearFilters(block, field === Model.KERNEL_FILTER_PCID ? 1 : 0);
    i32[(block + field) >> 2] = pcid;
  }
}
