/** x87 operations on the stack alone: signs, roots, roundings, classes, and the functions of calculus. */
import { X87Op } from '../cpu/x87';
import { Cpu } from '../layout';
import { conditionsOf, setConditions } from './x87';
import {
  arcTangent,
  cosine,
  exponentialLessOne,
  isBeyondReduction,
  logarithm,
  logarithmPlusOne,
  sine,
  tangent,
} from './x87-functions';
import { remainder, scale } from './x87-remainder';
import {
  addressOf,
  checkUsed,
  INDEFINITE_SIG,
  INDEFINITE_TOP,
  isUsed,
  readA,
  readB,
  setTop,
  storeResult,
  top,
  writeResult,
} from './x87-stack';
import { compare, fromInteger, squareRoot } from './x87-quotient';
import {
  aExp,
  aKind,
  aSig,
  aSign,
  finish,
  INTEGER_BIT,
  integerMagnitude,
  Kind,
  packInfinity,
  packNan,
  packZero,
  raise,
  restoreRaised,
  rSig,
  rTop,
  setResult,
  Status,
  stops,
  unpackB,
  usePrecision,
} from './x87-value';

const CONTROL_INITIAL: u32 = 0x37f;

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
  pushBeside(cpu, rSig, rTop, significand, head);
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

/** f(st(0)) into st(0), unless the argument is too large to be reduced: C2 says so. */
function circular(cpu: usize, operation: u32): void {
  readA(cpu, 0);
  usePrecision(64);
  unpackB(0, 0);
  const status = load<u32>(cpu, Cpu.X87_STATUS) & ~Status.C2;
  const pushes = operation == X87Op.SINE_COSINE || operation == X87Op.TANGENT;
  if (isBeyondReduction()) {
    // No room for the second value counts more than that there is none.
    if (pushes && isUsed(cpu, 7)) {
      store<u32>(cpu, status, Cpu.X87_STATUS);
      return pushBeside(cpu, rSig, rTop, rSig, rTop);
    }
    store<u32>(cpu, status | Status.C2, Cpu.X87_STATUS);
    finish(cpu);
    return;
  }
  store<u32>(cpu, status, Cpu.X87_STATUS);
  if (operation == X87Op.COSINE) cosine();
  else if (operation == X87Op.TANGENT) tangent();
  else sine();
  if (operation == X87Op.SINE || operation == X87Op.COSINE) {
    writeResult(cpu, 0);
    finish(cpu);
    return;
  }
  const significand = rSig;
  const head = rTop;
  // What is no number has no cosine of its own, and no 1 beside its tangent.
  if (aKind == Kind.NAN || aKind == Kind.INFINITE) setResult(significand, head);
  else if (operation == X87Op.SINE_COSINE) cosine();
  else setResult(INTEGER_BIT, 0x3fff);
  pushBeside(cpu, significand, head, rSig, rTop);
}

/** st(0) = the first value, then the second is pushed; after a stack overflow neither is valid. */
function pushBeside(cpu: usize, firstSig: u64, firstTop: u32, secondSig: u64, secondTop: u32): void {
  const overflows = isUsed(cpu, 7);
  if (overflows) restoreRaised(Status.INVALID | Status.STACK_FAULT);
  if (!stops(cpu, Status.BEFORE)) {
    if (overflows) setResult(INDEFINITE_SIG, INDEFINITE_TOP);
    else setResult(firstSig, firstTop);
    storeResult(cpu, 0);
    setTop(cpu, top(cpu) - 1);
    if (!overflows) setResult(secondSig, secondTop);
    storeResult(cpu, 0);
  }
  finish(cpu);
  if (overflows) store<u32>(cpu, load<u32>(cpu, Cpu.X87_STATUS) | Status.C1, Cpu.X87_STATUS);
}

/** st(1) = f(st(0), st(1)). */
function binary(cpu: usize, operation: u32): void {
  readA(cpu, 0);
  readB(cpu, 1);
  usePrecision(64);
  if (operation == X87Op.ARC_TANGENT) arcTangent();
  else if (operation == X87Op.LOGARITHM) logarithm();
  else logarithmPlusOne();
  writeResult(cpu, 1);
  finish(cpu);
}

function calculus(cpu: usize, operation: u32): void {
  switch (operation) {
    case X87Op.SINE:
    case X87Op.COSINE:
    case X87Op.SINE_COSINE:
    case X87Op.TANGENT:
      circular(cpu, operation);
      break;
    case X87Op.EXPONENTIAL_LESS_ONE:
      readA(cpu, 0);
      unpackB(0, 0);
      usePrecision(64);
      exponentialLessOne();
      writeResult(cpu, 0);
      finish(cpu);
      break;
    default:
      binary(cpu, operation);
  }
}

/** An operation that takes no operand but the stack. */
export function unary(cpu: usize, operation: u32): void {
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
      // What is stopped by its operands has no quotient.
      setConditions(cpu, stops(cpu, Status.BEFORE) ? 0 : conditions);
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
      setConditions(cpu, conditionsOf(compare(), false));
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
      calculus(cpu, operation);
  }
}
