/**
 * When values are ready while code runs on a core with unlimited width: what dependencies alone
 * allow. Follows registers, flags, the x87 stack as one, and memory at addresses that can be told
 * apart by name: a base register (or any value) plus a constant. Times are cycles. Omits partial
 * registers, and aliasing between addresses of different bases.
 */
import { HELPERS } from './helpers.ts';
import { NONE, Op } from './ir.ts';
import type { IrInstruction, IrOp } from './ir.ts';

/** What an instruction costs, in cycles; a board's InstructionCost. */
export interface OperationCost {
  /** Reciprocal throughput. */
  readonly throughput: number;
  readonly latency: number;
  /** Begins when everything before is done, and everything after waits for it. */
  readonly serializing?: boolean;
}

/** One instruction with everything that its cost depends on. */
export interface Costed {
  readonly instruction: IrInstruction;
  readonly ops: readonly IrOp[];
  readonly cost: OperationCost;
  readonly loads: number;
  readonly vectorLoads: number;
  readonly stores: number;
}

/** Latencies of memory, in cycles. */
export interface MemoryLatencies {
  readonly load: number;
  readonly vectorLoad: number;
  /** Of a load that takes its value from a store in flight. */
  readonly forward: number;
}

/** A value as base + offset, so that addresses can be compared. */
interface Name {
  readonly base: string;
  readonly offset: bigint;
}

const CONSTANT = '#';
/** Sums of more bases are not followed. */
const NAME_LENGTH_MAX = 24;
const RSP = 4;
/** Instructions that move rsp with the stack engine, at no latency. */
const STACK_ENGINE: ReadonlySet<string> = new Set(['push', 'pop', 'call', 'ret']);

export function isLoad({ op }: IrOp): boolean {
  return op === Op.Load || op === Op.LoadHost;
}

export function isStore({ op }: IrOp): boolean {
  return op === Op.Store || op === Op.StoreVector || op === Op.StoreHost;
}

export class Dataflow {
  private readonly registers = new Float64Array(16);
  private readonly vectors = new Float64Array(16);
  private flags = 0;
  private x87 = 0;
  /** Nothing begins before this. */
  private barrier = 0;
  private done = 0;
  private readonly memory = new Map<string, number>();
  private readonly values: Name[] = [];
  private temps = new Float64Array(0);
  private names: (Name | undefined)[] = [];
  private fresh = 0;

  constructor(private readonly latencies: MemoryLatencies) {
    for (let r = 0; r < 16; r++) this.values.push({ base: `r${String(r)}`, offset: 0n });
  }

  /** The time at which everything so far is done. */
  get latest(): number {
    return this.done;
  }

  /**
   * Runs a block with `temps` temporaries; instruction i begins no earlier than `issue[i]`, if
   * given.
   */
  run(code: readonly Costed[], temps: number, issue?: Float64Array): void {
    this.temps = new Float64Array(temps);
    this.names = new Array<Name | undefined>(temps);
    code.forEach((costed, index) => {
      this.instruction(costed, issue === undefined ? 0 : issue[index]);
    });
  }

  /** When a temporary of the block that was run last is ready. */
  time(temp: number): number {
    return temp === NONE ? 0 : this.temps[temp];
  }

  private instruction({ instruction, ops, cost }: Costed, issued: number): void {
    if (cost.serializing === true) {
      this.barrier = Math.max(this.done, issued) + cost.latency;
      this.done = this.barrier;
    }
    const begin = Math.max(this.barrier, issued);
    for (const op of ops) this.step(op, instruction, cost, begin);
  }

  private step(op: IrOp, instruction: IrInstruction, cost: OperationCost, begin: number): void {
    const latency = cost.serializing === true ? 0 : cost.latency;
    const ready = Math.max(begin, this.time(op.a), this.time(op.b), this.time(op.c));
    if (op.dst !== NONE) {
      const name = this.nameOf(op);
      this.names[op.dst] = name;
      const known = name?.base === CONSTANT;
      this.temps[op.dst] = known ? begin : this.produced(op, ready, latency);
    }
    const index = Number(op.imm);
    if (op.op === Op.SetReg || op.op === Op.SetRegHigh) {
      const free = index === RSP && STACK_ENGINE.has(instruction.mnemonic);
      this.registers[index] = this.finished(ready + (free ? 0 : latency));
      this.values[index] =
        op.op === Op.SetReg ? (this.nameOfTemp(op.a) ?? this.freshName()) : this.freshName();
    } else if (op.op === Op.SetXmm) {
      this.vectors[index] = this.finished(ready + latency);
    } else if (op.op === Op.Flags || op.op === Op.FlagsIf) {
      this.flags = this.finished(ready + latency);
    } else if (isStore(op)) {
      const name = this.nameOfTemp(op.a);
      const stored = this.finished(this.time(op.b) + latency);
      if (name !== undefined) this.memory.set(keyOf(name), stored);
    }
  }

  private finished(time: number): number {
    if (time > this.done) this.done = time;
    return time;
  }

  private produced(op: IrOp, ready: number, latency: number): number {
    switch (op.op) {
      case Op.GetReg:
      case Op.GetRegHigh:
        return Math.max(ready, this.registers[Number(op.imm)]);
      case Op.GetXmm:
        return Math.max(ready, this.vectors[Number(op.imm)]);
      case Op.Condition:
      case Op.GetFlags:
        return Math.max(ready, this.flags);
      case Op.CallResult:
        return Math.max(ready, ...this.temps.subarray(Math.max(op.dst - 1, 0), op.dst));
      case Op.Call:
        if (HELPERS[Number(op.imm)].name !== 'x87') return ready;
        this.x87 = this.finished(Math.max(ready, this.x87) + latency);
        return this.x87;
      case Op.LoadVector:
        return this.finished(this.loaded(op, ready, this.latencies.vectorLoad));
      default:
        return isLoad(op) ? this.finished(this.loaded(op, ready, this.latencies.load)) : ready;
    }
  }

  /** A load waits for its address, and for the store that it forwards from. */
  private loaded(op: IrOp, ready: number, latency: number): number {
    const name = this.nameOfTemp(op.a);
    const stored = name === undefined ? undefined : this.memory.get(keyOf(name));
    if (stored === undefined) return ready + latency;
    return Math.max(ready, stored) + this.latencies.forward;
  }

  private nameOf(op: IrOp): Name | undefined {
    switch (op.op) {
      case Op.Const:
        return { base: CONSTANT, offset: op.imm };
      case Op.GetReg:
        return this.values[Number(op.imm)];
      case Op.GetState:
        return { base: `s${String(op.imm)}`, offset: 0n };
      case Op.Add:
      case Op.Sub:
      case Op.Xor:
      case Op.Shl:
        return combined(op.op, this.nameOfTemp(op.a), this.nameOfTemp(op.b));
      case Op.ProbeWrite:
        return this.nameOfTemp(op.a);
      default:
        return undefined;
    }
  }

  private nameOfTemp(temp: number): Name | undefined {
    return temp === NONE ? undefined : this.names[temp];
  }

  private freshName(): Name {
    return { base: `v${String(this.fresh++)}`, offset: 0n };
  }
}

function keyOf({ base, offset }: Name): string {
  return `${base}+${String(BigInt.asIntN(64, offset))}`;
}

function combined(op: Op, a: Name | undefined, b: Name | undefined): Name | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a.base.length + b.base.length > NAME_LENGTH_MAX) return undefined;
  if (op === Op.Xor || op === Op.Sub) {
    // `xor eax, eax` depends on nothing.
    if (a.base === b.base && a.offset === b.offset) return { base: CONSTANT, offset: 0n };
    if (op === Op.Xor || b.base !== CONSTANT) return undefined;
    return { base: a.base, offset: a.offset - b.offset };
  }
  if (op === Op.Shl) return { base: `(${keyOf(a)}<<${keyOf(b)})`, offset: 0n };
  if (b.base === CONSTANT) return { base: a.base, offset: a.offset + b.offset };
  if (a.base === CONSTANT) return { base: b.base, offset: a.offset + b.offset };
  const offset = a.offset + b.offset;
  return { base: `(${a.base}+${b.base})`, offset };
}
