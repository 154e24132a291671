/**
 * The branch predictor's tables in linear memory, one set for each CPU. AssemblyScript compiles this
 * file too: const enums only.
 *
 * Conditional branches are predicted by a counter for each branch until one that was sure is wrong
 * (not at the end of a loop longer than the history);
 * from then on by the longest history that knows the branch: the last 64 outcomes, the last 12, and
 * the branch's counter last (a predictor of the TAGE family with two tagged tables). Sure and right
 * means that nothing changes, which is what translated code tests inline.
 *
 * A branch is known by its key, a hash of its address (predictor.ts). A place in a table with
 * history comes from (history ^ key) * MIX: its highest bits choose the entry, the next TAG_BITS
 * are the tag.
 */

/** Offsets from Cpu.PREDICTOR. */
export const enum Predictor {
  /** i64: mispredicted branches of all kinds so far. */
  MISSES = 0x00,
  /** i32: bits of the index of the table at LONG, and of the one at TARGETS. */
  LONG_BITS = 0x08,
  TARGETS_BITS = 0x0c,
  /** i32: bytes of the return stack less 8. */
  RETURN_MASK = 0x10,
  /** Return addresses, i64 each; Cpu.RETURN_TOP is the offset of the last one. */
  RETURN_STACK = 0x40,
  RETURN_STACK_MAX = 64,
  /** u8 for each branch: a counter of 2 bits (see Counter), plus COUNTER_UNSURE. */
  COUNTERS = 0x400,
  COUNTERS_BITS = 13,
  /** u16 each: ENTRY_VALID | tag << 2 | counter; 0 is empty. */
  SHORT = 0x2400,
  SHORT_BITS = 13,
  /** Last target of each indirect branch, i64; TARGET_VARIES once there was a second one. */
  LAST_TARGETS = 0x6400,
  LAST_TARGETS_BITS = 10,
  /** As SHORT, 2^LONG_BITS of them; then 2^TARGETS_BITS targets with history: tag << 48 | target. */
  LONG = 0x8400,

  SHORT_HISTORY_MASK = 0xfff,
  TAG_BITS = 13,
  ENTRY_VALID = 0x8000,
  /** The counter of this branch alone has been sure and wrong. */
  COUNTER_UNSURE = 4,
}

/** Two-bit counters: above 1 predicts taken, the outer two are sure. */
export const enum Counter {
  NOT_TAKEN = 0,
  WEAKLY_NOT_TAKEN = 1,
  WEAKLY_TAKEN = 2,
  TAKEN = 3,
}

/** How much of an indirect branch's target enters the history. */
export const enum TargetHistory {
  SHIFT = 4,
  TARGET_SHIFT = 3,
}
