/**
 * SSE and SSE2 floating point: arithmetic, comparison, conversion. rcpps and rsqrtps give the exact
 * quotient, which their allowed error includes.
 */
import { Helper, NONE, Op, Width } from '../ir.ts';
import { OperandKind } from '../decode.ts';
import { FloatForm, FloatOp } from '../float-op.ts';
import { operandAt, Unsupported, widthOf } from './emitter.ts';
import type { Emitter, Lifter, LifterTable, Temp } from './emitter.ts';
import { setRaw } from './flags.ts';
import { packed } from './vector-integer.ts';
import {
  extractLane,
  getXmm,
  insertLane,
  readVector,
  setXmm,
  shuffleLanes,
  xmmIndex,
} from './vectors.ts';

type Precision = Width.W32 | Width.W64;

const enum Rounding {
  MXCSR = 0,
  TRUNCATE = 1,
}

const DOUBLE: Readonly<Record<Precision, number>> = {
  [Width.W32]: 0,
  [Width.W64]: FloatForm.DOUBLE,
};

function float(emit: Emitter, form: number, a: Temp, b: Temp): Temp {
  return emit.value(Op.Float, Width.W128, a, b, NONE, BigInt(form));
}

/** Low lane = low lane op low lane of the source; the rest of the destination stays. */
function scalar(precision: Precision, operation: number): Lifter {
  const form = operation | FloatForm.SCALAR | DOUBLE[precision];
  return (emit, instruction) => {
    const index = xmmIndex(operandAt(instruction, 0));
    const source = readVector(emit, operandAt(instruction, 1), precision);
    setXmm(emit, index, float(emit, form, getXmm(emit, index), source));
  };
}

/** All lanes; unary operations take the source. */
function whole(precision: Precision, operation: number): Lifter {
  const form = operation | DOUBLE[precision];
  return packed((emit, a, b) => float(emit, form, a, b));
}

/** The predicate is one of eight; the other bits of the immediate are ignored. */
function compareToMask(make: typeof scalar, precision: Precision): Lifter {
  return (emit, instruction) => {
    const predicate = operandAt(instruction, 2);
    if (predicate.kind !== OperandKind.IMMEDIATE) throw new Unsupported('operand');
    const shifted = Number(predicate.value & 7n) << FloatForm.PREDICATE_SHIFT;
    make(precision, FloatOp.COMPARE | shifted)(emit, instruction);
  };
}

/** comiss, comisd; ucomiss, ucomisd: a quiet NaN is no exception for them. */
function compareToFlags(precision: Precision, helper: Helper, quiet: 0 | 1): Lifter {
  return (emit, instruction) => {
    const source = readVector(emit, operandAt(instruction, 1), precision);
    const left = getXmm(emit, xmmIndex(operandAt(instruction, 0)));
    const a = extractLane(emit, left, precision, 0);
    const b = extractLane(emit, source, precision, 0);
    setRaw(emit, emit.call(helper, a, b, emit.constant(quiet)));
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

const W32 = Width.W32;
const W64 = Width.W64;
const W128 = Width.W128;

/** Packed conversions: operation, and what is read of a memory operand. */
const PACKED_CONVERSIONS: readonly (readonly [string, FloatOp, Width])[] = [
  ['cvtdq2pd', FloatOp.I32_TO_F64, W64],
  ['cvtdq2ps', FloatOp.I32_TO_F32, W128],
  ['cvtps2pd', FloatOp.F32_TO_F64, W64],
  ['cvtpd2ps', FloatOp.F64_TO_F32, W128],
  ['cvtps2dq', FloatOp.F32_TO_I32, W128],
  ['cvttps2dq', FloatOp.F32_TO_I32_TRUNCATE, W128],
  ['cvtpd2dq', FloatOp.F64_TO_I32, W128],
  ['cvttpd2dq', FloatOp.F64_TO_I32_TRUNCATE, W128],
];

function convertLanes(operation: FloatOp, memory: Width): Lifter {
  return (emit, instruction) => {
    const source = readVector(emit, operandAt(instruction, 1), memory);
    setXmm(emit, xmmIndex(operandAt(instruction, 0)), float(emit, operation, source, source));
  };
}

/** haddps, hsubpd ...: even lanes op odd lanes of destination and source. */
function horizontal(laneBytes: 4 | 8, operation: FloatOp): Lifter {
  const even = laneBytes === 4 ? [0, 2, 4, 6] : [0, 2];
  const odd = even.map((lane) => lane + 1);
  const form = operation | DOUBLE[laneBytes === 4 ? W32 : W64];
  return packed((emit, a, b) =>
    float(
      emit,
      form,
      shuffleLanes(emit, a, b, laneBytes, even),
      shuffleLanes(emit, a, b, laneBytes, odd),
    ),
  );
}

/** Mnemonics of which each has the four forms ps, pd, ss, sd. */
const ARITHMETIC: readonly (readonly [string, FloatOp])[] = [
  ['add', FloatOp.ADD],
  ['sub', FloatOp.SUB],
  ['mul', FloatOp.MUL],
  ['div', FloatOp.DIV],
  ['sqrt', FloatOp.SQRT],
  ['min', FloatOp.MIN],
  ['max', FloatOp.MAX],
];

export const VECTOR_FLOAT_LIFTERS: LifterTable = {
  ...Object.fromEntries(
    ARITHMETIC.flatMap(([stem, operation]): [string, Lifter][] => [
      [`${stem}ss`, scalar(W32, operation)],
      [`${stem}sd`, scalar(W64, operation)],
      [`${stem}ps`, whole(W32, operation)],
      [`${stem}pd`, whole(W64, operation)],
    ]),
  ),
  rcpss: scalar(W32, FloatOp.RCP),
  rsqrtss: scalar(W32, FloatOp.RSQRT),
  rcpps: whole(W32, FloatOp.RCP),
  rsqrtps: whole(W32, FloatOp.RSQRT),
  haddps: horizontal(4, FloatOp.ADD),
  hsubps: horizontal(4, FloatOp.SUB),
  haddpd: horizontal(8, FloatOp.ADD),
  hsubpd: horizontal(8, FloatOp.SUB),
  addsubps: whole(W32, FloatOp.ADD_SUB),
  addsubpd: whole(W64, FloatOp.ADD_SUB),
  cmpss: compareToMask(scalar, W32),
  cmpsd: compareToMask(scalar, W64),
  cmpps: compareToMask(whole, W32),
  cmppd: compareToMask(whole, W64),
  comiss: compareToFlags(W32, Helper.CompareF32, 0),
  ucomiss: compareToFlags(W32, Helper.CompareF32, 1),
  comisd: compareToFlags(W64, Helper.CompareF64, 0),
  ucomisd: compareToFlags(W64, Helper.CompareF64, 1),
  cvtsi2ss: fromInteger(W32, Helper.F32FromI64),
  cvtsi2sd: fromInteger(W64, Helper.F64FromI64),
  cvtss2si: toInteger(W32, Rounding.MXCSR),
  cvttss2si: toInteger(W32, Rounding.TRUNCATE),
  cvtsd2si: toInteger(W64, Rounding.MXCSR),
  cvttsd2si: toInteger(W64, Rounding.TRUNCATE),
  cvtss2sd: convertScalar(W32, W64, Helper.F64FromF32),
  cvtsd2ss: convertScalar(W64, W32, Helper.F32FromF64),
  ...Object.fromEntries(
    PACKED_CONVERSIONS.map(([name, operation, memory]) => [name, convertLanes(operation, memory)]),
  ),
};
