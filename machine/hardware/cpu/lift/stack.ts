/** push, pop, pushfq, popfq, leave. */
import { Cpu } from '../../layout.ts';
import { Op, Width } from '../ir.ts';
import { bytesOf, operandAt, RBP, RSP, Unsupported, widthOf } from './emitter.ts';
import type { Lifter, LifterTable } from './emitter.ts';
import { setRaw } from './flags.ts';
import { OperandKind } from '../decode.ts';

/** rflags bits that user code may change besides DF and the six arithmetic ones: NT, AC, ID. */
const USER_FLAGS = 0x244000;
/** rflags bits that pushfq shows from RFLAGS_OTHER: all but RF and VM. */
const VISIBLE_FLAGS = 0x3cf302;
const ARITHMETIC_FLAGS = 0x8d5;
const DF_POSITION = 10;

const push: Lifter = (emit, instruction) => {
  const operand = operandAt(instruction, 0);
  const width = operand.kind === OperandKind.IMMEDIATE ? Width.W64 : widthOf(operand);
  if (operand.kind === OperandKind.IMMEDIATE && instruction.mnemonic !== 'push') {
    throw new Unsupported('operand');
  }
  const value = emit.read(operand, width);
  const top = emit.withConstant(Op.Sub, Width.W64, emit.getRegister(RSP), bytesOf(width));
  emit.store(width, top, value);
  emit.setRegister(RSP, top);
};

const pop: Lifter = (emit, instruction) => {
  const operand = operandAt(instruction, 0);
  const width = widthOf(operand);
  const top = emit.getRegister(RSP);
  const value = emit.load(width, top);
  const above = emit.withConstant(Op.Add, Width.W64, top, bytesOf(width));
  if (operand.kind === OperandKind.MEMORY) {
    // An address based on rsp uses its value after the increment.
    const onStack = operand.base === RSP;
    emit.store(width, emit.address(operand, onStack ? bytesOf(width) : 0), value);
    emit.setRegister(RSP, above);
  } else {
    emit.setRegister(RSP, above);
    emit.write(operand, width, value);
  }
};

const pushFlags: Lifter = (emit) => {
  const direction = emit.getState(Cpu.DF, Width.W32);
  const shifted = emit.withConstant(Op.Shl, Width.W64, direction, DF_POSITION);
  const other = emit.getState(Cpu.RFLAGS_OTHER, Width.W32);
  const visible = emit.withConstant(Op.And, Width.W64, other, VISIBLE_FLAGS);
  const withFixed = emit.withConstant(Op.Or, Width.W64, visible, 2);
  const upper = emit.value(Op.Or, Width.W64, withFixed, shifted);
  const image = emit.value(Op.Or, Width.W64, upper, emit.value(Op.GetFlags, Width.W64));
  const top = emit.withConstant(Op.Sub, Width.W64, emit.getRegister(RSP), 8);
  emit.store(Width.W64, top, image);
  emit.setRegister(RSP, top);
};

/** The trap flag is not taken over: there is no single-step trap. */
const popFlags: Lifter = (emit) => {
  const top = emit.getRegister(RSP);
  const image = emit.load(Width.W64, top);
  const old = emit.getState(Cpu.RFLAGS_OTHER, Width.W32);
  const kept = emit.withConstant(Op.And, Width.W64, old, 0xffffffff & ~USER_FLAGS);
  const taken = emit.withConstant(Op.And, Width.W64, image, USER_FLAGS);
  const other = emit.value(Op.Or, Width.W64, kept, taken);
  const shifted = emit.withConstant(Op.Shr, Width.W64, image, DF_POSITION);
  const direction = emit.withConstant(Op.And, Width.W64, shifted, 1);
  emit.setRegister(RSP, emit.withConstant(Op.Add, Width.W64, top, 8));
  emit.setState(Cpu.RFLAGS_OTHER, Width.W32, other);
  emit.setState(Cpu.DF, Width.W32, direction);
  setRaw(emit, emit.withConstant(Op.And, Width.W64, image, ARITHMETIC_FLAGS));
};

const leave: Lifter = (emit) => {
  const frame = emit.getRegister(RBP);
  const saved = emit.load(Width.W64, frame);
  emit.setRegister(RSP, emit.withConstant(Op.Add, Width.W64, frame, 8));
  emit.setRegister(RBP, saved);
};

export const STACK_LIFTERS: LifterTable = {
  push,
  pop,
  pushfq: pushFlags,
  popfq: popFlags,
  leave,
};
