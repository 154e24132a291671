/**
 * x87 instructions: their operands are loaded and stored here, everything else is one call of the
 * x87 helper. An instruction that waits first raises what an earlier one left pending.
 */
import { Cpu } from '../../layout.ts';
import { Helper, NONE, Op, Width } from '../ir.ts';
import { OperandKind } from '../decode.ts';
import type { Decoded, MemoryOperand, Operand } from '../decode.ts';
import { X87Arithmetic, X87Constant, X87MemoryOp, X87Op } from '../x87.ts';
import { bytesOf, operandAt, Unsupported, widthOf } from './emitter.ts';
import type { Emitter, Lifter, LifterTable, Temp } from './emitter.ts';
import { setRaw } from './flags.ts';

const EXTENDED_BYTES = 10;

const X87_EXCEPTION = 16;
/** Status word: an unmasked exception waits for the next instruction that looks. */
const ERROR_SUMMARY = 0x80;

/** #MF when an earlier x87 instruction left an unmasked exception pending. */
export function trapPending(emit: Emitter): void {
  const status = emit.getState(Cpu.X87_STATUS, Width.W32);
  const pending = emit.withConstant(Op.And, Width.W32, status, ERROR_SUMMARY);
  emit.trapIf(emit.withConstant(Op.Ne, Width.W32, pending, 0), X87_EXCEPTION);
}

function operate(
  emit: Emitter,
  operation: X87Op,
  parameter = 0,
  a: Temp = NONE,
  b: Temp = NONE,
): void {
  emit.effect(Op.Call, Width.W64, ...request(emit, operation, parameter, a, b), BigInt(Helper.X87));
}

/** The helper's three arguments; absent operands are zeros. */
function request(
  emit: Emitter,
  operation: X87Op,
  parameter: number,
  a: Temp,
  b: Temp,
): readonly [Temp, Temp, Temp] {
  const form = emit.constant(operation + 256 * parameter);
  const zero = a === NONE || b === NONE ? emit.constant(0) : NONE;
  return [form, a === NONE ? zero : a, b === NONE ? zero : b];
}

function query(emit: Emitter, operation: X87Op, parameter = 0, a: Temp = NONE): Temp {
  return emit.call(Helper.X87, ...request(emit, operation, parameter, a, NONE));
}

function stackIndex(operand: Operand | undefined): number {
  if (operand?.kind !== OperandKind.X87) throw new Unsupported('operand');
  return operand.index;
}

function memoryOf(instruction: Decoded): MemoryOperand | undefined {
  const operand = instruction.operands.at(0);
  return operand?.kind === OperandKind.MEMORY ? operand : undefined;
}

/** 80-bit memory operand, 8 and 2 bytes. */
function loadExtended(emit: Emitter, memory: MemoryOperand): readonly [Temp, Temp] {
  const significand = emit.load(Width.W64, emit.address(memory));
  return [significand, emit.load(Width.W16, emit.address(memory, 8))];
}

const loadFloat: Lifter = (emit, instruction) => {
  const memory = memoryOf(instruction);
  if (memory === undefined) {
    const last = instruction.operands.length - 1;
    operate(emit, X87Op.PUSH_REGISTER, stackIndex(instruction.operands[last]));
  } else if (memory.bytes === EXTENDED_BYTES) {
    const [significand, head] = loadExtended(emit, memory);
    operate(emit, X87Op.PUSH_EXTENDED, 0, significand, head);
  } else {
    const width = widthOf(memory);
    const operation = width === Width.W64 ? X87Op.PUSH_F64 : X87Op.PUSH_F32;
    operate(emit, operation, 0, emit.read(memory, width));
  }
};

/** A memory integer, sign-extended to 64 bits. */
function loadIntegerOperand(emit: Emitter, memory: MemoryOperand): Temp {
  const width = widthOf(memory);
  const value = emit.read(memory, width);
  return width === Width.W64 ? value : emit.signExtend(value, width);
}

const loadInteger: Lifter = (emit, instruction) => {
  const memory = memoryOf(instruction);
  if (memory === undefined) throw new Unsupported('operand');
  operate(emit, X87Op.PUSH_INTEGER, 0, loadIntegerOperand(emit, memory));
};

/**
 * Probes the destination before the conversion raises its exceptions in the status word, so that a
 * faulting store changes nothing.
 */
function storeConverted(
  emit: Emitter,
  memory: MemoryOperand,
  operation: X87Op,
  truncate: boolean,
): void {
  const width = widthOf(memory);
  const host = emit.value(Op.ProbeWrite, width, emit.address(memory));
  const value = query(emit, operation, 0, emit.constant(truncate ? 1 : 0));
  const stopped = emit.callResult();
  const old = emit.value(Op.LoadHost, width, host);
  const narrow = width === Width.W64 ? value : emit.truncate(width, value);
  emit.effect(Op.StoreHost, width, host, emit.value(Op.Select, width, stopped, old, narrow));
}

function storeFloat(pops: boolean): Lifter {
  return (emit, instruction) => {
    const memory = memoryOf(instruction);
    if (memory === undefined) {
      operate(emit, X87Op.STORE_REGISTER, stackIndex(instruction.operands[0]));
    } else if (memory.bytes === EXTENDED_BYTES) {
      const operation = emit.constant(X87MemoryOp.STORE_EXTENDED_POP);
      const address = emit.address(memory);
      emit.effect(Op.Call, Width.W64, operation, address, NONE, BigInt(Helper.X87Memory));
      return;
    } else {
      const wide = bytesOf(widthOf(memory)) === 8;
      storeConverted(emit, memory, wide ? X87Op.VALUE_F64 : X87Op.VALUE_F32, false);
    }
    if (pops) operate(emit, X87Op.POP);
  };
}

const INTEGER_VALUES: Readonly<Partial<Record<Width, X87Op>>> = {
  [Width.W16]: X87Op.VALUE_I16,
  [Width.W32]: X87Op.VALUE_I32,
  [Width.W64]: X87Op.VALUE_I64,
};

/** fist, fistp, fisttp. */
function storeInteger(pops: boolean, truncate: boolean): Lifter {
  return (emit, instruction) => {
    const memory = memoryOf(instruction);
    const operation = memory && INTEGER_VALUES[widthOf(memory)];
    if (operation === undefined) throw new Unsupported('operand');
    storeConverted(emit, memory as MemoryOperand, operation, truncate);
    if (pops) operate(emit, X87Op.POP);
  };
}

/** fadd st(i), st(j); fadd m32; fadd m64. */
function arithmetic(kind: X87Arithmetic, pops: boolean): Lifter {
  return (emit, instruction) => {
    const memory = memoryOf(instruction);
    if (memory === undefined) {
      const destination = stackIndex(instruction.operands[0]);
      const source = stackIndex(instruction.operands[1]);
      operate(emit, X87Op.ARITHMETIC_REGISTER, kind + 8 * destination + 64 * source);
    } else {
      const width = widthOf(memory);
      const operation = width === Width.W64 ? X87Op.ARITHMETIC_F64 : X87Op.ARITHMETIC_F32;
      operate(emit, operation, kind, emit.read(memory, width));
    }
    if (pops) operate(emit, X87Op.POP);
  };
}

function arithmeticInteger(kind: X87Arithmetic): Lifter {
  return (emit, instruction) => {
    const memory = memoryOf(instruction);
    if (memory === undefined) throw new Unsupported('operand');
    operate(emit, X87Op.ARITHMETIC_INTEGER, kind, loadIntegerOperand(emit, memory));
  };
}

/** fcom and its popping forms; fucom, which takes quiet NaNs, and its. */
function compare(pops: number, quiet: 0 | 1): Lifter {
  return (emit, instruction) => {
    const memory = memoryOf(instruction);
    if (memory === undefined) {
      const operands = instruction.operands;
      const last = operands[operands.length - 1];
      const other = pops === 2 ? 1 : stackIndex(last);
      operate(emit, X87Op.COMPARE_REGISTER, other, emit.constant(quiet));
    } else {
      const width = widthOf(memory);
      const operation = width === Width.W64 ? X87Op.COMPARE_F64 : X87Op.COMPARE_F32;
      operate(emit, operation, 0, emit.read(memory, width));
    }
    for (let n = 0; n < pops; n++) operate(emit, X87Op.POP);
  };
}

function compareInteger(pops: boolean): Lifter {
  return (emit, instruction) => {
    const memory = memoryOf(instruction);
    if (memory === undefined) throw new Unsupported('operand');
    operate(emit, X87Op.COMPARE_INTEGER, 0, loadIntegerOperand(emit, memory));
    if (pops) operate(emit, X87Op.POP);
  };
}

/** fcomi, fucomi and their popping forms. */
function compareToFlags(pops: boolean, quiet: 0 | 1): Lifter {
  return (emit, instruction) => {
    const other = stackIndex(instruction.operands[1]);
    const flags = query(emit, X87Op.COMPARE_FLAGS, other, emit.constant(quiet));
    if (pops) operate(emit, X87Op.POP);
    setRaw(emit, flags);
  };
}

function moveIf(code: number): Lifter {
  return (emit, instruction) => {
    const from = stackIndex(instruction.operands[1]);
    operate(emit, X87Op.MOVE_IF, from, emit.condition(code));
  };
}

const simple =
  (operation: X87Op, parameter = 0): Lifter =>
  (emit) => {
    operate(emit, operation, parameter);
  };

const exchange: Lifter = (emit, instruction) => {
  const last = instruction.operands.length - 1;
  operate(emit, X87Op.EXCHANGE, stackIndex(instruction.operands[last]));
};

function free(pops: boolean): Lifter {
  return (emit, instruction) => {
    operate(emit, X87Op.FREE, stackIndex(instruction.operands[0]));
    if (pops) operate(emit, X87Op.INCREMENT_TOP);
  };
}

const loadControl: Lifter = (emit, instruction) => {
  const value = emit.read(operandAt(instruction, 0), Width.W16);
  // Bit 6 reads as 1, the reserved upper ones as 0.
  const kept = emit.withConstant(Op.And, Width.W32, value, 0x1f3f);
  operate(emit, X87Op.LOAD_CONTROL, 0, emit.withConstant(Op.Or, Width.W32, kept, 0x40));
};

function storeWord(field: Cpu.X87_CONTROL | Cpu.X87_STATUS): Lifter {
  return (emit, instruction) => {
    const value = emit.truncate(Width.W16, emit.getState(field, Width.W32));
    emit.write(operandAt(instruction, 0), Width.W16, value);
  };
}

function memoryOperation(operation: X87MemoryOp): Lifter {
  return (emit, instruction) => {
    const memory = memoryOf(instruction);
    if (memory === undefined) throw new Unsupported('operand');
    const form = emit.constant(operation);
    const address = emit.address(memory);
    emit.effect(Op.Call, Width.W64, form, address, NONE, BigInt(Helper.X87Memory));
  };
}

const ARITHMETIC: readonly (readonly [string, X87Arithmetic])[] = [
  ['add', X87Arithmetic.ADD],
  ['mul', X87Arithmetic.MULTIPLY],
  ['sub', X87Arithmetic.SUBTRACT],
  ['subr', X87Arithmetic.SUBTRACT_REVERSED],
  ['div', X87Arithmetic.DIVIDE],
  ['divr', X87Arithmetic.DIVIDE_REVERSED],
];
const CONSTANTS: Readonly<Record<string, X87Constant>> = {
  fld1: X87Constant.ONE,
  fldl2t: X87Constant.LOG2_10,
  fldl2e: X87Constant.LOG2_E,
  fldpi: X87Constant.PI,
  fldlg2: X87Constant.LOG10_2,
  fldln2: X87Constant.LN_2,
  fldz: X87Constant.ZERO,
};
const UNARY: Readonly<Record<string, X87Op>> = {
  fabs: X87Op.ABSOLUTE,
  fchs: X87Op.NEGATE,
  fsqrt: X87Op.SQUARE_ROOT,
  frndint: X87Op.ROUND,
  fprem: X87Op.REMAINDER,
  fprem1: X87Op.REMAINDER_NEAREST,
  fscale: X87Op.SCALE,
  fxtract: X87Op.EXTRACT,
  ftst: X87Op.TEST,
  fxam: X87Op.EXAMINE,
  fincstp: X87Op.INCREMENT_TOP,
  fdecstp: X87Op.DECREMENT_TOP,
  fsin: X87Op.SINE,
  fcos: X87Op.COSINE,
  fsincos: X87Op.SINE_COSINE,
  fptan: X87Op.TANGENT,
  f2xm1: X87Op.EXPONENTIAL_LESS_ONE,
};
/** Condition codes of fcmov by suffix. */
const MOVES: Readonly<Record<string, number>> = {
  b: 2, nb: 3, e: 4, ne: 5, be: 6, nbe: 7, u: 10, nu: 11,
}; // prettier-ignore

const arithmeticEntries = ARITHMETIC.flatMap(([name, kind]): [string, Lifter][] => [
  [`f${name}`, arithmetic(kind, false)],
  [`f${name}p`, arithmetic(kind, true)],
  [`fi${name}`, arithmeticInteger(kind)],
]);

const loadDecimal = memoryOperation(X87MemoryOp.LOAD_DECIMAL);
const storeDecimal = memoryOperation(X87MemoryOp.STORE_DECIMAL_POP);

/** st(1) = f(st(0), st(1)), then one is popped. */
const popping =
  (operation: X87Op): Lifter =>
  (emit) => {
    operate(emit, operation);
    operate(emit, X87Op.POP);
  };

/** Instructions that look for pending exceptions first. */
const WAITING: LifterTable = {
  ...Object.fromEntries(arithmeticEntries),
  ...Object.fromEntries(
    Object.entries(CONSTANTS).map(([name, constant]) => [
      name,
      simple(X87Op.PUSH_CONSTANT, constant),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(UNARY).map(([name, operation]) => [name, simple(operation)]),
  ),
  ...Object.fromEntries(
    Object.entries(MOVES).map(([name, code]) => [`fcmov${name}`, moveIf(code)]),
  ),
  fld: loadFloat,
  fild: loadInteger,
  fst: storeFloat(false),
  fstp: storeFloat(true),
  fist: storeInteger(false, false),
  fistp: storeInteger(true, false),
  fisttp: storeInteger(true, true),
  fxch: exchange,
  fcom: compare(0, 0),
  fcomp: compare(1, 0),
  fcompp: compare(2, 0),
  fucom: compare(0, 1),
  fucomp: compare(1, 1),
  fucompp: compare(2, 1),
  ficom: compareInteger(false),
  ficomp: compareInteger(true),
  fcomi: compareToFlags(false, 0),
  fcomip: compareToFlags(true, 0),
  fucomi: compareToFlags(false, 1),
  fucomip: compareToFlags(true, 1),
  ffree: free(false),
  ffreep: free(true),
  fldcw: loadControl,
  fnop: () => undefined,
  wait: () => undefined,
  fldenv: memoryOperation(X87MemoryOp.LOAD_ENVIRONMENT),
  frstor: memoryOperation(X87MemoryOp.RESTORE),
  fbld: loadDecimal,
  fbstp: storeDecimal,
  fpatan: popping(X87Op.ARC_TANGENT),
  fyl2x: popping(X87Op.LOGARITHM),
  fyl2xp1: popping(X87Op.LOGARITHM_PLUS_ONE),
};

const waiting =
  (lift: Lifter): Lifter =>
  (emit, instruction) => {
    trapPending(emit);
    lift(emit, instruction);
  };

export const X87_LIFTERS: LifterTable = {
  ...Object.fromEntries(Object.entries(WAITING).map(([name, lift]) => [name, waiting(lift)])),
  fninit: simple(X87Op.INITIALIZE),
  fnclex: simple(X87Op.CLEAR_EXCEPTIONS),
  fnstcw: storeWord(Cpu.X87_CONTROL),
  fnstsw: storeWord(Cpu.X87_STATUS),
  fnstenv: memoryOperation(X87MemoryOp.STORE_ENVIRONMENT),
  fnsave: memoryOperation(X87MemoryOp.SAVE),
  // Instructions of older units, without effect since the 387.
  fneni: () => undefined,
  fndisi: () => undefined,
  fnsetpm: () => undefined,
};
