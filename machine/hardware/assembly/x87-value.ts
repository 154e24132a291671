/**
 * 80-bit floating-point values and their arithmetic, rounded as the x87 control word says. Values in
 * work are { sign, exponent, significand }: 1.63 fixed point times 2^exponent. Denormals are
 * normalised on unpacking. Omits unmasked exceptions: every response is the masked one.
 */
import { Cpu } from '../layout';

export const enum Kind {
  ZERO,
  FINITE,
  INFINITE,
  NAN,
}

/** Rounds an inexact result to the neighbour with an odd last bit, so that it can be rounded again. */
export const ROUND_ODD: u32 = 4;

export const enum Status {
  INVALID = 0x01,
  DENORMAL = 0x02,
  ZERO_DIVIDE = 0x04,
  OVERFLOW = 0x08,
  UNDERFLOW = 0x10,
  INEXACT = 0x20,
  STACK_FAULT = 0x40,
  C0 = 0x100,
  C1 = 0x200,
  C2 = 0x400,
  C3 = 0x4000,
  CONDITIONS = 0x4700,
}

const BIAS: i32 = 16383;
const EXPONENT_SPECIAL: u32 = 0x7fff;
export const INTEGER_BIT: u64 = 0x8000000000000000;
const QUIET: u64 = 0x4000000000000000;
const INDEFINITE: u64 = 0xc000000000000000;

/** A value in work. Module variables, because the language has no structures off the heap. */
export let aSign: u32 = 0;
export let aExp: i32 = 0;
export let aSig: u64 = 0;
export let aKind: Kind = Kind.ZERO;
export let bSign: u32 = 0;
export let bExp: i32 = 0;
export let bSig: u64 = 0;
export let bKind: Kind = Kind.ZERO;
/** A packed result: significand, then sign << 15 | biased exponent. */
export let rSig: u64 = 0;
export let rTop: u32 = 0;
/** Raised by the operation in progress, status word bits. */
export let raised: u32 = 0;
/** Rounding control and precision of the operation in progress. */
let roundingMode: u32 = 0;
let precision: u32 = 64;
/** Whether tiny results raise underflow although they are exact: it is unmasked. */
export let trapsTiny: bool = false;
/** Sign of an exact zero difference. */
let zeroSign: u32 = 0;
/** Whether the last rounding made the magnitude larger. */
let roundedUp: bool = false;

export function begin(cpu: usize): void {
  const control = load<u32>(cpu, Cpu.X87_CONTROL);
  useRounding((control >> 10) & 3);
  const field = (control >> 8) & 3;
  precision = field == 0 ? 24 : field == 2 ? 53 : 64;
  raised = 0;
  roundedUp = false;
  trapsTiny = (control & Status.UNDERFLOW) == 0;
}

/** The same with everything given, for arithmetic that is not under the x87 control word. */
export function beginWith(mode: u32, bits: u32, tinyTraps: bool): void {
  useRounding(mode);
  precision = bits;
  raised = 0;
  roundedUp = false;
  trapsTiny = tinyTraps;
}

/** Takes back what was raised since `flags` was read. */
export function restoreRaised(flags: u32): void {
  raised = flags;
}

/** Significant bits that results keep: 24, 53 or 64. */
export function usePrecision(bits: u32): void {
  precision = bits;
}

export function useRounding(mode: u32): void {
  roundingMode = mode;
  if (mode != ROUND_ODD) zeroSign = <u32>(mode == 1);
}

export function raise(flags: u32): void {
  raised |= flags;
}

export function setResult(significand: u64, top: u32): void {
  rSig = significand;
  rTop = top;
}

function kindOf(significand: u64, exponent: u32): Kind {
  if (exponent == EXPONENT_SPECIAL) return significand << 1 == 0 ? Kind.INFINITE : Kind.NAN;
  return significand == 0 ? Kind.ZERO : Kind.FINITE;
}

/** Encodings that the 387 and later reject: no integer bit although the exponent is not 0. */
@inline function isUnsupported(significand: u64, exponent: u32): bool {
  return exponent != 0 && significand >> 63 == 0;
}

export function unpackA(significand: u64, top: u32): void {
  const exponent = top & 0x7fff;
  aSign = top >> 15;
  aKind = kindOf(significand, exponent);
  aSig = significand;
  aExp = <i32>max<u32>(exponent, 1) - BIAS;
  if (isUnsupported(significand, exponent)) {
    raised |= Status.INVALID;
    aKind = Kind.NAN;
    aSign = 1;
    aSig = INDEFINITE;
  } else if (aKind == Kind.FINITE && significand >> 63 == 0) {
    const shift = clz<u64>(significand);
    aSig = significand << shift;
    aExp -= <i32>shift;
    raised |= Status.DENORMAL;
  }
}

export function unpackB(significand: u64, top: u32): void {
  const sign = aSign;
  const exp = aExp;
  const sig = aSig;
  const kind = aKind;
  unpackA(significand, top);
  bSign = aSign;
  bExp = aExp;
  bSig = aSig;
  bKind = aKind;
  aSign = sign;
  aExp = exp;
  aSig = sig;
  aKind = kind;
}

@inline export function packSpecial(sign: u32, significand: u64): void {
  rSig = significand;
  rTop = (sign << 15) | EXPONENT_SPECIAL;
}

@inline export function packZero(sign: u32): void {
  rSig = 0;
  rTop = sign << 15;
}

@inline export function packInfinity(sign: u32): void {
  packSpecial(sign, INTEGER_BIT);
}

export function packIndefinite(): void {
  raised |= Status.INVALID;
  packSpecial(1, INDEFINITE);
}

/** The NaN of an operation with at least one: the larger significand, made quiet. */
export function packNan(): void {
  const aSignals = aKind == Kind.NAN && (aSig & QUIET) == 0;
  const bSignals = bKind == Kind.NAN && (bSig & QUIET) == 0;
  if (aSignals || bSignals) raised |= Status.INVALID;
  let first = bKind != Kind.NAN;
  if (aKind == Kind.NAN && bKind == Kind.NAN) {
    if (aSignals != bSignals) first = bSignals;
    else first = aSig != bSig ? aSig > bSig : aSign < bSign;
  }
  if (first) packSpecial(aSign, aSig | QUIET);
  else packSpecial(bSign, bSig | QUIET);
}

/** Whether to round the magnitude up, given the bits below the kept ones. */
@inline function roundsUp(sign: u32, odd: bool, half: bool, below: bool): bool {
  if (roundingMode == 0) return half && (below || odd);
  if (roundingMode == 3) return false;
  return (half || below) && (roundingMode == 1) == (sign != 0);
}

/** Rounds high:low (1.127 fixed point, times 2^exponent) and packs it. */
export function roundPack(sign: u32, exponent: i32, high: u64, low: u64): void {
  if (high == 0) {
    if (low == 0) return packZero(sign);
    high = low;
    low = 0;
    exponent -= 64;
  }
  const shift = clz<u64>(high);
  if (shift != 0) {
    high = (high << shift) | (low >> (64 - shift));
    low <<= shift;
    exponent -= <i32>shift;
  }
  let biased = exponent + BIAS;
  let tiny = false;
  if (biased <= 0) {
    // Denormal: its last kept bit is that of the least exponent.
    const distance = 1 - biased;
    const sticky = shiftRightSticky(high, low, distance);
    high = shiftedHigh;
    low = sticky;
    biased = 0;
    tiny = true;
  }
  roundAt(sign, high, low);
  if (roundedCarry) biased++;
  else if (biased == 0 && rSig >> 63 != 0) biased = 1;
  if (tiny && (raised & Status.INEXACT) != 0) raised |= Status.UNDERFLOW;
  if (biased >= <i32>EXPONENT_SPECIAL) return packOverflow(sign);
  rTop = (sign << 15) | <u32>biased;
}

export let shiftedHigh: u64 = 0;
export let roundedCarry: bool = false;

/** high:low >> distance; returns the low half with every lost bit in its lowest. */
export function shiftRightSticky(high: u64, low: u64, distance: i32): u64 {
  if (distance >= 128) {
    shiftedHigh = 0;
    return <u64>((high | low) != 0);
  }
  if (distance >= 64) {
    const n = <u64>(distance - 64);
    shiftedHigh = 0;
    const lost = n == 0 ? low : low | (high << (64 - n));
    return (high >> n) | <u64>(lost != 0);
  }
  if (distance == 0) {
    shiftedHigh = high;
    return low;
  }
  const n = <u64>distance;
  shiftedHigh = high >> n;
  const lost = low << (64 - n);
  return (low >> n) | (high << (64 - n)) | <u64>(lost != 0);
}

/** Rounds high:low to the precision in force into rSig; roundedCarry when it became 2.0. */
export function roundAt(sign: u32, high: u64, low: u64): void {
  let kept = high;
  let unit: u64 = 1;
  let half: bool;
  let below: bool;
  if (precision == 64) {
    half = low >> 63 != 0;
    below = low << 1 != 0;
  } else {
    const dropped = <u64>(64 - precision);
    unit = (<u64>1) << dropped;
    half = (high & (unit >> 1)) != 0;
    below = (high & ((unit >> 1) - 1)) != 0 || low != 0;
    kept = high & ~(unit - 1);
  }
  roundedCarry = false;
  roundedUp = false;
  if (half || below) {
    raised |= Status.INEXACT;
    if (roundingMode == ROUND_ODD) kept |= unit;
    else if (roundsUp(sign, (kept & unit) != 0, half, below)) {
      roundedUp = true;
      kept += unit;
      if (kept == 0) {
        kept = INTEGER_BIT;
        roundedCarry = true;
      }
    }
  }
  rSig = kept;
}

export function packOverflow(sign: u32): void {
  raised |= Status.OVERFLOW | Status.INEXACT;
  const toInfinity = roundingMode == 0 || (roundingMode != 3 && (roundingMode == 1) == (sign != 0));
  roundedUp = toInfinity;
  if (toInfinity) return packInfinity(sign);
  const dropped = <u64>(64 - precision);
  rSig = u64.MAX_VALUE >> dropped << dropped;
  rTop = (sign << 15) | (EXPONENT_SPECIAL - 1);
}

/** Writes the raised exceptions and C1 (rounded up) to the status word. */
export function finish(cpu: usize): void {
  let status = (load<u32>(cpu, Cpu.X87_STATUS) | raised) & ~Status.C1;
  if (roundedUp && (raised & Status.INEXACT) != 0) status |= Status.C1;
  store<u32>(cpu, status, Cpu.X87_STATUS);
}

// Arithmetic: result of A op B into rSig and rTop ------------------------------------------------

function addMagnitudes(): void {
  const distance = aExp - bExp;
  const exponent = max(aExp, bExp) + 1;
  const aLow = shiftRightSticky(aSig, 0, (distance < 0 ? -distance : 0) + 1);
  const aHigh = shiftedHigh;
  const bLow = shiftRightSticky(bSig, 0, (distance > 0 ? distance : 0) + 1);
  const low = aLow + bLow;
  const high = aHigh + shiftedHigh + <u64>(low < aLow);
  roundPack(aSign, exponent, high, low);
}

function subtractMagnitudes(): void {
  const aLarger = aExp != bExp ? aExp > bExp : aSig >= bSig;
  if (aExp == bExp && aSig == bSig) return packZero(zeroSign);
  const sign = aLarger ? aSign : aSign ^ 1;
  const exponent = max(aExp, bExp);
  const larger = aLarger ? aSig : bSig;
  const smaller = aLarger ? bSig : aSig;
  const distance = aLarger ? aExp - bExp : bExp - aExp;
  const low = shiftRightSticky(smaller, 0, distance);
  const high = larger - shiftedHigh - <u64>(low != 0);
  roundPack(sign, exponent, high, -low);
}

/** A + B, or A - B when `flip` is 1. */
export function add(flip: u32): void {
  if (aKind == Kind.NAN || bKind == Kind.NAN) return packNan();
  bSign ^= flip;
  const same = aSign == bSign;
  if (aKind == Kind.INFINITE || bKind == Kind.INFINITE) {
    if (aKind == bKind && !same) return packIndefinite();
    return packInfinity(aKind == Kind.INFINITE ? aSign : bSign);
  }
  if (aKind == Kind.ZERO && bKind == Kind.ZERO) {
    return packZero(same ? aSign : zeroSign);
  }
  if (bKind == Kind.ZERO) return roundPack(aSign, aExp, aSig, 0);
  if (aKind == Kind.ZERO) return roundPack(bSign, bExp, bSig, 0);
  if (same) addMagnitudes();
  else subtractMagnitudes();
}

let productLow: u64 = 0;

/** 64 by 64 bits: the high half; the low one in productLow. */
function multiplyWide(x: u64, y: u64): u64 {
  const xLow = x & 0xffffffff;
  const xHigh = x >> 32;
  const yLow = y & 0xffffffff;
  const yHigh = y >> 32;
  const middle = xHigh * yLow + ((xLow * yLow) >> 32);
  const other = xLow * yHigh + (middle & 0xffffffff);
  productLow = x * y;
  return xHigh * yHigh + (middle >> 32) + (other >> 32);
}

export function multiply(): void {
  if (aKind == Kind.NAN || bKind == Kind.NAN) return packNan();
  const sign = aSign ^ bSign;
  if (aKind == Kind.INFINITE || bKind == Kind.INFINITE) {
    if (aKind == Kind.ZERO || bKind == Kind.ZERO) return packIndefinite();
    return packInfinity(sign);
  }
  if (aKind == Kind.ZERO || bKind == Kind.ZERO) return packZero(sign);
  const high = multiplyWide(aSig, bSig);
  roundPack(sign, aExp + bExp + 1, high, productLow);
}

let rest: u64 = 0;

/** One 32-bit digit at a time: upper:lower / divisor, divisor normalised and above upper. */
export function divideNormalized(upper: u64, lower: u64, divisor: u64): u64 {
  const dHigh = divisor >> 32;
  const dLow = divisor & 0xffffffff;
  const q1 = quotientDigit(upper, lower >> 32, dHigh, dLow);
  const middle = ((upper << 32) | (lower >> 32)) - q1 * divisor;
  const q0 = quotientDigit(middle, lower & 0xffffffff, dHigh, dLow);
  rest = ((middle << 32) | (lower & 0xffffffff)) - q0 * divisor;
  return (q1 << 32) | q0;
}

@inline function quotientDigit(upper: u64, next: u64, dHigh: u64, dLow: u64): u64 {
  let q = upper / dHigh;
  let remainder = upper % dHigh;
  while (q >> 32 != 0 || q * dLow > ((remainder << 32) | next)) {
    q--;
    remainder += dHigh;
    if (remainder >> 32 != 0) break;
  }
  return q;
}

export function divide(): void {
  if (aKind == Kind.NAN || bKind == Kind.NAN) return packNan();
  const sign = aSign ^ bSign;
  if (aKind == bKind && (aKind == Kind.ZERO || aKind == Kind.INFINITE)) return packIndefinite();
  if (aKind == Kind.INFINITE) return packInfinity(sign);
  if (aKind == Kind.ZERO || bKind == Kind.INFINITE) return packZero(sign);
  if (bKind == Kind.ZERO) {
    raised |= Status.ZERO_DIVIDE;
    return packInfinity(sign);
  }
  const high = divideNormalized(aSig >> 1, aSig << 63, bSig);
  const low = divideNormalized(rest, 0, bSig);
  roundPack(sign, aExp - bExp, high, low | <u64>(rest != 0));
}

/** Square root of A, two bits of the radicand at a time. */
export function squareRoot(): void {
  bKind = Kind.ZERO;
  if (aKind == Kind.NAN) return packNan();
  if (aKind == Kind.ZERO) return packZero(aSign);
  if (aSign != 0) return packIndefinite();
  if (aKind == Kind.INFINITE) return packInfinity(0);
  // The radicand in [1, 4) with two integer bits in front.
  const odd = aExp & 1;
  let high = odd != 0 ? aSig : aSig >> 1;
  let low: u64 = odd != 0 ? 0 : aSig << 63;
  let root: u64 = 0;
  let extra: u64 = 0;
  let remainderHigh: u64 = 0;
  let remainderLow: u64 = 0;
  for (let n = 0; n < 66; n++) {
    remainderHigh = (remainderHigh << 2) | (remainderLow >> 62);
    remainderLow = (remainderLow << 2) | (high >> 62);
    high = (high << 2) | (low >> 62);
    low <<= 2;
    // Trial value 4 * root + 1; after 64 bits the root's last two live in `extra`.
    const wide = n > 63;
    const bits = <u64>(n - 64);
    const fullHigh: u64 = wide && bits != 0 ? root >> (64 - bits) : 0;
    const fullLow: u64 = wide ? (bits == 0 ? root : (root << bits) | extra) : root;
    const trialHigh = (fullHigh << 2) | (fullLow >> 62);
    const trialLow = (fullLow << 2) | 1;
    const fits = remainderHigh != trialHigh ? remainderHigh > trialHigh : remainderLow >= trialLow;
    if (fits) {
      remainderHigh -= trialHigh + <u64>(remainderLow < trialLow);
      remainderLow -= trialLow;
    }
    if (wide) extra = (extra << 1) | <u64>fits;
    else root = (root << 1) | <u64>fits;
  }
  const sticky = <u64>((remainderHigh | remainderLow) != 0);
  roundPack(0, aExp >> 1, root, (extra << 62) | sticky);
}

// Comparison and integers ------------------------------------------------------------------------

/** -1, 0, 1, or 2 when unordered. */
export function compare(): i32 {
  if (aKind == Kind.NAN || bKind == Kind.NAN) return 2;
  if (aKind == Kind.ZERO && bKind == Kind.ZERO) return 0;
  if (aKind == Kind.ZERO) return bSign != 0 ? 1 : -1;
  if (bKind == Kind.ZERO || aSign != bSign) return aSign != 0 ? -1 : 1;
  const larger: i32 = aSign != 0 ? -1 : 1;
  if (aKind == Kind.INFINITE || bKind == Kind.INFINITE) {
    return aKind == bKind ? 0 : aKind == Kind.INFINITE ? larger : -larger;
  }
  if (aExp != bExp) return aExp > bExp ? larger : -larger;
  return aSig == bSig ? 0 : aSig > bSig ? larger : -larger;
}

/** |A| rounded to an integer below 2^64; callers have checked that the exponent is below 64. */
export function integerMagnitude(): u64 {
  if (aKind == Kind.ZERO) return 0;
  if (aExp >= 63) return aSig;
  const low = shiftRightSticky(aSig, 0, 63 - aExp);
  const half = low >> 63 != 0;
  const below = low << 1 != 0;
  roundedUp = false;
  if (half || below) {
    raised |= Status.INEXACT;
    roundedUp = roundsUp(aSign, (shiftedHigh & 1) != 0, half, below);
  }
  return shiftedHigh + <u64>roundedUp;
}

export function fromInteger(value: i64): void {
  const sign = <u32>(value < 0);
  const magnitude: u64 = value < 0 ? -(<u64>value) : <u64>value;
  if (magnitude == 0) return packZero(0);
  const shift = clz<u64>(magnitude);
  rSig = magnitude << shift;
  rTop = (sign << 15) | <u32>(BIAS + 63 - <i32>shift);
}
