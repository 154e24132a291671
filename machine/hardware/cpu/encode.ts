/**
 * Encodes IR blocks into the interpreter's bytecode (see bytecode.ts) and keeps the table through
 * which it chains from block to block.
 */
import { MachineBug } from '../../core/assert.ts';
import { Cpu } from '../layout.ts';
import { BlockCode, BlockTable, OpWord, Slot } from './bytecode.ts';
import { isAccess, type BlockFlow } from './dependence.ts';
import { flowAddress, flowBytes, writeFlow } from './flow-encoding.ts';
import { NONE } from './ir.ts';
import { branchKey } from './predictor.ts';
import type { IrBlock, IrOp } from './ir.ts';

/** Never leave the interpreter because the block is hot. */
export const THRESHOLD_NEVER = 0x7fffffff;

const TRAP_ENTRY_BYTES = 8;
const INT32_MIN = -(2n ** 31n);
const INT32_MAX = 2n ** 31n - 1n;

/** What the machine adds to a block: where it is accounted and what it costs. */
export interface BlockCosts {
  /** Address of its BlockRecord. */
  readonly record: number;
  /** Base ticks of one execution. */
  readonly ticks: number;
  /** Ticks until the branch at its end is resolved. */
  readonly resolveTicks: number;
  /** Executions after which chaining to it exits with DISPATCH. */
  readonly threshold: number;
  readonly flow?: BlockFlow | undefined;
}

function isWide(op: IrOp): boolean {
  const imm = BigInt.asIntN(64, op.imm);
  return imm < INT32_MIN || imm > INT32_MAX || op.imm2 !== 0n;
}

/** Assigns reusable slots to temporaries; the code is straight-line, so one pass suffices. */
class SlotAllocator {
  private readonly lastUse: Int32Array;
  private readonly slotOf: Int32Array;
  private readonly free: number[] = [];
  private count = 0;

  constructor(ops: readonly IrOp[], temps: number) {
    this.lastUse = new Int32Array(temps).fill(-1);
    this.slotOf = new Int32Array(temps).fill(-1);
    ops.forEach((op, index) => {
      for (const temp of [op.a, op.b, op.c]) if (temp !== NONE) this.lastUse[temp] = index;
    });
  }

  /** Byte offset of the slot of an operand. */
  use(temp: number): number {
    return temp === NONE ? Slot.NONE : this.slotOf[temp] * Slot.BYTES;
  }

  /** Slots whose temporaries die at op `index` become free. */
  release(op: IrOp, index: number): void {
    for (const temp of new Set([op.a, op.b, op.c])) {
      if (temp !== NONE && this.lastUse[temp] === index) this.free.push(this.slotOf[temp]);
    }
  }

  define(op: IrOp): number {
    if (op.dst === NONE) return Slot.NONE;
    const slot = this.free.pop() ?? this.count++;
    if (slot >= Slot.COUNT_MAX) throw new MachineBug('block needs too many temporaries');
    this.slotOf[op.dst] = slot;
    if (this.lastUse[op.dst] < 0) this.free.push(slot);
    return slot * Slot.BYTES;
  }
}

/** Bytes that the code of `block` takes, with its flow if it has one. */
export function encodedBytes(block: IrBlock, flow?: BlockFlow): number {
  return codeBytes(block) + (flow === undefined ? 0 : flowBytes(flow));
}

/** A multiple of 8, as all parts are. */
function codeBytes(block: IrBlock): number {
  let bytes: number = BlockCode.OPS;
  for (const op of block.ops) bytes += isWide(op) ? OpWord.WIDE_BYTES : OpWord.BYTES;
  return bytes + block.instructions.length * TRAP_ENTRY_BYTES;
}

/** Writes the code of `block` at linear address `at`, 8-byte aligned. */
export function encodeBlock(view: DataView, at: number, block: IrBlock, costs: BlockCosts): void {
  const offsets = encodeOps(view, at, block);
  const traps = offsets[block.ops.length];
  view.setBigUint64(at + BlockCode.ADDRESS, block.address, true);
  view.setInt32(at + BlockCode.RECORD, costs.record, true);
  view.setInt32(at + BlockCode.TICKS, costs.ticks, true);
  view.setInt32(at + BlockCode.LENGTH, block.length, true);
  view.setInt32(at + BlockCode.INSTRUCTIONS, block.instructions.length, true);
  view.setInt32(at + BlockCode.EXECUTIONS, 0, true);
  view.setInt32(at + BlockCode.THRESHOLD, costs.threshold, true);
  view.setInt32(at + BlockCode.TRAPS, traps, true);
  const { flow } = costs;
  const hints = flow === undefined ? 0 : at + codeBytes(block);
  view.setInt32(at + BlockCode.HINTS, hints, true);
  view.setInt32(at + BlockCode.FLOW, flow === undefined ? 0 : flowAddress(hints, flow), true);
  view.setInt32(at + BlockCode.SERIALIZED, flow?.endsSerialized === true ? 1 : 0, true);
  if (flow !== undefined) writeFlow(view, hints, flow);
  view.setInt32(at + BlockCode.RESOLVE, costs.resolveTicks, true);
  const last = block.instructions[block.instructions.length - 1];
  view.setBigUint64(at + BlockCode.KEY, branchKey(last.address), true);
  block.instructions.forEach((instruction, index) => {
    const entry = at + traps + index * TRAP_ENTRY_BYTES;
    view.setUint32(entry, offsets[instruction.firstOp], true);
    view.setUint32(entry + 4, Number(instruction.address - block.address), true);
  });
}

/** Addresses of a block's first AccessHint and of its Flow, and what else the translator asks. */
export interface FlowPlace {
  readonly hints: number;
  readonly flow: number;
  readonly loops: boolean;
  readonly serialized: boolean;
}

/** Where the flow of a block that is encoded at `at` lies, for the translator. */
export function accessFlow(
  at: number,
  block: IrBlock,
  flow: BlockFlow | undefined,
): FlowPlace | undefined {
  if (flow === undefined) return undefined;
  const hints = at + codeBytes(block);
  const { loops, endsSerialized } = flow;
  return { hints, flow: flowAddress(hints, flow), loops, serialized: endsSerialized };
}

/** Returns the offset of each op word from the header, and of the end. */
function encodeOps(view: DataView, at: number, block: IrBlock): Uint32Array {
  const offsets = new Uint32Array(block.ops.length + 1);
  const slots = new SlotAllocator(block.ops, block.temps);
  let offset: number = BlockCode.OPS;
  let accesses = 0;
  block.ops.forEach((op, index) => {
    offsets[index] = offset;
    const word = at + offset;
    const wide = isWide(op);
    view.setUint8(word + OpWord.OP, op.op);
    view.setUint8(word + OpWord.WIDTH, op.width);
    view.setUint16(word + OpWord.A, slots.use(op.a), true);
    view.setUint16(word + OpWord.B, slots.use(op.b), true);
    view.setUint16(word + OpWord.C, slots.use(op.c), true);
    if (isAccess(op)) view.setUint16(word + OpWord.ACCESS, accesses++, true);
    slots.release(op, index);
    view.setUint16(word + OpWord.DST, slots.define(op), true);
    view.setUint16(word + OpWord.WIDE, wide ? 1 : 0, true);
    view.setInt32(word + OpWord.IMM, wide ? 0 : Number(BigInt.asIntN(32, op.imm)), true);
    if (wide) {
      view.setBigUint64(word + OpWord.WIDE_IMM, BigInt.asUintN(64, op.imm), true);
      view.setBigUint64(word + OpWord.WIDE_IMM2, BigInt.asUintN(64, op.imm2), true);
    }
    offset += wide ? OpWord.WIDE_BYTES : OpWord.BYTES;
  });
  offsets[block.ops.length] = offset;
  return offsets;
}

/** Changes after how many executions chaining to encoded block `code` exits with DISPATCH. */
export function setThreshold(view: DataView, code: number, threshold: number): void {
  view.setInt32(code + BlockCode.THRESHOLD, threshold, true);
}

/**
 * The interpreter's table from virtual address to block code: a cache, owned by the dispatcher. One
 * for each address space; `attach` makes a CPU use it.
 */
export class InterpreterTable {
  private nextVictim = 0;
  private readonly mask: number;

  /**
   * @param view of the machine's memory
   * @param base linear address of the table, 64-byte aligned
   * @param sets a power of two; the table takes sets * BlockTable.SET_BYTES bytes
   */
  constructor(
    private readonly view: DataView,
    private readonly base: number,
    private readonly sets: number,
  ) {
    this.mask = (sets - 1) * BlockTable.SET_BYTES;
    this.clear();
  }

  attach(cpuBlock: number): void {
    this.view.setInt32(cpuBlock + Cpu.BLOCK_TABLE, this.base, true);
    this.view.setInt32(cpuBlock + Cpu.BLOCK_TABLE_MASK, this.mask, true);
  }

  /** Makes `code` the code of `address`; may forget another address. */
  insert(address: bigint, code: number): void {
    const set = this.setOf(address);
    let empty = -1;
    for (let way = 0; way < BlockTable.WAYS; way++) {
      const entry = set + way * BlockTable.ENTRY_BYTES;
      const used = this.view.getInt32(entry + 8, true) !== 0;
      if (used && this.view.getBigUint64(entry, true) === address) {
        this.write(entry, address, code);
        return;
      }
      if (!used && empty < 0) empty = entry;
    }
    if (empty < 0) {
      empty = set + this.nextVictim * BlockTable.ENTRY_BYTES;
      this.nextVictim = (this.nextVictim + 1) % BlockTable.WAYS;
    }
    this.write(empty, address, code);
  }

  /** Forgets `address`. */
  remove(address: bigint): void {
    const set = this.setOf(address);
    for (let way = 0; way < BlockTable.WAYS; way++) {
      const entry = set + way * BlockTable.ENTRY_BYTES;
      if (this.view.getBigUint64(entry, true) === address) this.write(entry, 0n, 0);
    }
  }

  clear(): void {
    const bytes = this.sets * BlockTable.SET_BYTES;
    new Uint8Array(this.view.buffer, this.view.byteOffset + this.base, bytes).fill(0);
  }

  private write(entry: number, address: bigint, code: number): void {
    this.view.setBigUint64(entry, address, true);
    this.view.setInt32(entry + 8, code, true);
  }

  private setOf(address: bigint): number {
    const low = Number(BigInt.asUintN(32, address ^ (address >> BigInt(BlockTable.HASH_SHIFT))));
    return this.base + (((low << BlockTable.SET_SHIFT) & this.mask) >>> 0);
  }
}
