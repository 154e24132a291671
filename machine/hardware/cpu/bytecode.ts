/**
 * The form in which the interpreter executes IR: one code object per block in linear memory.
 * encode.ts writes it, assembly/interpret.ts runs it; AssemblyScript compiles this file, so it holds
 * const enums only.
 *
 *   BlockCode header | op words | trap table | hints of its accesses, flow, terms (overlap-layout.ts)
 *
 * An op word is 16 bytes (OpWord); one whose immediates do not fit 32 bits has OpWord.WIDE set and
 * is followed by 16 bytes more: i64 imm, i64 imm2. Temporaries live in slots of 16 bytes that are
 * reused as soon as their last use is past. The trap table has one entry for each instruction:
 * u32 offset of its first op word from the header, u32 offset of its address from the block's.
 */

export const enum BlockCode {
  /** i64: virtual address of the block. */
  ADDRESS = 0,
  /** i32: address of its BlockRecord. */
  RECORD = 8,
  /** i32: base ticks of one complete execution. */
  TICKS = 12,
  /** i32: bytes of guest code, at least 1. */
  LENGTH = 16,
  /** i32: entries of the trap table. */
  INSTRUCTIONS = 20,
  /** i32: executions so far; see THRESHOLD. */
  EXECUTIONS = 24,
  /**
   * i32: chaining to the block exits with ExitReason.DISPATCH instead once EXECUTIONS has reached
   * this. 0: translated code exists. 0x7fffffff: never.
   */
  THRESHOLD = 28,
  /** i32: offset of the trap table from the header. */
  TRAPS = 32,
  /** i32: ticks until the branch at the end is resolved; i64: its key in the predictor. */
  RESOLVE = 36,
  KEY = 40,
  /** i32: address of its first AccessHint, and of its Flow; 0 where misses do not overlap. */
  HINTS = 48,
  FLOW = 52,
  /** i32: 1 if it ends with a serialising instruction. */
  SERIALIZED = 56,
  /** First op word. */
  OPS = 64,
}

export const enum OpWord {
  /** u8 */
  OP = 0,
  /** u8 */
  WIDTH = 1,
  /** u16: byte offset of the slot; NO_SLOT when there is none. So are A, B and C. */
  DST = 2,
  A = 4,
  B = 6,
  C = 8,
  /** u16: number of the access among those of the block, for ops that isAccess() names. */
  ACCESS = 8,
  /** u16: 1 when 16 bytes of immediates follow. */
  WIDE = 10,
  /** i32: imm when not wide. */
  IMM = 12,
  BYTES = 16,
  /** i64, i64: only when wide. */
  WIDE_IMM = 16,
  WIDE_IMM2 = 24,
  WIDE_BYTES = 32,
}

export const enum Slot {
  BYTES = 16,
  COUNT_MAX = 1024,
  /** In place of a slot offset. */
  NONE = 0xffff,
}

/**
 * Virtual address -> BlockCode, for chaining: sets of WAYS entries, looked up by hash. A cache: an
 * entry may be missing for a block that exists.
 */
export const enum BlockTable {
  /** i64 virtual address, i32 BlockCode (0: empty), i32 0. */
  ENTRY_BYTES = 16,
  WAYS = 4,
  SET_BYTES = 64,
  /** Byte offset of a set: ((va ^ va >> HASH_SHIFT) << SET_SHIFT) & mask. */
  HASH_SHIFT = 12,
  SET_SHIFT = 6,
}
