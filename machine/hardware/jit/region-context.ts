/**
 * What all blocks of one region share while they are translated: the function being written, the
 * locals that hold guest state, and the labels that lead out.
 */
import type { FlowPlace } from '../cpu/encode.ts';
import { NONE, Op, type FlagKind, type IrBlock, type Width } from '../cpu/ir.ts';
import type { PredictorSpec } from '../cpu/predictor.ts';
import { FloatException, FloatForm, FloatOp, Mxcsr } from '../cpu/float-op.ts';
import { Cpu } from '../layout.ts';
import { DOUBLE, SINGLE, type FloatLanes } from './float-forms.ts';
import { FunctionWriter, type Label, type Local } from './wasm-encoder.ts';
import { Simd, ValueType, Wasm } from './wasm-opcodes.ts';

/** A block with its place in the accounts. */
export interface TimedBlock {
  readonly ir: IrBlock;
  /** Ticks that one complete execution costs when everything hits. */
  readonly baseTicks: number;
  /** Ticks until the branch at its end is resolved, if it was mispredicted. */
  readonly resolveTicks: number;
  /** Place of the block's BlockRecord: offset from the CPU block. */
  readonly record: number;
  /** Its data flow, on a core that overlaps misses. */
  readonly access?: FlowPlace | undefined;
}

export interface TranslationOptions {
  /** False: every access takes the slow path; ticks and misses must stay the same. */
  readonly filter: boolean;
  /** True on a machine of several CPUs: an access with `lock` always takes the slow path. */
  readonly several?: boolean;
  /** Absent: branches cost nothing. */
  readonly predictor?: PredictorSpec | undefined;
  /** Whether mispredicted branches are recorded, which need the clock. */
  readonly branchEvents?: boolean;
}

/** Guest state that a region uses, and what of it it changes. Bit n is register n. */
export interface StateUse {
  gprUsed: number;
  gprChanged: number;
  xmmUsed: number;
  xmmChanged: number;
  flagsUsed: boolean;
  /** Inline arithmetic, which tests its operands against the floor of their precision. */
  singleArithmetic: boolean;
  doubleArithmetic: boolean;
}

function noteFloat(use: StateUse, form: number): void {
  const operation: FloatOp = form & FloatForm.OP_MASK;
  if (operation > FloatOp.SQRT) return;
  if ((form & FloatForm.DOUBLE) === 0) use.singleArithmetic = true;
  else use.doubleArithmetic = true;
}

export function stateUseOf(blocks: readonly IrBlock[]): StateUse {
  const use: StateUse = {
    gprUsed: 0,
    gprChanged: 0,
    xmmUsed: 0,
    xmmChanged: 0,
    flagsUsed: false,
    singleArithmetic: false,
    doubleArithmetic: false,
  };
  for (const { ops } of blocks) {
    for (const op of ops) {
      const bit = 1 << Number(op.imm & 15n);
      switch (op.op) {
        case Op.GetReg:
        case Op.GetRegHigh:
          use.gprUsed |= bit;
          break;
        case Op.SetReg:
        case Op.SetRegHigh:
          use.gprChanged |= bit;
          break;
        case Op.GetXmm:
          use.xmmUsed |= bit;
          break;
        case Op.SetXmm:
          use.xmmChanged |= bit;
          break;
        case Op.Float:
          noteFloat(use, Number(op.imm));
          break;
        case Op.Flags:
        case Op.FlagsIf:
        case Op.Condition:
        case Op.GetFlags:
          use.flagsUsed = true;
          break;
        default:
      }
    }
  }
  // What is changed on one path must hold its old value on the others.
  use.gprUsed |= use.gprChanged;
  use.xmmUsed |= use.xmmChanged;
  return use;
}

/** Lazy flags whose kind is known at this point of the region; undefined when it is not. */
export type KnownFlags = { readonly kind: FlagKind; readonly width: Width } | undefined;

/** Index of the one parameter: the address of the CPU block. */
export const CPU_LOCAL: Local = 0;

export class RegionContext {
  readonly w = new FunctionWriter(1);
  /** Copy of Cpu.LEFT. */
  readonly left: Local;
  /** Where execution goes on after an exit. */
  readonly pc: Local;
  /** ExitReason, or CHAIN. */
  readonly reason: Local;
  /** Scratch: address of the current access, its filter entry, its host address. */
  readonly va: Local;
  readonly slot: Local;
  readonly host: Local;
  /** Copy of Cpu.BRANCH_HISTORY, and the address of the predictor's tables; NONE without one. */
  readonly history: Local = NONE;
  readonly predictor: Local = NONE;
  readonly gpr = new Int32Array(16).fill(NONE);
  readonly xmm = new Int32Array(16).fill(NONE);
  readonly ccResult: Local = NONE;
  readonly ccSource: Local = NONE;
  readonly ccAux: Local = NONE;
  readonly ccOp: Local = NONE;
  /** 1 while the inexact bit of MXCSR is clear, so that arithmetic must look whether it is exact. */
  readonly watchesInexact: Local = NONE;
  /** In every lane, what magnitudes must reach for arithmetic without exceptions; see floats.ts. */
  readonly floorSingle: Local = NONE;
  readonly floorDouble: Local = NONE;
  /** Branch here with `pc` and `reason` set. */
  exitLabel: Label = 0;
  /** Branch here with `pc` set to go on at another region. */
  chainLabel: Label = 0;
  /** Branch here with `pc` set when EXIT_REASON holds the reason. */
  faultLabel: Label = 0;
  private readonly free = new Map<ValueType, Local[]>();

  constructor(
    readonly use: StateUse,
    readonly options: TranslationOptions,
  ) {
    const { w } = this;
    this.left = w.newLocal(ValueType.I64);
    this.pc = w.newLocal(ValueType.I64);
    this.va = w.newLocal(ValueType.I64);
    if (options.predictor !== undefined) this.history = w.newLocal(ValueType.I64);
    for (let r = 0; r < 16; r++) {
      if ((use.gprUsed >> r) & 1) this.gpr[r] = w.newLocal(ValueType.I64);
    }
    if (use.flagsUsed) {
      this.ccResult = w.newLocal(ValueType.I64);
      this.ccSource = w.newLocal(ValueType.I64);
      this.ccAux = w.newLocal(ValueType.I64);
    }
    this.reason = w.newLocal(ValueType.I32);
    this.slot = w.newLocal(ValueType.I32);
    this.host = w.newLocal(ValueType.I32);
    if (use.flagsUsed) this.ccOp = w.newLocal(ValueType.I32);
    if (options.predictor !== undefined) this.predictor = w.newLocal(ValueType.I32);
    for (let r = 0; r < 16; r++) {
      if ((use.xmmUsed >> r) & 1) this.xmm[r] = w.newLocal(ValueType.V128);
    }
    const arithmetic = use.singleArithmetic || use.doubleArithmetic;
    if (arithmetic) this.watchesInexact = w.newLocal(ValueType.I32);
    if (use.singleArithmetic) this.floorSingle = w.newLocal(ValueType.V128);
    if (use.doubleArithmetic) this.floorDouble = w.newLocal(ValueType.V128);
  }

  /** A local for a temporary; give it back with `release`. */
  acquire(type: ValueType): Local {
    return this.free.get(type)?.pop() ?? this.w.newLocal(type);
  }

  release(local: Local, type: ValueType): void {
    const list = this.free.get(type);
    if (list === undefined) this.free.set(type, [local]);
    else list.push(local);
  }

  /** Loads all guest state that the region uses from the CPU block into locals. */
  loadState(): void {
    this.loadLocal(this.left, Wasm.I64_LOAD, Cpu.LEFT);
    if (this.history !== NONE) {
      this.loadLocal(this.history, Wasm.I64_LOAD, Cpu.BRANCH_HISTORY);
      this.loadLocal(this.predictor, Wasm.I32_LOAD, Cpu.PREDICTOR);
    }
    for (let r = 0; r < 16; r++) {
      if (this.gpr[r] !== NONE) this.loadLocal(this.gpr[r], Wasm.I64_LOAD, Cpu.GPR + 8 * r);
    }
    for (let r = 0; r < 16; r++) {
      if (this.xmm[r] === NONE) continue;
      this.w.localGet(CPU_LOCAL);
      this.w.simdMemory(Simd.V128_LOAD, Cpu.XMM + 16 * r);
      this.w.localSet(this.xmm[r]);
    }
    this.loadFloors();
    if (!this.use.flagsUsed) return;
    this.loadLocal(this.ccResult, Wasm.I64_LOAD, Cpu.CC_RESULT);
    this.loadLocal(this.ccSource, Wasm.I64_LOAD, Cpu.CC_SOURCE);
    this.loadLocal(this.ccAux, Wasm.I64_LOAD, Cpu.CC_AUX);
    this.loadLocal(this.ccOp, Wasm.I32_LOAD, Cpu.CC_OP);
  }

  /** Sets by MXCSR what arithmetic has to look for. */
  loadFloors(): void {
    if (this.watchesInexact === NONE) return;
    const { w } = this;
    w.localGet(CPU_LOCAL);
    w.memory(Wasm.I32_LOAD, Cpu.MXCSR);
    w.i32Const(FloatException.INEXACT);
    w.u8(Wasm.I32_AND);
    w.u8(Wasm.I32_EQZ);
    w.localSet(this.watchesInexact);
    if (this.floorSingle !== NONE) this.loadFloor(this.floorSingle, SINGLE);
    if (this.floorDouble !== NONE) this.loadFloor(this.floorDouble, DOUBLE);
  }

  private loadFloor(floor: Local, lanes: FloatLanes): void {
    const { w } = this;
    w.vectorConst(lanes.aboveMinNormal);
    w.vectorConst(lanes.infinity);
    w.localGet(CPU_LOCAL);
    w.memory(Wasm.I32_LOAD, Cpu.MXCSR);
    w.i32Const(Mxcsr.ROUNDING);
    w.u8(Wasm.I32_AND);
    w.u8(Wasm.I32_EQZ);
    w.u8(Wasm.SELECT);
    w.localSet(floor);
  }

  /** Stores all guest state that the region may have changed into the CPU block. */
  storeState(): void {
    this.storeLocal(this.left, Wasm.I64_STORE, Cpu.LEFT);
    if (this.history !== NONE) {
      this.storeLocal(this.history, Wasm.I64_STORE, Cpu.BRANCH_HISTORY);
    }
    for (let r = 0; r < 16; r++) {
      if ((this.use.gprChanged >> r) & 1) {
        this.storeLocal(this.gpr[r], Wasm.I64_STORE, Cpu.GPR + 8 * r);
      }
    }
    for (let r = 0; r < 16; r++) {
      if (!((this.use.xmmChanged >> r) & 1)) continue;
      this.w.localGet(CPU_LOCAL);
      this.w.localGet(this.xmm[r]);
      this.w.simdMemory(Simd.V128_STORE, Cpu.XMM + 16 * r);
    }
    if (!this.use.flagsUsed) return;
    this.storeLocal(this.ccResult, Wasm.I64_STORE, Cpu.CC_RESULT);
    this.storeLocal(this.ccSource, Wasm.I64_STORE, Cpu.CC_SOURCE);
    this.storeLocal(this.ccAux, Wasm.I64_STORE, Cpu.CC_AUX);
    this.storeLocal(this.ccOp, Wasm.I32_STORE, Cpu.CC_OP);
  }

  storeLocal(local: Local, opcode: Wasm, offset: number): void {
    this.w.localGet(CPU_LOCAL);
    this.w.localGet(local);
    this.w.memory(opcode, offset);
  }

  storeConstant(value: number, offset: number): void {
    this.w.localGet(CPU_LOCAL);
    this.w.i32Const(value);
    this.w.memory(Wasm.I32_STORE, offset);
  }

  /** Pushes the address of a record. */
  pushRecord(record: number): void {
    this.w.localGet(CPU_LOCAL);
    this.w.i32Const(record);
    this.w.u8(Wasm.I32_ADD);
  }

  /** Names the block that execution is leaving. */
  storeExitRecord(record: number): void {
    this.w.localGet(CPU_LOCAL);
    this.pushRecord(record);
    this.w.memory(Wasm.I32_STORE, Cpu.EXIT_RECORD);
  }

  private loadLocal(local: Local, opcode: Wasm, offset: number): void {
    this.w.localGet(CPU_LOCAL);
    this.w.memory(opcode, offset);
    this.w.localSet(local);
  }
}
