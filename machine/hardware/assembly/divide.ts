/** 128 by 64 bit division and rotation through the carry flag: what WebAssembly has no op for. */
import { Cpu } from '../layout';

/** Quotient of (high, low) / divisor with high < divisor; the remainder goes to `remainder`. */
let remainder: u64 = 0;

/** Knuth's algorithm D with 32-bit digits, two steps. */
function divideLong(high: u64, low: u64, divisor: u64): u64 {
  const shift = clz<u64>(divisor);
  const d = divisor << shift;
  const dHigh = d >> 32;
  const dLow = d & 0xffffffff;
  const upper = shift == 0 ? high : (high << shift) | (low >> (64 - shift));
  const lower = low << shift;
  const q1 = digit(upper, lower >> 32, dHigh, dLow);
  const rest = ((upper << 32) | (lower >> 32)) - q1 * d;
  const q0 = digit(rest, lower & 0xffffffff, dHigh, dLow);
  remainder = (((rest << 32) | (lower & 0xffffffff)) - q0 * d) >> shift;
  return (q1 << 32) | q0;
}

/** One 32-bit digit of upper:next / dHigh:dLow. */
@inline function digit(upper: u64, next: u64, dHigh: u64, dLow: u64): u64 {
  let q = upper / dHigh;
  let rest = upper % dHigh;
  while (q >> 32 != 0 || q * dLow > ((rest << 32) | next)) {
    q--;
    rest += dHigh;
    if (rest >> 32 != 0) break;
  }
  return q;
}

function divideUnsigned(high: u64, low: u64, divisor: u64): u64 {
  if (high == 0) {
    remainder = low % divisor;
    return low / divisor;
  }
  return divideLong(high, low, divisor);
}

export function divideU128(cpu: usize, high: i64, low: i64, divisor: i64): i64 {
  const quotient = divideUnsigned(high, low, divisor);
  store<u64>(cpu, remainder, Cpu.HELPER_RESULT);
  return quotient;
}

@inline function magnitude(value: i64): u64 {
  return value < 0 ? -(<u64>value) : <u64>value;
}

@inline function magnitudeHigh(high: i64, low: i64): u64 {
  return high < 0 ? ~(<u64>high) + <u64>(low == 0) : <u64>high;
}

export function divideS128(cpu: usize, high: i64, low: i64, divisor: i64): i64 {
  const lowMagnitude: u64 = high < 0 ? -(<u64>low) : <u64>low;
  const quotient = divideUnsigned(magnitudeHigh(high, low), lowMagnitude, magnitude(divisor));
  // The remainder takes the sign of the dividend.
  store<u64>(cpu, high < 0 ? -remainder : remainder, Cpu.HELPER_RESULT);
  return (high ^ divisor) < 0 ? -quotient : quotient;
}

export function divideS128Overflows(cpu: usize, high: i64, low: i64, divisor: i64): i64 {
  if (divisor == 0) return 1;
  const upper = magnitudeHigh(high, low);
  const by = magnitude(divisor);
  if (upper >= by) return 1;
  const lowMagnitude: u64 = high < 0 ? -(<u64>low) : <u64>low;
  const quotient = divideUnsigned(upper, lowMagnitude, by);
  const limit: u64 = (high ^ divisor) < 0 ? 0x8000000000000000 : 0x7fffffffffffffff;
  return <i64>(quotient > limit);
}

/** form = log2 width + 8 * carry. Rotates width + 1 bits, one at a time: it is rare. */
export function rotateCarryLeft(cpu: usize, value: i64, count: i64, form: i64): i64 {
  const top = <u64>(8 << (<u32>form & 7)) - 1;
  const mask: u64 = u64.MAX_VALUE >> (63 - top);
  let carry = <u64>form >> 3;
  let bits = <u64>value;
  for (let left = <i32>count; left > 0; left--) {
    const out = (bits >> top) & 1;
    bits = ((bits << 1) & mask) | carry;
    carry = out;
  }
  store<u64>(cpu, carry | ((((bits >> top) ^ carry) & 1) << 11), Cpu.HELPER_RESULT);
  return bits;
}

export function rotateCarryRight(cpu: usize, value: i64, count: i64, form: i64): i64 {
  const top = <u64>(8 << (<u32>form & 7)) - 1;
  let carry = <u64>form >> 3;
  let bits = <u64>value;
  for (let left = <i32>count; left > 0; left--) {
    const out = bits & 1;
    bits = (bits >> 1) | (carry << top);
    carry = out;
  }
  const overflow = ((bits >> top) ^ (bits >> (top - 1))) & 1;
  store<u64>(cpu, carry | (overflow << 11), Cpu.HELPER_RESULT);
  return bits;
}
