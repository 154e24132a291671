/** push, pop, pushfq, popfq, enter, leave. */
import { Cpu } from '../../layout.ts';
import { JumpKind, NONE, Op, Width } from '../ir.ts';
import { bytesOf, operandAt, RBP, RSP, Unsupported, widthOf } from './emitter.ts';
import type { Emitter, Lifter, LifterTable, Temp } from './emitter.ts';
import { SELECTORS } from './moves.ts';
import type { Decoded } from '../decode.ts';
import { setRaw } from './flags.ts';
import { OperandKind } from '../decode.ts';

/** rflags bits that user code may change besides DF and the six arithmetic ones: NT, AC, ID. */
const USER_FLAGS = 0x244000;
/** rflags bits that pushfq shows from RFLAGS_OTHER: all but RF and VM. */
const VISIBLE_FLAGS = 0x3cf302;
const ARITHMETIC_FLAGS = 0x8d5;
const DF_POSITION = 10;
const GENERAL_PROTECTION = 13;

function stackWidth(instruction: Decoded): Width {
  return instruction.stackBytes === 2 ? Width.W16 : Width.W64;
}

const push: Lifter = (emit, instruction) => {
  const operand = operandAt(instruction, 0);
  const implied = operand.kind === OperandKind.IMMEDIATE || operand.kind === OperandKind.SEGMENT;
  const width = implied ? stackWidth(instruction) : widthOf(operand);
  const value =
    operand.kind === OperandKind.SEGMENT
      ? emit.constant(SELECTORS[operand.index] ?? 0, width)
      : emit.read(operand, width);
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

const pushFlags: Lifter = (emit, instruction) => {
  const width = stackWidth(instruction);
  const direction = emit.getState(Cpu.DF, Width.W32);
  const shifted = emit.withConstant(Op.Shl, Width.W64, direction, DF_POSITION);
  const other = emit.getState(Cpu.RFLAGS_OTHER, Width.W32);
  const visible = emit.withConstant(Op.And, Width.W64, other, VISIBLE_FLAGS);
  const withFixed = emit.withConstant(Op.Or, Width.W64, visible, 2);
  const upper = emit.value(Op.Or, Width.W64, withFixed, shifted);
  const image = emit.value(Op.Or, Width.W64, upper, emit.value(Op.GetFlags, Width.W64));
  const top = emit.withConstant(Op.Sub, Width.W64, emit.getRegister(RSP), bytesOf(width));
  emit.store(width, top, width === Width.W64 ? image : emit.truncate(width, image));
  emit.setRegister(RSP, top);
};

/** Takes over what user code may change of rflags. The trap flag is not: there is no single step. */
function setRflags(emit: Emitter, image: Temp, changeable: number): void {
  const old = emit.getState(Cpu.RFLAGS_OTHER, Width.W32);
  const kept = emit.withConstant(Op.And, Width.W64, old, ~BigInt(changeable) & 0xffffffffn);
  const taken = emit.withConstant(Op.And, Width.W64, image, changeable);
  const other = emit.value(Op.Or, Width.W64, kept, taken);
  const shifted = emit.withConstant(Op.Shr, Width.W64, image, DF_POSITION);
  const direction = emit.withConstant(Op.And, Width.W64, shifted, 1);
  emit.setState(Cpu.RFLAGS_OTHER, Width.W32, other);
  emit.setState(Cpu.DF, Width.W32, direction);
  setRaw(emit, emit.withConstant(Op.And, Width.W64, image, ARITHMETIC_FLAGS));
}

const popFlags: Lifter = (emit, instruction) => {
  const width = stackWidth(instruction);
  const top = emit.getRegister(RSP);
  const image = emit.load(width, top);
  emit.setRegister(RSP, emit.withConstant(Op.Add, Width.W64, top, bytesOf(width)));
  setRflags(emit, image, width === Width.W64 ? USER_FLAGS : USER_FLAGS & 0xffff);
};

/** iretq to the same privilege: any other selectors than those of 64-bit user code are #GP. */
const interruptReturn: Lifter = (emit) => {
  const top = emit.getRegister(RSP);
  const word = (n: number): Temp =>
    emit.load(Width.W64, emit.withConstant(Op.Add, Width.W64, top, 8 * n));
  const [address, code, flags, stack, data] = [word(0), word(1), word(2), word(3), word(4)];
  for (const [selector, expected] of [
    [code, SELECTORS[1]],
    [data, SELECTORS[2]],
  ] as const) {
    const low = emit.withConstant(Op.And, Width.W64, selector, 0xffff);
    emit.trapIf(emit.withConstant(Op.Ne, Width.W64, low, expected ?? 0), GENERAL_PROTECTION);
  }
  emit.setRegister(RSP, stack);
  setRflags(emit, flags, USER_FLAGS);
  emit.effect(Op.JumpIndirect, Width.W64, address, NONE, NONE, BigInt(JumpKind.JUMP));
};

const leave: Lifter = (emit, instruction) => {
  const width = stackWidth(instruction);
  const frame = emit.getRegister(RBP);
  const saved = emit.load(width, frame);
  emit.setRegister(RSP, emit.withConstant(Op.Add, Width.W64, frame, bytesOf(width)));
  emit.setRegister(RBP, saved, width);
};

/** Faults unless the word can be written, which it is with what it holds: a probe must be completed. */
function touchForWriting(emit: Emitter, width: Width, address: Temp): void {
  const host = emit.value(Op.ProbeWrite, width, address);
  emit.effect(Op.StoreHost, width, host, emit.value(Op.LoadHost, width, host));
}

/**
 * enter: pushes rbp and, at nesting levels above 0, the frame pointers of the outer procedures. All
 * that it writes is probed first, from the last word on, so that a fault leaves nothing changed.
 */
const enter: Lifter = (emit, instruction) => {
  const [size, nesting] = [operandAt(instruction, 0), operandAt(instruction, 1)];
  if (size.kind !== OperandKind.IMMEDIATE || nesting.kind !== OperandKind.IMMEDIATE) {
    throw new Unsupported('operand');
  }
  const width = stackWidth(instruction);
  const bytes = bytesOf(width);
  const level = Number(nesting.value & 31n);
  const top = emit.getRegister(RSP);
  const frame = emit.getRegister(RBP);
  const below = (words: number): Temp => emit.withConstant(Op.Sub, Width.W64, top, words * bytes);
  const pointer = below(1);
  const end = below(level + 1);
  const space = emit.withConstant(Op.Sub, Width.W64, end, size.value & 0xffffn);
  // The processor checks that the new top of the stack can be written.
  touchForWriting(emit, width, space);
  if (level > 0) touchForWriting(emit, width, end);
  emit.store(width, pointer, width === Width.W64 ? frame : emit.truncate(width, frame));
  for (let n = 1; n < level; n++) {
    const outer = emit.withConstant(Op.Sub, Width.W64, frame, n * bytes);
    emit.store(width, below(n + 1), emit.load(width, outer));
  }
  const own = width === Width.W64 ? pointer : emit.truncate(width, pointer);
  if (level > 0) emit.store(width, end, own);
  emit.setRegister(RBP, own, width);
  emit.setRegister(RSP, space);
};

export const STACK_LIFTERS: LifterTable = {
  push,
  pop,
  pushfq: pushFlags,
  popfq: popFlags,
  pushf: pushFlags,
  popf: popFlags,
  enter,
  iretq: interruptReturn,
  leave,
};
