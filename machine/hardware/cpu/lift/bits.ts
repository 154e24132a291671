/** bt, bts, btr, btc, bsf, bsr; tzcnt and lzcnt, which without BMI execute as bsf and bsr. */
import { FlagKind, NONE, Op, Width } from '../ir.ts';
import { bitsOf, maskOf, operandAt, widthOf } from './emitter.ts';
import type { Emitter, Lifter, LifterTable, Place, Temp } from './emitter.ts';
import { setCarry, setFlags } from './flags.ts';
import { OperandKind } from '../decode.ts';
import type { Decoded, MemoryOperand } from '../decode.ts';

/** Address of the word that holds bit `index` (signed) of the bit string at `memory`. */
function wordAddress(emit: Emitter, memory: MemoryOperand, index: Temp, width: Width): Temp {
  const signed = width === Width.W64 ? index : emit.signExtend(index, width);
  const words = emit.withConstant(Op.Sar, Width.W64, signed, 3 + width);
  const offset = emit.withConstant(Op.Shl, Width.W64, words, width);
  return emit.value(Op.Add, Width.W64, emit.address(memory), offset);
}

/** The operand to test; a register index reaches beyond a memory operand's own word. */
function tested(emit: Emitter, instruction: Decoded, index: Temp, writes: boolean): Place {
  const target = operandAt(instruction, 0);
  const width = widthOf(target);
  const far =
    target.kind === OperandKind.MEMORY && operandAt(instruction, 1).kind === OperandKind.REGISTER;
  if (!far) {
    if (writes) return emit.place(target, instruction.lock);
    return { width, value: emit.read(target, width), write: () => undefined };
  }
  const address = wordAddress(emit, target, index, width);
  if (!writes) return { width, value: emit.load(width, address), write: () => undefined };
  const lock = instruction.lock ? 1n : 0n;
  const host = emit.value(Op.ProbeWrite, width, address, NONE, NONE, lock);
  return {
    width,
    value: emit.value(Op.LoadHost, width, host),
    write: (value) => {
      emit.effect(Op.StoreHost, width, host, value);
    },
  };
}

type Change = (emit: Emitter, width: Width, value: Temp, single: Temp) => Temp;

function bitTest(change: Change | undefined): Lifter {
  return (emit, instruction) => {
    const width = widthOf(operandAt(instruction, 0));
    const index = emit.read(operandAt(instruction, 1), width);
    const place = tested(emit, instruction, index, change !== undefined);
    const position = emit.withConstant(Op.And, width, index, bitsOf(width) - 1);
    const moved = emit.value(Op.Shr, width, place.value, position);
    const carry = emit.withConstant(Op.And, width, moved, 1);
    if (change !== undefined) {
      const single = emit.value(Op.Shl, width, emit.constant(1, width), position);
      place.write(change(emit, width, place.value, single));
    }
    setCarry(emit, carry);
  };
}

/** A source of zero leaves the destination alone, on processors of both vendors. */
function bitScan(op: Op.Ctz | Op.Clz): Lifter {
  return (emit, instruction) => {
    const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
    const width = widthOf(destination);
    const value = emit.read(source, width);
    const counted = emit.value(op, width, value);
    const index =
      op === Op.Ctz ? counted : emit.withConstant(Op.Xor, width, counted, bitsOf(width) - 1);
    const found = emit.withConstant(Op.Ne, width, value, 0);
    if (width === Width.W32 && destination.kind === OperandKind.REGISTER) {
      const whole = emit.getRegister(destination.index);
      emit.setRegister(destination.index, emit.value(Op.Select, Width.W64, found, index, whole));
    } else {
      const kept = emit.read(destination, width);
      emit.write(destination, width, emit.value(Op.Select, width, found, index, kept));
    }
    setFlags(emit, FlagKind.LOGIC, width, value);
  };
}

const clear: Change = (emit, width, value, single) => {
  const others = emit.withConstant(Op.Xor, width, single, maskOf(width));
  return emit.value(Op.And, width, value, others);
};

export const BIT_LIFTERS: LifterTable = {
  bt: bitTest(undefined),
  bts: bitTest((emit, width, value, single) => emit.value(Op.Or, width, value, single)),
  btr: bitTest(clear),
  btc: bitTest((emit, width, value, single) => emit.value(Op.Xor, width, value, single)),
  bsf: bitScan(Op.Ctz),
  tzcnt: bitScan(Op.Ctz),
  bsr: bitScan(Op.Clz),
  lzcnt: bitScan(Op.Clz),
};
