/**
 * x87 instructions: their operands are loaded and stored here, everything else is one call of the
 * x87 helper. Omits transcendental functions and packed decimals, which become #UD.
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
  emit.effect(Op.StoreHost, width, host, value);
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

/** fcom, fucom and their popping forms: they differ in exceptions alone. */
function compare(pops: number): Lifter {
  return (emit, instruction) => {
    const memory = memoryOf(instruction);
    if (memory === undefined) {
      const operands = instruction.operands;
      const last = operands[operands.length - 1];
      operate(emit, X87Op.COMPARE_REGISTER, pops === 2 ? 1 : stackIndex(last));
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
function compareToFlags(pops: boolean): Lifter {
  return (emit, instruction) => {
    const flags = query(emit, X87Op.COMPARE_FLAGS, stackIndex(instruction.operands[1]));
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
  emit.setState(Cpu.X87_CONTROL, Width.W32, emit.withConstant(Op.Or, Width.W32, kept, 0x40));
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
  fninit: X87Op.INITIALIZE,
  fnclex: X87Op.CLEAR_EXCEPTIONS,
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

export const X87_LIFTERS: LifterTable = {
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
  fcom: compare(0),
  fcomp: compare(1),
  fcompp: compare(2),
  fucom: compare(0),
  fucomp: compare(1),
  fucompp: compare(2),
  ficom: compareInteger(false),
  ficomp: compareInteger(true),
  fcomi: compareToFlags(false),
  fcomip: compareToFlags(true),
  fucomi: compareToFlags(false),
  fucomip: compareToFlags(true),
  ffree: free(false),
  ffreep: free(true),
  fldcw: loadControl,
  fnstcw: storeWord(Cpu.X87_CONTROL),
  fnstsw: storeWord(Cpu.X87_STATUS),
  fnop: () => undefined,
  wait: () => undefined,
  fnstenv: memoryOperation(X87MemoryOp.STORE_ENVIRONMENT),
  fldenv: memoryOperation(X87MemoryOp.LOAD_ENVIRONMENT),
  fnsave: memoryOperation(X87MemoryOp.SAVE),
  frstor: memoryOperation(X87MemoryOp.RESTORE),
  emms: (emit) => {
    emit.setState(Cpu.X87_TAG, Width.W32, emit.constant(0));
  },
};
