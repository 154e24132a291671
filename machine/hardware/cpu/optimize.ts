/**
 * Removes IR that nobody can observe: flags that are overwritten before anything reads them, and
 * values that nothing uses.
 *
 * Flags survive wherever an exit could show them: at every op that may fault, at helpers that
 * spill, and at the end of the block. So a signal frame or a debugger always sees the right ones.
 */
import { HELPERS } from './helpers.ts';
import { NONE, Op } from './ir.ts';
import type { IrInstruction, IrOp } from './ir.ts';

const enum Effect {
  /** Defines a temporary and does nothing else. */
  PURE,
  /** The same, and reads the flags. */
  READS_FLAGS,
  /** Replaces the flags. */
  SETS_FLAGS,
  /** Changes state, but cannot leave the block. */
  STATE,
  /** May leave the block, with the flags as they are. */
  EXIT,
}

const EFFECTS: ReadonlyMap<Op, Effect> = new Map([
  [Op.Condition, Effect.READS_FLAGS],
  [Op.GetFlags, Effect.READS_FLAGS],
  [Op.Flags, Effect.SETS_FLAGS],
  ...[Op.SetReg, Op.SetRegHigh, Op.SetState, Op.SetXmm, Op.StoreHost, Op.LoadHost].map(
    (op): [Op, Effect] => [op, Effect.STATE],
  ),
  ...[Op.Load, Op.Store, Op.ProbeWrite, Op.LoadVector, Op.StoreVector, Op.Float, Op.TrapIf].map(
    (op): [Op, Effect] => [op, Effect.EXIT],
  ),
  ...[
    Op.Jump,
    Op.Branch,
    Op.JumpIndirect,
    Op.Syscall,
    Op.Exception,
    Op.Marker,
    Op.Dispatch,
    Op.Pause,
  ].map((op): [Op, Effect] => [op, Effect.EXIT]),
]);

function effectOf(op: IrOp): Effect {
  if (op.op === Op.Call) {
    const { spills, traps } = HELPERS[Number(op.imm)];
    return spills || traps ? Effect.EXIT : Effect.STATE;
  }
  // Conditional: the old flags may survive it, so it neither kills nor lets die.
  if (op.op === Op.FlagsIf || op.op === Op.CallResult) return Effect.STATE;
  return EFFECTS.get(op.op) ?? Effect.PURE;
}

/** Marks what to keep, walking backwards once. */
function liveOps(ops: readonly IrOp[], temps: number): Uint8Array {
  const keep = new Uint8Array(ops.length);
  const used = new Uint8Array(temps);
  let flagsObserved = true;
  for (let index = ops.length - 1; index >= 0; index--) {
    const op = ops[index];
    const effect = effectOf(op);
    if (effect === Effect.SETS_FLAGS) {
      if (!flagsObserved) continue;
      flagsObserved = false;
    } else if (effect <= Effect.READS_FLAGS) {
      if (used[op.dst] === 0) continue;
      if (effect === Effect.READS_FLAGS) flagsObserved = true;
    } else if (effect === Effect.EXIT) {
      flagsObserved = true;
    }
    keep[index] = 1;
    for (const temp of [op.a, op.b, op.c]) if (temp !== NONE) used[temp] = 1;
  }
  return keep;
}

/** Drops dead ops; instructions keep their places. */
export function removeDead(
  ops: readonly IrOp[],
  instructions: readonly IrInstruction[],
  temps: number,
): { ops: IrOp[]; instructions: IrInstruction[] } {
  const keep = liveOps(ops, temps);
  const placeOf = new Int32Array(ops.length + 1);
  const kept: IrOp[] = [];
  ops.forEach((op, index) => {
    placeOf[index] = kept.length;
    if (keep[index] !== 0) kept.push(op);
  });
  placeOf[ops.length] = kept.length;
  return {
    ops: kept,
    instructions: instructions.map((instruction) => ({
      ...instruction,
      firstOp: placeOf[instruction.firstOp] ?? 0,
    })),
  };
}
