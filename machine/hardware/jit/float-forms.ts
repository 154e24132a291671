/** The two float widths as WebAssembly opcodes and bit patterns (IEEE 754). */
import { FloatOp } from '../cpu/float-op.ts';
import { Simd, ValueType, Wasm } from './wasm-opcodes.ts';

/** What differs between the two float widths; SIMD opcodes without prefix. */
export interface FloatLanes {
  readonly type: ValueType.F32 | ValueType.F64;
  readonly extract: Simd;
  readonly replace: Simd;
  readonly abs: Simd;
  readonly pmin: Simd;
  readonly pmax: Simd;
  readonly add: Simd;
  readonly sub: Simd;
  readonly equal: Simd;
  readonly notEqual: Simd;
  readonly less: Simd;
  readonly lessOrEqual: Simd;
  readonly greaterOrEqual: Simd;
  readonly integerSub: Simd;
  readonly integerBitmask: Simd;
  readonly lanes: number;
  readonly scalarAdd: Wasm;
  readonly scalarSub: Wasm;
  readonly scalarEqual: Wasm;
  readonly scalarGreaterOrEqual: Wasm;
  /** Packed and scalar opcodes of ADD, SUB, MUL, DIV and SQRT. */
  readonly packed: Readonly<Partial<Record<FloatOp, Simd>>>;
  readonly scalar: Readonly<Partial<Record<FloatOp, Wasm>>>;
  /** 64 bits of lanes: the least normal number, the next one, infinity, the integer 1. */
  readonly minNormal: bigint;
  readonly aboveMinNormal: bigint;
  readonly infinity: bigint;
  readonly one: bigint;
}

export const SINGLE: FloatLanes = {
  type: ValueType.F32,
  extract: Simd.F32X4_EXTRACT_LANE,
  replace: Simd.F32X4_REPLACE_LANE,
  abs: Simd.F32X4_ABS,
  pmin: Simd.F32X4_PMIN,
  pmax: Simd.F32X4_PMAX,
  add: Simd.F32X4_ADD,
  sub: Simd.F32X4_SUB,
  equal: Simd.F32X4_EQ,
  notEqual: Simd.F32X4_NE,
  less: Simd.F32X4_LT,
  lessOrEqual: Simd.F32X4_LE,
  greaterOrEqual: Simd.F32X4_GE,
  integerSub: Simd.I32X4_SUB,
  integerBitmask: Simd.I32X4_BITMASK,
  lanes: 4,
  scalarAdd: Wasm.F32_ADD,
  scalarSub: Wasm.F32_SUB,
  scalarEqual: Wasm.F32_EQ,
  scalarGreaterOrEqual: Wasm.F32_GE,
  packed: {
    [FloatOp.ADD]: Simd.F32X4_ADD,
    [FloatOp.SUB]: Simd.F32X4_SUB,
    [FloatOp.MUL]: Simd.F32X4_MUL,
    [FloatOp.DIV]: Simd.F32X4_DIV,
    [FloatOp.SQRT]: Simd.F32X4_SQRT,
  },
  scalar: {
    [FloatOp.ADD]: Wasm.F32_ADD,
    [FloatOp.SUB]: Wasm.F32_SUB,
    [FloatOp.MUL]: Wasm.F32_MUL,
    [FloatOp.DIV]: Wasm.F32_DIV,
    [FloatOp.SQRT]: Wasm.F32_SQRT,
  },
  minNormal: 0x0080_0000_0080_0000n,
  aboveMinNormal: 0x0080_0001_0080_0001n,
  infinity: 0x7f80_0000_7f80_0000n,
  one: 0x0000_0001_0000_0001n,
};
export const DOUBLE: FloatLanes = {
  type: ValueType.F64,
  extract: Simd.F64X2_EXTRACT_LANE,
  replace: Simd.F64X2_REPLACE_LANE,
  abs: Simd.F64X2_ABS,
  pmin: Simd.F64X2_PMIN,
  pmax: Simd.F64X2_PMAX,
  add: Simd.F64X2_ADD,
  sub: Simd.F64X2_SUB,
  equal: Simd.F64X2_EQ,
  notEqual: Simd.F64X2_NE,
  less: Simd.F64X2_LT,
  lessOrEqual: Simd.F64X2_LE,
  greaterOrEqual: Simd.F64X2_GE,
  integerSub: Simd.I64X2_SUB,
  integerBitmask: Simd.I64X2_BITMASK,
  lanes: 2,
  scalarAdd: Wasm.F64_ADD,
  scalarSub: Wasm.F64_SUB,
  scalarEqual: Wasm.F64_EQ,
  scalarGreaterOrEqual: Wasm.F64_GE,
  packed: {
    [FloatOp.ADD]: Simd.F64X2_ADD,
    [FloatOp.SUB]: Simd.F64X2_SUB,
    [FloatOp.MUL]: Simd.F64X2_MUL,
    [FloatOp.DIV]: Simd.F64X2_DIV,
    [FloatOp.SQRT]: Simd.F64X2_SQRT,
  },
  scalar: {
    [FloatOp.ADD]: Wasm.F64_ADD,
    [FloatOp.SUB]: Wasm.F64_SUB,
    [FloatOp.MUL]: Wasm.F64_MUL,
    [FloatOp.DIV]: Wasm.F64_DIV,
    [FloatOp.SQRT]: Wasm.F64_SQRT,
  },
  minNormal: 0x0010_0000_0000_0000n,
  aboveMinNormal: 0x0010_0000_0000_0001n,
  infinity: 0x7ff0_0000_0000_0000n,
  one: 1n,
};
