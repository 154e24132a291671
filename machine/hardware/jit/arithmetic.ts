/**
 * Integer ops of the IR as WebAssembly. Widths up to 32 bits are computed in i32 and kept
 * zero-extended, 64 bits in i64; an i32 converts to i64 for free on the hosts that matter.
 */
import { Op, Width, type IrOp } from '../cpu/ir.ts';
import type { BlockEmitter, ValueEmitter } from './block-emitter.ts';
import { CPU_LOCAL } from './region-context.ts';
import { Simd, ValueType, Wasm } from './wasm-opcodes.ts';

const I32 = ValueType.I32;
const I64 = ValueType.I64;
const V128 = ValueType.V128;

const typeOf = (width: Width): ValueType => (width === Width.W64 ? I64 : I32);

/** Cuts an i32 on the stack to 8 or 16 bits. */
function maskNarrow(e: BlockEmitter, width: Width): void {
  if (width > Width.W16) return;
  e.w.i32Const(width === Width.W8 ? 0xff : 0xffff);
  e.w.u8(Wasm.I32_AND);
}

function signExtendNarrow(e: BlockEmitter, width: Width): void {
  if (width === Width.W8) e.w.u8(Wasm.I32_EXTEND8_S);
  else if (width === Width.W16) e.w.u8(Wasm.I32_EXTEND16_S);
}

/** dst = a op b, or op a with a constant on the left, cut to the width when `wraps`. */
function binary(op32: Wasm, op64: Wasm, wraps: boolean): ValueEmitter {
  return (e, { width, a, b }) => {
    const type = typeOf(width);
    e.push(a, type);
    e.push(b, type);
    e.w.u8(type === I64 ? op64 : op32);
    if (wraps) maskNarrow(e, width);
  };
}

function comparison(op32: Wasm, op64: Wasm, signed: boolean): ValueEmitter {
  return (e, { width, a, b }) => {
    const type = typeOf(width);
    e.push(a, type);
    if (signed) signExtendNarrow(e, width);
    e.push(b, type);
    if (signed) signExtendNarrow(e, width);
    e.w.u8(type === I64 ? op64 : op32);
  };
}

function shiftRightSigned(e: BlockEmitter, { width, a, b }: IrOp): void {
  const type = typeOf(width);
  e.push(a, type);
  signExtendNarrow(e, width);
  e.push(b, type);
  e.w.u8(type === I64 ? Wasm.I64_SHR_S : Wasm.I32_SHR_S);
  maskNarrow(e, width);
}

/** Rotates of 8 and 16 bits are two shifts; the counts are below the width. */
function rotate(op32: Wasm, op64: Wasm, towards: Wasm, back: Wasm): ValueEmitter {
  const wide = binary(op32, op64, false);
  return (e, op) => {
    if (op.width > Width.W16) {
      wide(e, op);
      return;
    }
    e.push(op.a, I32);
    e.push(op.b, I32);
    e.w.u8(towards);
    e.push(op.a, I32);
    e.w.i32Const(8 << op.width);
    e.push(op.b, I32);
    e.w.u8(Wasm.I32_SUB);
    e.w.u8(back);
    e.w.u8(Wasm.I32_OR);
    maskNarrow(e, op.width);
  };
}

function not(e: BlockEmitter, { width, a }: IrOp): void {
  const type = typeOf(width);
  e.push(a, type);
  e.pushConstant(-1n, type);
  e.w.u8(type === I64 ? Wasm.I64_XOR : Wasm.I32_XOR);
  maskNarrow(e, width);
}

function negate(e: BlockEmitter, { width, a }: IrOp): void {
  const type = typeOf(width);
  e.pushConstant(0n, type);
  e.push(a, type);
  e.w.u8(type === I64 ? Wasm.I64_SUB : Wasm.I32_SUB);
  maskNarrow(e, width);
}

/** Leaves (x shifted right by 32) or (the low 32 bits of x) of the i64 on the stack. */
function highHalf(e: BlockEmitter): void {
  e.w.i64Const(32n);
  e.w.u8(Wasm.I64_SHR_U);
}

function lowHalf(e: BlockEmitter): void {
  e.w.i64Const(0xffffffffn);
  e.w.u8(Wasm.I64_AND);
}

/** High half of a 64 x 64 product from four 32 x 32 ones. */
function multiplyHighUnsigned(e: BlockEmitter, { a, b }: IrOp): void {
  const { w, region } = e;
  const half = (temp: number, cut: (e: BlockEmitter) => void): void => {
    e.push(temp, I64);
    cut(e);
  };
  const partial = (cutA: (e: BlockEmitter) => void, cutB: (e: BlockEmitter) => void): void => {
    half(a, cutA);
    half(b, cutB);
    w.u8(Wasm.I64_MUL);
  };
  const middle = region.acquire(I64);
  const other = region.acquire(I64);
  partial(highHalf, lowHalf);
  partial(lowHalf, lowHalf);
  highHalf(e);
  w.u8(Wasm.I64_ADD);
  w.localSet(middle);
  partial(lowHalf, highHalf);
  w.localGet(middle);
  lowHalf(e);
  w.u8(Wasm.I64_ADD);
  w.localSet(other);
  partial(highHalf, highHalf);
  w.localGet(middle);
  highHalf(e);
  w.u8(Wasm.I64_ADD);
  w.localGet(other);
  highHalf(e);
  w.u8(Wasm.I64_ADD);
  region.release(middle, I64);
  region.release(other, I64);
}

/** The signed product's high half is the unsigned one's less b where a < 0 and a where b < 0. */
function multiplyHighSigned(e: BlockEmitter, op: IrOp): void {
  const { w } = e;
  multiplyHighUnsigned(e, op);
  for (const [sign, other] of [
    [op.a, op.b],
    [op.b, op.a],
  ]) {
    e.push(sign, I64);
    w.i64Const(63n);
    w.u8(Wasm.I64_SHR_S);
    e.push(other, I64);
    w.u8(Wasm.I64_AND);
    w.u8(Wasm.I64_SUB);
  }
}

function countLeadingZeros(e: BlockEmitter, { width, a }: IrOp): void {
  e.push(a, typeOf(width));
  if (width === Width.W64) {
    e.w.u8(Wasm.I64_CLZ);
    return;
  }
  e.w.u8(Wasm.I32_CLZ);
  if (width === Width.W32) return;
  e.w.i32Const(32 - (8 << width));
  e.w.u8(Wasm.I32_SUB);
}

function countTrailingZeros(e: BlockEmitter, { width, a }: IrOp): void {
  e.push(a, typeOf(width));
  if (width === Width.W64) {
    e.w.u8(Wasm.I64_CTZ);
    return;
  }
  if (width < Width.W32) {
    e.w.i32Const(1 << (8 << width));
    e.w.u8(Wasm.I32_OR);
  }
  e.w.u8(Wasm.I32_CTZ);
}

function populationCount(e: BlockEmitter, { width, a }: IrOp): void {
  e.push(a, typeOf(width));
  e.w.u8(width === Width.W64 ? Wasm.I64_POPCNT : Wasm.I32_POPCNT);
}

function byteSwap(e: BlockEmitter, { width, a }: IrOp): void {
  const { w } = e;
  if (width === Width.W64) {
    e.push(a, I64);
    w.simd(Simd.I64X2_SPLAT);
    e.push(a, I64);
    w.simd(Simd.I64X2_SPLAT);
    w.simd(Simd.I8X16_SHUFFLE);
    for (let lane = 0; lane < 16; lane++) w.u8(lane < 8 ? 7 - lane : lane);
    w.simd(Simd.I64X2_EXTRACT_LANE);
    w.u8(0);
    return;
  }
  if (width === Width.W16) {
    e.push(a, I32);
    w.i32Const(8);
    w.u8(Wasm.I32_SHL);
    e.push(a, I32);
    w.i32Const(8);
    w.u8(Wasm.I32_SHR_U);
    w.u8(Wasm.I32_OR);
    maskNarrow(e, width);
    return;
  }
  e.push(a, I32);
  w.i32Const(0x00ff00ff);
  w.u8(Wasm.I32_AND);
  w.i32Const(8);
  w.u8(Wasm.I32_ROTR);
  e.push(a, I32);
  w.i32Const(8);
  w.u8(Wasm.I32_ROTL);
  w.i32Const(0x00ff00ff);
  w.u8(Wasm.I32_AND);
  w.u8(Wasm.I32_OR);
}

function signExtend(e: BlockEmitter, { width, a, imm }: IrOp): void {
  const from = Number(imm) as Width;
  if (width !== Width.W64) {
    e.push(a, I32);
    signExtendNarrow(e, from);
    maskNarrow(e, width);
    return;
  }
  e.push(a, I32);
  signExtendNarrow(e, from);
  e.w.u8(Wasm.I64_EXTEND_I32_S);
}

function truncate(e: BlockEmitter, { width, a }: IrOp): void {
  e.push(a, typeOf(width));
  maskNarrow(e, width);
}

function select(e: BlockEmitter, { width, a, b, c }: IrOp): void {
  const type = width === Width.W128 ? V128 : typeOf(width);
  e.push(b, type);
  e.push(c, type);
  e.push(a, I32);
  e.w.u8(Wasm.SELECT);
}

function getRegister(e: BlockEmitter, { width, imm }: IrOp): void {
  e.w.localGet(e.region.gpr[Number(imm)]);
  if (width === Width.W64) return;
  e.w.u8(Wasm.I32_WRAP_I64);
  maskNarrow(e, width);
}

function getHighByte(e: BlockEmitter, { imm }: IrOp): void {
  e.w.localGet(e.region.gpr[Number(imm)]);
  e.w.u8(Wasm.I32_WRAP_I64);
  e.w.i32Const(8);
  e.w.u8(Wasm.I32_SHR_U);
  maskNarrow(e, Width.W8);
}

/** Ops that yield an integer and have no effect. */
export const INTEGER_VALUES: Readonly<Partial<Record<Op, ValueEmitter>>> = {
  [Op.Const]: (e, { width, imm }) => {
    e.pushConstant(imm, typeOf(width));
  },
  [Op.GetReg]: getRegister,
  [Op.GetRegHigh]: getHighByte,
  [Op.Add]: binary(Wasm.I32_ADD, Wasm.I64_ADD, true),
  [Op.Sub]: binary(Wasm.I32_SUB, Wasm.I64_SUB, true),
  [Op.Mul]: binary(Wasm.I32_MUL, Wasm.I64_MUL, true),
  [Op.And]: binary(Wasm.I32_AND, Wasm.I64_AND, false),
  [Op.Or]: binary(Wasm.I32_OR, Wasm.I64_OR, false),
  [Op.Xor]: binary(Wasm.I32_XOR, Wasm.I64_XOR, false),
  [Op.Shl]: binary(Wasm.I32_SHL, Wasm.I64_SHL, true),
  [Op.Shr]: binary(Wasm.I32_SHR_U, Wasm.I64_SHR_U, false),
  [Op.Sar]: shiftRightSigned,
  [Op.Rotl]: rotate(Wasm.I32_ROTL, Wasm.I64_ROTL, Wasm.I32_SHL, Wasm.I32_SHR_U),
  [Op.Rotr]: rotate(Wasm.I32_ROTR, Wasm.I64_ROTR, Wasm.I32_SHR_U, Wasm.I32_SHL),
  [Op.Not]: not,
  [Op.Neg]: negate,
  [Op.MulHighU]: multiplyHighUnsigned,
  [Op.MulHighS]: multiplyHighSigned,
  [Op.DivU]: binary(Wasm.I64_DIV_U, Wasm.I64_DIV_U, false),
  [Op.DivS]: binary(Wasm.I64_DIV_S, Wasm.I64_DIV_S, false),
  [Op.Clz]: countLeadingZeros,
  [Op.Ctz]: countTrailingZeros,
  [Op.Popcnt]: populationCount,
  [Op.Bswap]: byteSwap,
  [Op.SignExtend]: signExtend,
  [Op.Truncate]: truncate,
  [Op.Eq]: comparison(Wasm.I32_EQ, Wasm.I64_EQ, false),
  [Op.Ne]: comparison(Wasm.I32_NE, Wasm.I64_NE, false),
  [Op.LtU]: comparison(Wasm.I32_LT_U, Wasm.I64_LT_U, false),
  [Op.LtS]: comparison(Wasm.I32_LT_S, Wasm.I64_LT_S, true),
  [Op.LeU]: comparison(Wasm.I32_LE_U, Wasm.I64_LE_U, false),
  [Op.LeS]: comparison(Wasm.I32_LE_S, Wasm.I64_LE_S, true),
  [Op.Select]: select,
};

/** general register imm = a; narrow widths replace their own bits only. */
export function setRegister(e: BlockEmitter, op: IrOp, index: number): void {
  const { w, region } = e;
  const r = Number(op.imm);
  const high = op.op === Op.SetRegHigh;
  e.beforeGprChange(r, index);
  if (high || op.width < Width.W32) {
    const keep = high ? 0xffff_ffff_ffff_00ffn : op.width === Width.W8 ? ~0xffn : ~0xffffn;
    w.localGet(region.gpr[r]);
    w.i64Const(keep);
    w.u8(Wasm.I64_AND);
    e.push(op.a, I64);
    if (high) {
      w.i64Const(8n);
      w.u8(Wasm.I64_SHL);
    }
    w.u8(Wasm.I64_OR);
  } else {
    e.push(op.a, I64);
  }
  w.localSet(region.gpr[r]);
}

/** dst = field of the CPU block. */
export function getState(e: BlockEmitter, op: IrOp): void {
  e.w.localGet(CPU_LOCAL);
  e.w.memory(op.width === Width.W64 ? Wasm.I64_LOAD : Wasm.I32_LOAD, Number(op.imm));
  e.assign(op.dst);
}

/** Field of the CPU block = a, at once: helpers read these fields there. */
export function setState(e: BlockEmitter, op: IrOp): void {
  const type = typeOf(op.width);
  e.w.localGet(CPU_LOCAL);
  e.push(op.a, type);
  e.w.memory(type === I64 ? Wasm.I64_STORE : Wasm.I32_STORE, Number(op.imm));
}
