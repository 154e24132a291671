/**
 * MMX: eight registers of 64 bits in the significands of the x87 ones, and the two kinds of
 * instruction that carry values between them and xmm registers. An operation runs on the lower half
 * of a vector temporary whose upper half is zero. Every instruction with an MMX register sets the
 * top of the x87 stack to 0 and marks all registers used; a pending x87 exception comes first.
 */
import { Cpu } from '../../layout.ts';
import { NONE, Op, Width } from '../ir.ts';
import { FloatOp } from '../float-op.ts';
import { OperandKind } from '../decode.ts';
import type { Decoded, Operand } from '../decode.ts';
import { Simd } from '../simd.ts';
import { operandAt, RDI, Unsupported, widthOf } from './emitter.ts';
import type { Emitter, Lifter, LifterTable, Temp } from './emitter.ts';
import { trapPending } from './x87.ts';
import {
  DIRECT,
  immediateOf,
  LANE_SHIFTS,
  selectors,
  shiftByImmediate,
  shiftByVector,
  sumOfDifferences,
} from './vector-integer.ts';
import type { LaneShift } from './vector-integer.ts';
import {
  extractLane,
  getXmm,
  insertLane,
  readVector,
  setXmm,
  shuffleLanes,
  simd,
  vectorConstant,
  xmmIndex,
} from './vectors.ts';

const REGISTER_BYTES = 16;
const TOP_MASK = 0x3800;
/** Sign and exponent that MMX writes: those of a NaN. */
const HEAD = 0xffff;
const ALL_USED = 0xff;

function mmxIndex(operand: Operand): number {
  if (operand.kind !== OperandKind.MMX) throw new Unsupported('operand');
  return operand.index;
}

function fromInteger(emit: Emitter, value: Temp): Temp {
  return insertLane(emit, vectorConstant(emit, 0n, 0n), Width.W64, 0, value);
}

function getMmxInteger(emit: Emitter, index: number): Temp {
  return emit.getState(Cpu.X87_REGISTERS + index * REGISTER_BYTES, Width.W64);
}

/** An MMX register, or `width` bits of memory, zero-extended to 128. */
function readMmx(emit: Emitter, operand: Operand, width: Width = Width.W64): Temp {
  if (operand.kind !== OperandKind.MMX) return readVector(emit, operand, width);
  return fromInteger(emit, getMmxInteger(emit, operand.index));
}

function setMmxInteger(emit: Emitter, index: number, value: Temp): void {
  const at = Cpu.X87_REGISTERS + index * REGISTER_BYTES;
  emit.setState(at, Width.W64, value);
  emit.setState(at + 8, Width.W32, emit.constant(HEAD));
}

function setMmx(emit: Emitter, index: number, vector: Temp): void {
  setMmxInteger(emit, index, extractLane(emit, vector, Width.W64, 0));
}

/** After everything that can fault. */
function enterMmx(emit: Emitter): void {
  const status = emit.getState(Cpu.X87_STATUS, Width.W32);
  const kept = emit.withConstant(Op.And, Width.W32, status, 0xffff & ~TOP_MASK);
  emit.setState(Cpu.X87_STATUS, Width.W32, kept);
  emit.setState(Cpu.X87_TAG, Width.W32, emit.constant(ALL_USED));
}

/** Checks for a pending exception, lifts, and leaves the x87 state as MMX does. */
function mmx(lift: Lifter): Lifter {
  return (emit, instruction) => {
    trapPending(emit);
    lift(emit, instruction);
    enterMmx(emit);
  };
}

type Combine = (emit: Emitter, a: Temp, b: Temp) => Temp;

/** mm = combine(mm, mm/m64). */
function packed(combine: Combine, memory: Width = Width.W64): Lifter {
  return mmx((emit, instruction) => {
    const index = mmxIndex(operandAt(instruction, 0));
    const source = readMmx(emit, operandAt(instruction, 1), memory);
    setMmx(emit, index, combine(emit, fromInteger(emit, getMmxInteger(emit, index)), source));
  });
}

function joined(emit: Emitter, a: Temp, b: Temp): Temp {
  return shuffleLanes(emit, a, b, 8, [0, 2]);
}

/** Packs narrow the lanes of both operands side by side. */
function pack(opcode: Simd): Lifter {
  return packed((emit, a, b) => {
    const both = joined(emit, a, b);
    return simd(emit, opcode, both, both);
  });
}

function unpack(laneBytes: number, half: 'low' | 'high'): Lifter {
  const count = 8 / laneBytes;
  const first = half === 'low' ? 0 : count / 2;
  const lanes = Array.from(
    { length: count },
    (_, lane) => first + (lane >> 1) + (lane & 1) * (16 / laneBytes),
  );
  const all = [...lanes, ...lanes];
  const combine: Combine = (emit, a, b) => shuffleLanes(emit, a, b, laneBytes, all);
  return packed(combine, half === 'low' ? Width.W32 : Width.W64);
}

function multiplyHigh(low: Simd): Lifter {
  return packed((emit, a, b) => {
    const products = simd(emit, low, a, b);
    return shuffleLanes(emit, products, products, 2, [1, 3, 5, 7, 1, 3, 5, 7]);
  });
}

function shift(lanes: LaneShift): Lifter {
  return mmx((emit, instruction) => {
    const index = mmxIndex(operandAt(instruction, 0));
    const source = operandAt(instruction, 1);
    const counts = source.kind === OperandKind.IMMEDIATE ? NONE : readMmx(emit, source);
    const value = fromInteger(emit, getMmxInteger(emit, index));
    const shifted =
      counts === NONE
        ? shiftByImmediate(emit, lanes, value, immediateOf(instruction, 1))
        : shiftByVector(emit, lanes, value, counts);
    setMmx(emit, index, shifted);
  });
}

const shuffleWords = mmx((emit, instruction) => {
  const source = readMmx(emit, operandAt(instruction, 1));
  const lanes = selectors(immediateOf(instruction, 2));
  const value = shuffleLanes(emit, source, source, 2, [...lanes, 4, 5, 6, 7]);
  setMmx(emit, mmxIndex(operandAt(instruction, 0)), value);
});

const insertWord = mmx((emit, instruction) => {
  const index = mmxIndex(operandAt(instruction, 0));
  const word = emit.read(operandAt(instruction, 1), Width.W16);
  const old = fromInteger(emit, getMmxInteger(emit, index));
  setMmx(emit, index, insertLane(emit, old, Width.W16, immediateOf(instruction, 2) & 3, word));
});

const extractWord = mmx((emit, instruction) => {
  const value = readMmx(emit, operandAt(instruction, 1));
  const word = extractLane(emit, value, Width.W16, immediateOf(instruction, 2) & 3);
  emit.write(operandAt(instruction, 0), Width.W64, word);
});

const signMask = mmx((emit, instruction) => {
  const value = readMmx(emit, operandAt(instruction, 1));
  const opcode = BigInt(Simd.I8X16_BITMASK);
  emit.write(
    operandAt(instruction, 0),
    Width.W64,
    emit.value(Op.Bitmask, Width.W64, value, NONE, NONE, opcode),
  );
});

/** movd and movq between an MMX register and a general register, memory, or another. */
const move = mmx((emit, instruction) => {
  const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
  if (destination.kind !== OperandKind.MMX) {
    const width = widthOf(destination);
    const value = getMmxInteger(emit, mmxIndex(source));
    emit.write(destination, width, width === Width.W64 ? value : emit.truncate(width, value));
  } else if (source.kind === OperandKind.MMX) {
    setMmxInteger(emit, destination.index, getMmxInteger(emit, source.index));
  } else {
    setMmxInteger(emit, destination.index, emit.read(source, widthOf(source)));
  }
});

const toXmm = mmx((emit, instruction) => {
  const value = readMmx(emit, operandAt(instruction, 1));
  setXmm(emit, xmmIndex(operandAt(instruction, 0)), value);
});

const fromXmm = mmx((emit, instruction) => {
  const value = getXmm(emit, xmmIndex(operandAt(instruction, 1)));
  setMmx(emit, mmxIndex(operandAt(instruction, 0)), value);
});

function float(emit: Emitter, operation: FloatOp, a: Temp, b: Temp): Temp {
  return emit.value(Op.Float, Width.W128, a, b, NONE, BigInt(operation));
}

/** cvtpi2ps, cvtpi2pd: to an xmm register. Only an MMX source makes it an MMX instruction. */
function convertToFloats(operation: FloatOp): Lifter {
  const convert: Lifter = (emit, instruction) => {
    const index = xmmIndex(operandAt(instruction, 0));
    const source = readMmx(emit, operandAt(instruction, 1));
    setXmm(emit, index, float(emit, operation, getXmm(emit, index), source));
  };
  const fromRegister: Lifter = (emit, instruction) => {
    trapPending(emit);
    enterMmx(emit);
    convert(emit, instruction);
  };
  return (emit, instruction) => {
    const isRegister = operandAt(instruction, 1).kind === OperandKind.MMX;
    (isRegister ? fromRegister : convert)(emit, instruction);
  };
}

/** cvt(t)ps2pi, cvt(t)pd2pi. */
function convertFromFloats(operation: FloatOp, memory: Width): Lifter {
  return (emit, instruction) => {
    trapPending(emit);
    const source = readVector(emit, operandAt(instruction, 1), memory);
    // The processor is in MMX state even where an unmasked exception stops the conversion.
    enterMmx(emit);
    const value = float(emit, operation, source, source);
    setMmx(emit, mmxIndex(operandAt(instruction, 0)), value);
  };
}

/**
 * maskmovq, maskmovdqu: stores the bytes whose mask byte is negative. All of the operand must be
 * writable even where nothing is stored; processors of both vendors may fault then too.
 */
function storeMasked(
  emit: Emitter,
  instruction: Decoded,
  width: Width.W64 | Width.W128,
  halves: readonly (readonly [value: Temp, mask: Temp])[],
): void {
  const pointer = emit.getRegister(RDI);
  const near = instruction.address32 ? emit.truncate(Width.W32, pointer) : pointer;
  const segment = instruction.segment;
  const base = segment === 'fs' ? Cpu.FS_BASE : Cpu.GS_BASE;
  const address =
    segment === undefined
      ? near
      : emit.value(Op.Add, Width.W64, near, emit.getState(base, Width.W64));
  const host = emit.value(Op.ProbeWrite, width, address);
  // A store at the probed address completes a write that crosses pages, so it comes last.
  [...halves.entries()].reverse().forEach(([half, [value, mask]]) => {
    const at = half === 0 ? host : emit.withConstant(Op.Add, Width.W64, host, 8 * half);
    const old = emit.value(Op.LoadHost, Width.W64, at);
    const chosen = emit.value(Op.And, Width.W64, value, mask);
    const others = emit.withConstant(Op.Xor, Width.W64, mask, -1n);
    const kept = emit.value(Op.And, Width.W64, old, others);
    emit.effect(Op.StoreHost, Width.W64, at, emit.value(Op.Or, Width.W64, chosen, kept));
  });
}

/** All ones in the bytes of `mask` that are negative. */
function byteMask(emit: Emitter, mask: Temp): Temp {
  return simd(emit, Simd.I8X16_GT_S, vectorConstant(emit, 0n, 0n), mask);
}

const maskedMmx: Lifter = (emit, instruction) => {
  trapPending(emit);
  // Before the store, which may fault: as AMD's processors do.
  enterMmx(emit);
  const value = getMmxInteger(emit, mmxIndex(operandAt(instruction, 1)));
  const mask = byteMask(emit, readMmx(emit, operandAt(instruction, 2)));
  storeMasked(emit, instruction, Width.W64, [[value, extractLane(emit, mask, Width.W64, 0)]]);
};

const maskedXmm: Lifter = (emit, instruction) => {
  const value = getXmm(emit, xmmIndex(operandAt(instruction, 1)));
  const mask = byteMask(emit, getXmm(emit, xmmIndex(operandAt(instruction, 2))));
  const half = (vector: Temp, lane: number): Temp => extractLane(emit, vector, Width.W64, lane);
  storeMasked(emit, instruction, Width.W128, [
    [half(value, 0), half(mask, 0)],
    [half(value, 1), half(mask, 1)],
  ]);
};

const direct = (opcode: Simd): Lifter => packed((emit, a, b) => simd(emit, opcode, a, b));

const entries = <T>(table: Readonly<Record<string, T>>, lift: (value: T) => Lifter): LifterTable =>
  Object.fromEntries(Object.entries(table).map(([name, value]) => [name, lift(value)]));

/** Instructions with an MMX operand. */
export const MMX_LIFTERS: LifterTable = {
  ...entries(DIRECT, direct),
  ...entries(LANE_SHIFTS, shift),
  packsswb: pack(Simd.I8X16_NARROW_I16X8_S),
  packuswb: pack(Simd.I8X16_NARROW_I16X8_U),
  packssdw: pack(Simd.I16X8_NARROW_I32X4_S),
  punpcklbw: unpack(1, 'low'),
  punpcklwd: unpack(2, 'low'),
  punpckldq: unpack(4, 'low'),
  punpckhbw: unpack(1, 'high'),
  punpckhwd: unpack(2, 'high'),
  punpckhdq: unpack(4, 'high'),
  pxor: direct(Simd.V128_XOR),
  pandn: packed((emit, a, b) => simd(emit, Simd.V128_ANDNOT, b, a)),
  pmulhw: multiplyHigh(Simd.I32X4_EXTMUL_LOW_I16X8_S),
  pmulhuw: multiplyHigh(Simd.I32X4_EXTMUL_LOW_I16X8_U),
  pmuludq: packed((emit, a, b) => simd(emit, Simd.I64X2_EXTMUL_LOW_I32X4_U, a, b)),
  psadbw: packed(sumOfDifferences),
  pshufw: shuffleWords,
  pinsrw: insertWord,
  pextrw: extractWord,
  pmovmskb: signMask,
  movd: move,
  movq: move,
  movntq: move,
  movq2dq: toXmm,
  movdq2q: fromXmm,
  maskmovq: maskedMmx,
  cvtpi2ps: convertToFloats(FloatOp.I32_TO_F32_PAIR),
  cvtpi2pd: convertToFloats(FloatOp.I32_TO_F64),
  cvtps2pi: convertFromFloats(FloatOp.F32_TO_I32_PAIR, Width.W64),
  cvttps2pi: convertFromFloats(FloatOp.F32_TO_I32_PAIR_TRUNCATE, Width.W64),
  cvtpd2pi: convertFromFloats(FloatOp.F64_TO_I32, Width.W128),
  cvttpd2pi: convertFromFloats(FloatOp.F64_TO_I32_TRUNCATE, Width.W128),
};

/** Their relatives without one. */
export const MMX_RELATIVES: LifterTable = {
  maskmovdqu: maskedXmm,
  cvtpi2ps: convertToFloats(FloatOp.I32_TO_F32_PAIR),
  cvtpi2pd: convertToFloats(FloatOp.I32_TO_F64),
  emms: (emit) => {
    trapPending(emit);
    enterMmx(emit);
    emit.setState(Cpu.X87_TAG, Width.W32, emit.constant(0));
  },
};
