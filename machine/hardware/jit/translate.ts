/**
 * Translates a region of basic blocks into one WebAssembly function (cpu) -> exit reason.
 *
 * Guest registers and lazy flags live in locals between the region's entry and its exits. Every
 * block pays its base ticks and counts itself when it is complete; the budget is tested where the
 * next block begins, which is the same place. Leaving for an address outside goes through the
 * cache of entry points to the next region by a tail call, or back to the dispatcher.
 */
import { assert } from '../../core/assert.ts';
import { JumpKind, NONE, Op, type IrOp } from '../cpu/ir.ts';
import { BlockRecord, Cpu, ExitReason, JumpTable } from '../layout.ts';
import { INTEGER_VALUES, getState, setRegister, setState } from './arithmetic.ts';
import { BlockEmitter, type ValueEmitter } from './block-emitter.ts';
import { CALL_OPS } from './calls.ts';
import { shapeOf, type FlowShape } from './control-flow.ts';
import { CoreFunction } from './core-imports.ts';
import { float } from './floats.ts';
import { FLAG_VALUES, setFlags, setFlagsIf } from './flags.ts';
import { JumpCache } from './jump-cache.ts';
import { isPure } from './liveness.ts';
import { checkFetch, MEMORY_OPS } from './memory.ts';
import { predictBranch, predictCall, predictIndirect } from './prediction.ts';
import {
  CPU_LOCAL,
  RegionContext,
  stateUseOf,
  type KnownFlags,
  type TimedBlock,
  type TranslationOptions,
} from './region-context.ts';
import { setXmm, VECTOR_VALUES } from './vectors.ts';
import { INDIRECT_TYPE_INDEX, type Label } from './wasm-encoder.ts';
import { ValueType, Wasm } from './wasm-opcodes.ts';

/** Blocks that are translated together. Block 0 is the entry; it reaches all others. */
export interface TranslationRegion {
  readonly blocks: readonly TimedBlock[];
  /** Address of its RegionList. */
  readonly list: number;
  /** Index of its byte in Cpu.REGION_FLAGS. */
  readonly flag: number;
}

/** `reason` of an exit that goes on at `pc`. */
const CHAIN = -1;

type Statement = (e: BlockEmitter, op: IrOp, index: number) => void;

const VALUES: Readonly<Partial<Record<Op, ValueEmitter>>> = {
  ...INTEGER_VALUES,
  ...FLAG_VALUES,
  ...VECTOR_VALUES,
};

const STATEMENTS: Readonly<Partial<Record<Op, Statement>>> = {
  [Op.SetReg]: setRegister,
  [Op.SetRegHigh]: setRegister,
  [Op.GetState]: getState,
  [Op.SetState]: setState,
  [Op.Flags]: setFlags,
  [Op.FlagsIf]: setFlagsIf,
  [Op.SetXmm]: setXmm,
  [Op.Float]: float,
  ...MEMORY_OPS,
  ...CALL_OPS,
};

/** Static successors of a block inside the region; return sites for a return. */
export function successorsOf(
  block: TimedBlock,
  index: ReadonlyMap<bigint, number>,
  returnSites: readonly bigint[],
): number[] {
  const last = block.ir.ops[block.ir.ops.length - 1];
  const targets: readonly bigint[] =
    last.op === Op.Jump || last.op === Op.Pause
      ? [last.imm]
      : last.op === Op.Branch
        ? [last.imm, last.imm2]
        : last.op === Op.JumpIndirect && Number(last.imm) === JumpKind.RETURN
          ? returnSites
          : [];
  const inside = targets.flatMap((target) => index.get(target) ?? []);
  return [...new Set(inside)];
}

/** At most so many return addresses are compared one by one. */
const RETURN_SITES_MAX = 6;

/** Addresses after the calls of the region that are themselves in it. */
export function returnSitesOf(blocks: readonly TimedBlock[]): bigint[] {
  const inside = new Set(blocks.map(({ ir }) => ir.address));
  return blocks
    .flatMap(({ ir }) => {
      const last = ir.instructions[ir.instructions.length - 1];
      const after = last.address + BigInt(last.length);
      return last.mnemonic === 'call' && inside.has(after) ? [after] : [];
    })
    .slice(0, RETURN_SITES_MAX);
}

class RegionTranslator {
  private readonly region: RegionContext;
  private readonly index: ReadonlyMap<bigint, number>;
  private readonly shape: FlowShape;
  private readonly labels: Label[];
  private readonly returnSites: readonly bigint[];
  /** Lazy flags at the end of each block translated so far. */
  private readonly flagsAfter: KnownFlags[] = [];
  private readonly translated: Uint8Array;
  private readonly predecessors: number[][];

  constructor(
    private readonly source: TranslationRegion,
    options: TranslationOptions,
  ) {
    const { blocks } = source;
    this.region = new RegionContext(stateUseOf(blocks.map(({ ir }) => ir)), options);
    this.index = new Map(blocks.map(({ ir }, i) => [ir.address, i]));
    assert(this.index.size === blocks.length, 'a region holds each block once');
    this.returnSites = returnSitesOf(blocks);
    this.shape = shapeOf(blocks.map((block) => successorsOf(block, this.index, this.returnSites)));
    this.labels = blocks.map(() => 0);
    this.translated = new Uint8Array(blocks.length);
    this.predecessors = blocks.map(() => []);
    this.shape.successors.forEach((targets, from) => {
      for (const to of targets) this.predecessors[to].push(from);
    });
  }

  translate(): Uint8Array<ArrayBuffer> {
    const { region } = this;
    const { w } = region;
    this.noteEntry();
    region.loadState();
    region.exitLabel = w.block();
    region.chainLabel = w.block();
    region.faultLabel = w.block();
    this.tree(0);
    w.end();
    w.localGet(CPU_LOCAL);
    w.memory(Wasm.I32_LOAD, Cpu.EXIT_REASON);
    w.localSet(region.reason);
    w.br(region.exitLabel);
    w.end();
    w.i32Const(CHAIN);
    w.localSet(region.reason);
    w.end();
    this.leave();
    return w.finish();
  }

  /** Lists the region for the next harvest, unless it is. */
  private noteEntry(): void {
    const { w } = this.region;
    w.localGet(CPU_LOCAL);
    w.memory(Wasm.I32_LOAD8_U, Cpu.REGION_FLAGS + this.source.flag);
    w.u8(Wasm.I32_EQZ);
    w.if();
    w.localGet(CPU_LOCAL);
    w.i32Const(this.source.list);
    w.call(CoreFunction.TOUCH_REGION);
    w.end();
  }

  /** Stores the state; returns the reason, or goes on in the region that begins at `pc`. */
  private leave(): void {
    const { region } = this;
    const { w } = region;
    region.storeState();
    region.storeLocal(region.pc, Wasm.I64_STORE, Cpu.RIP);
    w.localGet(region.reason);
    w.i32Const(CHAIN);
    w.u8(Wasm.I32_NE);
    w.if();
    w.localGet(region.reason);
    w.u8(Wasm.RETURN);
    w.end();
    w.localGet(region.left);
    w.i64Const(0n);
    w.u8(Wasm.I64_LT_S);
    w.if();
    w.i32Const(ExitReason.BUDGET);
    w.u8(Wasm.RETURN);
    w.end();
    JumpCache.pushEntry(w, region.pc);
    w.localTee(region.slot);
    w.memory(Wasm.I64_LOAD, JumpTable.ADDRESS);
    w.localGet(region.pc);
    w.u8(Wasm.I64_NE);
    w.if();
    w.i32Const(ExitReason.DISPATCH);
    w.u8(Wasm.RETURN);
    w.end();
    w.localGet(CPU_LOCAL);
    w.localGet(region.slot);
    w.memory(Wasm.I32_LOAD, JumpTable.SLOT);
    w.u8(Wasm.RETURN_CALL_INDIRECT);
    w.unsigned(INDIRECT_TYPE_INDEX);
    w.unsigned(0);
  }

  /** The block and everything it dominates. */
  private tree(node: number): void {
    const { w } = this.region;
    const merges = this.shape.children[node].filter((child) => this.shape.isMerge[child] === 1);
    if (this.shape.isLoop[node] === 0) {
      this.within(node, merges);
      return;
    }
    this.labels[node] = w.loop();
    this.within(node, merges);
    w.end();
  }

  /** The block, inside one `block` for each of `merges`, each followed by that merge node. */
  private within(node: number, merges: readonly number[]): void {
    if (merges.length === 0) {
      this.block(node);
      return;
    }
    const [outermost, ...rest] = merges;
    const { w } = this.region;
    const after = w.block();
    // A loop sets its own label; until then branches to the node are forward and end here.
    this.labels[outermost] = after;
    this.within(node, rest);
    w.end();
    this.tree(outermost);
  }

  /** Lazy flags on entry: known when all ways in agree and have been translated. */
  private flagsBefore(node: number): KnownFlags {
    const [first, ...others] = this.predecessors[node];
    if (node === 0 || this.translated[first] === 0) return undefined;
    const known = this.flagsAfter[first];
    for (const from of others) {
      const other = this.flagsAfter[from];
      if (this.translated[from] === 0 || other?.kind !== known?.kind) return undefined;
      if (other?.width !== known?.width) return undefined;
    }
    return known;
  }

  private block(node: number): void {
    const { region } = this;
    const source = this.source.blocks[node];
    const e = new BlockEmitter(region, source, this.flagsBefore(node), VALUES);
    if (this.predecessors[node].length > 0) this.checkBudget(source.ir.address);
    checkFetch(e);
    const { ops, instructions } = source.ir;
    let next = 1;
    const terminator = ops.length - 1;
    for (let i = 0; i < terminator; i++) {
      while (next < instructions.length && instructions[next].firstOp <= i) {
        e.instruction = instructions[next++];
      }
      this.op(e, ops[i], i);
      e.endOp(i);
    }
    e.instruction = instructions[instructions.length - 1];
    this.terminate(e, node, ops[terminator]);
  }

  private op(e: BlockEmitter, op: IrOp, index: number): void {
    if (isPure(op.op)) {
      e.value(op, index);
      return;
    }
    const statement = STATEMENTS[op.op];
    assert(statement !== undefined, `op ${String(op.op)} may stand inside a block`);
    statement(e, op, index);
  }

  /** Leaves when the last block used up what was left. */
  private checkBudget(address: bigint): void {
    const { region } = this;
    const { w } = region;
    w.localGet(region.left);
    w.i64Const(0n);
    w.u8(Wasm.I64_LT_S);
    w.if();
    w.i64Const(address);
    w.localSet(region.pc);
    w.i32Const(ExitReason.BUDGET);
    w.localSet(region.reason);
    w.br(region.exitLabel);
    w.end();
  }

  /** The block is complete: pays its base ticks and counts itself. */
  private account(block: TimedBlock): void {
    const { region } = this;
    const { w } = region;
    w.localGet(region.left);
    w.i64Const(BigInt(block.baseTicks));
    w.u8(Wasm.I64_SUB);
    w.localSet(region.left);
    w.localGet(CPU_LOCAL);
    w.localGet(CPU_LOCAL);
    w.memory(Wasm.I64_LOAD, block.record + BlockRecord.COUNT);
    w.i64Const(1n);
    w.u8(Wasm.I64_ADD);
    w.memory(Wasm.I64_STORE, block.record + BlockRecord.COUNT);
  }

  /**
   * While values are on their way, notes what the block has made of them. Not between iterations of
   * a block that loops; the next miss does it there.
   */
  private carry({ access }: TimedBlock): void {
    if (access === undefined) return;
    const { flow, serialized } = access;
    const { region } = this;
    const { w } = region;
    if (serialized) {
      w.localGet(CPU_LOCAL);
      w.call(CoreFunction.DRAIN);
      return;
    }
    w.localGet(CPU_LOCAL);
    w.memory(Wasm.I32_LOAD, Cpu.PENDING);
    w.if();
    w.localGet(CPU_LOCAL);
    w.i32Const(flow);
    w.localGet(region.left);
    w.call(CoreFunction.CARRY);
    w.end();
  }

  private terminate(e: BlockEmitter, node: number, op: IrOp): void {
    const { region } = this;
    const { w } = region;
    const block = this.source.blocks[node];
    // An exception's block is booked by the dispatcher, instruction by instruction.
    if (op.op !== Op.Exception) this.account(block);
    const again = block.access?.loops === true && !block.access.serialized;
    const taken = op.op === Op.Branch ? region.acquire(ValueType.I32) : NONE;
    if (op.op === Op.Branch) {
      e.push(op.a, ValueType.I32);
      w.localSet(taken);
    }
    if (op.op === Op.JumpIndirect) {
      e.push(op.a, ValueType.I64);
      w.localSet(region.pc);
    }
    e.settleFlags();
    e.endBlock();
    this.flagsAfter[node] = e.knownFlags;
    this.translated[node] = 1;
    switch (op.op) {
      case Op.Jump:
        if (op.imm2 !== 0n) predictCall(region, op.imm2);
        if (!again) this.carry(block);
        this.goTo(node, op.imm);
        return;
      case Op.Branch:
        predictBranch(region, block, taken);
        region.release(taken, ValueType.I32);
        if (!again) this.carry(block);
        if (op.imm === op.imm2) {
          this.goTo(node, op.imm);
          return;
        }
        w.localGet(taken);
        w.if();
        if (again && op.imm !== block.ir.address) this.carry(block);
        this.goTo(node, op.imm);
        w.else();
        if (again && op.imm2 !== block.ir.address) this.carry(block);
        this.goTo(node, op.imm2);
        w.end();
        return;
      case Op.JumpIndirect:
        predictIndirect(region, block, op);
        this.carry(block);
        this.goToAny(node);
        return;
      case Op.Syscall:
        this.carry(block);
        this.exit(block, ExitReason.SYSCALL, op.imm, 0);
        return;
      case Op.Marker:
        this.carry(block);
        this.exit(block, ExitReason.MARKER, op.imm2, Number(op.imm));
        return;
      case Op.Dispatch:
        this.carry(block);
        this.exit(block, ExitReason.DISPATCH, op.imm, 0);
        return;
      case Op.Pause:
        this.pause(block, op.imm);
        this.goTo(node, op.imm);
        return;
      case Op.Exception:
        this.exit(block, ExitReason.EXCEPTION, op.imm2, Number(op.imm));
        return;
      default:
        assert(false, `op ${String(op.op)} ends a block`);
    }
  }

  /** Leaves for another CPU's turn. */
  private pause(block: TimedBlock, next: bigint): void {
    const { region } = this;
    const { w } = region;
    this.carry(block);
    w.localGet(region.left);
    w.localGet(CPU_LOCAL);
    w.memory(Wasm.I64_LOAD, Cpu.TURN_LEFT);
    w.u8(Wasm.I64_LT_S);
    w.if();
    this.exit(block, ExitReason.TURN, next, 0);
    w.end();
  }

  private exit(block: TimedBlock, reason: ExitReason, pc: bigint, info: number): void {
    const { region } = this;
    const { w } = region;
    region.storeConstant(reason, Cpu.EXIT_REASON);
    region.storeConstant(info, Cpu.EXIT_INFO);
    region.storeExitRecord(block.record);
    w.i64Const(pc);
    w.localSet(region.pc);
    w.br(region.faultLabel);
  }

  /** `pc` holds the target: go to the return site that it is, or leave. */
  private goToAny(node: number): void {
    const { region } = this;
    const { w } = region;
    for (const target of this.shape.successors[node]) {
      const { address } = this.source.blocks[target].ir;
      w.localGet(region.pc);
      w.i64Const(address);
      w.u8(Wasm.I64_EQ);
      w.if();
      this.goTo(node, address);
      w.end();
    }
    w.br(region.chainLabel);
  }

  private goTo(from: number, address: bigint): void {
    const { region, shape } = this;
    const { w } = region;
    const to = this.index.get(address);
    if (to === undefined || !shape.successors[from].includes(to)) {
      w.i64Const(address);
      w.localSet(region.pc);
      w.br(region.chainLabel);
      return;
    }
    const backward = shape.position[to] <= shape.position[from];
    if (backward || shape.isMerge[to] === 1) w.br(this.labels[to]);
    else this.tree(to);
  }
}

/** The code entry of the function for `source`. */
export function translateRegion(
  source: TranslationRegion,
  options: TranslationOptions,
): Uint8Array<ArrayBuffer> {
  return new RegionTranslator(source, options).translate();
}
