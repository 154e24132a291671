/**
 * Computes the six arithmetic flags from the lazy flag state, as FlagKind documents it. In numbers,
 * 32 bits at a time: the kernel reads rflags at every system call, and BigInt would cost more than
 * the call.
 */
import { assert, unreachable } from '../../core/assert.ts';
import { FlagKind, type Width } from './ir.ts';

/** rflags bits. */
export const enum Flag {
  CARRY = 0x1,
  PARITY = 0x4,
  ADJUST = 0x10,
  ZERO = 0x40,
  SIGN = 0x80,
  DIRECTION = 0x400,
  OVERFLOW = 0x800,
  ARITHMETIC = 0x8d5,
  /** Bit 1 always reads as one. */
  ALWAYS = 0x2,
}

const WIDTHS = 4;

/** Bit p is set if byte p has an even number of ones. */
const EVEN_PARITY = Uint8Array.from({ length: 256 }, (_, byte) => {
  let ones = 0;
  for (let bit = 0; bit < 8; bit++) ones += (byte >> bit) & 1;
  return ones % 2 === 0 ? 1 : 0;
});

/** Masks of an operand's low and high halves, by Width. */
const LOW_MASKS = [0xff, 0xffff, 0xffffffff, 0xffffffff];
const HIGH_MASKS = [0, 0, 0, 0xffffffff];

/** Halves of a 64-bit value; unsigned 32-bit numbers. */
export interface Halves {
  low: number;
  high: number;
}

function lessOrEqual(a: Halves, b: Halves, orEqual: boolean): boolean {
  if (a.high !== b.high) return a.high < b.high;
  return orEqual ? a.low <= b.low : a.low < b.low;
}

function signZeroParity(result: Halves, width: Width): number {
  const sign = width === 3 ? result.high >>> 31 : (result.low >>> (8 * 2 ** width - 1)) & 1;
  const zero = result.low === 0 && result.high === 0 ? Flag.ZERO : 0;
  return (sign << 7) | zero | (EVEN_PARITY[result.low & 0xff] << 2);
}

const left: Halves = { low: 0, high: 0 };

/** left = a + b + carry modulo 2^width. */
function setSum(a: Halves, b: Halves, carry: number, width: Width): void {
  const low = a.low + b.low + carry;
  const high = a.high + b.high + (low > 0xffffffff ? 1 : 0);
  left.low = (low & LOW_MASKS[width]) >>> 0;
  left.high = (high & HIGH_MASKS[width]) >>> 0;
}

/** left = a - b - borrow modulo 2^width. */
function setDifference(a: Halves, b: Halves, borrow: number, width: Width): void {
  const low = a.low - b.low - borrow;
  const high = a.high - b.high - (low < 0 ? 1 : 0);
  left.low = (low & LOW_MASKS[width]) >>> 0;
  left.high = (high & HIGH_MASKS[width]) >>> 0;
}

function signBit(low: number, high: number, width: Width): boolean {
  return width === 3 ? high < 0 : ((low >>> (8 * 2 ** width - 1)) & 1) !== 0;
}

/** CF, OF and AF of left + right = result. */
function addFlags(result: Halves, right: Halves, carry: number, width: Width): number {
  setDifference(result, right, carry, width);
  const carried = lessOrEqual(result, right, carry !== 0);
  const overflow = signBit(
    (left.low ^ result.low) & (right.low ^ result.low),
    (left.high ^ result.high) & (right.high ^ result.high),
    width,
  );
  return (
    (carried ? Flag.CARRY : 0) |
    (overflow ? Flag.OVERFLOW : 0) |
    ((left.low ^ right.low ^ result.low) & Flag.ADJUST)
  );
}

/** CF, OF and AF of left - right = result. */
function subtractFlags(result: Halves, right: Halves, borrow: number, width: Width): number {
  setSum(result, right, borrow, width);
  const borrowed = lessOrEqual(left, right, borrow !== 0);
  const overflow = signBit(
    (left.low ^ right.low) & (left.low ^ result.low),
    (left.high ^ right.high) & (left.high ^ result.high),
    width,
  );
  return (
    (borrowed ? Flag.CARRY : 0) |
    (overflow ? Flag.OVERFLOW : 0) |
    ((left.low ^ right.low ^ result.low) & Flag.ADJUST)
  );
}

const ONE: Halves = { low: 1, high: 0 };

/**
 * The six arithmetic flags at their rflags positions. `operation` is the CC_OP field: FlagKind * 4 +
 * Width; `aux` the low half of CC_AUX.
 */
export function arithmeticFlags(
  operation: number,
  result: Halves,
  source: Halves,
  aux: number,
): number {
  const kind: FlagKind = operation >> 2;
  const width: Width = operation % WIDTHS;
  assert(operation >= 0, 'flag state is set');
  switch (kind) {
    case FlagKind.RAW:
      return source.low & Flag.ARITHMETIC;
    case FlagKind.ADD:
      return signZeroParity(result, width) | addFlags(result, source, 0, width);
    case FlagKind.ADC:
      return signZeroParity(result, width) | addFlags(result, source, aux & 1, width);
    case FlagKind.SUB:
      return signZeroParity(result, width) | subtractFlags(result, source, 0, width);
    case FlagKind.SBB:
      return signZeroParity(result, width) | subtractFlags(result, source, aux & 1, width);
    case FlagKind.INC: {
      const flags = addFlags(result, ONE, 0, width) & ~Flag.CARRY;
      return signZeroParity(result, width) | flags | (aux & Flag.CARRY);
    }
    case FlagKind.DEC: {
      const flags = subtractFlags(result, ONE, 0, width) & ~Flag.CARRY;
      return signZeroParity(result, width) | flags | (aux & Flag.CARRY);
    }
    case FlagKind.LOGIC:
      return signZeroParity(result, width);
    case FlagKind.SHIFT:
      return signZeroParity(result, width) | (source.low & (Flag.CARRY | Flag.OVERFLOW));
    case FlagKind.MULTIPLY:
      return signZeroParity(result, width) | (source.low & 1 ? Flag.CARRY | Flag.OVERFLOW : 0);
    default:
      return unreachable(kind);
  }
}
