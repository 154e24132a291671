/** Flag ops of the IR: lazy flags stay temporaries until something needs them in their locals. */
import { type FlagKind, NONE, Op, type IrOp } from '../cpu/ir.ts';
import type { BlockEmitter, PendingFlags, ValueEmitter } from './block-emitter.ts';
import { CoreFunction } from './core-imports.ts';
import type { FlagOperand } from './flag-code.ts';
import { pushCondition, pushFlagsImage, pushImageCondition, type FlagSource } from './flag-code.ts';
import { subtractionOf } from './liveness.ts';
import type { KnownFlags } from './region-context.ts';
import { ValueType, Wasm } from './wasm-opcodes.ts';

const I32 = ValueType.I32;
const I64 = ValueType.I64;

function pendingSource(e: BlockEmitter, flags: PendingFlags): FlagSource {
  const temps = [flags.result, flags.source, flags.aux];
  const { left } = flags;
  return {
    w: e.w,
    kind: flags.kind,
    width: flags.width,
    push: (operand, type) => {
      const temp = temps[operand];
      if (temp === NONE) e.pushConstant(0n, type);
      else e.push(temp, type);
    },
    pushLeft:
      left === NONE
        ? undefined
        : (type) => {
            e.push(left, type);
          },
  };
}

function localSource(e: BlockEmitter, known: NonNullable<KnownFlags>): FlagSource {
  const { region } = e;
  const locals = [region.ccResult, region.ccSource, region.ccAux];
  return {
    w: e.w,
    kind: known.kind,
    width: known.width,
    push: (operand: FlagOperand, type) => {
      e.w.localGet(locals[operand]);
      e.convert(I64, type);
    },
  };
}

/** The flags where their kind is known at translation time. */
function knownSource(e: BlockEmitter): FlagSource | undefined {
  if (e.pendingFlags !== undefined) return pendingSource(e, e.pendingFlags);
  return e.knownFlags === undefined ? undefined : localSource(e, e.knownFlags);
}

function pushUnknownImage(e: BlockEmitter): void {
  const { region, w } = e;
  w.localGet(region.ccOp);
  w.localGet(region.ccResult);
  w.localGet(region.ccSource);
  w.localGet(region.ccAux);
  w.call(CoreFunction.FLAGS_IMAGE);
}

function condition(e: BlockEmitter, op: IrOp): void {
  const source = knownSource(e);
  const code = Number(op.imm);
  if (source !== undefined) {
    pushCondition(source, code);
    return;
  }
  const image = e.region.acquire(I32);
  pushUnknownImage(e);
  e.w.localSet(image);
  pushImageCondition(
    e.w,
    () => {
      e.w.localGet(image);
    },
    code,
  );
  e.region.release(image, I32);
}

function getFlags(e: BlockEmitter): void {
  const source = knownSource(e);
  if (source === undefined) pushUnknownImage(e);
  else pushFlagsImage(source);
}

export const FLAG_VALUES: Readonly<Partial<Record<Op, ValueEmitter>>> = {
  [Op.Condition]: condition,
  [Op.GetFlags]: getFlags,
};

export function setFlags(e: BlockEmitter, op: IrOp, index: number): void {
  e.beforeFlagsChange(index);
  const subtraction = subtractionOf(e.block.ir, op, e.live.definition);
  const left = subtraction === undefined ? NONE : subtraction.a;
  e.pendingFlags = {
    kind: Number(op.imm) as FlagKind,
    width: op.width,
    result: op.a,
    source: op.b,
    aux: op.c,
    left: left !== NONE && e.isAvailable(left) ? left : NONE,
  };
}

/** The same when c is not 0; afterwards the kind is known only if it was this one before. */
export function setFlagsIf(e: BlockEmitter, op: IrOp, index: number): void {
  const { w, region } = e;
  e.beforeFlagsChange(index);
  e.settleFlags();
  const kind = Number(op.imm) as FlagKind;
  e.push(op.c, e.typeOf(op.c));
  if (e.typeOf(op.c) === I64) {
    w.i64Const(0n);
    w.u8(Wasm.I64_NE);
  }
  w.if();
  for (const [temp, local] of [
    [op.a, region.ccResult],
    [op.b, region.ccSource],
  ]) {
    if (temp === NONE) w.i64Const(0n);
    else e.push(temp, I64);
    w.localSet(local);
  }
  w.i64Const(0n);
  w.localSet(region.ccAux);
  w.i32Const(kind * 4 + op.width);
  w.localSet(region.ccOp);
  w.end();
  const known = e.knownFlags;
  if (known?.kind !== kind || known.width !== op.width) e.knownFlags = undefined;
}
