/** fprem, fprem1 and fscale on unpacked values. */
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
  roundPack,
  Status,
} from './x87-value';

/** A difference of exponents that one fprem reduces wholly; larger ones take several. */
const REDUCTION_MAX: i32 = 63;

let quotient: u64 = 0;
let left: u64 = 0;

/** left = a * 2^steps mod b, quotient likewise (its low bits); a < 2 * b. */
function reduce(a: u64, b: u64, steps: i32): void {
  quotient = 0;
  left = a;
  let carry: u64 = 0;
  for (let n = 0; ; n++) {
    quotient <<= 1;
    if (carry != 0 || left >= b) {
      left -= b;
      quotient |= 1;
    }
    if (n == steps) break;
    carry = left >> 63;
    left <<= 1;
  }
}

@inline function quotientBits(): u32 {
  return (
    ((<u32>quotient & 1) != 0 ? Status.C1 : 0) |
    ((<u32>quotient & 2) != 0 ? Status.C3 : 0) |
    ((<u32>quotient & 4) != 0 ? Status.C0 : 0)
  );
}

/** The remainder of A / B into the result. Returns the condition bits. */
export function remainder(nearest: bool): u32 {
  if (aKind == Kind.NAN || bKind == Kind.NAN) {
    packNan();
    return 0;
  }
  if (aKind == Kind.INFINITE || bKind == Kind.ZERO) {
    packIndefinite();
    return 0;
  }
  if (aKind == Kind.ZERO) {
    packZero(aSign);
    return 0;
  }
  if (bKind == Kind.INFINITE) {
    roundPack(aSign, aExp, aSig, 0);
    return 0;
  }
  const distance = aExp - bExp;
  if (distance > REDUCTION_MAX) return reducePartly(distance);
  if (distance < 0) return beyond(nearest, distance);
  reduce(aSig, bSig, distance);
  let sign = aSign;
  if (nearest && isPastHalf(left, bSig, quotient)) {
    left = bSig - left;
    sign ^= 1;
    quotient++;
  }
  if (left == 0) packZero(aSign);
  else roundPack(sign, bExp, left, 0);
  return quotientBits();
}

/** Whether rounding the quotient to nearest, ties to even, takes one more. */
@inline function isPastHalf(rest: u64, divisor: u64, low: u64): bool {
  const other = divisor - rest;
  return rest > other || (rest == other && (low & 1) != 0);
}

/** |A| < |B|: the quotient is 0, or 1 when rounded to nearest. */
function beyond(nearest: bool, distance: i32): u32 {
  quotient = 0;
  // A is more than half of B only one exponent below it, and by its significand.
  if (nearest && distance == -1 && aSig > bSig) {
    quotient = 1;
    const doubled = bSig - (aSig - bSig);
    roundPack(aSign ^ 1, aExp, doubled, 0);
    return quotientBits();
  }
  roundPack(aSign, aExp, aSig, 0);
  return 0;
}

/** Brings the exponent nearer by a multiple that keeps the remainder; C2 says there is more. */
function reducePartly(distance: i32): u32 {
  const steps = 32 + (distance & 31);
  reduce(aSig, bSig, steps);
  if (left == 0) packZero(aSign);
  else roundPack(aSign, aExp - steps, left, 0);
  return Status.C2;
}

/** A * 2^trunc(B). */
export function scale(): void {
  if (aKind == Kind.NAN || bKind == Kind.NAN) {
    packNan();
  } else if (bKind == Kind.INFINITE) {
    const vanishes = bSign != 0;
    if ((aKind == Kind.ZERO && !vanishes) || (aKind == Kind.INFINITE && vanishes)) packIndefinite();
    else if (vanishes) packZero(aSign);
    else packInfinity(aSign);
  } else if (aKind == Kind.INFINITE) {
    packInfinity(aSign);
  } else if (aKind == Kind.ZERO) {
    packZero(aSign);
  } else if (bKind == Kind.ZERO || bExp < 0) {
    roundPack(aSign, aExp, aSig, 0);
  } else {
    const magnitude: i32 = bExp > 16 ? 0x20000 : <i32>(bSig >> (63 - bExp));
    roundPack(aSign, bSign != 0 ? aExp - magnitude : aExp + magnitude, aSig, 0);
  }
}
