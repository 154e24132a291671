/**
 * Guest memory accesses: an inline test of the line filter, the memory model's slow path behind
 * it. A line in the filter is resident, so a hit there costs nothing and changes no state.
 */
import { NONE, Op, Width, type IrOp } from '../cpu/ir.ts';
import { Cpu, ExitReason, Filter } from '../layout.ts';
import type { BlockEmitter } from './block-emitter.ts';
import { CoreFunction } from './core-imports.ts';
import { CPU_LOCAL } from './region-context.ts';
import type { FunctionWriter, Local } from './wasm-encoder.ts';
import { Simd, ValueType, Wasm } from './wasm-opcodes.ts';

const I32 = ValueType.I32;
const I64 = ValueType.I64;
const V128 = ValueType.V128;
const GENERAL_PROTECTION = 13;

const LOADS: Readonly<Partial<Record<Width, Wasm>>> = {
  [Width.W8]: Wasm.I32_LOAD8_U,
  [Width.W16]: Wasm.I32_LOAD16_U,
  [Width.W32]: Wasm.I32_LOAD,
  [Width.W64]: Wasm.I64_LOAD,
};
const STORES: Readonly<Partial<Record<Width, Wasm>>> = {
  [Width.W8]: Wasm.I32_STORE8,
  [Width.W16]: Wasm.I32_STORE16,
  [Width.W32]: Wasm.I32_STORE,
  [Width.W64]: Wasm.I64_STORE,
};
const VECTOR_LOADS: Readonly<Partial<Record<Width, Simd>>> = {
  [Width.W32]: Simd.V128_LOAD32_ZERO,
  [Width.W64]: Simd.V128_LOAD64_ZERO,
  [Width.W128]: Simd.V128_LOAD,
};

type Direction = 'read' | 'write';

/** Pushes 1 when the access at local `va` is not covered by the filter; leaves `slot` set. */
function pushFilterMiss(e: BlockEmitter, va: Local, bytes: number, filter: number): void {
  const { w, region } = e;
  w.localGet(va);
  w.u8(Wasm.I32_WRAP_I64);
  w.i32Const(Filter.INDEX_SHIFT);
  w.u8(Wasm.I32_SHR_U);
  w.i32Const(Filter.INDEX_MASK);
  w.u8(Wasm.I32_AND);
  w.localGet(CPU_LOCAL);
  w.u8(Wasm.I32_ADD);
  w.localTee(region.slot);
  w.memory(Wasm.I64_LOAD, filter);
  w.localGet(va);
  if (bytes > 1) {
    w.i64Const(BigInt(bytes - 1));
    w.u8(Wasm.I64_ADD);
  }
  w.i64Const(BigInt(Filter.LINE_SHIFT));
  w.u8(Wasm.I64_SHR_U);
  w.u8(Wasm.I64_NE);
}

/** left -= what the last slow-path call stalled. */
function subtractStall(e: BlockEmitter): void {
  const { w, region } = e;
  w.localGet(region.left);
  w.localGet(CPU_LOCAL);
  w.memory(Wasm.I64_LOAD32_U, Cpu.STALL);
  w.u8(Wasm.I64_SUB);
  w.localSet(region.left);
}

/** A walk that ends in a fault has taken its time too. */
function faultAfterStall(e: BlockEmitter): void {
  subtractStall(e);
  e.fault();
}

function slowAccess(
  e: BlockEmitter,
  va: Local,
  bytes: number,
  direction: Direction,
  hint: number,
): void {
  const { w, region } = e;
  region.storeLocal(region.left, Wasm.I64_STORE, Cpu.LEFT);
  if (hint !== 0) region.storeConstant(hint, Cpu.HINT);
  w.localGet(CPU_LOCAL);
  w.localGet(va);
  w.i32Const(bytes);
  w.i32Const(e.block.record);
  w.call(direction === 'read' ? CoreFunction.READ : CoreFunction.WRITE);
  w.localTee(region.host);
  w.u8(Wasm.I32_EQZ);
  w.if();
  faultAfterStall(e);
  w.end();
  // A write to a code page makes this negative, so that the block's end leaves: see CODE_WRITTEN.
  subtractStall(e);
}

/** Evaluates the address once; returns the local that holds it. */
function addressLocal(e: BlockEmitter, temp: number): Local {
  const local = e.localOf(temp, I64);
  if (local !== NONE) return local;
  e.push(temp, I64);
  e.w.localSet(e.region.va);
  return e.region.va;
}

/**
 * Leaves the host address of the access in `host`. `afterSlow` and `afterFast` write what differs
 * between the two ways, at the end of each.
 */
function access(
  e: BlockEmitter,
  va: Local,
  bytes: number,
  direction: Direction,
  after: { slow?: () => void; fast?: () => void } = {},
): void {
  const { w, region } = e;
  const hint = e.nextHint();
  if (!region.options.filter) {
    slowAccess(e, va, bytes, direction, hint);
    after.slow?.();
    return;
  }
  const filter = direction === 'read' ? Cpu.FILTER_READ : Cpu.FILTER_WRITE;
  pushFilterMiss(e, va, bytes, filter);
  w.if();
  slowAccess(e, va, bytes, direction, hint);
  after.slow?.();
  w.else();
  w.localGet(va);
  w.u8(Wasm.I32_WRAP_I64);
  w.localGet(region.slot);
  w.memory(Wasm.I32_LOAD, filter + 8);
  w.u8(Wasm.I32_ADD);
  w.localSet(region.host);
  after.fast?.();
  w.end();
}

/** A write that crosses into another physical page went to the bounce buffer. */
function commitSplit(e: BlockEmitter): void {
  const { w } = e;
  w.localGet(CPU_LOCAL);
  w.memory(Wasm.I32_LOAD, Cpu.SPLIT_PENDING);
  w.if();
  w.localGet(CPU_LOCAL);
  w.call(CoreFunction.COMMIT_SPLIT);
  w.end();
}

function checkAligned(e: BlockEmitter, va: Local): void {
  const { w } = e;
  w.localGet(va);
  w.u8(Wasm.I32_WRAP_I64);
  w.i32Const(15);
  w.u8(Wasm.I32_AND);
  w.if();
  e.raise(GENERAL_PROTECTION, ExitReason.EXCEPTION);
  w.end();
}

export function load(e: BlockEmitter, op: IrOp): void {
  access(e, addressLocal(e, op.a), 1 << op.width, 'read');
  e.w.localGet(e.region.host);
  e.w.memory(LOADS[op.width] ?? Wasm.UNREACHABLE, 0);
  e.assign(op.dst);
}

export function loadVector(e: BlockEmitter, op: IrOp): void {
  const va = addressLocal(e, op.a);
  if (op.imm === 1n) checkAligned(e, va);
  access(e, va, 1 << op.width, 'read');
  e.w.localGet(e.region.host);
  e.w.simdMemory(VECTOR_LOADS[op.width] ?? Simd.V128_LOAD, 0);
  e.assign(op.dst);
}

function storeTo(e: BlockEmitter, host: Local, op: IrOp): void {
  const { w } = e;
  w.localGet(host);
  e.push(op.b, op.width === Width.W64 ? I64 : I32);
  w.memory(STORES[op.width] ?? Wasm.UNREACHABLE, 0);
}

function storeVectorTo(w: FunctionWriter, width: Width, pushValue: () => void, host: Local): void {
  w.localGet(host);
  pushValue();
  if (width === Width.W128) {
    w.simdMemory(Simd.V128_STORE, 0);
    return;
  }
  w.simdMemory(width === Width.W64 ? Simd.V128_STORE64_LANE : Simd.V128_STORE32_LANE, 0);
  w.u8(0);
}

export function store(e: BlockEmitter, op: IrOp): void {
  const { region } = e;
  access(e, addressLocal(e, op.a), 1 << op.width, 'write', {
    slow: () => {
      storeTo(e, region.host, op);
      commitSplit(e);
    },
    fast: () => {
      storeTo(e, region.host, op);
    },
  });
}

export function storeVector(e: BlockEmitter, op: IrOp): void {
  const { region, w } = e;
  const va = addressLocal(e, op.a);
  if (op.imm === 1n) checkAligned(e, va);
  const value = (): void => {
    e.push(op.b, V128);
  };
  access(e, va, 1 << op.width, 'write', {
    slow: () => {
      storeVectorTo(w, op.width, value, region.host);
      commitSplit(e);
    },
    fast: () => {
      storeVectorTo(w, op.width, value, region.host);
    },
  });
}

export function probeWrite(e: BlockEmitter, op: IrOp): void {
  access(e, addressLocal(e, op.a), 1 << op.width, 'write');
  e.w.localGet(e.region.host);
  e.assign(op.dst);
}

export function loadHost(e: BlockEmitter, op: IrOp): void {
  e.push(op.a, I32);
  e.w.memory(LOADS[op.width] ?? Wasm.UNREACHABLE, 0);
  e.assign(op.dst);
}

export function storeHost(e: BlockEmitter, op: IrOp): void {
  const { w, region } = e;
  e.push(op.a, I32);
  w.localSet(region.host);
  storeTo(e, region.host, op);
  // Only an access that crosses a page is in the bounce buffer; comparing is cheaper than a load.
  w.localGet(region.host);
  w.localGet(CPU_LOCAL);
  w.i32Const(Cpu.BOUNCE);
  w.u8(Wasm.I32_ADD);
  w.u8(Wasm.I32_EQ);
  w.if();
  commitSplit(e);
  w.end();
}

/** At block entry: every line of code that the block covers is in the first-level cache. */
export function checkFetch(e: BlockEmitter): void {
  const { w, region, block } = e;
  const { address, length } = block.ir;
  const shift = BigInt(Filter.LINE_SHIFT);
  const last = (address + BigInt(length) - 1n) >> shift;
  for (let line = address >> shift; line <= last; line++) {
    const start = line << shift;
    const from = start < address ? address : start;
    if (region.options.filter) {
      const slot = Number((line << 4n) & BigInt(Filter.INDEX_MASK));
      w.localGet(CPU_LOCAL);
      w.memory(Wasm.I64_LOAD, Cpu.FILTER_FETCH + slot);
      w.i64Const(line);
      w.u8(Wasm.I64_NE);
      w.if();
    }
    region.storeLocal(region.left, Wasm.I64_STORE, Cpu.LEFT);
    w.localGet(CPU_LOCAL);
    w.i64Const(from);
    w.i32Const(block.record);
    w.call(CoreFunction.FETCH);
    w.u8(Wasm.I32_EQZ);
    w.if();
    faultAfterStall(e);
    w.end();
    subtractStall(e);
    if (region.options.filter) w.end();
  }
}

/** Ops that touch guest memory. */
export const MEMORY_OPS: Readonly<Partial<Record<Op, (e: BlockEmitter, op: IrOp) => void>>> = {
  [Op.Load]: load,
  [Op.Store]: store,
  [Op.ProbeWrite]: probeWrite,
  [Op.LoadHost]: loadHost,
  [Op.StoreHost]: storeHost,
  [Op.LoadVector]: loadVector,
  [Op.StoreVector]: storeVector,
};
