/**
 * SSE and SSE2 floating point: arithmetic, comparison, conversion. rcpps and rsqrtps give the exact
 * quotient, which their allowed error includes. Omits: exceptions and their sticky bits in MXCSR.
 */
import { Helper, NONE, Op, Width } from '../ir.ts';
import { OperandKind } from '../decode.ts';
import { ScalarOp, Simd } from '../simd.ts';
import { operandAt, Unsupported, widthOf } from './emitter.ts';
import type { Emitter, Lifter, LifterTable, Temp } from './emitter.ts';
import { setRaw } from './flags.ts';
import { packed } from './vector-integer.ts';
import {
  extractLane,
  getXmm,
  insertLane,
  mergeLow,
  readVector,
  setXmm,
  shuffleLanes,
  simd,
  vectorConstant,
  xmmIndex,
} from './vectors.ts';

type Precision = Width.W32 | Width.W64;

const enum Rounding {
  MXCSR = 0,
  TRUNCATE = 1,
}

/** Low lane = low lane op low lane of the source; the rest of the destination stays. */
function scalar(precision: Precision, opcode: ScalarOp): Lifter {
  return (emit, instruction) => {
    const index = xmmIndex(operandAt(instruction, 0));
    const source = readVector(emit, operandAt(instruction, 1), precision);
    const old = getXmm(emit, index);
    setXmm(emit, index, emit.value(Op.ScalarFloat, precision, old, source, NONE, BigInt(opcode)));
  };
}

/** The same by a packed computation whose low lane is taken. */
function scalarOf(
  precision: Precision,
  combine: (emit: Emitter, a: Temp, b: Temp) => Temp,
): Lifter {
  return (emit, instruction) => {
    const index = xmmIndex(operandAt(instruction, 0));
    const source = readVector(emit, operandAt(instruction, 1), precision);
    const old = getXmm(emit, index);
    setXmm(emit, index, mergeLow(emit, combine(emit, old, source), old, precision));
  };
}

const binary = (opcode: Simd): Lifter => packed((emit, a, b) => simd(emit, opcode, a, b));
const unary = (opcode: Simd): Lifter => packed((emit, _, b) => simd(emit, opcode, b));

/** min and max: the second operand when either is a NaN or both are zeros. */
function extreme(opcode: Simd): (emit: Emitter, a: Temp, b: Temp) => Temp {
  return (emit, a, b) => simd(emit, opcode, b, a);
}

const ONE_F32 = 0x3f8000003f800000n;

function reciprocal(emit: Emitter, value: Temp): Temp {
  return simd(emit, Simd.F32X4_DIV, vectorConstant(emit, ONE_F32, ONE_F32), value);
}

interface Compares {
  readonly eq: Simd;
  readonly ne: Simd;
  readonly lt: Simd;
  readonly le: Simd;
}

const COMPARES: Readonly<Record<Precision, Compares>> = {
  [Width.W32]: { eq: Simd.F32X4_EQ, ne: Simd.F32X4_NE, lt: Simd.F32X4_LT, le: Simd.F32X4_LE },
  [Width.W64]: { eq: Simd.F64X2_EQ, ne: Simd.F64X2_NE, lt: Simd.F64X2_LT, le: Simd.F64X2_LE },
};

/** All ones where predicate `immediate` holds: eq, lt, le, unord, and their negations. */
function comparison(
  emit: Emitter,
  precision: Precision,
  immediate: number,
  a: Temp,
  b: Temp,
): Temp {
  const { eq, ne, lt, le } = COMPARES[precision];
  const not = (value: Temp): Temp => simd(emit, Simd.V128_NOT, value);
  const unordered = (): Temp =>
    simd(emit, Simd.V128_OR, simd(emit, ne, a, a), simd(emit, ne, b, b));
  switch (immediate & 7) {
    case 0:
      return simd(emit, eq, a, b);
    case 1:
      return simd(emit, lt, a, b);
    case 2:
      return simd(emit, le, a, b);
    case 3:
      return unordered();
    case 4:
      return simd(emit, ne, a, b);
    case 5:
      return not(simd(emit, lt, a, b));
    case 6:
      return not(simd(emit, le, a, b));
    default:
      return not(unordered());
  }
}

function compareToMask(precision: Precision, whole: boolean): Lifter {
  return (emit, instruction) => {
    const predicate = operandAt(instruction, 2);
    if (predicate.kind !== OperandKind.IMMEDIATE) throw new Unsupported('operand');
    const immediate = Number(predicate.value & 7n);
    const combine = (_: Emitter, a: Temp, b: Temp): Temp =>
      comparison(emit, precision, immediate, a, b);
    (whole ? packed(combine) : scalarOf(precision, combine))(emit, instruction);
  };
}

/** comiss, ucomiss, comisd, ucomisd: they differ in exceptions alone. */
function compareToFlags(precision: Precision, helper: Helper): Lifter {
  return (emit, instruction) => {
    const source = readVector(emit, operandAt(instruction, 1), precision);
    const left = getXmm(emit, xmmIndex(operandAt(instruction, 0)));
    const a = extractLane(emit, left, precision, 0);
    const b = extractLane(emit, source, precision, 0);
    setRaw(emit, emit.call(helper, a, b));
  };
}

/** cvtsi2ss, cvtsi2sd. */
function fromInteger(precision: Precision, helper: Helper): Lifter {
  return (emit, instruction) => {
    const index = xmmIndex(operandAt(instruction, 0));
    const source = operandAt(instruction, 1);
    const width = widthOf(source);
    const value = emit.read(source, width);
    const integer = width === Width.W64 ? value : emit.signExtend(value, width);
    const bits = emit.call(helper, integer);
    setXmm(emit, index, insertLane(emit, getXmm(emit, index), precision, 0, bits));
  };
}

/** cvt(t)ss2si, cvt(t)sd2si. */
function toInteger(precision: Precision, rounding: Rounding): Lifter {
  const helpers =
    precision === Width.W64
      ? [Helper.F64ToI32, Helper.F64ToI64]
      : [Helper.F32ToI32, Helper.F32ToI64];
  return (emit, instruction) => {
    const destination = operandAt(instruction, 0);
    const width = widthOf(destination);
    const source = readVector(emit, operandAt(instruction, 1), precision);
    const bits = extractLane(emit, source, precision, 0);
    const helper = helpers[width - Width.W32] ?? Helper.F64ToI64;
    const integer = emit.call(helper, bits, emit.constant(rounding));
    emit.write(destination, width, integer);
  };
}

/** cvtss2sd, cvtsd2ss. */
function convertScalar(from: Precision, to: Precision, helper: Helper): Lifter {
  return (emit, instruction) => {
    const index = xmmIndex(operandAt(instruction, 0));
    const source = readVector(emit, operandAt(instruction, 1), from);
    const bits = emit.call(helper, extractLane(emit, source, from, 0));
    setXmm(emit, index, insertLane(emit, getXmm(emit, index), to, 0, bits));
  };
}

interface LaneConversion {
  readonly from: Width;
  readonly to: Width;
  readonly lanes: number;
  /** Bits read from a memory operand. */
  readonly memory: Width;
  readonly convert: (emit: Emitter, lane: Temp) => Temp;
}

/** Packed conversions, lane by lane; lanes beyond become zero. */
function convertLanes(conversion: LaneConversion): Lifter {
  const { from, to, lanes, memory, convert } = conversion;
  return (emit, instruction) => {
    const index = xmmIndex(operandAt(instruction, 0));
    const source = readVector(emit, operandAt(instruction, 1), memory);
    let result = vectorConstant(emit, 0n, 0n);
    for (let lane = 0; lane < lanes; lane++) {
      const value = convert(emit, extractLane(emit, source, from, lane));
      result = insertLane(emit, result, to, lane, value);
    }
    setXmm(emit, index, result);
  };
}

const toInt32 =
  (helper: Helper, rounding: Rounding) =>
  (emit: Emitter, lane: Temp): Temp =>
    emit.call(helper, lane, emit.constant(rounding));
const byHelper =
  (helper: Helper) =>
  (emit: Emitter, lane: Temp): Temp =>
    emit.call(helper, lane);
const fromInt32 =
  (helper: Helper) =>
  (emit: Emitter, lane: Temp): Temp =>
    emit.call(helper, emit.signExtend(lane, Width.W32));

const W32 = Width.W32;
const W64 = Width.W64;
const W128 = Width.W128;

const PACKED_CONVERSIONS: Readonly<Record<string, LaneConversion>> = {
  cvtdq2pd: { from: W32, to: W64, lanes: 2, memory: W64, convert: fromInt32(Helper.F64FromI64) },
  cvtdq2ps: { from: W32, to: W32, lanes: 4, memory: W128, convert: fromInt32(Helper.F32FromI64) },
  cvtps2pd: { from: W32, to: W64, lanes: 2, memory: W64, convert: byHelper(Helper.F64FromF32) },
  cvtpd2ps: { from: W64, to: W32, lanes: 2, memory: W128, convert: byHelper(Helper.F32FromF64) },
  cvtps2dq: { from: W32, to: W32, lanes: 4, memory: W128, convert: toInt32(Helper.F32ToI32, 0) },
  cvttps2dq: { from: W32, to: W32, lanes: 4, memory: W128, convert: toInt32(Helper.F32ToI32, 1) },
  cvtpd2dq: { from: W64, to: W32, lanes: 2, memory: W128, convert: toInt32(Helper.F64ToI32, 0) },
  cvttpd2dq: { from: W64, to: W32, lanes: 2, memory: W128, convert: toInt32(Helper.F64ToI32, 1) },
};

/** haddps, hsubpd ...: even lanes op odd lanes of destination and source. */
function horizontal(laneBytes: 4 | 8, opcode: Simd): Lifter {
  const even = laneBytes === 4 ? [0, 2, 4, 6] : [0, 2];
  const odd = even.map((lane) => lane + 1);
  return packed((emit, a, b) =>
    simd(
      emit,
      opcode,
      shuffleLanes(emit, a, b, laneBytes, even),
      shuffleLanes(emit, a, b, laneBytes, odd),
    ),
  );
}

/** addsubps, addsubpd: even lanes subtract, odd ones add. */
function addSubtract(laneBytes: 4 | 8, add: Simd, subtract: Simd): Lifter {
  const lanes = laneBytes === 4 ? [0, 5, 2, 7] : [0, 3];
  return packed((emit, a, b) =>
    shuffleLanes(emit, simd(emit, subtract, a, b), simd(emit, add, a, b), laneBytes, lanes),
  );
}

const rsqrt = (emit: Emitter, _: Temp, b: Temp): Temp =>
  reciprocal(emit, simd(emit, Simd.F32X4_SQRT, b));
const rcp = (emit: Emitter, _: Temp, b: Temp): Temp => reciprocal(emit, b);

export const VECTOR_FLOAT_LIFTERS: LifterTable = {
  addss: scalar(W32, ScalarOp.F32_ADD),
  subss: scalar(W32, ScalarOp.F32_SUB),
  mulss: scalar(W32, ScalarOp.F32_MUL),
  divss: scalar(W32, ScalarOp.F32_DIV),
  sqrtss: scalar(W32, ScalarOp.F32_SQRT),
  addsd: scalar(W64, ScalarOp.F64_ADD),
  subsd: scalar(W64, ScalarOp.F64_SUB),
  mulsd: scalar(W64, ScalarOp.F64_MUL),
  divsd: scalar(W64, ScalarOp.F64_DIV),
  sqrtsd: scalar(W64, ScalarOp.F64_SQRT),
  minss: scalarOf(W32, extreme(Simd.F32X4_PMIN)),
  maxss: scalarOf(W32, extreme(Simd.F32X4_PMAX)),
  minsd: scalarOf(W64, extreme(Simd.F64X2_PMIN)),
  maxsd: scalarOf(W64, extreme(Simd.F64X2_PMAX)),
  rcpss: scalarOf(W32, rcp),
  rsqrtss: scalarOf(W32, rsqrt),
  addps: binary(Simd.F32X4_ADD),
  subps: binary(Simd.F32X4_SUB),
  mulps: binary(Simd.F32X4_MUL),
  divps: binary(Simd.F32X4_DIV),
  sqrtps: unary(Simd.F32X4_SQRT),
  addpd: binary(Simd.F64X2_ADD),
  subpd: binary(Simd.F64X2_SUB),
  mulpd: binary(Simd.F64X2_MUL),
  divpd: binary(Simd.F64X2_DIV),
  sqrtpd: unary(Simd.F64X2_SQRT),
  minps: packed(extreme(Simd.F32X4_PMIN)),
  maxps: packed(extreme(Simd.F32X4_PMAX)),
  minpd: packed(extreme(Simd.F64X2_PMIN)),
  maxpd: packed(extreme(Simd.F64X2_PMAX)),
  rcpps: packed(rcp),
  rsqrtps: packed(rsqrt),
  haddps: horizontal(4, Simd.F32X4_ADD),
  hsubps: horizontal(4, Simd.F32X4_SUB),
  haddpd: horizontal(8, Simd.F64X2_ADD),
  hsubpd: horizontal(8, Simd.F64X2_SUB),
  addsubps: addSubtract(4, Simd.F32X4_ADD, Simd.F32X4_SUB),
  addsubpd: addSubtract(8, Simd.F64X2_ADD, Simd.F64X2_SUB),
  cmpss: compareToMask(W32, false),
  cmpsd: compareToMask(W64, false),
  cmpps: compareToMask(W32, true),
  cmppd: compareToMask(W64, true),
  comiss: compareToFlags(W32, Helper.CompareF32),
  ucomiss: compareToFlags(W32, Helper.CompareF32),
  comisd: compareToFlags(W64, Helper.CompareF64),
  ucomisd: compareToFlags(W64, Helper.CompareF64),
  cvtsi2ss: fromInteger(W32, Helper.F32FromI64),
  cvtsi2sd: fromInteger(W64, Helper.F64FromI64),
  cvtss2si: toInteger(W32, Rounding.MXCSR),
  cvttss2si: toInteger(W32, Rounding.TRUNCATE),
  cvtsd2si: toInteger(W64, Rounding.MXCSR),
  cvttsd2si: toInteger(W64, Rounding.TRUNCATE),
  cvtss2sd: convertScalar(W32, W64, Helper.F64FromF32),
  cvtsd2ss: convertScalar(W64, W32, Helper.F32FromF64),
  ...Object.fromEntries(
    Object.entries(PACKED_CONVERSIONS).map(([name, value]) => [name, convertLanes(value)]),
  ),
};
