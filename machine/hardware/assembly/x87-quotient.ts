/** Division, square root, comparison and integers in 80-bit arithmetic: of A and B into the result. */
import {
  aExp,
  aKind,
  aSig,
  aSign,
  bExp,
  BIAS,
  bKind,
  bSig,
  bSign,
  clearB,
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
    raise(Status.ZERO_DIVIDE);
    return packInfinity(sign);
  }
  const high = divideNormalized(aSig >> 1, aSig << 63, bSig);
  const low = divideNormalized(rest, 0, bSig);
  roundPack(sign, aExp - bExp, high, low | <u64>(rest != 0));
}

/** Square root of A, two bits of the radicand at a time. */
export function squareRoot(): void {
  clearB();
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

export function fromInteger(value: i64): void {
  const sign = <u32>(value < 0);
  const magnitude: u64 = value < 0 ? -(<u64>value) : <u64>value;
  if (magnitude == 0) return packZero(0);
  const shift = clz<u64>(magnitude);
  setResult(magnitude << shift, (sign << 15) | <u32>(BIAS + 63 - <i32>shift));
}
