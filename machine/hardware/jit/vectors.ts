/**
 * Vector and scalar float ops of the IR. WebAssembly leaves open which NaN an operation yields, the
 * processor does not (Intel SDM volume 1, table 4-7): results that are NaNs are made anew.
 */
import { NONE, Op, Width, type IrOp } from '../cpu/ir.ts';
import type { BlockEmitter, ValueEmitter } from './block-emitter.ts';
import { DOUBLE, floatFormOf, SINGLE, type FloatForm } from './float-forms.ts';
import { Simd, ValueType, Wasm } from './wasm-opcodes.ts';

const I32 = ValueType.I32;
const I64 = ValueType.I64;
const V128 = ValueType.V128;

function pushVectorConstant(e: BlockEmitter, low: bigint, high: bigint): void {
  e.w.simd(Simd.V128_CONST);
  pushBytes(e, low);
  pushBytes(e, high);
}

function pushBytes(e: BlockEmitter, value: bigint): void {
  for (let i = 0n; i < 64n; i += 8n) e.w.u8(Number((value >> i) & 0xffn));
}

/** Pushes the NaN that operands a and b (NONE: there is only a) make, in every lane. */
function pushNan(e: BlockEmitter, form: FloatForm, a: number, b: number): void {
  const { w } = e;
  const pushQuiet = (temp: number): void => {
    e.push(temp, V128);
    pushVectorConstant(e, form.quietBit, form.quietBit);
    w.simd(Simd.V128_OR);
  };
  const chooseByNan = (temp: number): void => {
    e.push(temp, V128);
    e.push(temp, V128);
    w.simd(form.vectorNotEqual);
    w.simd(Simd.V128_BITSELECT);
  };
  pushQuiet(a);
  if (b !== NONE) pushQuiet(b);
  pushVectorConstant(e, form.defaultNan, form.defaultNan);
  if (b !== NONE) chooseByNan(b);
  chooseByNan(a);
}

function vectorFloat(e: BlockEmitter, op: IrOp, form: FloatForm): void {
  const { w, region } = e;
  const result = region.acquire(V128);
  e.push(op.a, V128);
  if (op.b !== NONE) e.push(op.b, V128);
  w.simd(Number(op.imm));
  w.localTee(result);
  w.localGet(result);
  w.simd(form.vectorNotEqual);
  w.simd(Simd.V128_ANY_TRUE);
  w.if();
  pushNan(e, form, op.a, op.b);
  w.localGet(result);
  w.localGet(result);
  w.localGet(result);
  w.simd(form.vectorNotEqual);
  w.simd(Simd.V128_BITSELECT);
  w.localSet(result);
  w.end();
  w.localGet(result);
  region.release(result, V128);
}

function vector(e: BlockEmitter, op: IrOp): void {
  const opcode = Number(op.imm);
  const form = floatFormOf(opcode);
  if (form !== undefined) {
    vectorFloat(e, op, form);
    return;
  }
  e.push(op.a, V128);
  if (op.b !== NONE) e.push(op.b, V128);
  if (op.c !== NONE) e.push(op.c, V128);
  e.w.simd(opcode);
}

function scalarFloat(e: BlockEmitter, op: IrOp): void {
  const { w, region } = e;
  const form = op.width === Width.W64 ? DOUBLE : SINGLE;
  const opcode = Number(op.imm);
  const unary = opcode === Wasm.F32_SQRT || opcode === Wasm.F64_SQRT;
  const pushLane = (temp: number): void => {
    e.push(temp, V128);
    w.simd(form.extract);
    w.u8(0);
  };
  const scalar = region.acquire(form.type);
  const result = region.acquire(V128);
  e.push(op.a, V128);
  if (!unary) pushLane(op.a);
  pushLane(op.b);
  w.u8(opcode);
  w.localTee(scalar);
  w.simd(form.replace);
  w.u8(0);
  w.localSet(result);
  w.localGet(scalar);
  w.localGet(scalar);
  w.u8(form.scalarNotEqual);
  w.if();
  // Lanes move as integers: a float move may change a NaN.
  e.push(op.a, V128);
  if (unary) pushNan(e, form, op.b, NONE);
  else pushNan(e, form, op.a, op.b);
  const wide = op.width === Width.W64;
  w.simd(wide ? Simd.I64X2_EXTRACT_LANE : Simd.I32X4_EXTRACT_LANE);
  w.u8(0);
  w.simd(wide ? Simd.I64X2_REPLACE_LANE : Simd.I32X4_REPLACE_LANE);
  w.u8(0);
  w.localSet(result);
  w.end();
  w.localGet(result);
  region.release(scalar, form.type);
  region.release(result, V128);
}

function shuffle(e: BlockEmitter, op: IrOp): void {
  e.push(op.a, V128);
  e.push(op.b, V128);
  e.w.simd(Simd.I8X16_SHUFFLE);
  pushBytes(e, op.imm);
  pushBytes(e, op.imm2);
}

function vectorShift(e: BlockEmitter, op: IrOp): void {
  e.push(op.a, V128);
  e.push(op.b, I32);
  e.w.simd(Number(op.imm));
}

const EXTRACTS = [
  Simd.I8X16_EXTRACT_LANE_U,
  Simd.I16X8_EXTRACT_LANE_U,
  Simd.I32X4_EXTRACT_LANE,
  Simd.I64X2_EXTRACT_LANE,
];
const REPLACES = [
  Simd.I8X16_REPLACE_LANE,
  Simd.I16X8_REPLACE_LANE,
  Simd.I32X4_REPLACE_LANE,
  Simd.I64X2_REPLACE_LANE,
];

function extractLane(e: BlockEmitter, op: IrOp): void {
  e.push(op.a, V128);
  e.w.simd(EXTRACTS[op.width]);
  e.w.u8(Number(op.imm));
}

function insertLane(e: BlockEmitter, op: IrOp): void {
  e.push(op.a, V128);
  e.push(op.b, op.width === Width.W64 ? I64 : I32);
  e.w.simd(REPLACES[op.width]);
  e.w.u8(Number(op.imm));
}

/** Ops that yield a vector or look into one, without effects. */
export const VECTOR_VALUES: Readonly<Partial<Record<Op, ValueEmitter>>> = {
  [Op.GetXmm]: (e, op) => {
    e.w.localGet(e.region.xmm[Number(op.imm)]);
  },
  [Op.VectorConst]: (e, op) => {
    pushVectorConstant(e, op.imm, op.imm2);
  },
  [Op.Vector]: vector,
  [Op.ScalarFloat]: scalarFloat,
  [Op.Shuffle]: shuffle,
  [Op.VectorShift]: vectorShift,
  [Op.ExtractLane]: extractLane,
  [Op.InsertLane]: insertLane,
  [Op.Bitmask]: (e, op) => {
    e.push(op.a, V128);
    e.w.simd(Number(op.imm));
  },
};

/** xmm register imm = a */
export function setXmm(e: BlockEmitter, op: IrOp, index: number): void {
  const r = Number(op.imm);
  e.beforeXmmChange(r, index);
  e.push(op.a, V128);
  e.w.localSet(e.region.xmm[r]);
}
