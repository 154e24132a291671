/**
 * SSE arithmetic on operands or under an MXCSR out of the ordinary: through the 80-bit arithmetic,
 * rounded to odd first so that the second rounding is exact. Rare, so nothing here is fast.
 */
import { FloatException, FloatOp, Mxcsr } from '../cpu/float-op';
import { daz32, daz64, isUnmasked, mxcsr, raiseFloat, roundingMode } from './float-exceptions';
import { fromF32, fromF64, toF32, toF64, wasTiny } from './x87-format';
import { divide, squareRoot } from './x87-quotient';
import {
  add,
  beginWith,
  multiply,
  raised,
  ROUND_ODD,
  rSig,
  rTop,
  unpackA,
  unpackB,
  useRounding,
} from './x87-value';

const SIGN_64: u64 = 0x8000000000000000;
const SIGN_32: u32 = 0x80000000;

/** The operation on A and B, left in A. */
function operate(cpu: usize, op: u32): void {
  useRounding(ROUND_ODD);
  switch (op) {
    case FloatOp.ADD:
      add(0);
      break;
    case FloatOp.SUB:
      add(1);
      break;
    case FloatOp.MUL:
      multiply();
      break;
    case FloatOp.DIV:
      divide();
      break;
    default:
      squareRoot();
  }
  unpackA(rSig, rTop);
  useRounding(roundingMode(cpu));
}

/** Starts an operation of the 80-bit arithmetic on behalf of SSE. */
export function beginRounded(cpu: usize): void {
  beginWith(roundingMode(cpu), 64, isUnmasked(cpu, FloatException.UNDERFLOW), isUnmasked(cpu, FloatException.OVERFLOW));
}

/** Ends it. Returns true when the result must become a zero. */
export function endRounded(cpu: usize): bool {
  let flags = raised & FloatException.ALL;
  // An operation that is invalid or divides by zero does not get as far as a denormal operand.
  if ((flags & (FloatException.INVALID | FloatException.ZERO_DIVIDE)) != 0) {
    flags &= ~<u32>FloatException.DENORMAL;
  }
  const flushes = (mxcsr(cpu) & Mxcsr.FTZ) != 0 && !isUnmasked(cpu, FloatException.UNDERFLOW);
  const flushed = wasTiny && flushes;
  if (flushed) flags |= FloatException.UNDERFLOW | FloatException.INEXACT;
  raiseFloat(flags);
  return flushed;
}

/** Operands are not NaNs; the result may be the default one. */
export function rounded64(cpu: usize, op: u32, a: u64, b: u64): u64 {
  beginRounded(cpu);
  fromF64(daz64(cpu, a));
  unpackA(rSig, rTop);
  fromF64(daz64(cpu, b));
  unpackB(rSig, rTop);
  operate(cpu, op);
  const bits = toF64(false);
  return endRounded(cpu) ? bits & SIGN_64 : bits;
}

export function rounded32(cpu: usize, op: u32, a: u32, b: u32): u32 {
  beginRounded(cpu);
  fromF32(daz32(cpu, a));
  unpackA(rSig, rTop);
  fromF32(daz32(cpu, b));
  unpackB(rSig, rTop);
  operate(cpu, op);
  const bits = <u32>toF32(false);
  return endRounded(cpu) ? bits & SIGN_32 : bits;
}

/** A double that is not a NaN as a single. */
export function narrowed(cpu: usize, value: u64): u32 {
  beginRounded(cpu);
  fromF64(daz64(cpu, value));
  unpackA(rSig, rTop);
  const bits = <u32>toF32(false);
  return endRounded(cpu) ? bits & SIGN_32 : bits;
}
