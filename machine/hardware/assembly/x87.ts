/**
 * The x87 unit: one entry for every operation that lifters ask for (cpu/x87.ts); those on the top of
 * the stack alone are in x87-unary.ts.
 */
import { X87Arithmetic, X87Constant, X87Op } from '../cpu/x87';
import { Cpu } from '../layout';
import { compare, divide, fromInteger } from './x87-quotient';
import {
  aExp,
  aKind,
  add,
  aSig,
  aSign,
  begin,
  bKind,
  currentRounding,
  finish,
  forgetDenormal,
  INTEGER_BIT,
  integerMagnitude,
  isSignaling,
  Kind,
  multiply,
  packNan,
  raise,
  raised,
  rSig,
  rTop,
  setResult,
  stops,
  summarize,
  Status,
  unpackA,
  unpackB,
  useRounding,
} from './x87-value';
import {
  addressOf,
  checkUsed,
  INDEFINITE_SIG,
  INDEFINITE_TOP,
  pop,
  push,
  readA,
  readB,
  setTag,
  writeResult,
} from './x87-stack';
import { fromF32, fromF64, toF32, toF64 } from './x87-format';
import { unary } from './x87-unary';

const ROUND_ZERO: u32 = 3;

function pushRegister(cpu: usize, index: u32): void {
  const at = addressOf(cpu, index);
  if (checkUsed(cpu, index)) setResult(load<u64>(at), load<u16>(at, 8));
  else setResult(INDEFINITE_SIG, INDEFINITE_TOP);
  push(cpu);
}

/** A constant between `below` and its neighbour, `nearer` of which is the nearer, as the mode says. */
function setConstant(below: u64, nearer: u64, top: u32): void {
  const mode = currentRounding();
  setResult(below + (mode == 0 ? nearer : <u64>(mode == 2)), top);
}

function pushConstant(cpu: usize, constant: u32): void {
  switch (constant) {
    case X87Constant.ONE:
      setResult(INTEGER_BIT, 0x3fff);
      break;
    case X87Constant.LOG2_10:
      setConstant(0xd49a784bcd1b8afe, 0, 0x4000);
      break;
    case X87Constant.LOG2_E:
      setConstant(0xb8aa3b295c17f0bb, 1, 0x3fff);
      break;
    case X87Constant.PI:
      setConstant(0xc90fdaa22168c234, 1, 0x4000);
      break;
    case X87Constant.LOG10_2:
      setConstant(0x9a209a84fbcff798, 1, 0x3ffd);
      break;
    case X87Constant.LN_2:
      setConstant(0xb17217f7d1cf79ab, 1, 0x3ffe);
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

export function setConditions(cpu: usize, conditions: u32): void {
  // A comparison that is stopped leaves its conditions, but does not pop.
  stops(cpu, Status.BEFORE);
  finish(cpu);
  const status = load<u32>(cpu, Cpu.X87_STATUS) & ~Status.CONDITIONS;
  store<u32>(cpu, status | conditions, Cpu.X87_STATUS);
}

export function conditionsOf(order: i32, quiet: bool): u32 {
  if (order == 2) {
    if (!quiet || isSignaling()) raise(Status.INVALID);
    return Status.C0 | Status.C2 | Status.C3;
  }
  return order > 0 ? 0 : order < 0 ? Status.C0 : Status.C3;
}

function compareOperand(cpu: usize): void {
  const significand = rSig;
  const head = rTop;
  readA(cpu, 0);
  unpackB(significand, head);
  setConditions(cpu, conditionsOf(compare(), false));
}

function compareRegister(cpu: usize, index: u32, quiet: bool): void {
  readA(cpu, 0);
  readB(cpu, index);
  setConditions(cpu, conditionsOf(compare(), quiet));
}

function compareFlags(cpu: usize, index: u32, quiet: bool): i64 {
  readA(cpu, 0);
  readB(cpu, index);
  const conditions = conditionsOf(compare(), quiet);
  stops(cpu, Status.BEFORE);
  finish(cpu);
  // C0, C2 and C3 are CF, PF and ZF, eight bits higher.
  return <i64>(conditions >> 8);
}

/** The end of an operation whose value goes to memory; the second result is whether it must not. */
function finishValue(cpu: usize): void {
  const stays = stops(cpu, Status.STORING);
  finish(cpu);
  store<u64>(cpu, <u64>stays, Cpu.HELPER_RESULT);
}

/** st(0) as an integer of `bits` bits, or the indefinite. */
function valueInteger(cpu: usize, bits: i32, truncate: bool): i64 {
  readA(cpu, 0);
  forgetDenormal();
  if (truncate) useRounding(ROUND_ZERO);
  const indefinite = <i64>((<u64>1) << (bits - 1));
  if (aKind == Kind.NAN || aKind == Kind.INFINITE || (aKind == Kind.FINITE && aExp >= bits)) {
    raise(Status.INVALID);
    finishValue(cpu);
    return indefinite;
  }
  const before = raised;
  const magnitude = integerMagnitude();
  const limit = ((<u64>1) << (bits - 1)) - 1 + <u64>aSign;
  if (magnitude > limit) {
    // Invalid takes the place of inexact.
    begin(cpu);
    raise(before | Status.INVALID);
    finishValue(cpu);
    return indefinite;
  }
  finishValue(cpu);
  const value = aSign != 0 ? -(<i64>magnitude) : <i64>magnitude;
  return value & <i64>(u64.MAX_VALUE >> (64 - bits));
}

function valueFloat(cpu: usize, single: bool): i64 {
  readA(cpu, 0);
  forgetDenormal();
  const bits = single ? toF32(true) : toF64(true);
  finishValue(cpu);
  return bits;
}

function moveRegister(cpu: usize, to: u32, from: u32): void {
  const source = addressOf(cpu, from);
  if (checkUsed(cpu, from)) setResult(load<u64>(source), load<u16>(source, 8));
  else setResult(INDEFINITE_SIG, INDEFINITE_TOP);
  writeResult(cpu, to);
  finish(cpu);
}

/** An empty register on either side is a fault whatever the condition. */
function moveIf(cpu: usize, from: u32, moves: bool): void {
  const used = checkUsed(cpu, 0) && checkUsed(cpu, from);
  const source = addressOf(cpu, from);
  if (!used) setResult(INDEFINITE_SIG, INDEFINITE_TOP);
  else if (moves) setResult(load<u64>(source), load<u16>(source, 8));
  if (!used || moves) writeResult(cpu, 0);
  finish(cpu);
}

function exchange(cpu: usize, index: u32): void {
  const first = addressOf(cpu, 0);
  const second = addressOf(cpu, index);
  const firstUsed = checkUsed(cpu, 0);
  const secondUsed = checkUsed(cpu, index);
  if (stops(cpu, Status.BEFORE)) return finish(cpu);
  if (!firstUsed) {
    store<u64>(first, INDEFINITE_SIG);
    store<u16>(first, <u16>INDEFINITE_TOP, 8);
  }
  if (!secondUsed) {
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
  // A pop belongs to the operation before it.
  if (operation == X87Op.POP) {
    pop(cpu);
    return 0;
  }
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
    case X87Op.LOAD_CONTROL:
      store<u32>(cpu, <u32>a, Cpu.X87_CONTROL);
      summarize(cpu);
      return 0;
    case X87Op.STORE_REGISTER:
      moveRegister(cpu, parameter, 0);
      return 0;
    case X87Op.EXCHANGE:
      exchange(cpu, parameter);
      return 0;
    case X87Op.MOVE_IF:
      moveIf(cpu, parameter, a != 0);
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
      compareRegister(cpu, parameter, a != 0);
      return 0;
    case X87Op.COMPARE_F32:
    case X87Op.COMPARE_F64:
    case X87Op.COMPARE_INTEGER:
      operandResult(operation, a);
      compareOperand(cpu);
      return 0;
    case X87Op.COMPARE_FLAGS:
      return compareFlags(cpu, parameter, a != 0);
    default:
      unary(cpu, operation);
      return 0;
  }
}

