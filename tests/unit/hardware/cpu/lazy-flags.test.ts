/** Every flag of every lazy operation, against the definitions in the architecture manual. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlagKind, Width } from '../../../../machine/hardware/cpu/ir.ts';
import { arithmeticFlags, type Halves } from '../../../../machine/hardware/cpu/lazy-flags.ts';

const CF = 0x1;
const PF = 0x4;
const AF = 0x10;
const ZF = 0x40;
const SF = 0x80;
const OF = 0x800;

function halves(value: bigint): Halves {
  return { low: Number(value & 0xffffffffn), high: Number(value >> 32n) };
}

function resultFlags(result: bigint, bits: number): number {
  const low = Number(result & 0xffn).toString(2);
  const even = low.replaceAll('0', '').length % 2 === 0;
  return (even ? PF : 0) | (result === 0n ? ZF : 0) | (result >> BigInt(bits - 1) !== 0n ? SF : 0);
}

/** Flags of a + b + carry, by unbounded integers. */
function sum(a: bigint, b: bigint, carry: bigint, bits: number): { result: bigint; flags: number } {
  const result = BigInt.asUintN(bits, a + b + carry);
  const signed = BigInt.asIntN(bits, a) + BigInt.asIntN(bits, b) + carry;
  const flags =
    (a + b + carry > result ? CF : 0) |
    (signed !== BigInt.asIntN(bits, result) ? OF : 0) |
    ((a & 15n) + (b & 15n) + carry > 15n ? AF : 0);
  return { result, flags: flags | resultFlags(result, bits) };
}

/** Flags of a - b - borrow. */
function difference(
  a: bigint,
  b: bigint,
  borrow: bigint,
  bits: number,
): { result: bigint; flags: number } {
  const result = BigInt.asUintN(bits, a - b - borrow);
  const signed = BigInt.asIntN(bits, a) - BigInt.asIntN(bits, b) - borrow;
  const flags =
    (a < b + borrow ? CF : 0) |
    (signed !== BigInt.asIntN(bits, result) ? OF : 0) |
    ((a & 15n) < (b & 15n) + borrow ? AF : 0);
  return { result, flags: flags | resultFlags(result, bits) };
}

const WIDTHS = [Width.W8, Width.W16, Width.W32, Width.W64];

function check(width: Width, a: bigint, b: bigint, carry: number): void {
  const bits = 8 << width;
  const flags = (kind: FlagKind, result: bigint, source: bigint, aux: number): number =>
    arithmeticFlags(kind * 4 + width, halves(result), halves(source), aux);
  const c = BigInt(carry);
  const add = sum(a, b, 0n, bits);
  expect(flags(FlagKind.ADD, add.result, b, 0)).toBe(add.flags);
  const adc = sum(a, b, c, bits);
  expect(flags(FlagKind.ADC, adc.result, b, carry)).toBe(adc.flags);
  const sub = difference(a, b, 0n, bits);
  expect(flags(FlagKind.SUB, sub.result, b, 0)).toBe(sub.flags);
  const sbb = difference(a, b, c, bits);
  expect(flags(FlagKind.SBB, sbb.result, b, carry)).toBe(sbb.flags);
  const inc = sum(a, 1n, 0n, bits);
  expect(flags(FlagKind.INC, inc.result, 0n, carry)).toBe((inc.flags & ~CF) | carry);
  const dec = difference(a, 1n, 0n, bits);
  expect(flags(FlagKind.DEC, dec.result, 0n, carry)).toBe((dec.flags & ~CF) | carry);
  expect(flags(FlagKind.LOGIC, a & b, 0n, 0)).toBe(resultFlags(a & b, bits));
  const carried = BigInt(carry) | 0x800n;
  expect(flags(FlagKind.SHIFT, a, carried, 0)).toBe(resultFlags(a, bits) | carry | OF);
  expect(flags(FlagKind.MULTIPLY, a, c, 0)).toBe(resultFlags(a, bits) | (carry ? CF | OF : 0));
  expect(flags(FlagKind.RAW, a, 0xffffn, 0)).toBe(0x8d5);
}

describe('lazy flags', () => {
  it('agree with the definitions on edges of every width', () => {
    for (const width of WIDTHS) {
      const bits = BigInt(8 << width);
      const edges = [
        0n,
        1n,
        15n,
        16n,
        (1n << (bits - 1n)) - 1n,
        1n << (bits - 1n),
        (1n << bits) - 1n,
      ];
      for (const a of edges) {
        for (const b of edges) for (const carry of [0, 1]) check(width, a, b, carry);
      }
    }
  });

  it('agree with the definitions on random operands', () => {
    const operand = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
    fc.assert(
      fc.property(
        fc.constantFrom(...WIDTHS),
        operand,
        operand,
        fc.nat({ max: 1 }),
        (width, a, b, carry) => {
          const bits = 8 << width;
          check(width, BigInt.asUintN(bits, a), BigInt.asUintN(bits, b), carry);
        },
      ),
      { numRuns: 1000, seed: 7 },
    );
  });
});
