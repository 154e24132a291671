/**
 * One lane of SSE arithmetic. WebAssembly's operations round to nearest as the processor does; what
 * they leave open is made here: which NaN, and which exceptions. Everything out of the ordinary
 * (denormals, infinities, NaNs, other rounding) goes through float-rounding.ts.
 */
import { FloatException, FloatOp } from '../cpu/float-op';
import { isNan32, isNan64, isSignaling32, isSignaling64, raiseFloat, roundingMode, wantsInexact } from './float-exceptions';
import { rounded32, rounded64 } from './float-rounding';

const QUIET_64: u64 = 0x0008000000000000;
const QUIET_32: u32 = 0x00400000;
const HIDDEN_64: u64 = 0x0010000000000000;
const FRACTION_64: u64 = 0x000fffffffffffff;
/** Significant bits of a double. */
const BITS_64: u64 = 53;

/** The NaN of an operation on a and b, at least one of which is one. */
function nan64(a: u64, b: u64): u64 {
  if (isSignaling64(a) || isSignaling64(b)) raiseFloat(FloatException.INVALID);
  return (isNan64(a) ? a : b) | QUIET_64;
}

function nan32(a: u32, b: u32): u32 {
  if (isSignaling32(a) || isSignaling32(b)) raiseFloat(FloatException.INVALID);
  return (isNan32(a) ? a : b) | QUIET_32;
}

/** Zero or a normal number. */
@inline function isOrdinary64(bits: u64): bool {
  return (bits << 1) - 0x0020000000000000 < 0xffc0000000000000 || bits << 1 == 0;
}

@inline function isOrdinary32(bits: u32): bool {
  return (bits << 1) - 0x01000000 < 0xfe000000 || bits << 1 == 0;
}

/** A result that no rounding of a tiny or huge value can have made. */
@inline function isSafe64(bits: u64): bool {
  return (bits << 1) - 0x0020000000000001 < 0xffbfffffffffffff;
}

@inline function isSafe32(bits: u32): bool {
  return (bits << 1) - 0x01000001 < 0xfdffffff;
}

/** An exact zero: sums that cancel, products and quotients of zero. */
@inline function isExactZero(op: u32, resultZero: bool, aZero: bool, bZero: bool): bool {
  if (!resultZero) return false;
  if (op == FloatOp.MUL) return aZero || bZero;
  if (op == FloatOp.DIV) return aZero && !bZero;
  return true;
}

/** The significand without its trailing zeros; 0 is not handed in. */
@inline function oddPart64(bits: u64): u64 {
  const significand = (bits & FRACTION_64) | HIDDEN_64;
  return significand >> ctz<u64>(significand);
}

@inline function bitLength(value: u64): u64 {
  return 64 - clz<u64>(value);
}

/** Whether odd significands p and q multiply to `product` (0: to any that fits a double). */
function multipliesTo(p: u64, q: u64, product: u64): bool {
  if (bitLength(p) + bitLength(q) > BITS_64 + 1) return false;
  const exact = p * q;
  return product == 0 ? exact >> BITS_64 == 0 : exact == product;
}

/** Whether x + y = r lost something. */
@inline function sumIsInexact64(x: f64, y: f64, r: f64): bool {
  const part = r - x;
  return x - (r - part) + (y - part) != 0;
}

@inline function sumIsInexact32(x: f32, y: f32, r: f32): bool {
  const part = r - x;
  return x - (r - part) + (y - part) != 0;
}

/** Operands and result are zeros or normal numbers. */
function isInexact64(op: u32, a: u64, b: u64, r: u64): bool {
  const x = reinterpret<f64>(a);
  const y = reinterpret<f64>(b);
  if (op == FloatOp.ADD) return sumIsInexact64(x, y, reinterpret<f64>(r));
  if (op == FloatOp.SUB) return sumIsInexact64(x, -y, reinterpret<f64>(r));
  if (r << 1 == 0) return false;
  if (op == FloatOp.MUL) return !multipliesTo(oddPart64(a), oddPart64(b), 0);
  if (op == FloatOp.DIV) return !multipliesTo(oddPart64(r), oddPart64(b), oddPart64(a));
  // The radicand may have an odd exponent: its odd part is then that of a square all the same.
  return !multipliesTo(oddPart64(r), oddPart64(r), oddPart64(b));
}

function isInexact32(op: u32, a: u32, b: u32, r: u32): bool {
  const x = reinterpret<f32>(a);
  const y = reinterpret<f32>(b);
  const z = reinterpret<f32>(r);
  if (op == FloatOp.ADD) return sumIsInexact32(x, y, z);
  if (op == FloatOp.SUB) return sumIsInexact32(x, -y, z);
  if (op == FloatOp.MUL) return <f64>x * <f64>y != <f64>z;
  if (op == FloatOp.DIV) return <f64>z * <f64>y != <f64>x;
  return <f64>z * <f64>z != <f64>y;
}

function plain64(op: u32, x: f64, y: f64): f64 {
  if (op == FloatOp.ADD) return x + y;
  if (op == FloatOp.SUB) return x - y;
  if (op == FloatOp.MUL) return x * y;
  return op == FloatOp.DIV ? x / y : sqrt<f64>(y);
}

function plain32(op: u32, x: f32, y: f32): f32 {
  if (op == FloatOp.ADD) return x + y;
  if (op == FloatOp.SUB) return x - y;
  if (op == FloatOp.MUL) return x * y;
  return op == FloatOp.DIV ? x / y : sqrt<f32>(y);
}

/** op is ADD..SQRT; a square root is that of b. */
export function arithmetic64(cpu: usize, op: u32, left: u64, b: u64): u64 {
  const a = op == FloatOp.SQRT ? b : left;
  if (isOrdinary64(a) && isOrdinary64(b) && roundingMode(cpu) == 0) {
    const r = reinterpret<u64>(plain64(op, reinterpret<f64>(a), reinterpret<f64>(b)));
    if (isSafe64(r) || isExactZero(op, r << 1 == 0, a << 1 == 0, b << 1 == 0)) {
      if (wantsInexact(cpu) && isInexact64(op, a, b, r)) raiseFloat(FloatException.INEXACT);
      return r;
    }
  } else if (isNan64(a) || isNan64(b)) {
    return nan64(a, b);
  }
  return rounded64(cpu, op, a, b);
}

export function arithmetic32(cpu: usize, op: u32, left: u32, b: u32): u32 {
  const a = op == FloatOp.SQRT ? b : left;
  if (isOrdinary32(a) && isOrdinary32(b) && roundingMode(cpu) == 0) {
    const r = reinterpret<u32>(plain32(op, reinterpret<f32>(a), reinterpret<f32>(b)));
    if (isSafe32(r) || isExactZero(op, r << 1 == 0, a << 1 == 0, b << 1 == 0)) {
      if (wantsInexact(cpu) && isInexact32(op, a, b, r)) raiseFloat(FloatException.INEXACT);
      return r;
    }
  } else if (isNan32(a) || isNan32(b)) {
    return nan32(a, b);
  }
  return rounded32(cpu, op, a, b);
}
