/**
 * Op.Float: SSE floating point inline, with everything that is out of the ordinary in a call of the
 * core: exceptions that are not sticky yet, denormals, infinities, NaNs, other rounding modes.
 *
 * The test that decides is one comparison: the least magnitude among operands and result, plus
 * result - result (0, or a NaN for an infinity or a NaN), must reach the floor. The floor is just
 * above the least normal number while rounding is to nearest, for then nothing but inexactness can
 * happen; else it is infinity, which nothing reaches. Inexactness is looked for only while its bit
 * in MXCSR is clear. See docs/floating-point.md.
 */
import { FloatForm, FloatOp } from '../cpu/float-op.ts';
import type { IrOp } from '../cpu/ir.ts';
import type { BlockEmitter } from './block-emitter.ts';
import { CoreFunction } from './core-imports.ts';
import { DOUBLE, SINGLE, type FloatLanes } from './float-forms.ts';
import type { Local } from './wasm-encoder.ts';
import { Simd, ValueType, Wasm } from './wasm-opcodes.ts';

const V128 = ValueType.V128;

/** One Op.Float being translated. */
interface FloatCase {
  readonly op: IrOp;
  readonly operation: FloatOp;
  readonly lanes: FloatLanes;
  readonly scalar: boolean;
  /** v128 local that the result goes to. */
  readonly result: Local;
}

function pushMagnitude(e: BlockEmitter, temp: number, lanes: FloatLanes): void {
  e.push(temp, V128);
  e.w.simd(lanes.abs);
}

/** result = a op b; a scalar result keeps the other lanes of a. */
function compute(e: BlockEmitter, c: FloatCase): void {
  const { w } = e;
  const { op, operation, lanes } = c;
  const unary = operation === FloatOp.SQRT;
  if (c.scalar) {
    e.push(op.a, V128);
    for (const temp of unary ? [op.b] : [op.a, op.b]) {
      e.push(temp, V128);
      w.simd(lanes.extract);
      w.u8(0);
    }
    w.u8(lanes.scalar[operation] ?? Wasm.UNREACHABLE);
    w.simd(lanes.replace);
    w.u8(0);
  } else {
    if (!unary) e.push(op.a, V128);
    e.push(op.b, V128);
    w.simd(lanes.packed[operation] ?? Simd.V128_OR);
  }
  w.localSet(c.result);
}

/** Pushes 1 unless nothing but inexactness can have happened. */
function pushUncommon(e: BlockEmitter, c: FloatCase): void {
  const { w, region } = e;
  const { op, lanes, result } = c;
  const floor = lanes === DOUBLE ? region.floorDouble : region.floorSingle;
  const extract = (): void => {
    w.simd(lanes.extract);
    w.u8(0);
  };
  pushMagnitude(e, op.b, lanes);
  w.localGet(result);
  w.simd(lanes.abs);
  w.simd(lanes.pmin);
  if (c.operation !== FloatOp.SQRT) {
    pushMagnitude(e, op.a, lanes);
    w.simd(lanes.pmin);
  }
  if (c.scalar) {
    extract();
    w.localGet(result);
    extract();
    w.localGet(result);
    extract();
    w.u8(lanes.scalarSub);
    w.u8(lanes.scalarAdd);
    w.localGet(floor);
    extract();
    w.u8(lanes.scalarGreaterOrEqual);
    w.u8(Wasm.I32_EQZ);
    return;
  }
  w.localGet(result);
  w.localGet(result);
  w.simd(lanes.sub);
  w.simd(lanes.add);
  w.localGet(floor);
  w.simd(lanes.greaterOrEqual);
  w.simd(lanes.integerBitmask);
  w.i32Const((1 << lanes.lanes) - 1);
  w.u8(Wasm.I32_NE);
}

/** result = helper(a, b) */
function callCore(e: BlockEmitter, c: FloatCase): void {
  const { w } = e;
  e.pushCpu();
  w.i32Const(Number(c.op.imm));
  e.push(c.op.a, V128);
  e.push(c.op.b, V128);
  w.call(CoreFunction.FLOAT);
  w.localSet(c.result);
}

/** pmin and pmax yield their first operand unless the second is less (greater), as minps does b. */
function selectExtreme(e: BlockEmitter, c: FloatCase): void {
  e.push(c.op.b, V128);
  e.push(c.op.a, V128);
  e.w.simd(c.operation === FloatOp.MIN ? c.lanes.pmin : c.lanes.pmax);
}

function pushComparison(e: BlockEmitter, c: FloatCase): void {
  const { w } = e;
  const predicate = (Number(c.op.imm) >> FloatForm.PREDICATE_SHIFT) & 7;
  const { lanes, op } = c;
  if ((predicate & 3) === 3) {
    // Ordered operands: those that are not go through the core.
    w.vectorConst(predicate === 3 ? 0n : -1n);
    return;
  }
  e.push(op.a, V128);
  e.push(op.b, V128);
  w.simd([lanes.equal, lanes.less, lanes.lessOrEqual][predicate & 3] ?? lanes.equal);
  if (predicate > 3) w.simd(Simd.V128_NOT);
}

/** Pushes all ones in lanes where an operand is a NaN or a denormal: |x| - 1 < least normal. */
function pushNotComparable(e: BlockEmitter, c: FloatCase): void {
  const { w } = e;
  const { lanes } = c;
  [c.op.a, c.op.b].forEach((temp, position) => {
    pushMagnitude(e, temp, lanes);
    w.vectorConst(lanes.one);
    w.simd(lanes.integerSub);
    w.vectorConst(lanes.minNormal);
    w.simd(lanes.less);
    e.push(temp, V128);
    e.push(temp, V128);
    w.simd(lanes.notEqual);
    w.simd(Simd.V128_OR);
    if (position > 0) w.simd(Simd.V128_OR);
  });
}

/** Lane 0 of the vector on the stack, the others of a. */
function mergeScalar(e: BlockEmitter, c: FloatCase): void {
  const { w } = e;
  const bytes = 16 / c.lanes.lanes;
  e.push(c.op.a, V128);
  w.simd(Simd.I8X16_SHUFFLE);
  for (let n = 0; n < 16; n++) w.u8(n < bytes ? n : 16 + n);
}

/** Low significand bits that are 0 in doubles whose product is exact: 26 significant bits each. */
const LONG_SIGNIFICAND = 0x7ff_ffffn;

/** Pushes the rounding error of a sum (Knuth's two-sum), not 0 in lanes that are inexact. */
function pushSumError(e: BlockEmitter, c: FloatCase): void {
  const { w, region } = e;
  const { lanes, op, result, operation } = c;
  const part = region.acquire(V128);
  const [back, forth] = operation === FloatOp.ADD ? [lanes.sub, lanes.add] : [lanes.add, lanes.sub];
  // part = result - a, which is b (or -b) when nothing is lost.
  w.localGet(result);
  e.push(op.a, V128);
  w.simd(lanes.sub);
  w.localSet(part);
  // (a - (result - part)) + (b - part), or - (b + part) for a difference.
  e.push(op.a, V128);
  w.localGet(result);
  w.localGet(part);
  w.simd(lanes.sub);
  w.simd(lanes.sub);
  e.push(op.b, V128);
  w.localGet(part);
  w.simd(back);
  w.simd(forth);
  region.release(part, V128);
}

/** Pushes 1 when the result may be inexact; the core finds out whether it is. */
function pushMayBeInexact(e: BlockEmitter, c: FloatCase): void {
  const { w } = e;
  const { lanes, op, operation } = c;
  if (operation === FloatOp.ADD || operation === FloatOp.SUB) {
    pushSumError(e, c);
    w.vectorConst(0n);
    w.simd(lanes.notEqual);
  } else if (operation === FloatOp.MUL && lanes === DOUBLE) {
    e.push(op.a, V128);
    e.push(op.b, V128);
    w.simd(Simd.V128_OR);
    w.vectorConst(LONG_SIGNIFICAND);
    w.simd(Simd.V128_AND);
  } else {
    w.i32Const(1);
    return;
  }
  if (!c.scalar) {
    w.simd(Simd.V128_ANY_TRUE);
    return;
  }
  w.simd(Simd.I32X4_EXTRACT_LANE);
  w.u8(0);
}

/**
 * Pushes 1 unless one operand is a zero and the other makes that exact: zeros are below the floor,
 * but too common to leave. Scalar addition, subtraction and multiplication only.
 */
function pushBeyondZero(e: BlockEmitter, c: FloatCase): void {
  const { w, region } = e;
  const { lanes, op, result } = c;
  const floor = lanes === DOUBLE ? region.floorDouble : region.floorSingle;
  const extract = (): void => {
    w.simd(lanes.extract);
    w.u8(0);
  };
  const sum = region.acquire(lanes.type);
  pushMagnitude(e, op.a, lanes);
  pushMagnitude(e, op.b, lanes);
  w.simd(lanes.add);
  extract();
  w.localTee(sum);
  w.localGet(floor);
  extract();
  w.u8(lanes.scalarGreaterOrEqual);
  if (c.operation === FloatOp.MUL) {
    // Zero times a finite number; of equal signs or not, no rounding mode matters.
    w.localGet(result);
    extract();
    w.vectorConst(0n);
    extract();
    w.u8(lanes.scalarEqual);
  } else {
    w.localGet(sum);
    w.localGet(sum);
    w.u8(lanes.scalarSub);
    w.vectorConst(0n);
    extract();
    w.u8(lanes.scalarEqual);
  }
  w.u8(Wasm.I32_AND);
  pushMagnitude(e, op.a, lanes);
  pushMagnitude(e, op.b, lanes);
  w.simd(lanes.pmin);
  extract();
  w.vectorConst(0n);
  extract();
  w.u8(lanes.scalarEqual);
  w.u8(Wasm.I32_AND);
  w.u8(Wasm.I32_EQZ);
  region.release(sum, lanes.type);
}

function callCoreAgain(e: BlockEmitter, c: FloatCase): void {
  callCore(e, c);
  e.region.loadFloors();
}

function arithmetic(e: BlockEmitter, c: FloatCase): void {
  const { w, region } = e;
  compute(e, c);
  pushUncommon(e, c);
  w.if();
  if (c.scalar && c.operation <= FloatOp.MUL) {
    pushBeyondZero(e, c);
    w.if();
    callCoreAgain(e, c);
    w.end();
  } else {
    callCoreAgain(e, c);
  }
  w.else();
  w.localGet(region.watchesInexact);
  w.if();
  pushMayBeInexact(e, c);
  w.if();
  callCoreAgain(e, c);
  w.end();
  w.end();
  w.end();
}

function selection(e: BlockEmitter, c: FloatCase): void {
  const { w } = e;
  if (c.operation === FloatOp.COMPARE) pushComparison(e, c);
  else selectExtreme(e, c);
  if (c.scalar) mergeScalar(e, c);
  w.localSet(c.result);
  pushNotComparable(e, c);
  if (c.scalar) {
    w.simd(Simd.I32X4_EXTRACT_LANE);
    w.u8(0);
  } else {
    w.simd(Simd.V128_ANY_TRUE);
  }
  w.if();
  callCore(e, c);
  w.end();
}

export function float(e: BlockEmitter, op: IrOp): void {
  const form = Number(op.imm);
  const operation: FloatOp = form & FloatForm.OP_MASK;
  const result = e.region.acquire(V128);
  const c: FloatCase = {
    op,
    operation,
    lanes: (form & FloatForm.DOUBLE) !== 0 ? DOUBLE : SINGLE,
    scalar: (form & FloatForm.SCALAR) !== 0,
    result,
  };
  if (operation <= FloatOp.SQRT) arithmetic(e, c);
  else if (operation <= FloatOp.COMPARE) selection(e, c);
  else callCore(e, c);
  e.w.localGet(result);
  e.assign(op.dst);
  e.region.release(result, V128);
}
