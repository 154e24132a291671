/**
 * What the model of overlapping misses keeps: per-access hints and per-block data flow, written
 * with a block's bytecode, and the state of each CPU. docs/memory-model.md says what they mean.
 * Read by TypeScript and by the AssemblyScript core: `const enum`s only.
 */

/** Where a value may come from that was not there at the start of a block. See READY. */
export const enum Source {
  /** 0..15: general registers. 16..31: stack slots, by a hash of their offset from rsp or rbp. */
  SLOTS = 16,
  SLOT_COUNT = 16,
  /** 32..62: loads of the block, in program order; the last stands for all from there on. */
  LOADS = 32,
  LOAD_COUNT = 31,
  /** A value that no address can wait for. */
  NONE = 63,
  COUNT = 64,
}

export const enum AccessKind {
  LOAD = 0,
  STORE = 1,
  /** A load whose line is then written. */
  UPDATE = 2,
}

/** What is known of an access when its block is decoded. */
export const enum AccessHint {
  /** i64: address of the instruction. */
  IP = 0,
  /** i32: AccessKind. */
  KIND = 8,
  /** i32: Source of the value that it loads. */
  SOURCE = 12,
  /** i32: base ticks of the block before this instruction. */
  OFFSET = 16,
  /** i32: base ticks until the reorder buffer is full of what follows. */
  WINDOW = 20,
  /** i64: loads of the block after the last serialising instruction before this one, or 0. */
  FENCE = 24,
  /** i32 address and i32 count of the terms of its address; see FlowTerm. */
  TERMS = 32,
  TERM_COUNT = 36,
  /** i32: address of the block's Flow. */
  FLOW = 40,
  BYTES = 48,
}

/** A term of a value: it is ready LATENCY ticks after SOURCE is. */
export const enum FlowTerm {
  /** u16 */
  SOURCE = 0,
  /** u16: ticks. */
  LATENCY = 2,
  BYTES = 4,
}

/** What a block makes of the sources; RESULTs follow. */
export const enum Flow {
  /** i32: number of results. */
  COUNT = 0,
  /** i32: base ticks of an iteration if the block may jump to itself, else 0. */
  LOOP = 4,
  RESULTS = 8,
}

/** One source that a block changes. */
export const enum FlowResult {
  /** i32: Source. */
  TARGET = 0,
  /** i32 address and i32 count of its terms. */
  TERMS = 4,
  TERM_COUNT = 8,
  BYTES = 12,
}

/**
 * Per CPU, offsets in the CPU block. Two clocks: the CPU's own, which every miss advances to its
 * end, and the dispatch clock, which waits only when the reorder buffer is full. Both advance alike
 * with base ticks: clock = base + CHARGED, dispatch clock = base + WAITED.
 */
export const enum Overlap {
  /** i32: 1 if misses of user code overlap on this board. */
  ON = 0x800,
  /** i32: ticks of a first-level hit, from address to value. */
  HIT_TICKS = 0x804,
  /** i64 */
  CHARGED = 0x808,
  WAITED = 0x810,
  /** i64: bit s: READY of source s lies ahead of the dispatch clock. */
  TAINTED = 0x818,
  /** i64: tick at which the last missed store was done. */
  STORED = 0x820,
  /** i32 Flow of a block that loops, and i64 base ticks up to which READY includes its iterations. */
  LOOP_FLOW = 0x848,
  LOOP_BASE = 0x850,
  /** i32: next entry of the ring to fill; entries in use. */
  WINDOW_HEAD = 0x828,
  WINDOW_USED = 0x82c,
  /** i32 each: entries of the rings that this board has, and the next one. */
  BUFFERS = 0x830,
  BUFFER_NEXT = 0x834,
  STORES = 0x838,
  STORE_NEXT = 0x83c,
  WALKERS = 0x840,
  WALKER_NEXT = 0x844,
  /** i64 each, by Source: tick at which the value is there. */
  READY = 0x900,
  /** Ring of { i64 base ticks at which the reorder buffer is full behind it, i64 tick it is done }. */
  WINDOW = 0xb00,
  WINDOW_ENTRIES = 128,
  /** Rings of i64: ticks at which a miss buffer, store buffer entry, page walker is free again. */
  BUFFER_RING = 0x1300,
  STORE_RING = 0x1500,
  WALKER_RING = 0x1700,
  RING_MAX = 64,
}
