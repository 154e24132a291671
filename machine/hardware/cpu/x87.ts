/**
 * What the x87 helper is asked to do. AssemblyScript compiles this file: const enums only.
 * Stack registers are named relative to the top.
 */

/** First argument of Helper.X87: operation + 256 * parameter. */
export const enum X87Op {
  /** Pushes the value in the first operand. */
  PUSH_F32,
  PUSH_F64,
  PUSH_INTEGER,
  /** Significand in the first operand, sign and exponent in the second. */
  PUSH_EXTENDED,
  /** Pushes st(parameter). */
  PUSH_REGISTER,
  /** Pushes constant `parameter`; see X87Constant. */
  PUSH_CONSTANT,
  /**
   * -> st(0) rounded to the format; the integer indefinite out of range. Operand 1: truncate. The
   * second result is 1 when an unmasked exception keeps the value from being stored.
   */
  VALUE_F32,
  VALUE_F64,
  VALUE_I16,
  VALUE_I32,
  VALUE_I64,
  /** Unless an unmasked exception stopped the operation before. */
  POP,
  /** st(parameter) = st(0) */
  STORE_REGISTER,
  /** Exchanges st(0) and st(parameter). */
  EXCHANGE,
  /** st(0) = st(parameter) when the first operand is 1. */
  MOVE_IF,
  /** Marks st(parameter) empty. */
  FREE,
  /** st(d) = st(d) op st(s); parameter is X87Arithmetic + 8 * d + 64 * s. */
  ARITHMETIC_REGISTER,
  /** st(0) = st(0) op operand; parameter is X87Arithmetic. */
  ARITHMETIC_F32,
  ARITHMETIC_F64,
  ARITHMETIC_INTEGER,
  /** Compares st(0) with st(parameter) into C0, C2 and C3. */
  COMPARE_REGISTER,
  COMPARE_F32,
  COMPARE_F64,
  COMPARE_INTEGER,
  /** -> ZF PF CF of the comparison of st(0) with st(parameter). Operand 1: quiet. So for COMPARE. */
  COMPARE_FLAGS,
  ABSOLUTE,
  NEGATE,
  SQUARE_ROOT,
  ROUND,
  REMAINDER,
  REMAINDER_NEAREST,
  SCALE,
  EXTRACT,
  TEST,
  EXAMINE,
  INCREMENT_TOP,
  DECREMENT_TOP,
  INITIALIZE,
  CLEAR_EXCEPTIONS,
  SINE,
  COSINE,
  /** sin in st(0), then cos pushed. */
  SINE_COSINE,
  /** tan in st(0), then 1 pushed. */
  TANGENT,
  /** st(1) = f(st(0), st(1)); the lifter pops. */
  ARC_TANGENT,
  LOGARITHM,
  LOGARITHM_PLUS_ONE,
  EXPONENTIAL_LESS_ONE,
  /** Control word = operand. */
  LOAD_CONTROL,
}

export const enum X87Arithmetic {
  ADD,
  MULTIPLY,
  SUBTRACT,
  SUBTRACT_REVERSED,
  DIVIDE,
  DIVIDE_REVERSED,
}

export const enum X87Constant {
  ONE,
  LOG2_10,
  LOG2_E,
  PI,
  LOG10_2,
  LN_2,
  ZERO,
}

/** First argument of Helper.X87Memory. */
export const enum X87MemoryOp {
  STORE_EXTENDED_POP,
  STORE_ENVIRONMENT,
  LOAD_ENVIRONMENT,
  SAVE,
  RESTORE,
  LOAD_DECIMAL,
  STORE_DECIMAL_POP,
}
