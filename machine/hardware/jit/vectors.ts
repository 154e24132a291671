/** Vector ops of the IR without effects; floating point is in floats.ts. */
import { NONE, Op, Width, type IrOp } from '../cpu/ir.ts';
import type { BlockEmitter, ValueEmitter } from './block-emitter.ts';
import { Simd, ValueType } from './wasm-opcodes.ts';

const I32 = ValueType.I32;
const I64 = ValueType.I64;
const V128 = ValueType.V128;

function pushBytes(e: BlockEmitter, value: bigint): void {
  for (let i = 0n; i < 64n; i += 8n) e.w.u8(Number((value >> i) & 0xffn));
}

function vector(e: BlockEmitter, op: IrOp): void {
  e.push(op.a, V128);
  if (op.b !== NONE) e.push(op.b, V128);
  if (op.c !== NONE) e.push(op.c, V128);
  e.w.simd(Number(op.imm));
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
    e.w.vectorConst(op.imm, op.imm2);
  },
  [Op.Vector]: vector,
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
