/** Op.Float: SSE floating-point operations on one lane or all of them, with their exceptions. */
import { FloatForm, FloatOp } from '../cpu/float-op';
import {
  f32FromF64Lane,
  f32FromI64Lane,
  f32ToI32Lane,
  f64FromF32Lane,
  f64ToI32Lane,
  noteComparison32,
  noteComparison64,
} from './convert';
import { arithmetic32, arithmetic64 } from './float';
import { commitFloat, daz32, daz64 } from './float-exceptions';

/** Predicates of cmpps and the like; the upper four negate. */
const enum Predicate {
  EQUAL = 0,
  LESS = 1,
  LESS_OR_EQUAL = 2,
  UNORDERED = 3,
  NEGATION = 4,
}

function holds(predicate: u32, a: f64, b: f64): bool {
  switch (predicate & 3) {
    case Predicate.EQUAL:
      return a == b;
    case Predicate.LESS:
      return a < b;
    case Predicate.LESS_OR_EQUAL:
      return a <= b;
    default:
      return a != a || b != b;
  }
}

/** Equality and unorderedness are quiet: only a signalling NaN is invalid. */
@inline function isQuiet(predicate: u32): bool {
  return (predicate & 3) == Predicate.EQUAL || (predicate & 3) == Predicate.UNORDERED;
}

function comparison64(cpu: usize, form: u32, a: u64, b: u64): u64 {
  const predicate = (form >> FloatForm.PREDICATE_SHIFT) & 7;
  const left = daz64(cpu, a);
  const right = daz64(cpu, b);
  noteComparison64(left, right, isQuiet(predicate));
  const result = holds(predicate, reinterpret<f64>(left), reinterpret<f64>(right));
  return result != (predicate >= <u32>Predicate.NEGATION) ? u64.MAX_VALUE : 0;
}

function comparison32(cpu: usize, form: u32, a: u32, b: u32): u32 {
  const predicate = (form >> FloatForm.PREDICATE_SHIFT) & 7;
  const left = daz32(cpu, a);
  const right = daz32(cpu, b);
  noteComparison32(left, right, isQuiet(predicate));
  const x = <f64>reinterpret<f32>(left);
  const y = <f64>reinterpret<f32>(right);
  return holds(predicate, x, y) != (predicate >= <u32>Predicate.NEGATION) ? u32.MAX_VALUE : 0;
}

function extreme64(cpu: usize, op: u32, a: u64, b: u64): u64 {
  const left = daz64(cpu, a);
  const right = daz64(cpu, b);
  noteComparison64(left, right, false);
  const x = reinterpret<f64>(left);
  const y = reinterpret<f64>(right);
  return (op == FloatOp.MIN ? x < y : x > y) ? left : right;
}

function extreme32(cpu: usize, op: u32, a: u32, b: u32): u32 {
  const left = daz32(cpu, a);
  const right = daz32(cpu, b);
  noteComparison32(left, right, false);
  const x = reinterpret<f32>(left);
  const y = reinterpret<f32>(right);
  return (op == FloatOp.MIN ? x < y : x > y) ? left : right;
}

const QUIET_32: u32 = 0x00400000;
const DEFAULT_NAN_32: u32 = 0xffc00000;
const SIGN_32: u32 = 0x80000000;
const EXPONENT_32: u32 = 0x7f800000;

/** Without exceptions; denormals are zeros whatever MXCSR says, as operands and as results. */
function reciprocal(op: u32, value: u32): u32 {
  const sign = value & SIGN_32;
  if (value << 1 > 0xff000000) return value | QUIET_32;
  if ((value & EXPONENT_32) == 0) return sign | EXPONENT_32;
  const x = reinterpret<f32>(value);
  if (op == FloatOp.RSQRT) {
    if (sign != 0) return DEFAULT_NAN_32;
    return reinterpret<u32>(<f32>(1.0 / sqrt<f64>(<f64>x)));
  }
  const bits = reinterpret<u32>(<f32>1.0 / x);
  return (bits & EXPONENT_32) == 0 ? sign : bits;
}

function lane64(cpu: usize, form: u32, op: u32, a: u64, b: u64): u64 {
  if (op <= <u32>FloatOp.SQRT) return arithmetic64(cpu, op, a, b);
  return op == FloatOp.COMPARE ? comparison64(cpu, form, a, b) : extreme64(cpu, op, a, b);
}

function lane32(cpu: usize, form: u32, op: u32, a: u32, b: u32): u32 {
  if (op <= <u32>FloatOp.SQRT) return arithmetic32(cpu, op, a, b);
  if (op >= <u32>FloatOp.RCP) return reciprocal(op, b);
  return op == FloatOp.COMPARE ? comparison32(cpu, form, a, b) : extreme32(cpu, op, a, b);
}

/** What lane `n` does: that of addsubps alternates. */
@inline function opOf(op: u32, n: u32): u32 {
  if (op != FloatOp.ADD_SUB) return op;
  return (n & 1) != 0 ? FloatOp.ADD : FloatOp.SUB;
}

function lanes64(cpu: usize, form: u32, a: v128, b: v128): v128 {
  const op = form & FloatForm.OP_MASK;
  const low = lane64(cpu, form, opOf(op, 0), i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0));
  if ((form & FloatForm.SCALAR) != 0) return i64x2.replace_lane(a, 0, low);
  const high = lane64(cpu, form, opOf(op, 1), i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1));
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

function lanes32(cpu: usize, form: u32, a: v128, b: v128): v128 {
  const op = form & FloatForm.OP_MASK;
  const r0 = lane32(cpu, form, opOf(op, 0), i32x4.extract_lane(a, 0), i32x4.extract_lane(b, 0));
  if ((form & FloatForm.SCALAR) != 0) return i32x4.replace_lane(a, 0, r0);
  const r1 = lane32(cpu, form, opOf(op, 1), i32x4.extract_lane(a, 1), i32x4.extract_lane(b, 1));
  const r2 = lane32(cpu, form, opOf(op, 2), i32x4.extract_lane(a, 2), i32x4.extract_lane(b, 2));
  const r3 = lane32(cpu, form, opOf(op, 3), i32x4.extract_lane(a, 3), i32x4.extract_lane(b, 3));
  let r = i32x4.splat(r0);
  r = i32x4.replace_lane(r, 1, r1);
  r = i32x4.replace_lane(r, 2, r2);
  return i32x4.replace_lane(r, 3, r3);
}

@inline function pair64(low: u64, high: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

/** Two 32-bit results, zeros above. */
@inline function pair32(low: u32, high: u32): v128 {
  return i64x2.replace_lane(i64x2.splat(0), 0, <u64>low | ((<u64>high) << 32));
}

@inline function first32(v: v128): u32 {
  return i32x4.extract_lane(v, 0);
}

@inline function second32(v: v128): u32 {
  return i32x4.extract_lane(v, 1);
}

function allFromI32(cpu: usize, b: v128): v128 {
  let r = i32x4.splat(f32FromI64Lane(cpu, <i64>i32x4.extract_lane(b, 0)));
  r = i32x4.replace_lane(r, 1, f32FromI64Lane(cpu, <i64>i32x4.extract_lane(b, 1)));
  r = i32x4.replace_lane(r, 2, f32FromI64Lane(cpu, <i64>i32x4.extract_lane(b, 2)));
  return i32x4.replace_lane(r, 3, f32FromI64Lane(cpu, <i64>i32x4.extract_lane(b, 3)));
}

function allToI32(cpu: usize, b: v128, truncate: i64): v128 {
  let r = i32x4.splat(<i32>f32ToI32Lane(cpu, i32x4.extract_lane(b, 0), truncate));
  r = i32x4.replace_lane(r, 1, <i32>f32ToI32Lane(cpu, i32x4.extract_lane(b, 1), truncate));
  r = i32x4.replace_lane(r, 2, <i32>f32ToI32Lane(cpu, i32x4.extract_lane(b, 2), truncate));
  return i32x4.replace_lane(r, 3, <i32>f32ToI32Lane(cpu, i32x4.extract_lane(b, 3), truncate));
}

function pairToI32(cpu: usize, b: v128, truncate: i64): v128 {
  const low = <u32>f32ToI32Lane(cpu, first32(b), truncate);
  return pair32(low, <u32>f32ToI32Lane(cpu, second32(b), truncate));
}

function doublesToI32(cpu: usize, b: v128, truncate: i64): v128 {
  const low = <u32>f64ToI32Lane(cpu, i64x2.extract_lane(b, 0), truncate);
  return pair32(low, <u32>f64ToI32Lane(cpu, i64x2.extract_lane(b, 1), truncate));
}

function conversion(cpu: usize, op: u32, a: v128, b: v128): v128 {
  switch (op) {
    case FloatOp.I32_TO_F64:
      return f64x2.convert_low_i32x4_s(b);
    case FloatOp.I32_TO_F32:
      return allFromI32(cpu, b);
    case FloatOp.F32_TO_F64: {
      const low = f64FromF32Lane(cpu, first32(b));
      return pair64(low, f64FromF32Lane(cpu, second32(b)));
    }
    case FloatOp.F64_TO_F32: {
      const low = f32FromF64Lane(cpu, i64x2.extract_lane(b, 0));
      return pair32(low, f32FromF64Lane(cpu, i64x2.extract_lane(b, 1)));
    }
    case FloatOp.F32_TO_I32:
    case FloatOp.F32_TO_I32_TRUNCATE:
      return allToI32(cpu, b, <i64>(op == FloatOp.F32_TO_I32_TRUNCATE));
    case FloatOp.F64_TO_I32:
    case FloatOp.F64_TO_I32_TRUNCATE:
      return doublesToI32(cpu, b, <i64>(op == FloatOp.F64_TO_I32_TRUNCATE));
    case FloatOp.F32_TO_I32_PAIR:
    case FloatOp.F32_TO_I32_PAIR_TRUNCATE:
      return pairToI32(cpu, b, <i64>(op == FloatOp.F32_TO_I32_PAIR_TRUNCATE));
    default: {
      const low = f32FromI64Lane(cpu, <i64>i32x4.extract_lane(b, 0));
      const r = i32x4.replace_lane(a, 0, low);
      return i32x4.replace_lane(r, 1, f32FromI64Lane(cpu, <i64>i32x4.extract_lane(b, 1)));
    }
  }
}

/** The result of `form` (see FloatForm) on a and b. */
export function floatVector(cpu: usize, form: u32, a: v128, b: v128): v128 {
  const op = form & FloatForm.OP_MASK;
  let result: v128;
  if (op >= <u32>FloatOp.I32_TO_F64) result = conversion(cpu, op, a, b);
  else if ((form & FloatForm.DOUBLE) != 0) result = lanes64(cpu, form, a, b);
  else result = lanes32(cpu, form, a, b);
  commitFloat(cpu);
  return result;
}
