/** Helper calls and conditional traps. */
import { HELPERS } from '../cpu/helpers.ts';
import { NONE, Op, type IrOp } from '../cpu/ir.ts';
import { Cpu, ExitReason } from '../layout.ts';
import type { BlockEmitter } from './block-emitter.ts';
import { CoreFunction } from './core-imports.ts';
import { CPU_LOCAL } from './region-context.ts';
import { ValueType, Wasm } from './wasm-opcodes.ts';

const I32 = ValueType.I32;
const I64 = ValueType.I64;

function pushArguments(e: BlockEmitter, op: IrOp, count: number): void {
  e.pushCpu();
  for (const temp of [op.a, op.b, op.c].slice(0, count)) {
    // An operation of a helper with many may need fewer arguments.
    if (temp === NONE) e.pushConstant(0n, I64);
    else e.push(temp, I64);
  }
}

/** Brings the CPU block up to date, so that the helper finds the guest state there. */
function spill(e: BlockEmitter): void {
  const { w, region } = e;
  e.settleFlags();
  region.storeState();
  region.storeExitRecord(e.block.record);
  w.localGet(CPU_LOCAL);
  w.i64Const(e.instruction.address);
  w.memory(Wasm.I64_STORE, Cpu.RIP);
}

export function call(e: BlockEmitter, op: IrOp, index: number): void {
  const { w, region } = e;
  const helper = HELPERS[Number(op.imm)];
  const functionIndex = CoreFunction.HELPERS + Number(op.imm);
  if (!helper.spills) {
    pushArguments(e, op, helper.args);
    w.call(functionIndex);
    e.assign(op.dst);
    return;
  }
  e.beforeStateChange(index);
  spill(e);
  pushArguments(e, op, helper.args);
  w.call(functionIndex);
  const result = region.acquire(I64);
  w.localSet(result);
  if (helper.mayFault) {
    // The helper has written the state that the guest sees; the locals are out of date.
    w.localGet(result);
    w.u8(Wasm.I64_EQZ);
    w.if();
    e.pushCpu();
    w.memory(Wasm.I32_LOAD, Cpu.EXIT_REASON);
    w.u8(Wasm.RETURN);
    w.end();
  }
  region.loadState();
  e.knownFlags = undefined;
  w.localGet(result);
  e.assign(op.dst);
  region.release(result, I64);
}

export function callResult(e: BlockEmitter, op: IrOp): void {
  e.pushCpu();
  e.w.memory(Wasm.I64_LOAD, Cpu.HELPER_RESULT);
  e.assign(op.dst);
}

export function trapIf(e: BlockEmitter, op: IrOp): void {
  const { w } = e;
  e.push(op.a, I32);
  w.if();
  e.raise(Number(op.imm), ExitReason.EXCEPTION);
  w.end();
}

/** Ops with effects beyond registers and memory accesses. */
export const CALL_OPS: Readonly<
  Partial<Record<Op, (e: BlockEmitter, op: IrOp, index: number) => void>>
> = {
  [Op.Call]: call,
  [Op.CallResult]: callResult,
  [Op.TrapIf]: trapIf,
};
