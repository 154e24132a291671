/**
 * Translation state of one block: where each temporary's value is, and what the lazy flags are.
 * The op families (arithmetic.ts, memory.ts, vectors.ts, flags.ts, calls.ts) write code through it.
 */
import { assert } from '../../core/assert.ts';
import { NONE, Op, type FlagKind, type IrInstruction, type IrOp, type Width } from '../cpu/ir.ts';
import { Cpu } from '../layout.ts';
import { AccessHint } from '../memory/overlap-layout.ts';
import { isDeferred, isRepeatable, livenessOf, naturalType, type Liveness } from './liveness.ts';
import {
  CPU_LOCAL,
  type KnownFlags,
  type RegionContext,
  type TimedBlock,
} from './region-context.ts';
import type { FunctionWriter, Local } from './wasm-encoder.ts';
import { ValueType, Wasm } from './wasm-opcodes.ts';

const enum Place {
  /** Not computed yet, or used up. */
  NOWHERE,
  /** In `local`. */
  LOCAL,
  /** Computed where it is used. */
  DEFERRED,
}

/** Bits of `reads`: 0..15 general registers, 16..31 xmm registers. */
const XMM_SHIFT = 16;
const EVERYTHING = -1;

/** The lazy flags as temporaries of this block; NONE stands for 0. */
export interface PendingFlags {
  readonly kind: FlagKind;
  readonly width: Width;
  readonly result: number;
  readonly source: number;
  readonly aux: number;
  /** Left operand of the subtraction that made them, or NONE. */
  readonly left: number;
}

/** Writes the code of a pure op: pushes its value in its natural type. */
export type ValueEmitter = (e: BlockEmitter, op: IrOp) => void;

export class BlockEmitter {
  readonly w: FunctionWriter;
  readonly live: Liveness;
  /** Set while flags of this block are not in the flag locals yet. */
  pendingFlags: PendingFlags | undefined;
  /** The instruction being translated: where a fault leaves off. */
  instruction: IrInstruction;
  private readonly place: Uint8Array;
  private readonly local: Int32Array;
  private readonly type: Uint8Array;
  /** Registers that a deferred temporary's expression reads. */
  private readonly reads: Int32Array;
  private readonly readsFlags: Uint8Array;
  private readonly deferred: number[] = [];
  private readonly inLocals: number[] = [];
  private accesses = 0;

  constructor(
    readonly region: RegionContext,
    readonly block: TimedBlock,
    /** Flags as the locals hold them. */
    public knownFlags: KnownFlags,
    private readonly emitters: Readonly<Partial<Record<Op, ValueEmitter>>>,
  ) {
    const { temps, instructions } = block.ir;
    this.w = region.w;
    this.live = livenessOf(block.ir);
    this.instruction = instructions[0];
    this.place = new Uint8Array(temps);
    this.local = new Int32Array(temps).fill(NONE);
    this.type = new Uint8Array(temps);
    this.reads = new Int32Array(temps);
    this.readsFlags = new Uint8Array(temps);
  }

  /** Takes note of a pure op; its value is computed now or when it is used. */
  value(op: IrOp, index: number): void {
    const { dst } = op;
    if (this.live.uses[dst] === 0) return;
    this.type[dst] = naturalType(op);
    if (!isDeferred(op, this.live.uses[dst])) {
      this.emitOp(op);
      this.assign(dst);
      return;
    }
    this.place[dst] = Place.DEFERRED;
    this.noteReads(op, dst);
    if (this.reads[dst] !== 0 || this.readsFlags[dst] !== 0) this.deferred.push(dst);
    assert(index <= this.live.lastUse[dst], 'a value is used after its definition');
  }

  /** Pushes a temporary as `type`; as i32 an i64 loses its high half. */
  push(temp: number, type: ValueType): void {
    const op = this.block.ir.ops[this.live.definition[temp]];
    if (this.place[temp] === Place.LOCAL) {
      this.w.localGet(this.local[temp]);
    } else {
      assert(this.place[temp] === Place.DEFERRED, 'a temporary is defined before its use');
      if (op.op === Op.Const) {
        this.pushConstant(op.imm, type);
        return;
      }
      this.emitOp(op);
      if (!isRepeatable(op.op)) this.place[temp] = Place.NOWHERE;
    }
    this.convert(this.type[temp], type);
  }

  pushNatural(temp: number): void {
    this.push(temp, this.typeOf(temp));
  }

  typeOf(temp: number): ValueType {
    return this.type[temp];
  }

  /** The value of a constant temporary. */
  constant(temp: number): bigint | undefined {
    const op = this.block.ir.ops[this.live.definition[temp]];
    return op.op === Op.Const ? op.imm : undefined;
  }

  /** The local that holds `temp` as `type`, or NONE. */
  localOf(temp: number, type: ValueType): Local {
    return this.place[temp] === Place.LOCAL && this.typeOf(temp) === type ? this.local[temp] : NONE;
  }

  /** True while the value can be pushed again later. */
  isAvailable(temp: number): boolean {
    if (this.place[temp] === Place.LOCAL) return true;
    const op = this.block.ir.ops[this.live.definition[temp]];
    return this.place[temp] === Place.DEFERRED && isRepeatable(op.op);
  }

  pushConstant(value: bigint, type: ValueType): void {
    if (type === ValueType.I64) this.w.i64Const(value);
    else this.w.i32Const(Number(BigInt.asIntN(32, value)));
  }

  convert(from: ValueType, to: ValueType): void {
    if (from === to) return;
    assert(from !== ValueType.V128 && to !== ValueType.V128, 'integers and vectors do not mix');
    this.w.u8(to === ValueType.I64 ? Wasm.I64_EXTEND_I32_U : Wasm.I32_WRAP_I64);
  }

  /** Takes the value on the stack (in natural type) as the value of `temp`, which may be unused. */
  assign(temp: number): void {
    if (temp === NONE || this.live.uses[temp] === 0) {
      this.w.u8(Wasm.DROP);
      return;
    }
    const local = this.localFor(temp);
    this.w.localSet(local);
  }

  /** Gives `temp` a local without writing it yet. */
  localFor(temp: number): Local {
    const op = this.block.ir.ops[this.live.definition[temp]];
    this.type[temp] = naturalType(op);
    const local = this.region.acquire(this.typeOf(temp));
    this.local[temp] = local;
    this.place[temp] = Place.LOCAL;
    this.inLocals.push(temp);
    return local;
  }

  /** Computes what still has to read general register `r` before it changes at op `index`. */
  beforeGprChange(r: number, index: number): void {
    this.settleReaders(1 << r, false, index);
  }

  beforeXmmChange(r: number, index: number): void {
    this.settleReaders(1 << (XMM_SHIFT + r), false, index);
  }

  beforeFlagsChange(index: number): void {
    this.settleReaders(0, true, index);
  }

  beforeStateChange(index: number): void {
    this.settleReaders(EVERYTHING, true, index);
  }

  /** Frees the locals of temporaries that nothing after op `index` uses. */
  endOp(index: number): void {
    const { inLocals } = this;
    for (let i = inLocals.length - 1; i >= 0; i--) {
      const temp = inLocals[i];
      if (this.live.lastUse[temp] > index) continue;
      this.region.release(this.local[temp], this.typeOf(temp));
      this.place[temp] = Place.NOWHERE;
      const last = inLocals.pop();
      if (last !== undefined && i < inLocals.length) inLocals[i] = last;
    }
  }

  /** Frees every local that is left, at the end of the block. */
  endBlock(): void {
    this.endOp(this.block.ir.ops.length);
  }

  /** Writes code that puts pending flags into the flag locals; they stay pending. */
  writePendingFlags(): void {
    const flags = this.pendingFlags;
    if (flags === undefined) return;
    const { region, w } = this;
    const set = (temp: number, local: Local): void => {
      if (temp === NONE) w.i64Const(0n);
      else this.push(temp, ValueType.I64);
      w.localSet(local);
    };
    set(flags.result, region.ccResult);
    set(flags.source, region.ccSource);
    set(flags.aux, region.ccAux);
    w.i32Const(flags.kind * 4 + flags.width);
    w.localSet(region.ccOp);
  }

  /** Puts pending flags into the flag locals for good. */
  settleFlags(): void {
    this.writePendingFlags();
    if (this.pendingFlags !== undefined) {
      this.knownFlags = { kind: this.pendingFlags.kind, width: this.pendingFlags.width };
    }
    this.pendingFlags = undefined;
  }

  /**
   * Writes a fault exit at the current instruction. EXIT_REASON, EXIT_INFO and EXIT_ADDRESS are
   * set. Nothing of the instruction has changed state yet.
   */
  fault(): void {
    const { region, w } = this;
    this.writePendingFlags();
    region.storeConstant(this.block.record, Cpu.EXIT_RECORD);
    w.i64Const(this.instruction.address);
    w.localSet(region.pc);
    w.br(region.faultLabel);
  }

  /** Writes an exit with exception `vector` at the current instruction. */
  raise(vector: number, reason: number): void {
    this.region.storeConstant(reason, Cpu.EXIT_REASON);
    this.region.storeConstant(vector, Cpu.EXIT_INFO);
    this.fault();
  }

  /** Address of the hint of the next access in program order, or 0. */
  nextHint(): number {
    const number = this.accesses++;
    const { access } = this.block;
    return access === undefined ? 0 : access.hints + number * AccessHint.BYTES;
  }

  pushCpu(): void {
    this.w.localGet(CPU_LOCAL);
  }

  private emitOp(op: IrOp): void {
    const emitter = this.emitters[op.op];
    assert(emitter !== undefined, `op ${String(op.op)} has a value`);
    emitter(this, op);
  }

  private noteReads(op: IrOp, dst: number): void {
    const register = Number(op.imm & 15n);
    let reads = 0;
    let readsFlags = 0;
    if (op.op === Op.GetReg || op.op === Op.GetRegHigh) reads = 1 << register;
    else if (op.op === Op.GetXmm) reads = 1 << (XMM_SHIFT + register);
    else if (op.op === Op.Condition || op.op === Op.GetFlags) readsFlags = 1;
    for (const temp of [op.a, op.b, op.c]) {
      if (temp === NONE || this.place[temp] !== Place.DEFERRED) continue;
      reads |= this.reads[temp];
      readsFlags |= this.readsFlags[temp];
    }
    this.reads[dst] = reads;
    this.readsFlags[dst] = readsFlags;
  }

  private settleReaders(mask: number, flags: boolean, index: number): void {
    const { deferred } = this;
    for (let i = deferred.length - 1; i >= 0; i--) {
      const temp = deferred[i];
      const affected = (this.reads[temp] & mask) !== 0 || (flags && this.readsFlags[temp] !== 0);
      const current = this.place[temp] === Place.DEFERRED && this.live.lastUse[temp] > index;
      if (current && !affected) continue;
      const last = deferred.pop();
      if (last !== undefined && i < deferred.length) deferred[i] = last;
      if (current) this.settle(temp);
    }
  }

  private settle(temp: number): void {
    const op = this.block.ir.ops[this.live.definition[temp]];
    this.emitOp(op);
    this.w.localSet(this.localFor(temp));
  }
}
