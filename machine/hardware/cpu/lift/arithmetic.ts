/** Integer addition, subtraction, comparison, multiplication and division; xadd and cmpxchg. */
import { FlagKind, Helper, NONE, Op, Width } from '../ir.ts';
import { bitsOf, operandAt, RAX, RCX, RDX, Unsupported, widthOf } from './emitter.ts';
import type { Emitter, Lifter, LifterTable, Temp } from './emitter.ts';
import { CARRY, FlagBit, flagsWithout, setFlags, setRaw } from './flags.ts';
import { OperandKind } from '../decode.ts';

const DIVIDE_ERROR = 0;
const GENERAL_PROTECTION = 13;

/** add, sub (writes the result) and cmp (does not). */
function addOrSubtract(op: Op.Add | Op.Sub, writes: boolean): Lifter {
  const kind = op === Op.Add ? FlagKind.ADD : FlagKind.SUB;
  return (emit, instruction) => {
    const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
    const width = widthOf(destination);
    if (!writes) {
      const left = emit.read(destination, width);
      const right = emit.read(source, width);
      setFlags(emit, kind, width, emit.value(op, width, left, right), right);
      return;
    }
    const right = emit.read(source, width);
    const place = emit.place(destination, instruction.lock);
    const result = emit.value(op, width, place.value, right);
    place.write(result);
    setFlags(emit, kind, width, result, right);
  };
}

/** adc, sbb. */
function withCarry(op: Op.Add | Op.Sub): Lifter {
  const kind = op === Op.Add ? FlagKind.ADC : FlagKind.SBB;
  return (emit, instruction) => {
    const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
    const right = emit.read(source, widthOf(destination));
    const place = emit.place(destination, instruction.lock);
    const carry = emit.condition(CARRY);
    const partial = emit.value(op, place.width, place.value, right);
    const result = emit.value(op, place.width, partial, carry);
    place.write(result);
    setFlags(emit, kind, place.width, result, right, carry);
  };
}

/** inc, dec: CF survives. */
function step(op: Op.Add | Op.Sub): Lifter {
  const kind = op === Op.Add ? FlagKind.INC : FlagKind.DEC;
  return (emit, instruction) => {
    const place = emit.place(operandAt(instruction, 0), instruction.lock);
    const carry = emit.condition(CARRY);
    const result = emit.withConstant(op, place.width, place.value, 1);
    place.write(result);
    setFlags(emit, kind, place.width, result, NONE, carry);
  };
}

const negate: Lifter = (emit, instruction) => {
  const place = emit.place(operandAt(instruction, 0), instruction.lock);
  const result = emit.value(Op.Neg, place.width, place.value);
  place.write(result);
  setFlags(emit, FlagKind.SUB, place.width, result, place.value);
};

/** The double-width product in two halves of `width`, and 1 when the high half is significant. */
interface Product {
  readonly low: Temp;
  readonly high: Temp;
  readonly overflow: Temp;
}

function multiply(emit: Emitter, width: Width, a: Temp, b: Temp, signed: boolean): Product {
  const wide = (value: Temp): Temp => (signed ? emit.signExtend(value, width) : value);
  let low: Temp;
  let high: Temp;
  if (width === Width.W64) {
    low = emit.value(Op.Mul, width, a, b);
    high = emit.value(signed ? Op.MulHighS : Op.MulHighU, width, a, b);
  } else {
    const product = emit.value(Op.Mul, Width.W64, wide(a), wide(b));
    low = emit.truncate(width, product);
    const shifted = emit.withConstant(Op.Shr, Width.W64, product, bitsOf(width));
    high = emit.truncate(width, shifted);
  }
  const insignificant = signed
    ? emit.withConstant(Op.Sar, width, low, bitsOf(width) - 1)
    : emit.constant(0, width);
  return { low, high, overflow: emit.value(Op.Ne, width, high, insignificant) };
}

/** mul and the one-operand imul: rdx:rax = rax * operand. */
function multiplyAccumulator(signed: boolean): Lifter {
  return (emit, instruction) => {
    const operand = operandAt(instruction, 0);
    const width = widthOf(operand);
    const value = emit.read(operand, width);
    const product = multiply(emit, width, emit.getRegister(RAX, width), value, signed);
    emit.setRegister(RAX, product.low, width);
    if (width === Width.W8) {
      emit.effect(Op.SetRegHigh, Width.W8, product.high, NONE, NONE, BigInt(RAX));
    } else {
      emit.setRegister(RDX, product.high, width);
    }
    setFlags(emit, FlagKind.MULTIPLY, width, product.low, product.overflow);
  };
}

/** imul with one, two or three operands. */
const signedMultiply: Lifter = (emit, instruction) => {
  if (instruction.operands.length === 1) {
    multiplyAccumulator(true)(emit, instruction);
    return;
  }
  const destination = operandAt(instruction, 0);
  const width = widthOf(destination);
  const last = instruction.operands.length - 1;
  const left = emit.read(operandAt(instruction, last - 1), width);
  const right = emit.read(operandAt(instruction, last), width);
  const product = multiply(emit, width, left, right, true);
  emit.write(destination, width, product.low);
  setFlags(emit, FlagKind.MULTIPLY, width, product.low, product.overflow);
};

interface Quotient {
  readonly quotient: Temp;
  readonly remainder: Temp;
}

/** 128 by 64 bits: rdx:rax / divisor. */
function divideWide(emit: Emitter, divisor: Temp, signed: boolean): Quotient {
  const high = emit.getRegister(RDX);
  const low = emit.getRegister(RAX);
  const overflow = signed
    ? emit.call(Helper.DivideS128Overflows, high, low, divisor)
    : emit.value(Op.LeU, Width.W64, divisor, high);
  emit.trapIf(overflow, DIVIDE_ERROR);
  const helper = signed ? Helper.DivideS128 : Helper.DivideU128;
  const quotient = emit.call(helper, high, low, divisor);
  return { quotient, remainder: emit.callResult() };
}

/** rdx:rax (ax for bytes) at twice `width`, zero- or sign-extended to 64 bits. */
function dividend(emit: Emitter, width: Width, signed: boolean): Temp {
  let joined: Temp;
  if (width === Width.W8) {
    joined = emit.getRegister(RAX, Width.W16);
  } else {
    const high = emit.getRegister(RDX, width);
    const shifted = emit.withConstant(Op.Shl, Width.W64, high, bitsOf(width));
    joined = emit.value(Op.Or, Width.W64, shifted, emit.getRegister(RAX, width));
  }
  return signed && width < Width.W32 ? emit.signExtend(joined, width + 1) : joined;
}

/** Divisions whose dividend fits 64 bits. */
function divideNarrow(emit: Emitter, width: Width, value: Temp, signed: boolean): Quotient {
  const numerator = dividend(emit, width, signed);
  const divisor = signed ? emit.signExtend(value, width) : value;
  emit.trapIf(emit.withConstant(Op.Eq, Width.W64, divisor, 0), DIVIDE_ERROR);
  if (signed && width === Width.W32) {
    // The one dividend whose division by -1 does not even fit 64 bits.
    const least = emit.withConstant(Op.Eq, Width.W64, numerator, 1n << 63n);
    const minusOne = emit.withConstant(Op.Eq, Width.W64, divisor, -1n);
    emit.trapIf(emit.value(Op.And, Width.W64, least, minusOne), DIVIDE_ERROR);
  }
  const quotient = emit.value(signed ? Op.DivS : Op.DivU, Width.W64, numerator, divisor);
  const narrow = emit.truncate(width, quotient);
  const restored = signed ? emit.signExtend(narrow, width) : narrow;
  emit.trapIf(emit.value(Op.Ne, Width.W64, restored, quotient), DIVIDE_ERROR);
  const product = emit.value(Op.Mul, Width.W64, quotient, divisor);
  const remainder = emit.value(Op.Sub, Width.W64, numerator, product);
  return { quotient: narrow, remainder: emit.truncate(width, remainder) };
}

/** div, idiv. Flags are undefined after; they stay. */
function divide(signed: boolean): Lifter {
  return (emit, instruction) => {
    const operand = operandAt(instruction, 0);
    const width = widthOf(operand);
    const divisor = emit.read(operand, width);
    if (width === Width.W64) {
      const { quotient, remainder } = divideWide(emit, divisor, signed);
      emit.setRegister(RAX, quotient);
      emit.setRegister(RDX, remainder);
      return;
    }
    const { quotient, remainder } = divideNarrow(emit, width, divisor, signed);
    emit.setRegister(RAX, quotient, width);
    if (width === Width.W8) {
      emit.effect(Op.SetRegHigh, Width.W8, remainder, NONE, NONE, BigInt(RAX));
    } else {
      emit.setRegister(RDX, remainder, width);
    }
  };
}

const exchangeAndAdd: Lifter = (emit, instruction) => {
  const source = operandAt(instruction, 1);
  const place = emit.place(operandAt(instruction, 0), instruction.lock);
  const right = emit.read(source, place.width);
  const result = emit.value(Op.Add, place.width, place.value, right);
  emit.write(source, place.width, place.value);
  place.write(result);
  setFlags(emit, FlagKind.ADD, place.width, result, right);
};

const compareAndExchange: Lifter = (emit, instruction) => {
  const destination = operandAt(instruction, 0);
  const place = emit.place(destination, instruction.lock);
  const { width, value: old } = place;
  const expected = emit.getRegister(RAX, width);
  const replacement = emit.read(operandAt(instruction, 1), width);
  const equal = emit.value(Op.Eq, width, expected, old);
  const difference = emit.value(Op.Sub, width, expected, old);
  const stored = emit.value(Op.Select, width, equal, replacement, old);
  const whole32 = width === Width.W32 && destination.kind === OperandKind.REGISTER;
  // AMD's processors leave all 64 bits of a register alone that is not replaced.
  const before = whole32 ? emit.getRegister(destination.index) : NONE;
  if (width === Width.W32) {
    // Success leaves all of rax alone, failure zero-extends.
    const whole = emit.getRegister(RAX);
    emit.setRegister(RAX, emit.value(Op.Select, Width.W64, equal, whole, old));
  } else {
    emit.setRegister(RAX, emit.value(Op.Select, width, equal, expected, old), width);
  }
  if (whole32) {
    const kept = emit.value(Op.Select, Width.W64, equal, replacement, before);
    emit.setRegister(destination.index, kept);
  } else {
    place.write(stored);
  }
  setFlags(emit, FlagKind.SUB, width, difference, old);
};

/** cmpxchg8b, cmpxchg16b: two halves of `half` width in rdx:rax and rcx:rbx. Only ZF changes. */
function compareAndExchangePair(half: Width): Lifter {
  const bytes = BigInt(1 << half);
  return (emit, instruction) => {
    const operand = operandAt(instruction, 0);
    if (operand.kind !== OperandKind.MEMORY) throw new Unsupported('operand');
    const address = emit.address(operand);
    if (half === Width.W64) {
      const low = emit.withConstant(Op.And, Width.W64, address, 15);
      emit.trapIf(emit.withConstant(Op.Ne, Width.W64, low, 0), GENERAL_PROTECTION);
    }
    const lock = instruction.lock ? 1n : 0n;
    const host = emit.value(Op.ProbeWrite, half + 1, address, NONE, NONE, lock);
    const hostHigh = emit.withConstant(Op.Add, Width.W64, host, bytes);
    const oldLow = emit.value(Op.LoadHost, half, host);
    const oldHigh = emit.value(Op.LoadHost, half, hostHigh);
    const sameLow = emit.value(Op.Eq, half, oldLow, emit.getRegister(RAX, half));
    const sameHigh = emit.value(Op.Eq, half, oldHigh, emit.getRegister(RDX, half));
    const equal = emit.value(Op.And, Width.W8, sameLow, sameHigh);
    const newLow = emit.value(Op.Select, half, equal, emit.getRegister(3, half), oldLow);
    const newHigh = emit.value(Op.Select, half, equal, emit.getRegister(RCX, half), oldHigh);
    const [rax, rdx] = [emit.getRegister(RAX), emit.getRegister(RDX)];
    emit.setRegister(RAX, emit.value(Op.Select, Width.W64, equal, rax, oldLow));
    emit.setRegister(RDX, emit.value(Op.Select, Width.W64, equal, rdx, oldHigh));
    emit.effect(Op.StoreHost, half, hostHigh, newHigh);
    emit.effect(Op.StoreHost, half, host, newLow);
    const zero = emit.withConstant(Op.Shl, Width.W64, equal, 6);
    setRaw(emit, emit.value(Op.Or, Width.W64, flagsWithout(emit, FlagBit.ZF), zero));
  };
}

export const ARITHMETIC_LIFTERS: LifterTable = {
  add: addOrSubtract(Op.Add, true),
  sub: addOrSubtract(Op.Sub, true),
  cmp: addOrSubtract(Op.Sub, false),
  adc: withCarry(Op.Add),
  sbb: withCarry(Op.Sub),
  inc: step(Op.Add),
  dec: step(Op.Sub),
  neg: negate,
  mul: multiplyAccumulator(false),
  imul: signedMultiply,
  div: divide(false),
  idiv: divide(true),
  xadd: exchangeAndAdd,
  cmpxchg: compareAndExchange,
  cmpxchg8b: compareAndExchangePair(Width.W32),
  cmpxchg16b: compareAndExchangePair(Width.W64),
};
