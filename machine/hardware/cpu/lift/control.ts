/** Jumps, calls, returns, loops, and the instructions that trap on purpose. */
import { JumpKind, NONE, Op, Width } from '../ir.ts';
import { operandAt, RCX, RSP, Unsupported } from './emitter.ts';
import type { Emitter, Lifter, LifterTable, Temp } from './emitter.ts';
import { CONDITION_CODES } from './flags.ts';
import { OperandKind } from '../decode.ts';
import type { Decoded } from '../decode.ts';

const BREAKPOINT = 3;
export const INVALID_OPCODE = 6;
const GENERAL_PROTECTION = 13;

/** Instructions that user code may not execute: #GP. */
const PRIVILEGED =
  'hlt int cli sti in out insb insw insd outsb outsw outsd clts invd wbinvd invlpg lgdt lidt lldt ' +
  'ltr lmsw rdmsr wrmsr rdpmc swapgs sysretq iretq';

/** Mnemonics that end a block; every other instruction falls through. */
export const CONTROL_TRANSFERS: ReadonlySet<string> = new Set([
  ...Object.keys(CONDITION_CODES).map((suffix) => `j${suffix}`),
  ...['jmp', 'call', 'ret', 'jrcxz', 'jecxz', 'loop', 'loope', 'loopne'],
  // They change MXCSR, which translated code does not look at: see Op.Dispatch.
  ...['ldmxcsr', 'fxrstor', 'fxrstor64'],
  ...['syscall', 'int3', 'ud0', 'ud1', 'ud2', ...PRIVILEGED.split(' ')],
]);

/** The address after `instruction`. */
export function nextAddress(instruction: Decoded): bigint {
  return BigInt.asUintN(64, instruction.address + BigInt(instruction.length));
}

function branch(emit: Emitter, condition: Temp, instruction: Decoded): void {
  const target = operandAt(instruction, 0);
  if (target.kind !== OperandKind.TARGET) throw new Unsupported('target');
  const next = nextAddress(instruction);
  emit.effect(Op.Branch, Width.W64, condition, NONE, NONE, target.address, next);
}

const jump: Lifter = (emit, instruction) => {
  const target = operandAt(instruction, 0);
  if (target.kind === OperandKind.TARGET) {
    emit.effect(Op.Jump, Width.W64, NONE, NONE, NONE, target.address);
  } else {
    const address = emit.read(target, Width.W64);
    emit.effect(Op.JumpIndirect, Width.W64, address, NONE, NONE, BigInt(JumpKind.JUMP));
  }
};

const call: Lifter = (emit, instruction) => {
  const target = operandAt(instruction, 0);
  const direct = target.kind === OperandKind.TARGET;
  const address = direct ? NONE : emit.read(target, Width.W64);
  const top = emit.withConstant(Op.Sub, Width.W64, emit.getRegister(RSP), 8);
  emit.store(Width.W64, top, emit.constant(nextAddress(instruction)));
  emit.setRegister(RSP, top);
  const after = nextAddress(instruction);
  if (direct) emit.effect(Op.Jump, Width.W64, NONE, NONE, NONE, target.address, after);
  else emit.effect(Op.JumpIndirect, Width.W64, address, NONE, NONE, BigInt(JumpKind.CALL), after);
};

const ret: Lifter = (emit, instruction) => {
  const operand = instruction.operands.at(0);
  const extra = operand?.kind === OperandKind.IMMEDIATE ? operand.value : 0n;
  const top = emit.getRegister(RSP);
  const address = emit.load(Width.W64, top);
  emit.setRegister(RSP, emit.withConstant(Op.Add, Width.W64, top, 8n + extra));
  emit.effect(Op.JumpIndirect, Width.W64, address, NONE, NONE, BigInt(JumpKind.RETURN));
};

/** jrcxz, jecxz. */
function jumpIfCountZero(width: Width): Lifter {
  return (emit, instruction) => {
    const count = emit.getRegister(RCX, width);
    branch(emit, emit.withConstant(Op.Eq, width, count, 0), instruction);
  };
}

/** loop, loope (condition e), loopne (condition ne). */
function loop(condition: number | undefined): Lifter {
  return (emit, instruction) => {
    const width = instruction.address32 ? Width.W32 : Width.W64;
    const count = emit.withConstant(Op.Sub, width, emit.getRegister(RCX, width), 1);
    let again = emit.withConstant(Op.Ne, width, count, 0);
    if (condition !== undefined) {
      again = emit.value(Op.And, Width.W8, again, emit.condition(condition));
    }
    emit.setRegister(RCX, count, width);
    branch(emit, again, instruction);
  };
}

/** Ends the block with an exception at the instruction itself. */
export function raise(emit: Emitter, vector: number, rip: bigint): void {
  emit.effect(Op.Exception, Width.W64, NONE, NONE, NONE, BigInt(vector), rip);
}

const raising =
  (vector: number): Lifter =>
  (emit, instruction) => {
    raise(emit, vector, instruction.address);
  };

const conditionalJumps: Record<string, Lifter> = {};
for (const [suffix, code] of Object.entries(CONDITION_CODES)) {
  conditionalJumps[`j${suffix}`] = (emit, instruction) => {
    branch(emit, emit.condition(code), instruction);
  };
}

export const CONTROL_LIFTERS: LifterTable = {
  ...conditionalJumps,
  jmp: jump,
  call,
  ret,
  jrcxz: jumpIfCountZero(Width.W64),
  jecxz: jumpIfCountZero(Width.W32),
  loop: loop(undefined),
  loope: loop(4),
  loopne: loop(5),
  int3: (emit, instruction) => {
    raise(emit, BREAKPOINT, nextAddress(instruction));
  },
  ud0: raising(INVALID_OPCODE),
  ud1: raising(INVALID_OPCODE),
  ud2: raising(INVALID_OPCODE),
  ...Object.fromEntries(PRIVILEGED.split(' ').map((name) => [name, raising(GENERAL_PROTECTION)])),
};
