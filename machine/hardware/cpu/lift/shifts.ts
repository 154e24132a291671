/**
 * Shifts and rotates. The count is masked to 5 bits (6 for 64-bit operands); a masked count of zero
 * changes no flag, which for a count in cl takes the conditional FlagsIf.
 */
import { FlagKind, Helper, Op, Width } from '../ir.ts';
import { bitsOf, operandAt, RCX, Unsupported, widthOf } from './emitter.ts';
import type { Emitter, Lifter, LifterTable, Temp } from './emitter.ts';
import { CARRY, carryAndOverflow, FlagBit, flagsWithout, setFlags } from './flags.ts';
import { OperandKind } from '../decode.ts';
import type { Decoded } from '../decode.ts';

interface Count {
  readonly temp: Temp;
  /** The masked count when it is an immediate. */
  readonly fixed: number | undefined;
}

function countOf(emit: Emitter, instruction: Decoded, position: number, width: Width): Count {
  const mask = width === Width.W64 ? 63 : 31;
  const operand = instruction.operands.at(position);
  if (operand === undefined) return { temp: emit.constant(1), fixed: 1 };
  if (operand.kind === OperandKind.IMMEDIATE) {
    const fixed = Number(operand.value & BigInt(mask));
    return { temp: emit.constant(fixed), fixed };
  }
  if (operand.kind !== OperandKind.REGISTER) throw new Unsupported('operand');
  const count = emit.getRegister(RCX, Width.W8);
  return { temp: emit.withConstant(Op.And, Width.W64, count, mask), fixed: undefined };
}

/** Sets flags of `kind`, but none when the count turns out to be zero. */
function setCountedFlags(
  emit: Emitter,
  kind: FlagKind.SHIFT | FlagKind.RAW,
  width: Width,
  count: Count,
  result: Temp,
  source: Temp,
): void {
  if (count.fixed === 0) return;
  if (count.fixed !== undefined) setFlags(emit, kind, width, result, source);
  else emit.effect(Op.FlagsIf, width, result, source, count.temp, BigInt(kind));
}

function bit(emit: Emitter, value: Temp, position: number): Temp {
  const shifted = position === 0 ? value : emit.withConstant(Op.Shr, Width.W64, value, position);
  return emit.withConstant(Op.And, Width.W64, shifted, 1);
}

interface Shifted {
  readonly result: Temp;
  readonly carry: Temp;
  readonly overflow: Temp;
}

type Shift = (emit: Emitter, width: Width, value: Temp, count: Temp) => Shifted;

const shiftLeft: Shift = (emit, width, value, count) => {
  const bits = bitsOf(width);
  const wide = emit.value(Op.Shl, Width.W64, value, count);
  const result = width === Width.W64 ? wide : emit.truncate(width, wide);
  const carry =
    width === Width.W64
      ? bit(emit, emit.value(Op.Rotl, width, value, count), 0)
      : bit(emit, wide, bits);
  const overflow = emit.value(Op.Xor, Width.W64, bit(emit, result, bits - 1), carry);
  return { result, carry, overflow };
};

/** The last bit shifted out: bit count - 1 (of anything when the count is 0). */
function lastOut(emit: Emitter, op: Op.Shr | Op.Sar, value: Temp, count: Temp): Temp {
  const less = emit.withConstant(Op.Sub, Width.W64, count, 1);
  const masked = emit.withConstant(Op.And, Width.W64, less, 63);
  return bit(emit, emit.value(op, Width.W64, value, masked), 0);
}

const shiftRight: Shift = (emit, width, value, count) => ({
  result: emit.value(Op.Shr, Width.W64, value, count),
  carry: lastOut(emit, Op.Shr, value, count),
  overflow: bit(emit, value, bitsOf(width) - 1),
});

const shiftRightArithmetic: Shift = (emit, width, value, count) => {
  const wide = width === Width.W64 ? value : emit.signExtend(value, width);
  const shifted = emit.value(Op.Sar, Width.W64, wide, count);
  return {
    result: width === Width.W64 ? shifted : emit.truncate(width, shifted),
    carry: lastOut(emit, Op.Sar, wide, count),
    overflow: emit.constant(0),
  };
};

function shift(compute: Shift): Lifter {
  return (emit, instruction) => {
    const place = emit.place(operandAt(instruction, 0), instruction.lock);
    const count = countOf(emit, instruction, 1, place.width);
    const { result, carry, overflow } = compute(emit, place.width, place.value, count.temp);
    place.write(result);
    const source = carryAndOverflow(emit, carry, overflow);
    setCountedFlags(emit, FlagKind.SHIFT, place.width, count, result, source);
  };
}

/** rol, ror: only CF and OF change. */
function rotate(op: Op.Rotl | Op.Rotr): Lifter {
  return (emit, instruction) => {
    const place = emit.place(operandAt(instruction, 0), instruction.lock);
    const { width } = place;
    const top = bitsOf(width) - 1;
    const count = countOf(emit, instruction, 1, width);
    const turns =
      width >= Width.W32
        ? count.temp
        : emit.withConstant(Op.And, Width.W64, count.temp, bitsOf(width) - 1);
    const result = emit.value(op, width, place.value, turns);
    const carry = bit(emit, result, op === Op.Rotl ? 0 : top);
    const other = bit(emit, result, op === Op.Rotl ? top : top - 1);
    const overflow = emit.value(Op.Xor, Width.W64, carry, other);
    const kept = flagsWithout(emit, FlagBit.CF | FlagBit.OF);
    const changed = carryAndOverflow(emit, carry, overflow);
    place.write(result);
    const flags = emit.value(Op.Or, Width.W64, kept, changed);
    setCountedFlags(emit, FlagKind.RAW, Width.W64, count, flags, flags);
  };
}

/** rcl, rcr. */
function rotateThroughCarry(helper: Helper.RotateCarryLeft | Helper.RotateCarryRight): Lifter {
  return (emit, instruction) => {
    const place = emit.place(operandAt(instruction, 0), instruction.lock);
    const count = countOf(emit, instruction, 1, place.width);
    const carry = emit.withConstant(Op.Shl, Width.W64, emit.condition(CARRY), 3);
    const form = emit.withConstant(Op.Or, Width.W64, carry, place.width);
    const result = emit.call(helper, place.value, count.temp, form);
    const changed = emit.callResult();
    const kept = flagsWithout(emit, FlagBit.CF | FlagBit.OF);
    place.write(result);
    const flags = emit.value(Op.Or, Width.W64, kept, changed);
    setCountedFlags(emit, FlagKind.RAW, Width.W64, count, flags, flags);
  };
}

/** high:low << count, upper half, with `low` entering from below (shld). */
function doubleLeft(emit: Emitter, width: Width, high: Temp, low: Temp, count: Temp): Temp {
  if (width === Width.W64) {
    const kept = emit.value(Op.Shl, width, high, count);
    const inverse = emit.withConstant(Op.Xor, width, count, 63);
    const half = emit.withConstant(Op.Shr, width, low, 1);
    return emit.value(Op.Or, width, kept, emit.value(Op.Shr, width, half, inverse));
  }
  const bits = bitsOf(width);
  const upper = emit.withConstant(Op.Shl, Width.W64, high, bits);
  const joined = emit.value(Op.Or, Width.W64, upper, low);
  const shifted = emit.value(Op.Shl, Width.W64, joined, count);
  return emit.truncate(width, emit.withConstant(Op.Shr, Width.W64, shifted, bits));
}

/** high:low >> count, lower half, with `high` entering from above (shrd). */
function doubleRight(emit: Emitter, width: Width, low: Temp, high: Temp, count: Temp): Temp {
  if (width === Width.W64) {
    const kept = emit.value(Op.Shr, width, low, count);
    const inverse = emit.withConstant(Op.Xor, width, count, 63);
    const twice = emit.withConstant(Op.Shl, width, high, 1);
    return emit.value(Op.Or, width, kept, emit.value(Op.Shl, width, twice, inverse));
  }
  const upper = emit.withConstant(Op.Shl, Width.W64, high, bitsOf(width));
  const joined = emit.value(Op.Or, Width.W64, upper, low);
  return emit.truncate(width, emit.value(Op.Shr, Width.W64, joined, count));
}

/** shld, shrd. */
function doubleShift(left: boolean): Lifter {
  return (emit, instruction) => {
    const destination = operandAt(instruction, 0);
    const width = widthOf(destination);
    const filler = emit.read(operandAt(instruction, 1), width);
    const place = emit.place(destination, instruction.lock);
    const { value } = place;
    const top = bitsOf(width) - 1;
    const count = countOf(emit, instruction, 2, width);
    const compute = left ? doubleLeft : doubleRight;
    const result = compute(emit, width, value, filler, count.temp);
    const carry = left
      ? shiftLeft(emit, width, value, count.temp).carry
      : lastOut(emit, Op.Shr, value, count.temp);
    const turned = emit.value(Op.Xor, Width.W64, bit(emit, value, top), bit(emit, result, top));
    place.write(result);
    const source = carryAndOverflow(emit, carry, turned);
    setCountedFlags(emit, FlagKind.SHIFT, width, count, result, source);
  };
}

export const SHIFT_LIFTERS: LifterTable = {
  shl: shift(shiftLeft),
  sal: shift(shiftLeft),
  shr: shift(shiftRight),
  sar: shift(shiftRightArithmetic),
  rol: rotate(Op.Rotl),
  ror: rotate(Op.Rotr),
  rcl: rotateThroughCarry(Helper.RotateCarryLeft),
  rcr: rotateThroughCarry(Helper.RotateCarryRight),
  shld: doubleShift(true),
  shrd: doubleShift(false),
};
