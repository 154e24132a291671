/** The two float widths as WebAssembly opcodes and NaN patterns (IEEE 754, Intel SDM volume 1, 4.8.3.7). */
import { Simd, ValueType, Wasm } from './wasm-opcodes.ts';

/** Opcodes that differ between the two float widths. */
export interface FloatForm {
  readonly type: ValueType;
  readonly vectorNotEqual: Simd;
  readonly scalarNotEqual: Wasm;
  readonly extract: Simd;
  readonly replace: Simd;
  /** 64 bits of lanes: what makes a NaN quiet, and the NaN of an invalid operation. */
  readonly quietBit: bigint;
  readonly defaultNan: bigint;
}

export const SINGLE: FloatForm = {
  type: ValueType.F32,
  vectorNotEqual: Simd.F32X4_NE,
  scalarNotEqual: Wasm.F32_NE,
  extract: Simd.F32X4_EXTRACT_LANE,
  replace: Simd.F32X4_REPLACE_LANE,
  quietBit: 0x0040_0000_0040_0000n,
  defaultNan: 0xffc0_0000_ffc0_0000n,
};
export const DOUBLE: FloatForm = {
  type: ValueType.F64,
  vectorNotEqual: Simd.F64X2_NE,
  scalarNotEqual: Wasm.F64_NE,
  extract: Simd.F64X2_EXTRACT_LANE,
  replace: Simd.F64X2_REPLACE_LANE,
  quietBit: 0x0008_0000_0000_0000n,
  defaultNan: 0xfff8_0000_0000_0000n,
};

/** Form of the SIMD opcodes whose results may be new NaNs: sqrt, add, sub, mul, div. */
export function floatFormOf(opcode: number): FloatForm | undefined {
  if (opcode >= Simd.F32X4_SQRT && opcode <= Simd.F32X4_DIV) return SINGLE;
  if (opcode >= Simd.F64X2_SQRT && opcode <= Simd.F64X2_DIV) return DOUBLE;
  return undefined;
}
