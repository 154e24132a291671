/**
 * The x87 functions of calculus: sines and cosines with the processor's 66-bit pi, arc tangent,
 * exponential and logarithms, by series in 128-bit arithmetic (x87-wide.ts). Results are rounded from
 * there, so correctly but for one in about 2^50; the processor's own are within one unit.
 */
import {
  aExp,
  aKind,
  aSig,
  aSign,
  bExp,
  bKind,
  bSig,
  bSign,
  Kind,
  packIndefinite,
  packInfinity,
  packNan,
  packZero,
  raise,
  roundPack,
  setResult,
  Status,
} from './x87-value';
import {
  add,
  addSigned,
  copy,
  divide,
  divideSmall,
  exponent,
  high,
  isZero,
  low,
  multiply,
  scaleBy,
  set,
  setInteger,
  setSign,
  sign,
  SLOT_BYTES,
  subtract,
} from './x87-wide';

const SLOTS: usize = memory.data(512, 16);
const X: usize = SLOTS;
const Y: usize = SLOTS + SLOT_BYTES;
const SQUARE: usize = SLOTS + 2 * SLOT_BYTES;
const SUM: usize = SLOTS + 3 * SLOT_BYTES;
const TERM: usize = SLOTS + 4 * SLOT_BYTES;
const ONE: usize = SLOTS + 5 * SLOT_BYTES;
const SINE: usize = SLOTS + 6 * SLOT_BYTES;
const COSINE: usize = SLOTS + 7 * SLOT_BYTES;
const CONSTANT: usize = SLOTS + 8 * SLOT_BYTES;

/** pi, and floor(pi * 2^64): the processor's pi/2 in units of 2^-65. */
const PI_HIGH: u64 = 0xc90fdaa22168c234;
const PI_LOW: u64 = 0xc4c6628b80dc1cd1;
const HALF_PI_HIGH: u64 = 0x3;
const HALF_PI_LOW: u64 = 0x243f6a8885a308d3;
const LN_2_HIGH: u64 = 0xb17217f7d1cf79ab;
const LN_2_LOW: u64 = 0xc9e3b39803f2f6af;
const LOG2_E_HIGH: u64 = 0xb8aa3b295c17f0bb;
const LOG2_E_LOW: u64 = 0xbe87fed0691d3e89;
/** Significand of sqrt(2). */
const ROOT_2: u64 = 0xb504f333f9de6484;

/** atan(k / 8) for k = 1 to 8: high and low halves; exponents in ATAN_EXPONENTS. */
const ATAN: usize = memory.data<u64>([
  0xfeadd4d5617b6e32, 0xc897989f3e888ef8,
  0xfadbafc96406eb15, 0x6dc79ef5f7a217e6,
  0xb7b0ca0f26f78473, 0x8aa32122dcfe4483,
  0xed63382b0dda7b45, 0x6fe445ecbc3a8d03,
  0x8f005d5ef7f59f9b, 0x5c835e1665c43748,
  0xa4bc7d1934f70924, 0x19a87f2a457dac9f,
  0xb8053e2bc2319e73, 0xcb2da55210a4443d,
  0xc90fdaa22168c234, 0xc4c6628b80dc1cd1,
]);
const ATAN_EXPONENTS: usize = memory.data<i8>([-4, -3, -2, -2, -1, -1, -1, -1]);

/** Terms that bring each series below 2^-120 on its interval. */
const SINE_TERMS: u64 = 17;
const ATAN_TERMS: u64 = 17;
const LOG_TERMS: u64 = 26;
const EXP_TERMS: u64 = 34;

@inline function fromA(to: usize): void {
  if (aKind == Kind.ZERO) set(to, aSign, 0, 0, 0);
  else set(to, aSign, aExp, aSig, 0);
}

@inline function fromB(to: usize): void {
  if (bKind == Kind.ZERO) set(to, bSign, 0, 0, 0);
  else set(to, bSign, bExp, bSig, 0);
}

/** Rounds to the result; transcendental, so something below is always lost. */
function pack(from: usize): void {
  if (isZero(from)) packZero(sign(from));
  else roundPack(sign(from), exponent(from), high(from), low(from) | 1);
}

// Sine and cosine ---------------------------------------------------------------------------------

/** X = A less the nearest multiple of pi/2. Returns the quadrant. */
function reduce(): u32 {
  if (aExp < -1) {
    fromA(X);
    return 0;
  }
  // |A| in units of 2^-65, which its last bit is a multiple of; it is below 2^63.
  const shift = <u64>(aExp + 2);
  let restHigh: u64 = shift == 64 ? aSig : aSig >> (64 - shift);
  let restLow: u64 = shift == 64 ? 0 : aSig << shift;
  let quotient: u32 = 0;
  for (let n: u64 = 63; n-- > 0; ) {
    const stepHigh = n == 0 ? HALF_PI_HIGH : (HALF_PI_HIGH << n) | (HALF_PI_LOW >> (64 - n));
    const stepLow = HALF_PI_LOW << n;
    quotient <<= 1;
    if (restHigh > stepHigh || (restHigh == stepHigh && restLow >= stepLow)) {
      restHigh -= stepHigh + <u64>(restLow < stepLow);
      restLow -= stepLow;
      quotient |= 1;
    }
  }
  const otherLow = HALF_PI_LOW - restLow;
  const otherHigh = HALF_PI_HIGH - restHigh - <u64>(HALF_PI_LOW < restLow);
  const isPast = restHigh > otherHigh || (restHigh == otherHigh && restLow > otherLow);
  if (isPast) set(X, aSign ^ 1, 62, otherHigh, otherLow);
  else set(X, aSign, 62, restHigh, restLow);
  quotient += <u32>isPast;
  return aSign != 0 ? -quotient & 3 : quotient & 3;
}

/** SUM = 1 - square / (f * (f + 1)) * (1 - ...), f rising by two from `first`. */
function alternating(first: u64): void {
  copy(SUM, ONE);
  for (let k = SINE_TERMS; k-- > 0; ) {
    const factor = first + 2 * k;
    multiply(TERM, SQUARE, SUM);
    divideSmall(TERM, factor * (factor + 1));
    subtract(SUM, ONE, TERM);
  }
}

/** SINE and COSINE of A. */
function sineAndCosine(): void {
  setInteger(ONE, 1);
  const quadrant = reduce();
  multiply(SQUARE, X, X);
  alternating(2);
  const odd = (quadrant & 1) != 0;
  multiply(odd ? COSINE : SINE, SUM, X);
  alternating(1);
  copy(odd ? SINE : COSINE, SUM);
  if (quadrant == 2 || quadrant == 3) setSign(SINE, sign(SINE) ^ 1);
  if (quadrant == 1 || quadrant == 2) setSign(COSINE, sign(COSINE) ^ 1);
}

/** Whether A is too large: the operation is then incomplete. */
export function isBeyondReduction(): bool {
  return aKind == Kind.FINITE && aExp >= 63;
}

/** What of A needs no series. Returns false when it does. */
function isSpecialAngle(): bool {
  if (aKind == Kind.NAN) {
    packNan();
    return true;
  }
  if (aKind == Kind.INFINITE) {
    packIndefinite();
    return true;
  }
  return false;
}

/** sin A. */
export function sine(): void {
  if (isSpecialAngle()) return;
  if (aKind == Kind.ZERO) return packZero(aSign);
  sineAndCosine();
  pack(SINE);
}

/** cos A. */
export function cosine(): void {
  if (isSpecialAngle()) return;
  if (aKind == Kind.ZERO) return setResult(0x8000000000000000, 0x3fff);
  sineAndCosine();
  pack(COSINE);
}

/** tan A. */
export function tangent(): void {
  if (isSpecialAngle()) return;
  if (aKind == Kind.ZERO) return packZero(aSign);
  sineAndCosine();
  divide(TERM, SINE, COSINE);
  pack(TERM);
}

// Arc tangent -------------------------------------------------------------------------------------

/** SUM = value * (1 + square * (1/3 + square * (1/5 ...))), with 1/3 subtracted when `flip`. */
function oddSeries(value: usize, terms: u64, flip: u32): void {
  multiply(SQUARE, value, value);
  set(SUM, 0, 0, 0, 0);
  for (let k = terms; k-- > 0; ) {
    multiply(TERM, SQUARE, SUM);
    copy(SUM, ONE);
    divideSmall(SUM, 2 * k + 1);
    addSigned(SUM, SUM, TERM, flip);
  }
  multiply(SUM, SUM, value);
}

/** SUM = atan of X in [0, 1]. */
function arcTangentOfFraction(): void {
  const eighths = isZero(X) || exponent(X) < -5 ? 0 : <u32>(((high(X) >> 1) >> <u64>(-exponent(X))) + 0x0400000000000000 >> 59);
  if (eighths != 0) {
    // atan x = atan c + atan((x - c) / (1 + x c))
    setInteger(CONSTANT, eighths);
    scaleBy(CONSTANT, -3);
    multiply(TERM, X, CONSTANT);
    add(TERM, ONE, TERM);
    subtract(X, X, CONSTANT);
    divide(X, X, TERM);
  }
  oddSeries(X, ATAN_TERMS, 1);
  if (eighths == 0) return;
  const at = ATAN + (<usize>(eighths - 1) << 4);
  set(CONSTANT, 0, <i32>load<i8>(ATAN_EXPONENTS + eighths - 1), load<u64>(at), load<u64>(at, 8));
  add(SUM, CONSTANT, SUM);
}

/** multiple * pi/4 with `negative` sign. */
function packPi(multiple: u32, negative: u32): void {
  setInteger(TERM, multiple);
  set(CONSTANT, 0, -1, PI_HIGH, PI_LOW);
  multiply(TERM, TERM, CONSTANT);
  setSign(TERM, negative);
  pack(TERM);
}

/** The angle of the point (A, B): atan(B / A) in its quadrant. */
export function arcTangent(): void {
  if (aKind == Kind.NAN || bKind == Kind.NAN) return packNan();
  if (bKind == Kind.INFINITE) {
    return packPi(aKind != Kind.INFINITE ? 2 : aSign != 0 ? 3 : 1, bSign);
  }
  if (bKind == Kind.ZERO || aKind == Kind.INFINITE) {
    if (aSign != 0) return packPi(4, bSign);
    return packZero(bSign);
  }
  if (aKind == Kind.ZERO) return packPi(2, bSign);
  setInteger(ONE, 1);
  fromA(Y);
  fromB(X);
  setSign(X, 0);
  setSign(Y, 0);
  const steep = bExp != aExp ? bExp > aExp : bSig > aSig;
  if (steep) divide(X, Y, X);
  else divide(X, X, Y);
  arcTangentOfFraction();
  if (steep) {
    set(CONSTANT, 0, 0, PI_HIGH, PI_LOW);
    subtract(SUM, CONSTANT, SUM);
  }
  if (aSign != 0) {
    set(CONSTANT, 0, 1, PI_HIGH, PI_LOW);
    subtract(SUM, CONSTANT, SUM);
  }
  setSign(SUM, bSign);
  pack(SUM);
}

// Exponential and logarithms ------------------------------------------------------------------------

/** 2^A - 1; outside of [-1, 1] what comes is not defined: A. */
export function exponentialLessOne(): void {
  if (aKind == Kind.NAN) return packNan();
  if (aKind == Kind.ZERO) return packZero(aSign);
  if (aKind == Kind.INFINITE) {
    if (aSign != 0) return setResult(0x8000000000000000, 0xbfff);
    return packInfinity(0);
  }
  if (aExp >= 0 && (aExp > 0 || aSig != 0x8000000000000000)) {
    raise(Status.INEXACT);
    return roundPack(aSign, aExp, aSig, 0);
  }
  if (aExp == 0) {
    if (aSign != 0) return setResult(0x8000000000000000, 0xbffe);
    return setResult(0x8000000000000000, 0x3fff);
  }
  setInteger(ONE, 1);
  fromA(X);
  set(CONSTANT, 0, -1, LN_2_HIGH, LN_2_LOW);
  multiply(X, X, CONSTANT);
  copy(SUM, ONE);
  for (let k = EXP_TERMS; k > 1; k--) {
    multiply(TERM, X, SUM);
    divideSmall(TERM, k);
    add(SUM, ONE, TERM);
  }
  multiply(SUM, SUM, X);
  pack(SUM);
}

/** SUM = log2((1 + X) / (1 - X)). */
function logarithmOfRatio(): void {
  oddSeries(X, LOG_TERMS, 0);
  set(CONSTANT, 0, 1, LOG2_E_HIGH, LOG2_E_LOW);
  multiply(SUM, SUM, CONSTANT);
}

/** Sign of log2 A: A is positive. */
@inline function isBelowOne(): u32 {
  return <u32>(aExp < 0);
}

@inline function isOne(): bool {
  return aExp == 0 && aSig == 0x8000000000000000;
}

/** B * log2 A. */
export function logarithm(): void {
  if (aKind == Kind.NAN || bKind == Kind.NAN) return packNan();
  if (aKind == Kind.ZERO) {
    if (bKind == Kind.ZERO) return packIndefinite();
    if (bKind == Kind.FINITE) raise(Status.ZERO_DIVIDE);
    return packInfinity(bSign ^ 1);
  }
  if (aSign != 0) return packIndefinite();
  if (aKind == Kind.INFINITE) {
    if (bKind == Kind.ZERO) return packIndefinite();
    return packInfinity(bSign);
  }
  if (bKind == Kind.INFINITE) {
    if (isOne()) return packIndefinite();
    return packInfinity(bSign ^ isBelowOne());
  }
  if (isOne() || bKind == Kind.ZERO) return packZero(bSign ^ isBelowOne());
  // A = m * 2^e with m in [sqrt(1/2), sqrt(2)); log2 m by atanh((m - 1) / (m + 1)).
  const e = aSig >= ROOT_2 ? aExp + 1 : aExp;
  if (aSig == 0x8000000000000000) {
    set(SUM, 0, 0, 0, 0);
  } else {
    setInteger(ONE, 1);
    set(Y, 0, aExp - e, aSig, 0);
    subtract(X, Y, ONE);
    add(Y, Y, ONE);
    divide(X, X, Y);
    logarithmOfRatio();
  }
  setInteger(TERM, <u32>(e < 0 ? -e : e));
  if (e < 0) setSign(TERM, 1);
  add(SUM, SUM, TERM);
  fromB(Y);
  multiply(SUM, SUM, Y);
  raise(Status.INEXACT);
  if (aSig == 0x8000000000000000) roundPack(sign(SUM), exponent(SUM), high(SUM), low(SUM));
  else pack(SUM);
}

/** B * log2(A + 1), for |A| below 1 - sqrt(1/2); beyond, what comes is not defined. */
export function logarithmPlusOne(): void {
  if (aKind == Kind.NAN || bKind == Kind.NAN) return packNan();
  if (aKind == Kind.INFINITE) {
    if (aSign != 0 || bKind == Kind.ZERO) return packIndefinite();
    return packInfinity(bSign);
  }
  if (bKind == Kind.INFINITE) {
    if (aKind == Kind.ZERO) return packIndefinite();
    return packInfinity(bSign ^ aSign);
  }
  if (aKind == Kind.ZERO || bKind == Kind.ZERO) return packZero(bSign ^ aSign);
  setInteger(ONE, 1);
  fromA(X);
  setInteger(Y, 2);
  add(Y, Y, X);
  if (isZero(Y)) return packIndefinite();
  divide(X, X, Y);
  logarithmOfRatio();
  fromB(Y);
  multiply(SUM, SUM, Y);
  pack(SUM);
}
