/**
 * The x87 unit: register stack, tags, and one entry for every operation that lifters ask for
 * (cpu/x87.ts). Omits transcendental functions, packed decimals and unmasked exceptions.
 */
import { X87Arithmetic, X87Constant, X87Op } from '../cpu/x87';
import { Cpu } from '../layout';
import {
  aExp,
  aKind,
  add,
  aSig,
  aSign,
  begin,
  bKind,
  compare,
  divide,
  finish,
  fromInteger,
  INTEGER_BIT,
  integerMagnitude,
  Kind,
  multiply,
  packInfinity,
  packNan,
  packZero,
  raise,
  raised,
  rSig,
  rTop,
  setResult,
  squareRoot,
  Status,
  unpackA,
  unpackB,
  usePrecision,
  useRounding,
} from './x87-value';
import {
  addressOf,
  checkUsed,
  INDEFINITE_SIG,
  INDEFINITE_TOP,
  isUsed,
  pop,
  push,
  readA,
  readB,
  setTag,
  setTop,
  top,
  writeResult,
} from './x87-stack';
import { fromF32, fromF64, toF32, toF64 } from './x87-format';
import { remainder, scale } from './x87-remainder';

const CONTROL_INITIAL: u32 = 0x37f;
const ROUND_ZERO: u32 = 3;

function pushRegister(cpu: usize, index: u32): void {
  const at = addressOf(cpu, index);
  if (checkUsed(cpu, index)) setResult(load<u64>(at), load<u16>(at, 8));
  else setResult(INDEFINITE_SIG, INDEFINITE_TOP);
  push(cpu);
}

function pushConstant(cpu: usize, constant: u32): void {
  switch (constant) {
    case X87Constant.ONE:
      setResult(INTEGER_BIT, 0x3fff);
      break;
    case X87Constant.LOG2_10:
      setResult(0xd49a784bcd1b8afe, 0x4000);
      break;
    case X87Constant.LOG2_E:
      setResult(0xb8aa3b295c17f0bc, 0x3fff);
      break;
    case X87Constant.PI:
      setResult(0xc90fdaa22168c235, 0x4000);
      break;
    case X87Constant.LOG10_2:
      setResult(0x9a209a84fbcff799, 0x3ffd);
      break;
    case X87Constant.LN_2:
      setResult(0xb17217f7d1cf79ac, 0x3ffe);
      break;
    default:
      setResult(0, 0);
  }
  push(cpu);
}

/** A op B by X87Arithmetic, into the result. */
function arithmetic(kind: u32): void {
  switch (kind) {
    case X87Arithmetic.ADD:
      add(0);
      break;
    case X87Arithmetic.MULTIPLY:
      multiply();
      break;
    case X87Arithmetic.SUBTRACT:
      subtract();
      break;
    case X87Arithmetic.DIVIDE:
      divide();
      break;
    default:
      unreachable();
  }
}

/** The sign of a NaN survives, so the flip is for numbers only. */
function subtract(): void {
  if (aKind == Kind.NAN || bKind == Kind.NAN) packNan();
  else add(1);
}

@inline function isReversed(kind: u32): bool {
  return kind == X87Arithmetic.SUBTRACT_REVERSED || kind == X87Arithmetic.DIVIDE_REVERSED;
}

function arithmeticRegister(cpu: usize, parameter: u32): void {
  const kind = parameter & 7;
  const destination = (parameter >> 3) & 7;
  const source = (parameter >> 6) & 7;
  const reversed = isReversed(kind);
  readA(cpu, reversed ? source : destination);
  readB(cpu, reversed ? destination : source);
  arithmetic(reversed ? kind - 1 : kind);
  writeResult(cpu, destination);
  finish(cpu);
}

/** The memory operand is the packed result of a conversion. */
function arithmeticOperand(cpu: usize, kind: u32): void {
  const significand = rSig;
  const head = rTop;
  if (isReversed(kind)) {
    unpackA(significand, head);
    readB(cpu, 0);
    arithmetic(kind - 1);
  } else {
    readA(cpu, 0);
    unpackB(significand, head);
    arithmetic(kind);
  }
  writeResult(cpu, 0);
  finish(cpu);
}

function setConditions(cpu: usize, conditions: u32): void {
  finish(cpu);
  const status = load<u32>(cpu, Cpu.X87_STATUS) & ~Status.CONDITIONS;
  store<u32>(cpu, status | conditions, Cpu.X87_STATUS);
}

function conditionsOf(order: i32): u32 {
  if (order == 2) {
    raise(Status.INVALID);
    return Status.C0 | Status.C2 | Status.C3;
  }
  return order > 0 ? 0 : order < 0 ? Status.C0 : Status.C3;
}

function compareOperand(cpu: usize): void {
  const significand = rSig;
  const head = rTop;
  readA(cpu, 0);
  unpackB(significand, head);
  setConditions(cpu, conditionsOf(compare()));
}

function compareRegister(cpu: usize, index: u32): void {
  readA(cpu, 0);
  readB(cpu, index);
  setConditions(cpu, conditionsOf(compare()));
}

function compareFlags(cpu: usize, index: u32): i64 {
  readA(cpu, 0);
  readB(cpu, index);
  const conditions = conditionsOf(compare());
  finish(cpu);
  // C0, C2 and C3 are CF, PF and ZF, eight bits higher.
  return <i64>(conditions >> 8);
}

/** st(0) as an integer of `bits` bits, or the indefinite. */
function valueInteger(cpu: usize, bits: i32, truncate: bool): i64 {
  readA(cpu, 0);
  if (truncate) useRounding(ROUND_ZERO);
  const indefinite = <i64>((<u64>1) << (bits - 1));
  if (aKind == Kind.NAN || aKind == Kind.INFINITE || (aKind == Kind.FINITE && aExp >= bits)) {
    raise(Status.INVALID);
    finish(cpu);
    return indefinite;
  }
  const before = raised;
  const magnitude = integerMagnitude();
  const limit = ((<u64>1) << (bits - 1)) - 1 + <u64>aSign;
  if (magnitude > limit) {
    // Invalid takes the place of inexact.
    begin(cpu);
    raise(before | Status.INVALID);
    finish(cpu);
    return indefinite;
  }
  finish(cpu);
  const value = aSign != 0 ? -(<i64>magnitude) : <i64>magnitude;
  return value & <i64>(u64.MAX_VALUE >> (64 - bits));
}

function valueFloat(cpu: usize, single: bool): i64 {
  readA(cpu, 0);
  const bits = single ? toF32() : toF64();
  finish(cpu);
  return bits;
}

function moveRegister(cpu: usize, to: u32, from: u32): void {
  const source = addressOf(cpu, from);
  if (checkUsed(cpu, from)) setResult(load<u64>(source), load<u16>(source, 8));
  else setResult(INDEFINITE_SIG, INDEFINITE_TOP);
  writeResult(cpu, to);
  finish(cpu);
}

function exchange(cpu: usize, index: u32): void {
  const first = addressOf(cpu, 0);
  const second = addressOf(cpu, index);
  const used = checkUsed(cpu, 0);
  if (!used) {
    store<u64>(first, INDEFINITE_SIG);
    store<u16>(first, <u16>INDEFINITE_TOP, 8);
  }
  if (!checkUsed(cpu, index)) {
    store<u64>(second, INDEFINITE_SIG);
    store<u16>(second, <u16>INDEFINITE_TOP, 8);
  }
  const value = v128.load(first);
  v128.store(first, v128.load(second));
  v128.store(second, value);
  setTag(cpu, 0, 1);
  setTag(cpu, index, 1);
  finish(cpu);
}

function setSign(cpu: usize, keep: u16, flip: u16): void {
  const at = addressOf(cpu, 0);
  if (checkUsed(cpu, 0)) store<u16>(at, (load<u16>(at, 8) & keep) ^ flip, 8);
  else {
    setResult(INDEFINITE_SIG, INDEFINITE_TOP);
    writeResult(cpu, 0);
  }
  finish(cpu);
}

function roundToInteger(cpu: usize): void {
  readA(cpu, 0);
  if (aKind == Kind.FINITE && aExp < 63) {
    const magnitude = integerMagnitude();
    if (magnitude == 0) packZero(aSign);
    else {
      const shift = clz<u64>(magnitude);
      setResult(magnitude << shift, (aSign << 15) | <u32>(16383 + 63 - <i32>shift));
    }
    writeResult(cpu, 0);
  } else if (aKind == Kind.NAN) {
    unpackB(0, 0);
    packNan();
    writeResult(cpu, 0);
  }
  finish(cpu);
}

/** fxtract: the exponent replaces st(0), then the significand is pushed. */
function extract(cpu: usize): void {
  readA(cpu, 0);
  let significand = aSig;
  let head = (aSign << 15) | 0x3fff;
  if (aKind == Kind.NAN) {
    unpackB(0, 0);
    packNan();
    significand = rSig;
    head = rTop;
  } else if (aKind == Kind.ZERO) {
    raise(Status.ZERO_DIVIDE);
    head = aSign << 15;
    packInfinity(1);
  } else if (aKind == Kind.INFINITE) {
    head = (aSign << 15) | 0x7fff;
    packInfinity(0);
  } else {
    fromInteger(aExp);
  }
  writeResult(cpu, 0);
  setResult(significand, head);
  push(cpu);
}

/** fxam: the class of st(0) in C3, C2 and C0, its sign in C1. */
function examine(cpu: usize): void {
  const at = addressOf(cpu, 0);
  const head = <u32>load<u16>(at, 8);
  const significand = load<u64>(at);
  const exponent = head & 0x7fff;
  let conditions: u32 = head >> 15 != 0 ? Status.C1 : 0;
  if (!isUsed(cpu, 0)) conditions |= Status.C3 | Status.C0;
  else if (exponent == 0) conditions |= significand == 0 ? Status.C3 : Status.C3 | Status.C2;
  else if (significand >> 63 == 0) conditions |= 0;
  else if (exponent != 0x7fff) conditions |= Status.C2;
  else conditions |= significand << 1 == 0 ? Status.C2 | Status.C0 : Status.C0;
  const status = load<u32>(cpu, Cpu.X87_STATUS) & ~Status.CONDITIONS;
  store<u32>(cpu, status | conditions, Cpu.X87_STATUS);
}

function initialize(cpu: usize): void {
  store<u32>(cpu, CONTROL_INITIAL, Cpu.X87_CONTROL);
  store<u32>(cpu, 0, Cpu.X87_STATUS);
  store<u32>(cpu, 0, Cpu.X87_TAG);
}

/** A value that an instruction hands over whole: as it is, with no rounding. */
function operandResult(operation: u32, value: i64): void {
  if (operation == X87Op.ARITHMETIC_F32 || operation == X87Op.COMPARE_F32) fromF32(value);
  else if (operation == X87Op.ARITHMETIC_F64 || operation == X87Op.COMPARE_F64) fromF64(value);
  else fromInteger(value);
}

/** form = X87Op + 256 * parameter. */
export function x87(cpu: usize, form: i64, a: i64, b: i64): i64 {
  const operation = <u32>form & 0xff;
  const parameter = <u32>form >> 8;
  begin(cpu);
  switch (operation) {
    case X87Op.PUSH_F32:
      fromF32(a);
      push(cpu);
      return 0;
    case X87Op.PUSH_F64:
      fromF64(a);
      push(cpu);
      return 0;
    case X87Op.PUSH_INTEGER:
      fromInteger(a);
      push(cpu);
      return 0;
    case X87Op.PUSH_EXTENDED:
      setResult(a, <u32>b);
      push(cpu);
      return 0;
    case X87Op.PUSH_REGISTER:
      pushRegister(cpu, parameter);
      return 0;
    case X87Op.PUSH_CONSTANT:
      pushConstant(cpu, parameter);
      return 0;
    case X87Op.VALUE_F32:
      return valueFloat(cpu, true);
    case X87Op.VALUE_F64:
      return valueFloat(cpu, false);
    case X87Op.VALUE_I16:
      return valueInteger(cpu, 16, a != 0);
    case X87Op.VALUE_I32:
      return valueInteger(cpu, 32, a != 0);
    case X87Op.VALUE_I64:
      return valueInteger(cpu, 64, a != 0);
    case X87Op.POP:
      pop(cpu);
      return 0;
    case X87Op.STORE_REGISTER:
      moveRegister(cpu, parameter, 0);
      return 0;
    case X87Op.EXCHANGE:
      exchange(cpu, parameter);
      return 0;
    case X87Op.MOVE_IF:
      if (a != 0) moveRegister(cpu, 0, parameter);
      else finish(cpu);
      return 0;
    case X87Op.FREE:
      setTag(cpu, parameter, 0);
      return 0;
    case X87Op.ARITHMETIC_REGISTER:
      arithmeticRegister(cpu, parameter);
      return 0;
    case X87Op.ARITHMETIC_F32:
    case X87Op.ARITHMETIC_F64:
    case X87Op.ARITHMETIC_INTEGER:
      operandResult(operation, a);
      arithmeticOperand(cpu, parameter);
      return 0;
    case X87Op.COMPARE_REGISTER:
      compareRegister(cpu, parameter);
      return 0;
    case X87Op.COMPARE_F32:
    case X87Op.COMPARE_F64:
    case X87Op.COMPARE_INTEGER:
      operandResult(operation, a);
      compareOperand(cpu);
      return 0;
    case X87Op.COMPARE_FLAGS:
      return compareFlags(cpu, parameter);
    default:
      return unary(cpu, operation);
  }
}

function unary(cpu: usize, operation: u32): i64 {
  switch (operation) {
    case X87Op.ABSOLUTE:
      setSign(cpu, 0x7fff, 0);
      break;
    case X87Op.NEGATE:
      setSign(cpu, 0xffff, 0x8000);
      break;
    case X87Op.SQUARE_ROOT:
      readA(cpu, 0);
      squareRoot();
      writeResult(cpu, 0);
      finish(cpu);
      break;
    case X87Op.ROUND:
      roundToInteger(cpu);
      break;
    case X87Op.REMAINDER:
    case X87Op.REMAINDER_NEAREST: {
      readA(cpu, 0);
      readB(cpu, 1);
      usePrecision(64);
      const conditions = remainder(operation == X87Op.REMAINDER_NEAREST);
      writeResult(cpu, 0);
      setConditions(cpu, conditions);
      break;
    }
    case X87Op.SCALE:
      readA(cpu, 0);
      readB(cpu, 1);
      usePrecision(64);
      scale();
      writeResult(cpu, 0);
      finish(cpu);
      break;
    case X87Op.EXTRACT:
      extract(cpu);
      break;
    case X87Op.TEST:
      readA(cpu, 0);
      unpackB(0, 0);
      setConditions(cpu, conditionsOf(compare()));
      break;
    case X87Op.EXAMINE:
      examine(cpu);
      break;
    case X87Op.INCREMENT_TOP:
      setTop(cpu, top(cpu) + 1);
      finish(cpu);
      break;
    case X87Op.DECREMENT_TOP:
      setTop(cpu, top(cpu) - 1);
      finish(cpu);
      break;
    case X87Op.INITIALIZE:
      initialize(cpu);
      break;
    case X87Op.CLEAR_EXCEPTIONS:
      store<u32>(cpu, load<u32>(cpu, Cpu.X87_STATUS) & 0x7f00, Cpu.X87_STATUS);
      break;
    default:
      unreachable();
  }
  return 0;
}
