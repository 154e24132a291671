/**
 * What Op.Float asks for: SSE floating-point operations, which raise exceptions in MXCSR.
 * AssemblyScript compiles this file: const enums only.
 */

export const enum FloatOp {
  ADD,
  SUB,
  MUL,
  DIV,
  /** Of b; the other lanes of a scalar one come from a. */
  SQRT,
  /** b when either is a NaN or both are zeros. */
  MIN,
  MAX,
  /** All ones where the predicate (FloatForm.PREDICATE_SHIFT) holds. */
  COMPARE,
  /** Even lanes subtract, odd ones add. */
  ADD_SUB,
  /** Reciprocals of b (of its square root), exact where the processor approximates. No exceptions. */
  RCP,
  RSQRT,
  // Packed conversions of b ---------------------------------------------------------------
  I32_TO_F64,
  I32_TO_F32,
  F32_TO_F64,
  F64_TO_F32,
  F32_TO_I32,
  F32_TO_I32_TRUNCATE,
  F64_TO_I32,
  F64_TO_I32_TRUNCATE,
  /** MMX: two doublewords; the upper half of a stays. */
  I32_TO_F32_PAIR,
  /** MMX: the lower two lanes alone are converted. */
  F32_TO_I32_PAIR,
  F32_TO_I32_PAIR_TRUNCATE,
}

/** The form of Op.Float: FloatOp + 256 * predicate + these. */
export const enum FloatForm {
  OP_MASK = 0xff,
  PREDICATE_SHIFT = 8,
  DOUBLE = 0x800,
  /** Lane 0 only; the other lanes of the result are those of a. */
  SCALAR = 0x1000,
}

/** Exception bits, at the same positions in MXCSR and in the x87 status word; masks likewise. */
export const enum FloatException {
  INVALID = 0x01,
  DENORMAL = 0x02,
  ZERO_DIVIDE = 0x04,
  OVERFLOW = 0x08,
  UNDERFLOW = 0x10,
  INEXACT = 0x20,
  ALL = 0x3f,
  /** Those that are known before the result is: an unmasked one keeps it from being computed. */
  BEFORE = 0x07,
}

export const enum Mxcsr {
  DAZ = 0x0040,
  MASKS_SHIFT = 7,
  MASKS = 0x1f80,
  ROUNDING_SHIFT = 13,
  ROUNDING = 0x6000,
  FTZ = 0x8000,
  /** All exceptions masked, round to nearest. */
  DEFAULT = 0x1f80,
}
