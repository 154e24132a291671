/**
 * 80-bit floating-point values and their arithmetic, rounded as the x87 control word says. Values in
 * work are { sign, exponent, significand }: 1.63 fixed point times 2^exponent. Denormals are
 * normalised on unpacking.
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
  /** Exceptions that keep an operation from changing its destination when they are unmasked. */
  BEFORE = 0x07,
  /** Those that keep a value from being stored. */
  STORING = 0x1f,
}

export const BIAS: i32 = 16383;
const EXPONENT_SPECIAL: u32 = 0x7fff;
/** What an exponent out of range is moved by for a handler. */
const EXPONENT_WRAP: i32 = 0x6000;
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
/** Whether an operand is a NaN. */
let sawNan: bool = false;
/** Whether an operand is none at all: empty, or of an encoding that is rejected. */
let rejected: bool = false;
/** Rounding control and precision of the operation in progress. */
let roundingMode: u32 = 0;
let precision: u32 = 64;
/** Whether tiny results raise underflow although they are exact: it is unmasked. */
export let trapsTiny: bool = false;
/** Whether overflow is unmasked: what counts is then the result as if exponents had no end. */
export let trapsHuge: bool = false;
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
  stopped = false;
  sawNan = false;
  rejected = false;
  trapsTiny = (control & Status.UNDERFLOW) == 0;
  trapsHuge = (control & Status.OVERFLOW) == 0;
}

/** The same with everything given, for arithmetic that is not under the x87 control word. */
export function beginWith(mode: u32, bits: u32, tinyTraps: bool, hugeTraps: bool): void {
  useRounding(mode);
  precision = bits;
  raised = 0;
  roundedUp = false;
  sawNan = false;
  rejected = false;
  trapsTiny = tinyTraps;
  trapsHuge = hugeTraps;
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

/** Forgets that an operand was denormal, for operations that do not mind. */
export function forgetDenormal(): void {
  raised &= ~<u32>Status.DENORMAL;
}

/** The rounding control of the operation in progress. */
@inline export function currentRounding(): u32 {
  return roundingMode;
}

/** Makes B a zero, where an operation has A alone. */
export function clearB(): void {
  bKind = Kind.ZERO;
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
  if (aKind == Kind.NAN) sawNan = true;
  if (isUnsupported(significand, exponent)) {
    raised |= Status.INVALID;
    rejected = true;
    aKind = Kind.NAN;
    aSign = 1;
    aSig = INDEFINITE;
  } else if (aKind == Kind.FINITE && significand >> 63 == 0) {
    const shift = clz<u64>(significand);
    aSig = significand << shift;
    aExp -= <i32>shift;
    raised |= Status.DENORMAL;
  } else if (aKind == Kind.FINITE && exponent == 0) {
    // A pseudo-denormal: an integer bit where there should be none.
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

/** Whether A or B is a signalling NaN. */
export function isSignaling(): bool {
  return (aKind == Kind.NAN && (aSig & QUIET) == 0) || (bKind == Kind.NAN && (bSig & QUIET) == 0);
}

/** An operand is none at all: the result is the indefinite, whatever the other one is. */
export function reject(): void {
  rejected = true;
}

/** The NaN of an operation with at least one: the larger significand, made quiet. */
export function packNan(): void {
  if (rejected) return packIndefinite();
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

/** Whether a value below the normal numbers stays there when it is rounded as if they had no end. */
function staysTiny(sign: u32, biased: i32, high: u64, low: u64): bool {
  if (biased < 0) return true;
  const before = raised;
  roundAt(sign, high, low);
  raised = before;
  return !roundedCarry;
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
  if (biased <= 0 && trapsTiny) {
    // The handler gets the result with its exponent wrapped round.
    roundAt(sign, high, low);
    if (biased + EXPONENT_WRAP <= 0) return packVanished(sign);
    if (!roundedCarry || biased < 0) {
      raised |= Status.UNDERFLOW;
      rTop = (sign << 15) | ((<u32>biased + EXPONENT_WRAP + <u32>roundedCarry) & EXPONENT_SPECIAL);
      return;
    }
  }
  if (biased <= 0) {
    tiny = staysTiny(sign, biased, high, low);
    // Denormal: its last kept bit is that of the least exponent.
    const distance = 1 - biased;
    const sticky = shiftRightSticky(high, low, distance);
    high = shiftedHigh;
    low = sticky;
    biased = 0;
  }
  roundAt(sign, high, low);
  if (roundedCarry) biased++;
  else if (biased == 0 && rSig >> 63 != 0) biased = 1;
  if (tiny && (raised & Status.INEXACT) != 0) raised |= Status.UNDERFLOW;
  if (biased >= <i32>EXPONENT_SPECIAL) {
    if (!trapsHuge) return packOverflow(sign);
    if (biased - EXPONENT_WRAP >= <i32>EXPONENT_SPECIAL) return packUnbounded(sign);
    raised |= Status.OVERFLOW;
    biased -= EXPONENT_WRAP;
  }
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

/** So small that a wrapped exponent is out of range too, which fscale alone brings about. */
function packVanished(sign: u32): void {
  raised |= Status.UNDERFLOW | Status.INEXACT;
  roundedUp = false;
  packZero(sign);
}

/** So large that a wrapped exponent is out of range too: infinite, whatever the rounding. */
function packUnbounded(sign: u32): void {
  raised |= Status.OVERFLOW | Status.INEXACT;
  roundedUp = true;
  packInfinity(sign);
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

const MASKS: u32 = 0x3f;
const ERROR_SUMMARY: u32 = 0x8080;
/** Set when an unmasked exception stopped the operation in progress; its pop then does nothing. */
export let stopped: bool = false;

/** Error summary and busy bits follow from exceptions and masks. */
export function summarize(cpu: usize): void {
  const status = load<u32>(cpu, Cpu.X87_STATUS);
  const unmasked = status & ~load<u32>(cpu, Cpu.X87_CONTROL) & MASKS;
  store<u32>(cpu, unmasked != 0 ? status | ERROR_SUMMARY : status & ~ERROR_SUMMARY, Cpu.X87_STATUS);
}

/** Whether an unmasked exception among `kinds` keeps the operation from changing anything. */
export function stops(cpu: usize, kinds: u32): bool {
  if (sawNan || (raised & (Status.INVALID | Status.ZERO_DIVIDE)) != 0) raised &= ~<u32>Status.DENORMAL;
  stopped = (raised & kinds & ~load<u32>(cpu, Cpu.X87_CONTROL)) != 0;
  return stopped;
}

/** Writes the raised exceptions and C1 (rounded up) to the status word. */
export function finish(cpu: usize): void {
  // A NaN, an invalid operation and a division by zero all come before a denormal operand.
  if (sawNan || (raised & (Status.INVALID | Status.ZERO_DIVIDE)) != 0) raised &= ~<u32>Status.DENORMAL;
  if (stopped && (raised & Status.BEFORE & ~load<u32>(cpu, Cpu.X87_CONTROL)) != 0) {
    raised &= Status.BEFORE | Status.STACK_FAULT;
    roundedUp = false;
  }
  let status = (load<u32>(cpu, Cpu.X87_STATUS) | raised) & ~Status.C1;
  if (roundedUp && (raised & Status.INEXACT) != 0) status |= Status.C1;
  store<u32>(cpu, status, Cpu.X87_STATUS);
  if ((raised & MASKS) != 0) summarize(cpu);
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

export let productLow: u64 = 0;

/** 64 by 64 bits: the high half; the low one in productLow. */
export function multiplyWide(x: u64, y: u64): u64 {
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
