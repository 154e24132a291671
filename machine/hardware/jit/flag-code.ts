/**
 * Conditions and flag images from the lazy flags, for a flag kind and width known at translation
 * time. Origin: Intel SDM volume 1, 3.4.3.1 and appendix B. Works on whatever pushes the three
 * operands, so that the same code serves fused branches and the general flag routine.
 */
import { unreachable } from '../../core/assert.ts';
import { FlagKind, Width } from '../cpu/ir.ts';
import type { FunctionWriter } from './wasm-encoder.ts';
import { ValueType, Wasm } from './wasm-opcodes.ts';

export const enum FlagOperand {
  RESULT,
  SOURCE,
  AUX,
}

/** Lazy flags of a known kind, and the code that pushes their operands. */
export interface FlagSource {
  readonly w: FunctionWriter;
  readonly kind: FlagKind;
  readonly width: Width;
  /** Pushes an operand as i32 or i64; as i32 the low half of it. */
  push(operand: FlagOperand, type: ValueType): void;
  /** Pushes the left operand, zero-extended, when it is still at hand; SUB only. */
  readonly pushLeft?: ((type: ValueType) => void) | undefined;
}

/** Bit positions in rflags. */
const enum Rflags {
  CF = 0,
  PF = 2,
  AF = 4,
  ZF = 6,
  SF = 7,
  OF = 11,
}

const typeOf = (width: Width): ValueType => (width === Width.W64 ? ValueType.I64 : ValueType.I32);
const bitsOf = (width: Width): number => 8 << width;

/** Opcodes that exist in an i32 and an i64 form. */
const enum Pair {
  ADD,
  SUB,
  AND,
  XOR,
  EQZ,
  EQ,
  SHR_U,
  LT_U,
  LE_U,
  LT_S,
  LE_S,
}
const PAIRS: Readonly<Record<Pair, readonly [Wasm, Wasm]>> = {
  [Pair.ADD]: [Wasm.I32_ADD, Wasm.I64_ADD],
  [Pair.SUB]: [Wasm.I32_SUB, Wasm.I64_SUB],
  [Pair.AND]: [Wasm.I32_AND, Wasm.I64_AND],
  [Pair.XOR]: [Wasm.I32_XOR, Wasm.I64_XOR],
  [Pair.EQZ]: [Wasm.I32_EQZ, Wasm.I64_EQZ],
  [Pair.EQ]: [Wasm.I32_EQ, Wasm.I64_EQ],
  [Pair.SHR_U]: [Wasm.I32_SHR_U, Wasm.I64_SHR_U],
  [Pair.LT_U]: [Wasm.I32_LT_U, Wasm.I64_LT_U],
  [Pair.LE_U]: [Wasm.I32_LE_U, Wasm.I64_LE_U],
  [Pair.LT_S]: [Wasm.I32_LT_S, Wasm.I64_LT_S],
  [Pair.LE_S]: [Wasm.I32_LE_S, Wasm.I64_LE_S],
};

function emit(s: FlagSource, pair: Pair): void {
  s.w.u8(PAIRS[pair][s.width === Width.W64 ? 1 : 0]);
}

function constant(s: FlagSource, value: bigint): void {
  if (s.width === Width.W64) s.w.i64Const(value);
  else s.w.i32Const(Number(BigInt.asIntN(32, value)));
}

/** Cuts a value on the stack back to the width; W32 and W64 wrap by themselves. */
function maskToWidth(s: FlagSource): void {
  if (s.width > Width.W16) return;
  s.w.i32Const(s.width === Width.W8 ? 0xff : 0xffff);
  s.w.u8(Wasm.I32_AND);
}

function signExtend(s: FlagSource): void {
  if (s.width === Width.W8) s.w.u8(Wasm.I32_EXTEND8_S);
  else if (s.width === Width.W16) s.w.u8(Wasm.I32_EXTEND16_S);
}

function push(s: FlagSource, operand: FlagOperand): void {
  s.push(operand, typeOf(s.width));
}

/** lhs of `lhs op rhs = result`, zero-extended. */
function pushLeft(s: FlagSource): void {
  if (s.pushLeft !== undefined) {
    s.pushLeft(typeOf(s.width));
    return;
  }
  const carries = s.kind === FlagKind.ADC || s.kind === FlagKind.SBB;
  const inverse = s.kind === FlagKind.ADD || s.kind === FlagKind.ADC ? Pair.SUB : Pair.ADD;
  push(s, FlagOperand.RESULT);
  push(s, FlagOperand.SOURCE);
  emit(s, inverse);
  if (carries) {
    push(s, FlagOperand.AUX);
    emit(s, inverse);
  }
  maskToWidth(s);
}

/** i32: bit `position` of an operand. */
function pushBit(s: FlagSource, operand: FlagOperand, position: number): void {
  s.push(operand, ValueType.I32);
  if (position !== 0) {
    s.w.i32Const(position);
    s.w.u8(Wasm.I32_SHR_U);
  }
  s.w.i32Const(1);
  s.w.u8(Wasm.I32_AND);
}

/** Takes a value whose bit width-1 matters; leaves that bit as i32. */
function topBit(s: FlagSource): void {
  constant(s, BigInt(bitsOf(s.width) - 1));
  emit(s, Pair.SHR_U);
  if (s.width === Width.W64) s.w.u8(Wasm.I32_WRAP_I64);
  if (s.width < Width.W32) {
    s.w.i32Const(1);
    s.w.u8(Wasm.I32_AND);
  }
}

function pushZero(s: FlagSource): void {
  if (s.kind === FlagKind.RAW) {
    pushBit(s, FlagOperand.SOURCE, Rflags.ZF);
    return;
  }
  push(s, FlagOperand.RESULT);
  emit(s, Pair.EQZ);
}

function pushSign(s: FlagSource): void {
  if (s.kind === FlagKind.RAW) {
    pushBit(s, FlagOperand.SOURCE, Rflags.SF);
    return;
  }
  push(s, FlagOperand.RESULT);
  topBit(s);
}

function pushParity(s: FlagSource): void {
  if (s.kind === FlagKind.RAW) {
    pushBit(s, FlagOperand.SOURCE, Rflags.PF);
    return;
  }
  s.push(FlagOperand.RESULT, ValueType.I32);
  s.w.i32Const(0xff);
  s.w.u8(Wasm.I32_AND);
  s.w.u8(Wasm.I32_POPCNT);
  s.w.i32Const(1);
  s.w.u8(Wasm.I32_AND);
  s.w.u8(Wasm.I32_EQZ);
}

/** An unsigned or signed comparison of two zero-extended values on the stack. */
function compareLeftRight(s: FlagSource, pair: Pair): void {
  const signed = pair === Pair.LT_S || pair === Pair.LE_S;
  pushLeft(s);
  if (signed) signExtend(s);
  push(s, FlagOperand.SOURCE);
  if (signed) signExtend(s);
  emit(s, pair);
}

/** CF of ADC and SBB: with a carry in, equality carries too. */
function pushCarryChain(s: FlagSource, left: () => void, right: () => void): void {
  left();
  right();
  emit(s, Pair.LT_U);
  left();
  right();
  emit(s, Pair.EQ);
  s.push(FlagOperand.AUX, ValueType.I32);
  s.w.u8(Wasm.I32_AND);
  s.w.u8(Wasm.I32_OR);
}

function pushCarry(s: FlagSource): void {
  const result = (): void => {
    push(s, FlagOperand.RESULT);
  };
  const source = (): void => {
    push(s, FlagOperand.SOURCE);
  };
  switch (s.kind) {
    case FlagKind.ADD:
      result();
      source();
      emit(s, Pair.LT_U);
      return;
    case FlagKind.SUB:
      compareLeftRight(s, Pair.LT_U);
      return;
    case FlagKind.ADC:
      pushCarryChain(s, result, source);
      return;
    case FlagKind.SBB:
      pushCarryChain(
        s,
        () => {
          pushLeft(s);
        },
        source,
      );
      return;
    case FlagKind.INC:
    case FlagKind.DEC:
      pushBit(s, FlagOperand.AUX, 0);
      return;
    case FlagKind.LOGIC:
      s.w.i32Const(0);
      return;
    case FlagKind.RAW:
    case FlagKind.SHIFT:
    case FlagKind.MULTIPLY:
      pushBit(s, FlagOperand.SOURCE, Rflags.CF);
      return;
    default:
      unreachable(s.kind);
  }
}

/** OF of addition: result differs in sign from both operands; of subtraction: lhs from both. */
function pushOverflowOfSum(s: FlagSource): void {
  const subtracts = s.kind === FlagKind.SUB || s.kind === FlagKind.SBB;
  push(s, FlagOperand.RESULT);
  pushLeft(s);
  emit(s, Pair.XOR);
  push(s, FlagOperand.SOURCE);
  if (subtracts) pushLeft(s);
  else push(s, FlagOperand.RESULT);
  emit(s, Pair.XOR);
  emit(s, Pair.AND);
  topBit(s);
}

function pushOverflow(s: FlagSource): void {
  const smallest = 1n << BigInt(bitsOf(s.width) - 1);
  switch (s.kind) {
    case FlagKind.ADD:
    case FlagKind.ADC:
    case FlagKind.SUB:
    case FlagKind.SBB:
      pushOverflowOfSum(s);
      return;
    case FlagKind.INC:
    case FlagKind.DEC:
      push(s, FlagOperand.RESULT);
      constant(s, s.kind === FlagKind.INC ? smallest : smallest - 1n);
      emit(s, Pair.EQ);
      return;
    case FlagKind.LOGIC:
      s.w.i32Const(0);
      return;
    case FlagKind.MULTIPLY:
      pushBit(s, FlagOperand.SOURCE, 0);
      return;
    case FlagKind.RAW:
    case FlagKind.SHIFT:
      pushBit(s, FlagOperand.SOURCE, Rflags.OF);
      return;
    default:
      unreachable(s.kind);
  }
}

function pushAdjust(s: FlagSource): void {
  switch (s.kind) {
    case FlagKind.ADD:
    case FlagKind.ADC:
    case FlagKind.SUB:
    case FlagKind.SBB:
      push(s, FlagOperand.RESULT);
      push(s, FlagOperand.SOURCE);
      emit(s, Pair.XOR);
      pushLeft(s);
      emit(s, Pair.XOR);
      if (s.width === Width.W64) s.w.u8(Wasm.I32_WRAP_I64);
      s.w.i32Const(Rflags.AF);
      s.w.u8(Wasm.I32_SHR_U);
      s.w.i32Const(1);
      s.w.u8(Wasm.I32_AND);
      return;
    case FlagKind.INC:
    case FlagKind.DEC:
      s.push(FlagOperand.RESULT, ValueType.I32);
      s.w.i32Const(15);
      s.w.u8(Wasm.I32_AND);
      s.w.i32Const(s.kind === FlagKind.INC ? 0 : 15);
      s.w.u8(Wasm.I32_EQ);
      return;
    case FlagKind.RAW:
      pushBit(s, FlagOperand.SOURCE, Rflags.AF);
      return;
    case FlagKind.LOGIC:
    case FlagKind.SHIFT:
    case FlagKind.MULTIPLY:
      s.w.i32Const(0);
      return;
    default:
      unreachable(s.kind);
  }
}

function pushSignNotOverflow(s: FlagSource): void {
  pushSign(s);
  if (s.kind === FlagKind.LOGIC) return;
  pushOverflow(s);
  s.w.u8(Wasm.I32_XOR);
}

/** Conditions 0, 2, 4 ... 14 of the x86 encoding; the odd ones are their negations. */
const enum Test {
  O,
  B,
  E,
  BE,
  S,
  P,
  L,
  LE,
}

function pushTest(s: FlagSource, test: Test): void {
  const subtracts = s.kind === FlagKind.SUB;
  switch (test) {
    case Test.O:
      pushOverflow(s);
      return;
    case Test.B:
      pushCarry(s);
      return;
    case Test.E:
      pushZero(s);
      return;
    case Test.S:
      pushSign(s);
      return;
    case Test.P:
      pushParity(s);
      return;
    case Test.BE:
      if (subtracts) {
        compareLeftRight(s, Pair.LE_U);
        return;
      }
      pushCarry(s);
      pushZero(s);
      s.w.u8(Wasm.I32_OR);
      return;
    case Test.L:
      if (subtracts) compareLeftRight(s, Pair.LT_S);
      else pushSignNotOverflow(s);
      return;
    case Test.LE:
      if (subtracts) {
        compareLeftRight(s, Pair.LE_S);
        return;
      }
      pushSignNotOverflow(s);
      pushZero(s);
      s.w.u8(Wasm.I32_OR);
      return;
    default:
      unreachable(test);
  }
}

/** Pushes condition `code` (x86 encoding 0..15) as i32 0 or 1. */
export function pushCondition(s: FlagSource, code: number): void {
  pushTest(s, code >> 1);
  if ((code & 1) !== 0) s.w.u8(Wasm.I32_EQZ);
}

const IMAGE_PARTS: readonly { bit: Rflags; push: (s: FlagSource) => void }[] = [
  { bit: Rflags.PF, push: pushParity },
  { bit: Rflags.AF, push: pushAdjust },
  { bit: Rflags.ZF, push: pushZero },
  { bit: Rflags.SF, push: pushSign },
  { bit: Rflags.OF, push: pushOverflow },
];

/** Pushes the six arithmetic flags at their rflags positions as i32. */
export function pushFlagsImage(s: FlagSource): void {
  if (s.kind === FlagKind.RAW) {
    s.push(FlagOperand.SOURCE, ValueType.I32);
    return;
  }
  pushCarry(s);
  for (const part of IMAGE_PARTS) {
    part.push(s);
    s.w.i32Const(part.bit);
    s.w.u8(Wasm.I32_SHL);
    s.w.u8(Wasm.I32_OR);
  }
}

/** Pushes condition `code` of a flags image that `pushImage` pushes as i32. */
export function pushImageCondition(w: FunctionWriter, pushImage: () => void, code: number): void {
  pushCondition(
    {
      w,
      kind: FlagKind.RAW,
      width: Width.W32,
      push: pushImage,
    },
    code,
  );
}
