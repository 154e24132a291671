/**
 * A board: everything about the hardware that has a number, as data.
 *
 * Costs are in core cycles (fractions allowed: they become ticks of 1/64 cycle). Every figure says
 * where it comes from and by what fraction it may be wrong, so that no cost is without a source.
 */

/** A sourced figure. `uncertainty` is a fraction: 0.2 means plus or minus 20%. */
export interface Figure {
  readonly value: number;
  readonly uncertainty: number;
  readonly source: string;
}

export interface CacheSpec {
  readonly bytes: number;
  readonly ways: number;
  /** Extra cycles of an access served here, beyond the L1 hit that the instruction tables include. */
  readonly extraCycles: Figure;
}

export interface TlbSpec {
  readonly entries: number;
  /** Equal to `entries` when fully associative. */
  readonly ways: number;
  /** Extra cycles of a translation served here; 0 for first-level TLBs. */
  readonly extraCycles: Figure;
  /**
   * Entries that hold what is not the guest's: of the core's other thread, of the hypervisor. Absent
   * where there is neither.
   */
  readonly othersEntries?: Figure;
}

export interface MemorySpec {
  readonly bytes: number;
  readonly l1i: CacheSpec;
  readonly l1d: CacheSpec;
  readonly l2: CacheSpec;
  readonly llc: CacheSpec;
  readonly itlb: TlbSpec;
  readonly dtlb: TlbSpec;
  readonly stlb: TlbSpec;
  /** Fixed cycles of a page walk, beyond its memory accesses (which go through the caches). */
  readonly pageWalkCycles: Figure;
  /** Cycles of an access served by DRAM, beyond the LLC lookup. */
  readonly dramCycles: Figure;
  /** Cycles until a line that another CPU holds has come over, beyond the L1 hit. */
  readonly lineTransferCycles: Figure;
  /** Absent on a core that waits for every miss. */
  readonly overlap?: OverlapSpec;
  /** Entries of the paging-structure caches; absent where every walk begins at the top. */
  readonly walkCaches?: WalkCacheSpec;
  /** Present on a board that is itself a virtual machine. */
  readonly nested?: NestedSpec;
  /** Absent where lines follow each other without a gap. */
  readonly bandwidth?: BandwidthSpec;
  readonly prefetch?: PrefetchSpec;
  /**
   * Mean cycles that an unused line stays in the last level before others, who share it, have
   * displaced it. Absent where nobody does.
   */
  readonly llcLifetimeCycles?: Figure;
}

/** Entries, by the level whose entries they hold; powers of two. */
export interface WalkCacheSpec {
  readonly pde: Figure;
  readonly pdpte: Figure;
  readonly pml4e: Figure;
}

/** The host's tables: it maps guest memory in scattered 4 KiB pages. Entries are powers of two. */
export interface NestedSpec {
  /** Guest frames whose host frame a walk has at hand. */
  readonly tlbEntries: Figure;
  /** The host's paging-structure cache of 2 MiB regions. */
  readonly pdeEntries: Figure;
}

/** Core cycles for which a line, or a lookup, keeps its server busy. */
export interface BandwidthSpec {
  readonly stlbCycles: Figure;
  readonly l2Cycles: Figure;
  readonly llcCycles: Figure;
  /** DRAM reads of one CPU, its write-backs, and the accesses of all CPUs together. */
  readonly dramCycles: Figure;
  readonly dramWriteCycles: Figure;
  readonly dramSharedCycles: Figure;
}

/** The prefetcher into the L2. */
export interface PrefetchSpec {
  /** Lines that a stream is fetched ahead, within its 4 KiB page. */
  readonly streamLines: Figure;
  /** Strides of one instruction that are fetched ahead. */
  readonly strides: Figure;
}

/** How far an out-of-order core lets misses overlap. See docs/memory-model.md. */
export interface OverlapSpec {
  /** Instructions in flight. */
  readonly reorderBuffer: Figure;
  /** First-level data misses under way at a time. */
  readonly missBuffers: Figure;
  /** Stores that wait for their lines. */
  readonly storeBuffer: Figure;
  /** Page walks under way at a time. */
  readonly walkers: Figure;
  /** Cycles from address to value of a load that hits the L1. */
  readonly hitCycles: Figure;
}

/** Throughput and latency of a group of instructions. */
export interface InstructionCost {
  /** Reciprocal throughput in cycles. */
  readonly throughput: number;
  readonly latency: number;
  /** Waits for everything before it (lfence, cpuid, ...): its latency is never hidden. */
  readonly serializing?: boolean;
}

/** The branch predictor. Sizes are powers of two. */
export interface BranchPredictorSpec {
  /** Contexts of conditional branches that it can tell apart. */
  readonly historyEntries: number;
  /** Contexts of indirect branches whose targets it keeps. */
  readonly targetEntries: number;
  readonly returnStackEntries: number;
  /** Where the sizes come from. */
  readonly sizesSource: string;
  /**
   * Cycles from the resolution of a mispredicted branch until the core is busy again; the time that
   * the resolution takes comes on top and follows from the code before the branch.
   */
  readonly refillCycles: Figure;
}

export interface CoreSpec {
  readonly coreMHz: number;
  readonly tscMHz: number;
  /** Instructions that can retire in one cycle. 1 together with `instructions: {}` is the teaching core. */
  readonly issueWidth: number;
  /** By mnemonic; `source` covers the table. Absent ones cost `default`. */
  readonly instructions: Readonly<Record<string, InstructionCost>>;
  readonly default: InstructionCost;
  /** Mnemonics that are fused with a conditional branch after them. */
  readonly fused?: readonly string[];
  readonly instructionsSource: string;
  /** Absent: branches are always predicted. */
  readonly predictor?: BranchPredictorSpec;
}

/** Hardware primitives that the kernel model charges. All in core cycles. */
export interface KernelCosts {
  /** Cycles per retired kernel instruction, when everything hits the first-level caches. */
  readonly cyclesPerInstruction: Figure;
  readonly syscall: Figure;
  readonly sysret: Figure;
  readonly swapgs: Figure;
  readonly exceptionEntry: Figure;
  readonly interruptEntry: Figure;
  readonly iret: Figure;
  readonly cr3Write: Figure;
  readonly cr3WriteNoFlush: Figure;
  readonly invlpg: Figure;
  readonly rdtsc: Figure;
  /** Extra cycles of one indirect branch through a retpoline. */
  readonly retpoline: Figure;
  /** Extra cycles of one return through the SRSO safe-ret thunk. */
  readonly srsoReturn: Figure;
  /** Cycles per 64 bytes copied or zeroed by the kernel with rep movsb / rep stosb, in L1. */
  readonly copyPerLine: Figure;
  readonly zeroPerLine: Figure;
  /** Misses of such a copy or fill that are under way at a time: their latencies overlap. */
  readonly streamOverlap: Figure;
  /** Writing the local APIC's interrupt command register, on bare metal. */
  readonly ipiSend: Figure;
  /** From the write to the first instruction of the handler on another CPU, on bare metal. */
  readonly ipiDelivery: Figure;
  /** What leaving and entering the virtual machine adds to each of the two; 0 on bare metal. */
  readonly vmExit: Figure;
  /** Extra cycles of an atomic instruction on a line that the CPU owns. */
  readonly lockedInstruction: Figure;
  /** stac and clac around an access to user memory. */
  readonly userAccess: Figure;
  /** cli, sti or pushf. */
  readonly interruptFlag: Figure;
  /** Saving or loading all floating-point and vector registers that the CPU has. */
  readonly vectorState: Figure;
  /** What the hypervisor takes to run a virtual CPU again that had halted; 0 on bare metal. */
  readonly haltWake: Figure;
  /** Reading a register of the HPET, and the port of the ACPI power management timer, on bare metal. */
  readonly hpetRead: Figure;
  readonly pmTimerRead: Figure;
}

export interface Board {
  readonly name: string;
  readonly description: string;
  /** How well it is validated, in one sentence; printed with every result. */
  readonly validation: string;
  readonly cpus: number;
  readonly core: CoreSpec;
  readonly memory: MemorySpec;
  readonly kernel: KernelCosts;
  /** CPU flags that decide kernel defaults: pcid, invpcid, meltdown (needs PTI), srso, la57, fsrm ... */
  readonly features: readonly string[];
}
