/**
 * Where the memory model keeps its geometry, pointers and counters: fields of the CPU block from
 * Cpu.MODEL on, and of the header for what the CPUs share. Read by TypeScript (which fills it from
 * a board) and by the AssemblyScript core; `const enum`s only, like layout.ts.
 */

/**
 * A cache. Tags are i32: line number << 1 | dirty, CACHE_INVALID when empty. A row (one set) is
 * padded to a multiple of four tags so that it can be searched four at a time.
 * First-level caches replace in FIFO order; the others keep each row in order of last use.
 */
export const enum CacheField {
  /** i32 each: address of the tags, sets - 1, ways, bytes of a row. */
  TAGS = 0x00,
  SET_MASK = 0x04,
  WAYS = 0x08,
  ROW_BYTES = 0x0c,
  /** First level only. i32 address of one i32 per set: the way that is replaced next. */
  NEXT = 0x10,
  /** First level only. i32 address of the back-pointers, laid out as the tags; see Back. */
  BACK = 0x14,
  /** i32: ticks of an access served here, beyond a first-level hit. */
  TICKS = 0x18,
  /** Counters, i64. First-level hits cannot be counted: the inline filter serves most of them. */
  HITS = 0x20,
  MISSES = 0x28,
  WRITEBACKS = 0x30,
  /** Lines that another CPU's write took away. */
  DROPS = 0x38,
  BYTES = 0x40,
}

/**
 * A back-pointer: which entries of the inline filters hold the line of this way. Two u16 byte
 * offsets of filter entries, one for the user filters and one for the kernel's, or NONE.
 */
export const enum Back {
  USER = 0,
  KERNEL = 2,
  NONE = 0xffff,
}

/** i32 tag of an empty way. */
export const enum CacheTag {
  INVALID = -1,
  DIRTY = 1,
}

/**
 * A TLB. A first-level one has parallel arrays indexed by set * ways + way; the second-level one
 * has rows of { i64 tag, i64 data } in order of last use. Tags are TlbTag, data is TlbData.
 */
export const enum TlbField {
  /** i32 each. */
  TAGS = 0x00,
  DATA = 0x04,
  /**
   * First level: i64 per entry, which filter entries may hold lines of this page. Second level: a
   * bitmap of i64 words, the rows that may hold entries.
   */
  MASKS = 0x08,
  NEXT = 0x0c,
  /** First level only: TLB_HINTS i32 guesses of the entry of a page, by hash; verified on use. */
  HINTS = 0x10,
  SET_MASK = 0x14,
  WAYS = 0x18,
  ENTRIES = 0x1c,
  TICKS = 0x20,
  /** Second level only: address of a byte per row, ways of it that hold what is not the guest's. */
  TAKEN = 0x24,
  /** Six i32: valid entries by page size * 2 + global, so that absent kinds are not searched. */
  KINDS = 0x28,
  HITS = 0x40,
  MISSES = 0x48,
  BYTES = 0x50,
}

/** Fields of a TLB tag (i64); 0 is an empty entry. */
export const enum TlbTag {
  /** Bits 0..35: virtual page number of the 4 KiB page that the translation begins at. */
  VPN_BITS = 36,
  /** Bits 36..48: PCID, or GLOBAL. */
  PCID_SHIFT = 36,
  GLOBAL = 0x1000,
  /** Bits 49..50: PageSize. */
  SIZE_SHIFT = 49,
  /** Bit 51: set in every valid tag. */
  VALID_SHIFT = 51,
}

/** Flags in the data of a TLB entry, at their places in a page table entry; the rest is the frame. */
export const enum TlbData {
  WRITABLE = 0x2,
  USER = 0x4,
  DIRTY = 0x40,
  GLOBAL = 0x100,
  /** A 4 KiB piece of a larger guest page that the host maps in pieces. */
  FRACTURED = 0x200,
}

export const enum PageSize {
  SIZE_4K = 0,
  SIZE_2M = 1,
  SIZE_1G = 2,
  COUNT = 3,
}

export const enum ModelLimit {
  TLB_HINTS = 256,
  /** A directory entry has one bit for each CPU. */
  CPUS_MAX = 64,
}

/** Offsets in a CPU block. */
export const enum Model {
  L1I = 0x400,
  L1D = 0x440,
  L2 = 0x480,
  ITLB = 0x500,
  DTLB = 0x580,
  STLB = 0x600,
  /** i32: 1 if the inline filters may be filled. */
  FILTER = 0x680,
  /** i32: the PCID whose translations the user (kernel) filters hold. */
  USER_FILTER_PCID = 0x684,
  KERNEL_FILTER_PCID = 0x688,
  /** i32: number of this CPU. */
  NUMBER = 0x68c,
  /** i32: levels of the page tables: 4 or 5. */
  PAGING_LEVELS = 0x690,
  /** i32: fixed ticks of a page walk. */
  WALK_TICKS = 0x694,
  /** A write that crosses into another frame waits in Cpu.BOUNCE: i32 host addresses and sizes. */
  SPLIT_HOST = 0x698,
  SPLIT_HOST2 = 0x69c,
  SPLIT_SIZE = 0x6a0,
  SPLIT_SIZE2 = 0x6a4,
  /** Counters, i64. */
  SLOW_CALLS = 0x6a8,
  WALKS = 0x6b0,
  DRAM_READS = 0x6b8,
  TRANSFERS = 0x6c0,
  /** Bitmaps of ENTRIES bits: slots entered in the user (kernel) filters since they were cleared. */
  USER_SLOTS = 0x700,
  KERNEL_SLOTS = 0x740,
  /** Paging-structure caches of levels 1 to 3 (PDE, PDPTE, PML4E): a SmallCache each. */
  WALK_CACHES = 0x780,
  /** Nested paging: a SmallCache of guest frames, and one of guest 2 MiB regions. */
  NESTED_TLB = 0x798,
  NESTED_PDES = 0x7a0,
  /** i32: 1 while the TLBs may hold pieces of large guest pages. */
  FRACTURED = 0x7a8,
  /** A Server each. */
  STLB_SERVER = 0x7b0,
  L2_SERVER = 0x7b8,
  LLC_SERVER = 0x7c0,
  DRAM_SERVER = 0x7c8,
  /** i32: ticks for which a write-back keeps the DRAM server busy. */
  DRAM_WRITE_TICKS = 0x7d0,
}

/**
 * What passes only so many lines in a time: i32 address of its slots, i32 ticks for each line; 0: no
 * limit. A slot stands for 1 << SLOT_SHIFT ticks: { i32 number of the slot, i32 ticks taken in it }.
 * Slots, not one tick at which it is free, because accesses of one core do not come in order of time.
 */
export const enum Server {
  SLOTS = 0,
  TICKS = 4,
  SLOT_SHIFT = 11,
  SLOT_COUNT = 64,
  SLOT_BYTES = 8,
}

/**
 * A small direct-mapped table of { i64 key, i64 data }: i32 address (0: absent), i32 entries - 1.
 * Key 0 is an empty entry.
 */
export const enum SmallCache {
  TABLE = 0,
  MASK = 4,
  BYTES = 8,
  ENTRY_BYTES = 16,
}

/** The prefetcher of a CPU, offsets in its block. */
export const enum Prefetch {
  /** i32: lines that a stream is fetched ahead; 0: no prefetcher. */
  DISTANCE = 0x870,
  /** i32: strides of one instruction that are fetched ahead. */
  STRIDES = 0x874,
  /** i32: stream and stride entry that is replaced next. */
  NEXT_STREAM = 0x878,
  /** i64: lines prefetched. */
  LINES = 0x880,
  /** { i32 frame + 1, i32 last line in it, i32 direction when there is one, i32 last line fetched }. */
  STREAMS = 0x1900,
  STREAM_COUNT = 16,
  /** { i64 address of the instruction, i32 last line, i32 stride in lines }, by hash. */
  STRIDE_TABLE = 0x1a00,
  STRIDE_COUNT = 16,
  /** { i32 line, i32 Stall cell, i64 tick at which it is in the L2 }, by hash of the line. */
  FLIGHTS = 0x1c00,
  FLIGHT_COUNT = 64,
  ENTRY_BYTES = 16,
}

/** Offsets from Region.HEADER, after the fields of Header. */
export const enum Shared {
  LLC = 0x100,
  /** i32: number of CPUs. */
  CPUS = 0x140,
  /** i32 address of one i64 per physical line: CPUs that may hold the line. 0 with one CPU. */
  DIRECTORY = 0x144,
  /** i32: ticks of an access served by DRAM, and of a line handed over by another CPU. */
  DRAM_TICKS = 0x148,
  TRANSFER_TICKS = 0x14c,
  /** i64: lines written back to DRAM. */
  DRAM_WRITES = 0x150,
  /** i32 address of the LLC's stamps, laid out as its tags, in units of LLC_STAMP_SHIFT; 0: none. */
  LLC_STAMPS = 0x158,
  /** i32 address of 256 i32: quantiles of how long a line stays, in the same unit. */
  LLC_LIFETIMES = 0x15c,
  /** i32: 1 if the host scatters guest frames, which decides the sets of L2 and LLC. */
  SCATTERED = 0x160,
  /** i32: first line number that is not guest memory: the host's tables are there. */
  GUEST_LINES = 0x164,
  /** The Server that stands for the DRAM of all CPUs. */
  DRAM_SERVER = 0x168,
  /** i32 address of one i32 per physical line; see LineState. */
  LINE_STATES = 0x170,
  /** i32: the part of TRANSFER_TICKS after which the other CPU loses the line. */
  REQUEST_TICKS = 0x174,
  /** i64: the latest clock at which user code got a line from another CPU. */
  COMMUNICATED = 0x178,
}

/** Bits of a line's i32 at Shared.LINE_STATES. */
export const enum LineState {
  /** A CPU holds it modified: the only one in the directory. */
  OWNED = 1,
  /** It was accessed with `lock`, or by xchg. */
  LOCKED = 2,
  /**
   * CPUs take it from each other again and again, or as a lock: until it has rested for
   * ORDERED_EPOCHS, accesses to it happen in the order of the CPUs' clocks, and are not filtered.
   */
  ORDERED = 4,
  /** One of bits 3..7, which count accesses with `lock` that happened in order. */
  LOCK = 0x8,
  LOCKS = 0xf8,
  /** One of bits 8..11, which count transfers, and how many make a line ordered that is no lock. */
  TRANSFER = 0x100,
  TRANSFERS = 0xf00,
  TRANSFERS_ORDERED = 0x800,
  /** Bits 16..31: epoch of the last transfer, a clock shifted by EPOCH_SHIFT (16,384 cycles). */
  SINCE_SHIFT = 16,
  EPOCH_SHIFT = 20,
  ORDERED_EPOCHS = 64,
}

export const enum LlcStamp {
  SHIFT = 10,
  LIFETIMES = 256,
}

/** Kinds of TLB flush. */
export const enum TlbFlush {
  /** Everything, global entries too. */
  ALL = 0,
  /** Everything but global entries. */
  NON_GLOBAL = 1,
  /** Entries of one PCID, but no global ones. */
  PCID = 2,
}
