/** Conversion of 80-bit values from and to the 32 and 64-bit formats. */
import {
  aExp,
  aKind,
  aSig,
  aSign,
  INTEGER_BIT,
  Kind,
  packInfinity,
  packOverflow,
  packSpecial,
  packZero,
  raise,
  raised,
  restoreRaised,
  roundAt,
  roundedCarry,
  rSig,
  setResult,
  shiftedHigh,
  shiftRightSticky,
  Status,
  trapsHuge,
  trapsTiny,
  usePrecision,
} from './x87-value';

const BIAS: i32 = 16383;
const QUIET: u64 = 0x4000000000000000;

/** Widens a float of `fractionBits` and `exponentBits`; exact. A signalling NaN becomes quiet. */
function widen(bits: u64, fractionBits: u64, exponentBits: u64): void {
  const sign = (<u32>(bits >> (fractionBits + exponentBits))) & 1;
  const exponentMax: u64 = ((<u64>1) << exponentBits) - 1;
  const exponent = (bits >> fractionBits) & exponentMax;
  const fraction = bits & (((<u64>1) << fractionBits) - 1);
  const aligned = fraction << (63 - fractionBits);
  const bias = <i32>(exponentMax >> 1);
  if (exponent == exponentMax) {
    if (fraction == 0) return packInfinity(sign);
    if ((aligned & QUIET) == 0) raise(Status.INVALID);
    return packSpecial(sign, aligned | INTEGER_BIT | QUIET);
  }
  if (exponent == 0) {
    if (fraction == 0) return packZero(sign);
    raise(Status.DENORMAL);
    const shift = clz<u64>(aligned);
    return setResult(aligned << shift, (sign << 15) | (<u32>(1 - bias - <i32>shift + BIAS)));
  }
  setResult(aligned | INTEGER_BIT, (sign << 15) | (<u32>(<i32>exponent - bias + BIAS)));
}

export function fromF64(bits: u64): void {
  widen(bits, 52, 11);
}

export function fromF32(bits: u64): void {
  widen(bits, 23, 8);
}

/** Whether the last narrowing gave a result below the normal numbers, before it was denormalised. */
export let wasTiny: bool = false;

let losesUnbounded: bool = false;

/** Whether A, rounded as if exponents had no end, stays below 1.0 at exponent 0 of the format. */
function staysTiny(biased: i32, precision: u32): bool {
  // Whether the result is inexact is also asked as if exponents had no end.
  const before = raised;
  usePrecision(precision);
  restoreRaised(before & ~<u32>Status.INEXACT);
  roundAt(aSign, aSig, 0);
  losesUnbounded = (raised & Status.INEXACT) != 0;
  restoreRaised(before);
  return biased < 0 || !roundedCarry;
}

/** A rounded to a narrower format; returns its bits. `stored`: by the x87 unit, to memory. */
function narrow(fractionBits: u64, exponentBits: u64, stored: bool): u64 {
  const sign = (<u64>aSign) << (fractionBits + exponentBits);
  const exponentMax: u64 = ((<u64>1) << exponentBits) - 1;
  const infinity = sign | (exponentMax << fractionBits);
  wasTiny = false;
  if (aKind == Kind.ZERO) return sign;
  if (aKind == Kind.INFINITE) return infinity;
  if (aKind == Kind.NAN) {
    if ((aSig & QUIET) == 0) raise(Status.INVALID);
    return infinity | (((aSig | QUIET) & ~INTEGER_BIT) >> (63 - fractionBits));
  }
  const bias = <i32>(exponentMax >> 1);
  let biased = aExp + bias;
  let high = aSig;
  let low: u64 = 0;
  const denormal = biased <= 0;
  if (denormal) {
    wasTiny = staysTiny(biased, <u32>fractionBits + 1);
    // A store that underflow stops never says that something was lost.
    if (stored) losesUnbounded = false;
    low = shiftRightSticky(aSig, 0, 1 - biased);
    high = shiftedHigh;
    biased = 0;
  }
  const before = raised & Status.INEXACT;
  usePrecision(<u32>fractionBits + 1);
  roundAt(aSign, high, low);
  if (roundedCarry) biased++;
  else if (biased == 0 && rSig >> 63 != 0) biased = 1;
  if (wasTiny && trapsTiny) {
    raise(Status.UNDERFLOW);
    if (!losesUnbounded) restoreRaised(raised & ~<u32>Status.INEXACT | before);
  } else if (wasTiny && (raised & Status.INEXACT) != 0) {
    raise(Status.UNDERFLOW);
  }
  if (biased >= <i32>exponentMax) {
    // Nor does one that overflow stops.
    const exact = trapsHuge && (stored || (raised & Status.INEXACT) == 0);
    packOverflow(aSign);
    if (exact) restoreRaised(raised & ~<u32>Status.INEXACT);
    return rSig == INTEGER_BIT ? infinity : infinity - 1;
  }
  const fraction = (rSig & ~INTEGER_BIT) >> (63 - fractionBits);
  return sign | ((<u64>biased) << fractionBits) | fraction;
}

export function toF64(stored: bool): u64 {
  return narrow(52, 11, stored);
}

export function toF32(stored: bool): u64 {
  return narrow(23, 8, stored);
}
