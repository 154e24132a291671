/**
 * Branch prediction in translated code: inline tests for what is predicted for sure and right, which
 * changes nothing; everything else goes to the core (assembly/predict.ts), which returns the ticks
 * lost. The history is in a local, the tables in linear memory.
 */
import { Counter, Predictor, TargetHistory } from '../cpu/predictor-layout.ts';
import { branchKey, log2OfHistory, returnMask, type PredictorSpec } from '../cpu/predictor.ts';
import { JumpKind, type IrOp } from '../cpu/ir.ts';
import { Cpu } from '../layout.ts';
import { CoreFunction } from './core-imports.ts';
import { CPU_LOCAL, type RegionContext, type TimedBlock } from './region-context.ts';
import type { Local } from './wasm-encoder.ts';
import { ValueType, Wasm } from './wasm-opcodes.ts';

const I32 = ValueType.I32;
const TAG_MASK = (1 << Predictor.TAG_BITS) - 1;
const MIX = BigInt.asIntN(64, 0x9e3779b97f4a7c15n);

function keyOf({ ir }: TimedBlock): bigint {
  return branchKey(ir.instructions[ir.instructions.length - 1].address);
}

/** Subtracts the ticks on the stack from what is left. */
function spend(region: RegionContext): void {
  const { w } = region;
  const lost = region.acquire(I32);
  w.localSet(lost);
  w.localGet(region.left);
  w.localGet(lost);
  w.u8(Wasm.I64_EXTEND_I32_U);
  w.u8(Wasm.I64_SUB);
  w.localSet(region.left);
  region.release(lost, I32);
}

/** An event needs the clock as the block was begun, which is where the interpreter has it. */
function storeClock(region: RegionContext, block: TimedBlock): void {
  if (region.options.branchEvents !== true) return;
  const { w } = region;
  w.localGet(CPU_LOCAL);
  w.localGet(region.left);
  w.i64Const(BigInt(block.baseTicks));
  w.u8(Wasm.I64_ADD);
  w.memory(Wasm.I64_STORE, Cpu.LEFT);
}

/** Pushes 1 when the table of long histories is not sure of outcome counter `wanted`. */
function pushUnknown(
  region: RegionContext,
  key: bigint,
  spec: PredictorSpec,
  wanted: Local,
  place: Local,
): void {
  const { w } = region;
  w.localGet(region.history);
  w.i64Const(BigInt.asIntN(64, key));
  w.u8(Wasm.I64_XOR);
  w.i64Const(MIX);
  w.u8(Wasm.I64_MUL);
  w.i64Const(BigInt(64 - log2OfHistory(spec) - Predictor.TAG_BITS));
  w.u8(Wasm.I64_SHR_U);
  w.u8(Wasm.I32_WRAP_I64);
  w.localTee(place);
  w.i32Const(Predictor.TAG_BITS);
  w.u8(Wasm.I32_SHR_U);
  w.i32Const(1);
  w.u8(Wasm.I32_SHL);
  w.localGet(region.predictor);
  w.u8(Wasm.I32_ADD);
  w.memory(Wasm.I32_LOAD16_U, Predictor.LONG);
  w.localGet(place);
  w.i32Const(TAG_MASK);
  w.u8(Wasm.I32_AND);
  w.i32Const(2);
  w.u8(Wasm.I32_SHL);
  w.localGet(wanted);
  w.u8(Wasm.I32_OR);
  w.i32Const(Predictor.ENTRY_VALID);
  w.u8(Wasm.I32_OR);
  w.u8(Wasm.I32_NE);
}

/** The conditional branch that ends `block`, whose outcome (0 or 1) is in local `taken`. */
export function predictBranch(region: RegionContext, block: TimedBlock, taken: Local): void {
  const spec = region.options.predictor;
  if (spec === undefined) return;
  const { w } = region;
  const key = keyOf(block);
  const counterAt = Number(key >> BigInt(64 - Predictor.COUNTERS_BITS));
  const wanted = region.acquire(I32);
  const counter = region.acquire(I32);
  w.localGet(region.predictor);
  w.memory(Wasm.I32_LOAD8_U, Predictor.COUNTERS + counterAt);
  w.localTee(counter);
  w.i32Const(0);
  w.localGet(taken);
  w.u8(Wasm.I32_SUB);
  w.i32Const(Counter.TAKEN);
  w.u8(Wasm.I32_AND);
  w.localTee(wanted);
  w.u8(Wasm.I32_NE);
  w.if();
  {
    w.localGet(counter);
    w.i32Const(Predictor.COUNTER_UNSURE);
    w.u8(Wasm.I32_LT_U);
    pushUnknown(region, key, spec, wanted, counter);
    w.u8(Wasm.I32_OR);
    w.if();
    storeClock(region, block);
    w.localGet(CPU_LOCAL);
    w.i64Const(BigInt.asIntN(64, key));
    w.localGet(taken);
    w.localGet(region.history);
    region.pushRecord(block.record);
    w.i32Const(block.resolveTicks);
    w.call(CoreFunction.LEARN_BRANCH);
    spend(region);
    w.end();
  }
  w.end();
  w.localGet(region.history);
  w.i64Const(1n);
  w.u8(Wasm.I64_SHL);
  w.localGet(taken);
  w.u8(Wasm.I64_EXTEND_I32_U);
  w.u8(Wasm.I64_OR);
  w.localSet(region.history);
  region.release(wanted, I32);
  region.release(counter, I32);
}

/** A direct call that ends `block`. */
export function predictCall(region: RegionContext, returnAddress: bigint): void {
  const spec = region.options.predictor;
  if (spec === undefined) return;
  const { w } = region;
  const top = region.acquire(I32);
  w.localGet(CPU_LOCAL);
  w.localGet(CPU_LOCAL);
  w.memory(Wasm.I32_LOAD, Cpu.RETURN_TOP);
  w.i32Const(8);
  w.u8(Wasm.I32_ADD);
  w.i32Const(returnMask(spec));
  w.u8(Wasm.I32_AND);
  w.localTee(top);
  w.memory(Wasm.I32_STORE, Cpu.RETURN_TOP);
  w.localGet(region.predictor);
  w.localGet(top);
  w.u8(Wasm.I32_ADD);
  w.i64Const(BigInt.asIntN(64, returnAddress));
  w.memory(Wasm.I64_STORE, Predictor.RETURN_STACK);
  region.release(top, I32);
}

function predictReturn(region: RegionContext, block: TimedBlock, spec: PredictorSpec): void {
  const { w } = region;
  const top = region.acquire(I32);
  w.localGet(CPU_LOCAL);
  w.localGet(CPU_LOCAL);
  w.memory(Wasm.I32_LOAD, Cpu.RETURN_TOP);
  w.localTee(top);
  w.i32Const(8);
  w.u8(Wasm.I32_SUB);
  w.i32Const(returnMask(spec));
  w.u8(Wasm.I32_AND);
  w.memory(Wasm.I32_STORE, Cpu.RETURN_TOP);
  w.localGet(region.predictor);
  w.localGet(top);
  w.u8(Wasm.I32_ADD);
  w.memory(Wasm.I64_LOAD, Predictor.RETURN_STACK);
  w.localGet(region.pc);
  w.u8(Wasm.I64_NE);
  w.if();
  storeClock(region, block);
  w.localGet(CPU_LOCAL);
  region.pushRecord(block.record);
  w.i32Const(block.resolveTicks);
  w.call(CoreFunction.MISPREDICTED);
  spend(region);
  w.end();
  region.release(top, I32);
}

/** The indirect jump, call or return `op` that ends `block`; its target is in `pc`. */
export function predictIndirect(region: RegionContext, block: TimedBlock, op: IrOp): void {
  const spec = region.options.predictor;
  if (spec === undefined) return;
  if (Number(op.imm) === JumpKind.RETURN) {
    predictReturn(region, block, spec);
    return;
  }
  const { w } = region;
  const key = keyOf(block);
  const lastAt = Number(key >> BigInt(64 - Predictor.LAST_TARGETS_BITS)) * 8;
  w.localGet(region.predictor);
  w.memory(Wasm.I64_LOAD, Predictor.LAST_TARGETS + lastAt);
  w.localGet(region.pc);
  w.u8(Wasm.I64_NE);
  w.if();
  storeClock(region, block);
  w.localGet(CPU_LOCAL);
  w.i64Const(BigInt.asIntN(64, key));
  w.localGet(region.pc);
  w.localGet(region.history);
  region.pushRecord(block.record);
  w.i32Const(block.resolveTicks);
  w.call(CoreFunction.LEARN_TARGET);
  spend(region);
  w.end();
  w.localGet(region.history);
  w.i64Const(BigInt(TargetHistory.SHIFT));
  w.u8(Wasm.I64_SHL);
  w.localGet(region.pc);
  w.i64Const(BigInt(TargetHistory.TARGET_SHIFT));
  w.u8(Wasm.I64_SHR_U);
  w.u8(Wasm.I64_XOR);
  w.localSet(region.history);
  if (Number(op.imm) === JumpKind.CALL) predictCall(region, op.imm2);
}
