/**
 * Vector ops of the IR: one case for each SIMD opcode that lifters use (cpu/simd.ts), with the
 * processor's NaN rule on top of WebAssembly's arithmetic.
 */
import { ScalarOp, Simd } from '../cpu/simd';
import { arithmetic32, arithmetic64 } from './float';

/** dst = a op b, or op a. */
export function vectorOp(cpu: usize, opcode: u32, a: v128, b: v128): v128 {
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
    case Simd.F32X4_EQ:
      return f32x4.eq(a, b);
    case Simd.F32X4_NE:
      return f32x4.ne(a, b);
    case Simd.F32X4_LT:
      return f32x4.lt(a, b);
    case Simd.F32X4_LE:
      return f32x4.le(a, b);
    case Simd.F64X2_EQ:
      return f64x2.eq(a, b);
    case Simd.F64X2_NE:
      return f64x2.ne(a, b);
    case Simd.F64X2_LT:
      return f64x2.lt(a, b);
    case Simd.F64X2_LE:
      return f64x2.le(a, b);
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
    case Simd.F32X4_PMIN:
      return f32x4.pmin(a, b);
    case Simd.F32X4_PMAX:
      return f32x4.pmax(a, b);
    case Simd.F64X2_PMIN:
      return f64x2.pmin(a, b);
    case Simd.F64X2_PMAX:
      return f64x2.pmax(a, b);
    case Simd.F32X4_ADD:
      return lanes32(cpu, ScalarOp.F32_ADD, a, b);
    case Simd.F32X4_DIV:
      return lanes32(cpu, ScalarOp.F32_DIV, a, b);
    case Simd.F32X4_MUL:
      return lanes32(cpu, ScalarOp.F32_MUL, a, b);
    case Simd.F32X4_SQRT:
      return lanes32(cpu, ScalarOp.F32_SQRT, a, a);
    case Simd.F32X4_SUB:
      return lanes32(cpu, ScalarOp.F32_SUB, a, b);
    case Simd.F64X2_ADD:
      return lanes64(cpu, ScalarOp.F64_ADD, a, b);
    case Simd.F64X2_DIV:
      return lanes64(cpu, ScalarOp.F64_DIV, a, b);
    case Simd.F64X2_MUL:
      return lanes64(cpu, ScalarOp.F64_MUL, a, b);
    case Simd.F64X2_SQRT:
      return lanes64(cpu, ScalarOp.F64_SQRT, a, a);
    case Simd.F64X2_SUB:
      return lanes64(cpu, ScalarOp.F64_SUB, a, b);
    default:
      unreachable();
  }
  return a;
}

/** Packed doubles lane by lane: the arithmetic and its NaNs are the scalar ones. */
function lanes64(cpu: usize, opcode: u32, a: v128, b: v128): v128 {
  const low = arithmetic64(cpu, opcode, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0));
  const high = arithmetic64(cpu, opcode, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1));
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

@inline function lane32(cpu: usize, opcode: u32, a: i32, b: i32): i32 {
  return arithmetic32(cpu, opcode, a, b);
}

function lanes32(cpu: usize, opcode: u32, a: v128, b: v128): v128 {
  let r = i32x4.splat(lane32(cpu, opcode, i32x4.extract_lane(a, 0), i32x4.extract_lane(b, 0)));
  const r1 = lane32(cpu, opcode, i32x4.extract_lane(a, 1), i32x4.extract_lane(b, 1));
  const r2 = lane32(cpu, opcode, i32x4.extract_lane(a, 2), i32x4.extract_lane(b, 2));
  const r3 = lane32(cpu, opcode, i32x4.extract_lane(a, 3), i32x4.extract_lane(b, 3));
  r = i32x4.replace_lane(r, 1, r1);
  r = i32x4.replace_lane(r, 2, r2);
  return i32x4.replace_lane(r, 3, r3);
}

/** ScalarFloat: lane 0 of `width` 2 (f32) or 3 (f64). */
export function scalarOp(cpu: usize, opcode: u32, width: u32, a: v128, b: v128): v128 {
  if (width == 3) {
    const bits = arithmetic64(cpu, opcode, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0));
    return i64x2.replace_lane(a, 0, bits);
  }
  const bits = arithmetic32(cpu, opcode, i32x4.extract_lane(a, 0), i32x4.extract_lane(b, 0));
  return i32x4.replace_lane(a, 0, bits);
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
