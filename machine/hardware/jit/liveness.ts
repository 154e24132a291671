/**
 * Decides, before a block is translated, which ops are needed, where each temporary is evaluated
 * and how long it lives. A pure op with one use is not computed where it stands but as part of
 * its consumer's expression; everything else goes to a local.
 */
import { FlagKind, NONE, Op, type IrBlock, type IrOp, Width } from '../cpu/ir.ts';
import { ValueType } from './wasm-opcodes.ts';

export interface Liveness {
  /** Op index that defines each temporary. */
  readonly definition: Int32Array;
  /** Index of the last op at which each temporary must still be available; -1 when never. */
  readonly lastUse: Int32Array;
  /** Uses, counting a use that evaluates its operand twice as two. */
  readonly uses: Int32Array;
}

/** Ops without effects, whose value depends on temporaries, registers, xmm and flags alone. */
export function isPure(op: Op): boolean {
  switch (op) {
    case Op.SetReg:
    case Op.SetRegHigh:
    case Op.GetState:
    case Op.SetState:
    case Op.Load:
    case Op.Store:
    case Op.ProbeWrite:
    case Op.LoadHost:
    case Op.StoreHost:
    case Op.LoadVector:
    case Op.StoreVector:
    case Op.Flags:
    case Op.FlagsIf:
    case Op.SetXmm:
    case Op.Float:
    case Op.Call:
    case Op.CallResult:
    case Op.TrapIf:
    case Op.Jump:
    case Op.Branch:
    case Op.JumpIndirect:
    case Op.Syscall:
    case Op.Exception:
    case Op.Marker:
    case Op.Dispatch:
    case Op.Pause:
      return false;
    default:
      return true;
  }
}

/** Ops so cheap to repeat that they never need a local of their own. */
export function isRepeatable(op: Op): boolean {
  return op === Op.Const || op === Op.GetReg || op === Op.GetXmm;
}

/** Where a pure op is evaluated: at its own place, or inside its consumer. */
export function isDeferred(op: IrOp, uses: number): boolean {
  return isPure(op.op) && (uses === 1 || isRepeatable(op.op));
}

/** WebAssembly type that a temporary's value naturally has. */
export function naturalType(op: IrOp): ValueType {
  switch (op.op) {
    case Op.Eq:
    case Op.Ne:
    case Op.LtU:
    case Op.LtS:
    case Op.LeU:
    case Op.LeS:
    case Op.GetRegHigh:
    case Op.Condition:
    case Op.GetFlags:
    case Op.ProbeWrite:
    case Op.Bitmask:
      return ValueType.I32;
    case Op.Call:
    case Op.CallResult:
      return ValueType.I64;
    case Op.GetXmm:
    case Op.VectorConst:
    case Op.Vector:
    case Op.Float:
    case Op.Shuffle:
    case Op.VectorShift:
    case Op.InsertLane:
    case Op.LoadVector:
      return ValueType.V128;
    default:
      if (op.width === Width.W128) return ValueType.V128;
      return op.width === Width.W64 ? ValueType.I64 : ValueType.I32;
  }
}

/** Ops whose code evaluates operands more than once. */
function repeatsOperands(op: IrOp): boolean {
  switch (op.op) {
    case Op.Rotl:
    case Op.Rotr:
      return op.width < Width.W32;
    case Op.Bswap:
    case Op.MulHighU:
    case Op.MulHighS:
    case Op.Float:
    case Op.Store:
    case Op.StoreHost:
    case Op.StoreVector:
    case Op.Flags:
    case Op.FlagsIf:
      return true;
    default:
      return false;
  }
}

/** The op that computes `lhs - rhs` for a SUB flags op, so that a branch can compare directly. */
export function subtractionOf(
  block: IrBlock,
  flags: IrOp,
  definition: Int32Array,
): IrOp | undefined {
  if (flags.op !== Op.Flags || Number(flags.imm) !== FlagKind.SUB) return undefined;
  const index = definition[flags.a];
  const source = block.ops[index];
  const matches = source.op === Op.Sub && source.width === flags.width && source.b === flags.b;
  return matches ? source : undefined;
}

export function livenessOf(block: IrBlock): Liveness {
  const { ops, temps } = block;
  const definition = new Int32Array(temps).fill(NONE);
  const lastUse = new Int32Array(temps).fill(-1);
  const uses = new Int32Array(temps);
  ops.forEach((op, index) => {
    if (op.dst !== NONE) definition[op.dst] = index;
  });
  const use = (temp: number, at: number, weight: number): void => {
    if (temp === NONE) return;
    uses[temp] += weight;
    lastUse[temp] = Math.max(lastUse[temp], at);
  };
  let nextFlags = ops.length;
  /** Where the last condition on the flags set at this point is evaluated; -1 without one. */
  let condition = -1;
  for (let index = ops.length - 1; index >= 0; index--) {
    const op = ops[index];
    if (isPure(op.op) && uses[op.dst] === 0) continue;
    const at = isDeferred(op, uses[op.dst]) ? lastUse[op.dst] : index;
    if (op.op === Op.Condition || op.op === Op.GetFlags) condition = Math.max(condition, at);
    if (op.op === Op.Flags) {
      // The operands stand for the flags until others replace them.
      for (const temp of [op.a, op.b, op.c]) use(temp, nextFlags, 2);
      const subtraction = subtractionOf(block, op, definition);
      if (condition > index && subtraction !== undefined) use(subtraction.a, condition, 2);
      nextFlags = index;
      condition = -1;
      continue;
    }
    const weight = repeatsOperands(op) ? 2 : 1;
    use(op.a, at, weight);
    use(op.b, at, weight);
    use(op.c, at, weight);
  }
  return { definition, lastUse, uses };
}
