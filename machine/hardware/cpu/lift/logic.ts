/** and, or, xor, test, not. */
import { FlagKind, Op } from '../ir.ts';
import { operandAt, widthOf } from './emitter.ts';
import type { Lifter, LifterTable } from './emitter.ts';
import { setFlags } from './flags.ts';
import { OperandKind } from '../decode.ts';
import type { Operand } from '../decode.ts';

function sameRegister(a: Operand, b: Operand): boolean {
  if (a.kind !== OperandKind.REGISTER || b.kind !== OperandKind.REGISTER) return false;
  return a.index === b.index && a.width === b.width && a.high === b.high;
}

function logical(op: Op.And | Op.Or | Op.Xor): Lifter {
  return (emit, instruction) => {
    const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
    const width = widthOf(destination);
    if (op === Op.Xor && sameRegister(destination, source)) {
      // The zeroing idiom: no dependence on the old value.
      const zero = emit.constant(0, width);
      emit.write(destination, width, zero);
      setFlags(emit, FlagKind.LOGIC, width, zero);
      return;
    }
    const right = emit.read(source, width);
    const place = emit.place(destination, instruction.lock);
    const result = emit.value(op, width, place.value, right);
    place.write(result);
    setFlags(emit, FlagKind.LOGIC, width, result);
  };
}

const test: Lifter = (emit, instruction) => {
  const [first, second] = [operandAt(instruction, 0), operandAt(instruction, 1)];
  const width = widthOf(first);
  const left = emit.read(first, width);
  const result = sameRegister(first, second)
    ? left
    : emit.value(Op.And, width, left, emit.read(second, width));
  setFlags(emit, FlagKind.LOGIC, width, result);
};

const invert: Lifter = (emit, instruction) => {
  const place = emit.place(operandAt(instruction, 0), instruction.lock);
  place.write(emit.value(Op.Not, place.width, place.value));
};

export const LOGIC_LIFTERS: LifterTable = {
  and: logical(Op.And),
  or: logical(Op.Or),
  xor: logical(Op.Xor),
  test,
  not: invert,
};
