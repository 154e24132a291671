/** SSE2 integer arithmetic, logic, comparison, shifts, shuffles, packs; and the bitwise float ops. */
import { NONE, Op, Width } from '../ir.ts';
import { OperandKind } from '../decode.ts';
import { Simd } from '../simd.ts';
import { operandAt, Unsupported } from './emitter.ts';
import type { Emitter, Lifter, LifterTable, Temp } from './emitter.ts';
import {
  extractLane,
  getXmm,
  insertLane,
  readVector,
  setXmm,
  shuffleBytes,
  shuffleLanes,
  simd,
  vectorConstant,
  xmmIndex,
} from './vectors.ts';

type Combine = (emit: Emitter, a: Temp, b: Temp) => Temp;

/** xmm = combine(xmm, xmm/m128). */
export function packed(combine: Combine): Lifter {
  return (emit, instruction) => {
    const index = xmmIndex(operandAt(instruction, 0));
    const source = readVector(emit, operandAt(instruction, 1), Width.W128);
    setXmm(emit, index, combine(emit, getXmm(emit, index), source));
  };
}

/** One SIMD op does it. */
function direct(opcode: Simd): Lifter {
  return packed((emit, a, b) => simd(emit, opcode, a, b));
}

/** Instructions that are one SIMD op on all lanes. */
export const DIRECT: Readonly<Record<string, Simd>> = {
  paddb: Simd.I8X16_ADD, paddw: Simd.I16X8_ADD, paddd: Simd.I32X4_ADD, paddq: Simd.I64X2_ADD,
  psubb: Simd.I8X16_SUB, psubw: Simd.I16X8_SUB, psubd: Simd.I32X4_SUB, psubq: Simd.I64X2_SUB,
  paddsb: Simd.I8X16_ADD_SAT_S, paddusb: Simd.I8X16_ADD_SAT_U,
  paddsw: Simd.I16X8_ADD_SAT_S, paddusw: Simd.I16X8_ADD_SAT_U,
  psubsb: Simd.I8X16_SUB_SAT_S, psubusb: Simd.I8X16_SUB_SAT_U,
  psubsw: Simd.I16X8_SUB_SAT_S, psubusw: Simd.I16X8_SUB_SAT_U,
  pcmpeqb: Simd.I8X16_EQ, pcmpeqw: Simd.I16X8_EQ, pcmpeqd: Simd.I32X4_EQ,
  pcmpgtb: Simd.I8X16_GT_S, pcmpgtw: Simd.I16X8_GT_S, pcmpgtd: Simd.I32X4_GT_S,
  pand: Simd.V128_AND, por: Simd.V128_OR,
  andps: Simd.V128_AND, andpd: Simd.V128_AND, orps: Simd.V128_OR, orpd: Simd.V128_OR,
  pmaxub: Simd.I8X16_MAX_U, pminub: Simd.I8X16_MIN_U,
  pmaxsw: Simd.I16X8_MAX_S, pminsw: Simd.I16X8_MIN_S,
  pavgb: Simd.I8X16_AVGR_U, pavgw: Simd.I16X8_AVGR_U,
  packsswb: Simd.I8X16_NARROW_I16X8_S, packuswb: Simd.I8X16_NARROW_I16X8_U,
  packssdw: Simd.I16X8_NARROW_I32X4_S,
  pmullw: Simd.I16X8_MUL, pmaddwd: Simd.I32X4_DOT_I16X8_S,
}; // prettier-ignore

/** pxor, xorps, xorpd; of a register with itself, the zeroing idiom. */
const exclusiveOr: Lifter = (emit, instruction) => {
  const index = xmmIndex(operandAt(instruction, 0));
  const source = operandAt(instruction, 1);
  if (source.kind === OperandKind.XMM && source.index === index) {
    setXmm(emit, index, vectorConstant(emit, 0n, 0n));
    return;
  }
  const value = readVector(emit, source, Width.W128);
  setXmm(emit, index, simd(emit, Simd.V128_XOR, getXmm(emit, index), value));
};

/** pandn, andnps, andnpd: ~a & b. */
const andNot = packed((emit, a, b) => simd(emit, Simd.V128_ANDNOT, b, a));

/** Interleaves the low (or high) lanes of a and b. */
function unpack(laneBytes: number, half: 'low' | 'high'): Lifter {
  const count = 16 / laneBytes;
  const first = half === 'low' ? 0 : count / 2;
  const lanes = Array.from(
    { length: count },
    (_, lane) => first + (lane >> 1) + (lane & 1) * count,
  );
  return packed((emit, a, b) => shuffleLanes(emit, a, b, laneBytes, lanes));
}

/** The high halves of 16 x 16 bit products. */
function multiplyHigh(low: Simd, high: Simd): Lifter {
  return packed((emit, a, b) => {
    const products = [simd(emit, low, a, b), simd(emit, high, a, b)] as const;
    return shuffleLanes(emit, products[0], products[1], 2, [1, 3, 5, 7, 9, 11, 13, 15]);
  });
}

const multiplyEvenDoublewords = packed((emit, a, b) => {
  const even = (v: Temp): Temp => shuffleLanes(emit, v, v, 4, [0, 2, 0, 2]);
  return simd(emit, Simd.I64X2_EXTMUL_LOW_I32X4_U, even(a), even(b));
});

export function sumOfDifferences(emit: Emitter, a: Temp, b: Temp): Temp {
  const larger = simd(emit, Simd.I8X16_MAX_U, a, b);
  const smaller = simd(emit, Simd.I8X16_MIN_U, a, b);
  const bytes = simd(emit, Simd.I8X16_SUB, larger, smaller);
  const words = simd(emit, Simd.I16X8_EXTADD_PAIRWISE_I8X16_U, bytes);
  const doublewords = simd(emit, Simd.I32X4_EXTADD_PAIRWISE_I16X8_U, words);
  const swapped = shuffleLanes(emit, doublewords, doublewords, 4, [1, 0, 3, 2]);
  const sums = simd(emit, Simd.I32X4_ADD, doublewords, swapped);
  return simd(emit, Simd.V128_AND, sums, vectorConstant(emit, 0xffffffffn, 0xffffffffn));
}

export function immediateOf(instruction: Parameters<Lifter>[1], position: number): number {
  const operand = operandAt(instruction, position);
  if (operand.kind !== OperandKind.IMMEDIATE) throw new Unsupported('operand');
  return Number(operand.value & 0xffn);
}

/** Four 2-bit lane selectors of an immediate. */
export function selectors(immediate: number): readonly number[] {
  return [0, 2, 4, 6].map((shift) => (immediate >> shift) & 3);
}

/** pshufd, pshuflw, pshufhw: lanes of the source alone. */
function shuffleSource(
  laneBytes: number,
  arrange: (chosen: readonly number[]) => number[],
): Lifter {
  return (emit, instruction) => {
    const index = xmmIndex(operandAt(instruction, 0));
    const source = readVector(emit, operandAt(instruction, 1), Width.W128);
    const lanes = arrange(selectors(immediateOf(instruction, 2)));
    setXmm(emit, index, shuffleLanes(emit, source, source, laneBytes, lanes));
  };
}

/** shufps, shufpd: the low lanes from the destination, the high ones from the source. */
function shufflePair(laneBytes: number, arrange: (immediate: number) => readonly number[]): Lifter {
  return (emit, instruction) => {
    const index = xmmIndex(operandAt(instruction, 0));
    const source = readVector(emit, operandAt(instruction, 1), Width.W128);
    const lanes = arrange(immediateOf(instruction, 2));
    setXmm(emit, index, shuffleLanes(emit, getXmm(emit, index), source, laneBytes, lanes));
  };
}

/** psrldq (negative direction), pslldq: by whole bytes. */
function shiftBytes(direction: 1 | -1): Lifter {
  return (emit, instruction) => {
    const index = xmmIndex(operandAt(instruction, 0));
    const count = Math.min(immediateOf(instruction, 1), 16);
    const indices = Array.from({ length: 16 }, (_, byte) => {
      const from = byte - direction * count;
      return from >= 0 && from < 16 ? from : 16;
    });
    const zero = vectorConstant(emit, 0n, 0n);
    setXmm(emit, index, shuffleBytes(emit, getXmm(emit, index), zero, indices));
  };
}

export interface LaneShift {
  readonly opcode: Simd;
  readonly bits: number;
  readonly arithmetic: boolean;
}

export function shiftByImmediate(
  emit: Emitter,
  shift: LaneShift,
  value: Temp,
  count: number,
): Temp {
  if (count >= shift.bits && !shift.arithmetic) return vectorConstant(emit, 0n, 0n);
  const limited = emit.constant(Math.min(count, shift.bits - 1));
  return emit.value(Op.VectorShift, Width.W128, value, limited, NONE, BigInt(shift.opcode));
}

/** The count is the low quadword of an xmm register or memory; too large a one shifts all out. */
export function shiftByVector(emit: Emitter, shift: LaneShift, value: Temp, counts: Temp): Temp {
  const { bits, opcode } = shift;
  const count = extractLane(emit, counts, Width.W64, 0);
  const limit = emit.constant(bits - 1);
  const beyond = emit.value(Op.LtU, Width.W64, limit, count);
  if (shift.arithmetic) {
    const limited = emit.value(Op.Select, Width.W64, beyond, limit, count);
    return emit.value(Op.VectorShift, Width.W128, value, limited, NONE, BigInt(opcode));
  }
  const limited = emit.value(Op.And, Width.W64, count, limit);
  const moved = emit.value(Op.VectorShift, Width.W128, value, limited, NONE, BigInt(opcode));
  const keep = emit.value(Op.Select, Width.W64, beyond, emit.constant(0), emit.constant(-1n));
  const half = insertLane(emit, vectorConstant(emit, 0n, 0n), Width.W64, 0, keep);
  return simd(emit, Simd.V128_AND, moved, insertLane(emit, half, Width.W64, 1, keep));
}

function shiftLanes(shift: LaneShift): Lifter {
  return (emit, instruction) => {
    const index = xmmIndex(operandAt(instruction, 0));
    const source = operandAt(instruction, 1);
    if (source.kind === OperandKind.IMMEDIATE) {
      const count = immediateOf(instruction, 1);
      setXmm(emit, index, shiftByImmediate(emit, shift, getXmm(emit, index), count));
    } else {
      const counts = readVector(emit, source, Width.W128);
      setXmm(emit, index, shiftByVector(emit, shift, getXmm(emit, index), counts));
    }
  };
}

export const LANE_SHIFTS: Readonly<Record<string, LaneShift>> = {
  psllw: { opcode: Simd.I16X8_SHL, bits: 16, arithmetic: false },
  pslld: { opcode: Simd.I32X4_SHL, bits: 32, arithmetic: false },
  psllq: { opcode: Simd.I64X2_SHL, bits: 64, arithmetic: false },
  psrlw: { opcode: Simd.I16X8_SHR_U, bits: 16, arithmetic: false },
  psrld: { opcode: Simd.I32X4_SHR_U, bits: 32, arithmetic: false },
  psrlq: { opcode: Simd.I64X2_SHR_U, bits: 64, arithmetic: false },
  psraw: { opcode: Simd.I16X8_SHR_S, bits: 16, arithmetic: true },
  psrad: { opcode: Simd.I32X4_SHR_S, bits: 32, arithmetic: true },
};

const insertWord: Lifter = (emit, instruction) => {
  const index = xmmIndex(operandAt(instruction, 0));
  const word = emit.read(operandAt(instruction, 1), Width.W16);
  const lane = immediateOf(instruction, 2) & 7;
  setXmm(emit, index, insertLane(emit, getXmm(emit, index), Width.W16, lane, word));
};

const extractWord: Lifter = (emit, instruction) => {
  const value = getXmm(emit, xmmIndex(operandAt(instruction, 1)));
  const lane = immediateOf(instruction, 2) & 7;
  emit.write(operandAt(instruction, 0), Width.W64, extractLane(emit, value, Width.W16, lane));
};

/** pmovmskb, movmskps, movmskpd: the sign bits of lanes. */
function signMask(opcode: Simd): Lifter {
  return (emit, instruction) => {
    const value = getXmm(emit, xmmIndex(operandAt(instruction, 1)));
    const mask = emit.value(Op.Bitmask, Width.W64, value, NONE, NONE, BigInt(opcode));
    emit.write(operandAt(instruction, 0), Width.W64, mask);
  };
}

const entries = <T>(table: Readonly<Record<string, T>>, lift: (value: T) => Lifter): LifterTable =>
  Object.fromEntries(Object.entries(table).map(([name, value]) => [name, lift(value)]));

export const VECTOR_INTEGER_LIFTERS: LifterTable = {
  ...entries(DIRECT, direct),
  ...entries(LANE_SHIFTS, shiftLanes),
  pxor: exclusiveOr,
  xorps: exclusiveOr,
  xorpd: exclusiveOr,
  pandn: andNot,
  andnps: andNot,
  andnpd: andNot,
  punpcklbw: unpack(1, 'low'),
  punpcklwd: unpack(2, 'low'),
  punpckldq: unpack(4, 'low'),
  punpcklqdq: unpack(8, 'low'),
  punpckhbw: unpack(1, 'high'),
  punpckhwd: unpack(2, 'high'),
  punpckhdq: unpack(4, 'high'),
  punpckhqdq: unpack(8, 'high'),
  unpcklps: unpack(4, 'low'),
  unpcklpd: unpack(8, 'low'),
  unpckhps: unpack(4, 'high'),
  unpckhpd: unpack(8, 'high'),
  pmulhw: multiplyHigh(Simd.I32X4_EXTMUL_LOW_I16X8_S, Simd.I32X4_EXTMUL_HIGH_I16X8_S),
  pmulhuw: multiplyHigh(Simd.I32X4_EXTMUL_LOW_I16X8_U, Simd.I32X4_EXTMUL_HIGH_I16X8_U),
  pmuludq: multiplyEvenDoublewords,
  psadbw: packed(sumOfDifferences),
  pshufd: shuffleSource(4, (chosen) => [...chosen]),
  pshuflw: shuffleSource(2, (chosen) => [...chosen, 4, 5, 6, 7]),
  pshufhw: shuffleSource(2, (chosen) => [0, 1, 2, 3, ...chosen.map((lane) => lane + 4)]),
  shufps: shufflePair(4, (immediate) =>
    selectors(immediate).map((lane, position) => (position < 2 ? lane : lane + 4)),
  ),
  shufpd: shufflePair(8, (immediate) => [immediate & 1, 2 + ((immediate >> 1) & 1)]),
  psrldq: shiftBytes(-1),
  pslldq: shiftBytes(1),
  pinsrw: insertWord,
  pextrw: extractWord,
  pmovmskb: signMask(Simd.I8X16_BITMASK),
  movmskps: signMask(Simd.I32X4_BITMASK),
  movmskpd: signMask(Simd.I64X2_BITMASK),
};
