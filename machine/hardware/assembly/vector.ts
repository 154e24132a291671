/** Vector ops of the IR: one case for each SIMD opcode that lifters use (cpu/simd.ts). */
import { Simd } from '../cpu/simd';

/** dst = a op b, or op a. */
export function vectorOp(opcode: u32, a: v128, b: v128): v128 {
  switch (opcode) {
    case Simd.I8X16_EQ:
      return i8x16.eq(a, b);
    case Simd.I8X16_GT_S:
      return i8x16.gt_s(a, b);
    case Simd.I16X8_EQ:
      return i16x8.eq(a, b);
    case Simd.I16X8_GT_S:
      return i16x8.gt_s(a, b);
    case Simd.I32X4_EQ:
      return i32x4.eq(a, b);
    case Simd.I32X4_GT_S:
      return i32x4.gt_s(a, b);
    case Simd.V128_NOT:
      return v128.not(a);
    case Simd.V128_AND:
      return v128.and(a, b);
    case Simd.V128_ANDNOT:
      return v128.andnot(a, b);
    case Simd.V128_OR:
      return v128.or(a, b);
    case Simd.V128_XOR:
      return v128.xor(a, b);
    case Simd.I8X16_NARROW_I16X8_S:
      return i8x16.narrow_i16x8_s(a, b);
    case Simd.I8X16_NARROW_I16X8_U:
      return i8x16.narrow_i16x8_u(a, b);
    case Simd.I8X16_ADD:
      return i8x16.add(a, b);
    case Simd.I8X16_ADD_SAT_S:
      return i8x16.add_sat_s(a, b);
    case Simd.I8X16_ADD_SAT_U:
      return i8x16.add_sat_u(a, b);
    case Simd.I8X16_SUB:
      return i8x16.sub(a, b);
    case Simd.I8X16_SUB_SAT_S:
      return i8x16.sub_sat_s(a, b);
    case Simd.I8X16_SUB_SAT_U:
      return i8x16.sub_sat_u(a, b);
    case Simd.I8X16_MIN_U:
      return i8x16.min_u(a, b);
    case Simd.I8X16_MAX_U:
      return i8x16.max_u(a, b);
    case Simd.I8X16_AVGR_U:
      return i8x16.avgr_u(a, b);
    case Simd.I16X8_EXTADD_PAIRWISE_I8X16_U:
      return i16x8.extadd_pairwise_i8x16_u(a);
    case Simd.I32X4_EXTADD_PAIRWISE_I16X8_U:
      return i32x4.extadd_pairwise_i16x8_u(a);
    case Simd.I16X8_NARROW_I32X4_S:
      return i16x8.narrow_i32x4_s(a, b);
    case Simd.I16X8_ADD:
      return i16x8.add(a, b);
    case Simd.I16X8_ADD_SAT_S:
      return i16x8.add_sat_s(a, b);
    case Simd.I16X8_ADD_SAT_U:
      return i16x8.add_sat_u(a, b);
    case Simd.I16X8_SUB:
      return i16x8.sub(a, b);
    case Simd.I16X8_SUB_SAT_S:
      return i16x8.sub_sat_s(a, b);
    case Simd.I16X8_SUB_SAT_U:
      return i16x8.sub_sat_u(a, b);
    case Simd.I16X8_MUL:
      return i16x8.mul(a, b);
    case Simd.I16X8_MIN_S:
      return i16x8.min_s(a, b);
    case Simd.I16X8_MAX_S:
      return i16x8.max_s(a, b);
    case Simd.I16X8_AVGR_U:
      return i16x8.avgr_u(a, b);
    case Simd.I32X4_ADD:
      return i32x4.add(a, b);
    case Simd.I32X4_SUB:
      return i32x4.sub(a, b);
    case Simd.I32X4_DOT_I16X8_S:
      return i32x4.dot_i16x8_s(a, b);
    case Simd.I32X4_EXTMUL_LOW_I16X8_S:
      return i32x4.extmul_low_i16x8_s(a, b);
    case Simd.I32X4_EXTMUL_HIGH_I16X8_S:
      return i32x4.extmul_high_i16x8_s(a, b);
    case Simd.I32X4_EXTMUL_LOW_I16X8_U:
      return i32x4.extmul_low_i16x8_u(a, b);
    case Simd.I32X4_EXTMUL_HIGH_I16X8_U:
      return i32x4.extmul_high_i16x8_u(a, b);
    case Simd.I64X2_ADD:
      return i64x2.add(a, b);
    case Simd.I64X2_SUB:
      return i64x2.sub(a, b);
    case Simd.I64X2_EXTMUL_LOW_I32X4_U:
      return i64x2.extmul_low_i32x4_u(a, b);
    default:
      unreachable();
  }
  return a;
}

export function vectorShift(opcode: u32, a: v128, count: i32): v128 {
  switch (opcode) {
    case Simd.I16X8_SHL:
      return i16x8.shl(a, count);
    case Simd.I16X8_SHR_S:
      return i16x8.shr_s(a, count);
    case Simd.I16X8_SHR_U:
      return i16x8.shr_u(a, count);
    case Simd.I32X4_SHL:
      return i32x4.shl(a, count);
    case Simd.I32X4_SHR_S:
      return i32x4.shr_s(a, count);
    case Simd.I32X4_SHR_U:
      return i32x4.shr_u(a, count);
    case Simd.I64X2_SHL:
      return i64x2.shl(a, count);
    case Simd.I64X2_SHR_U:
      return i64x2.shr_u(a, count);
    default:
      unreachable();
  }
  return a;
}

export function bitmask(opcode: u32, a: v128): u64 {
  if (opcode == Simd.I8X16_BITMASK) return <u64>i8x16.bitmask(a);
  if (opcode == Simd.I32X4_BITMASK) return <u64>i32x4.bitmask(a);
  return <u64>i64x2.bitmask(a);
}

/** i8x16.shuffle with indices that are data: each swizzle gives 0 where the other has the lane. */
export function shuffle(a: v128, b: v128, low: u64, high: u64): v128 {
  const indices = i64x2.replace_lane(i64x2.splat(low), 1, high);
  const second = i8x16.sub(indices, i8x16.splat(16));
  return v128.or(i8x16.swizzle(a, indices), i8x16.swizzle(b, second));
}
