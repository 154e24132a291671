/**
 * SSE arithmetic under an MXCSR that asks for another rounding, for denormals as zeros or for tiny
 * results as zeros: through the 80-bit arithmetic, rounded to odd first so that the second rounding
 * is exact. Rare, so nothing here is fast.
 */
import { ScalarOp } from '../cpu/simd';
import { daz32, daz64, mxcsr, Mxcsr } from './convert';
import { fromF32, fromF64, toF32, toF64 } from './x87-format';
import {
  add,
  begin,
  divide,
  multiply,
  ROUND_ODD,
  rSig,
  rTop,
  squareRoot,
  unpackA,
  unpackB,
  usePrecision,
  useRounding,
} from './x87-value';

const SIGN_64: u64 = 0x8000000000000000;
const SIGN_32: u32 = 0x80000000;
const EXPONENT_64: u64 = 0x7ff0000000000000;
const EXPONENT_32: u32 = 0x7f800000;

/** The kind of an operation, whatever its format. */
const enum Arithmetic {
  SQUARE_ROOT,
  ADD,
  SUBTRACT,
  MULTIPLY,
  DIVIDE,
}

function start(cpu: usize): void {
  begin(cpu);
  useRounding((mxcsr(cpu) >> Mxcsr.ROUNDING_SHIFT) & 3);
  useRounding(ROUND_ODD);
  usePrecision(64);
}

/** The operation on A and B, left in A. */
function operate(cpu: usize, kind: u32): void {
  switch (kind) {
    case Arithmetic.ADD:
      add(0);
      break;
    case Arithmetic.SUBTRACT:
      add(1);
      break;
    case Arithmetic.MULTIPLY:
      multiply();
      break;
    case Arithmetic.DIVIDE:
      divide();
      break;
    default:
      squareRoot();
  }
  unpackA(rSig, rTop);
  useRounding((mxcsr(cpu) >> Mxcsr.ROUNDING_SHIFT) & 3);
}

/** Operands are not NaNs; the result may be the default one. */
export function rounded64(cpu: usize, opcode: u32, a: u64, b: u64): u64 {
  start(cpu);
  const kind = opcode - ScalarOp.F64_SQRT;
  fromF64(daz64(cpu, kind == Arithmetic.SQUARE_ROOT ? b : a));
  unpackA(rSig, rTop);
  fromF64(daz64(cpu, b));
  unpackB(rSig, rTop);
  operate(cpu, kind);
  const bits = toF64();
  const tiny = (bits & EXPONENT_64) == 0;
  return tiny && (mxcsr(cpu) & Mxcsr.FTZ) != 0 ? bits & SIGN_64 : bits;
}

export function rounded32(cpu: usize, opcode: u32, a: u32, b: u32): u32 {
  start(cpu);
  const kind = opcode - ScalarOp.F32_SQRT;
  fromF32(daz32(cpu, kind == Arithmetic.SQUARE_ROOT ? b : a));
  unpackA(rSig, rTop);
  fromF32(daz32(cpu, b));
  unpackB(rSig, rTop);
  operate(cpu, kind);
  const bits = <u32>toF32();
  const tiny = (bits & EXPONENT_32) == 0;
  return tiny && (mxcsr(cpu) & Mxcsr.FTZ) != 0 ? bits & SIGN_32 : bits;
}
