/**
 * Floating-point numbers of 128 significant bits, in which transcendental functions are evaluated:
 * sign and 1.127 fixed point times 2^exponent, at addresses of SLOT_BYTES. Results are truncated, with
 * an error of a few units in the last place, which leaves more than 55 bits to round correctly by.
 */
import { multiplyWide, productLow } from './x87-value';

/** u64 high half (its top bit set, or 0 for zero), u64 low half, i32 exponent, u32 sign. */
export const SLOT_BYTES: usize = 32;
const LOW: usize = 8;
const EXPONENT: usize = 16;
const SIGN: usize = 20;

@inline export function high(at: usize): u64 {
  return load<u64>(at);
}

@inline export function low(at: usize): u64 {
  return load<u64>(at, LOW);
}

@inline export function exponent(at: usize): i32 {
  return load<i32>(at, EXPONENT);
}

@inline export function sign(at: usize): u32 {
  return load<u32>(at, SIGN);
}

@inline export function isZero(at: usize): bool {
  return load<u64>(at) == 0;
}

@inline export function setSign(at: usize, value: u32): void {
  store<u32>(at, value, SIGN);
}

@inline export function scaleBy(at: usize, power: i32): void {
  store<i32>(at, load<i32>(at, EXPONENT) + power, EXPONENT);
}

export function copy(to: usize, from: usize): void {
  memory.copy(to, from, SLOT_BYTES);
}

/** to = significand (not normalised) * 2^exponent, in 1.127 fixed point. */
export function set(to: usize, negative: u32, exp: i32, highHalf: u64, lowHalf: u64): void {
  let h = highHalf;
  let l = lowHalf;
  let e = exp;
  if (h == 0) {
    h = l;
    l = 0;
    e -= 64;
  }
  const shift = clz<u64>(h);
  if (h != 0 && shift != 0) {
    h = (h << shift) | (l >> (64 - shift));
    l <<= shift;
    e -= <i32>shift;
  }
  store<u64>(to, h);
  store<u64>(to, l, LOW);
  store<i32>(to, e, EXPONENT);
  store<u32>(to, negative, SIGN);
}

export function setInteger(to: usize, value: u32): void {
  set(to, 0, 63, <u64>value, 0);
}

export function multiply(to: usize, a: usize, b: usize): void {
  if (isZero(a) || isZero(b)) return set(to, 0, 0, 0, 0);
  const negative = sign(a) ^ sign(b);
  const e = exponent(a) + exponent(b) + 1;
  const top = multiplyWide(high(a), high(b));
  let l = productLow;
  const first = multiplyWide(high(a), low(b));
  const second = multiplyWide(low(a), high(b));
  let carry: u64 = 0;
  l += first;
  carry += <u64>(l < first);
  l += second;
  carry += <u64>(l < second);
  set(to, negative, e, top + carry, l);
}

/** a + b, or a - b when `flip` is 1. */
export function addSigned(to: usize, a: usize, b: usize, flip: u32): void {
  if (isZero(b)) return copy(to, a);
  if (isZero(a)) {
    const negative = sign(b) ^ flip;
    copy(to, b);
    return setSign(to, negative);
  }
  const aLarger =
    exponent(a) != exponent(b)
      ? exponent(a) > exponent(b)
      : high(a) != high(b)
        ? high(a) > high(b)
        : low(a) >= low(b);
  const large = aLarger ? a : b;
  const small = aLarger ? b : a;
  const bSign = sign(b) ^ flip;
  const negative = aLarger ? sign(a) : bSign;
  const distance = <u64>(exponent(large) - exponent(small));
  let h: u64 = 0;
  let l: u64 = 0;
  if (distance < 64) {
    h = high(small) >> distance;
    l = distance == 0 ? low(small) : (low(small) >> distance) | (high(small) << (64 - distance));
  } else if (distance < 128) {
    l = high(small) >> (distance - 64);
  }
  const lLarge = low(large);
  const hLarge = high(large);
  if (sign(a) != bSign) {
    return set(to, negative, exponent(large), hLarge - h - <u64>(lLarge < l), lLarge - l);
  }
  const lSum = lLarge + l;
  const carry = <u64>(lSum < l);
  const hSum = hLarge + h;
  const overflows = hSum < h;
  const full = hSum + carry;
  if (overflows || full < carry) {
    const halved = (lSum >> 1) | (full << 63);
    return set(to, negative, exponent(large) + 1, (full >> 1) | 0x8000000000000000, halved);
  }
  set(to, negative, exponent(large), full, lSum);
}

@inline export function add(to: usize, a: usize, b: usize): void {
  addSigned(to, a, b, 0);
}

@inline export function subtract(to: usize, a: usize, b: usize): void {
  addSigned(to, a, b, 1);
}

/** a / b, bit by bit; b is not 0. */
export function divide(to: usize, a: usize, b: usize): void {
  if (isZero(a)) return set(to, 0, 0, 0, 0);
  const negative = sign(a) ^ sign(b);
  const e = exponent(a) - exponent(b);
  const bHigh = high(b);
  const bLow = low(b);
  let restHigh = high(a);
  let restLow = low(a);
  let qHigh: u64 = 0;
  let qLow: u64 = 0;
  let carry: u64 = 0;
  for (let n = 0; n < 128; n++) {
    qHigh = (qHigh << 1) | (qLow >> 63);
    qLow <<= 1;
    if (carry != 0 || restHigh > bHigh || (restHigh == bHigh && restLow >= bLow)) {
      restHigh -= bHigh + <u64>(restLow < bLow);
      restLow -= bLow;
      qLow |= 1;
    }
    carry = restHigh >> 63;
    restHigh = (restHigh << 1) | (restLow >> 63);
    restLow <<= 1;
  }
  set(to, negative, e, qHigh, qLow);
}

/** at = at / n, for n below 2^31. */
export function divideSmall(at: usize, n: u64): void {
  const h = high(at);
  const l = low(at);
  const q3 = h >> 32;
  const q2 = (q3 % n << 32) | (h & 0xffffffff);
  const q1 = (q2 % n << 32) | (l >> 32);
  const q0 = (q1 % n << 32) | (l & 0xffffffff);
  // One more digit, for the bits that normalising brings in.
  const extra = (q0 % n << 32) / n;
  const outHigh = (q3 / n << 32) | (q2 / n);
  const outLow = (q1 / n << 32) | (q0 / n);
  const shift = clz<u64>(outHigh);
  if (shift == 0) return set(at, sign(at), exponent(at), outHigh, outLow);
  const filled = (outLow << shift) | (extra >> (32 - shift));
  set(at, sign(at), exponent(at) - <i32>shift, (outHigh << shift) | (outLow >> (64 - shift)), filled);
}
