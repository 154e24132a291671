/**
 * What a block costs when every access hits the first-level caches: its base ticks, from the board's
 * instruction tables. The bound is the largest of
 * - width: instructions / issue width;
 * - resources: instructions that share an entry of the table share what it stands for, so their
 *   reciprocal throughputs add up; loads and stores are resources of their own;
 * - for a block that jumps to itself, the dependency chain that one iteration adds, through
 *   registers, flags and memory at addresses that do not change in the loop.
 * Latencies of serialising instructions come on top. Omits: dependencies between different blocks,
 * which the core is assumed to overlap, and partial-register stalls.
 */
import { ticksFromCycles } from '../../core/units.ts';
import type { Ticks } from '../../core/units.ts';
import { Cpu } from '../layout.ts';
import { flowOf, type BlockFlow, type FlowCosts } from './dependence.ts';
import { HELPERS } from './helpers.ts';
import { Helper, NONE, Op } from './ir.ts';
import type { IrBlock, IrInstruction, IrOp } from './ir.ts';

/** What an instruction costs, in cycles; a board's InstructionCost. */
export interface OperationCost {
  /** Reciprocal throughput. */
  readonly throughput: number;
  readonly latency: number;
  readonly serializing?: boolean;
}

/** The part of a board's CoreSpec that times blocks. */
export interface CoreTiming {
  readonly issueWidth: number;
  readonly instructions: Readonly<Record<string, OperationCost>>;
  readonly default: OperationCost;
  /** Instructions in flight at most; without it misses do not overlap. */
  readonly reorderBuffer?: number;
}

/** Base ticks of a block, and of its first n instructions for each n up to all of them. */
export interface BlockTiming {
  readonly ticks: Ticks;
  /** From the block's beginning until the branch at its end is resolved. */
  readonly resolveTicks: Ticks;
  readonly prefix: Int32Array;
  /** What its accesses wait for, on a core that overlaps misses. */
  readonly flow?: BlockFlow;
}

/** Rows of the instruction table that are no mnemonics. */
const LOAD = 'load';
const STORE = 'store';
/** `latency` of a load that takes its value from a store in flight; else that of any load. */
const FORWARD = 'forward';
/** Any locked instruction without a row of its own, and xchg with memory. */
const LOCK = 'lock';
/** `throughput` is cycles per byte of a forward rep movs or stos. */
const REP_BYTE = 'rep byte';
/** `throughput` is cycles per element of any other repeated string instruction. */
const REP_ELEMENT = 'rep element';

/** Iterations of a loop that are simulated to find what one more of them adds. */
const WARM_ITERATIONS = 8;
const MEASURED_ITERATIONS = 8;

const RSP = 4;
/** Instructions that move rsp with the stack engine, at no latency. */
const STACK_ENGINE: ReadonlySet<string> = new Set(['push', 'pop', 'call', 'ret']);

function opsOf(block: IrBlock, index: number): readonly IrOp[] {
  const next = block.instructions[index + 1]?.firstOp ?? block.ops.length;
  return block.ops.slice(block.instructions[index].firstOp, next);
}

function isLoad(op: IrOp): boolean {
  return op.op === Op.Load || op.op === Op.LoadVector || op.op === Op.LoadHost;
}

function isStore(op: IrOp): boolean {
  return op.op === Op.Store || op.op === Op.StoreVector || op.op === Op.StoreHost;
}

function isWideDivision(op: IrOp): boolean {
  const helper = Number(op.imm);
  return op.op === Op.Call && (helper === Helper.DivideU128 || helper === Helper.DivideS128);
}

/** One instruction with everything that its cost depends on. */
interface Costed {
  readonly instruction: IrInstruction;
  readonly ops: readonly IrOp[];
  readonly cost: OperationCost;
  readonly loads: number;
  readonly stores: number;
}

/** Running totals of the resources that a stretch of code uses. */
class Usage {
  private instructions = 0;
  private serial = 0;
  private readonly busy = new Map<OperationCost, number>();
  private longest = 0;
  private readonly core: CoreTiming;

  constructor(core: CoreTiming) {
    this.core = core;
  }

  add(costed: Costed): void {
    this.instructions++;
    this.use(costed.cost, 1);
    this.use(this.core.instructions[LOAD], costed.loads);
    this.use(this.core.instructions[STORE], costed.stores);
    if (costed.cost.serializing === true) this.serial += costed.cost.latency;
  }

  /** Cycles so far. */
  get cycles(): number {
    return Math.max(this.instructions / this.core.issueWidth, this.longest) + this.serial;
  }

  private use(resource: OperationCost | undefined, times: number): void {
    if (resource === undefined || times === 0) return;
    const sum = (this.busy.get(resource) ?? 0) + resource.throughput * times;
    this.busy.set(resource, sum);
    this.longest = Math.max(this.longest, sum);
  }
}

/** When the values of a loop are ready, in cycles, with unlimited width. */
class Dataflow {
  private readonly registers = new Float64Array(16);
  private readonly vectors = new Float64Array(16);
  private flags = 0;
  private x87 = 0;
  private readonly memory = new Map<string, number>();
  private readonly temps: Float64Array;
  private readonly names: (string | undefined)[];
  private readonly loadLatency: number;
  private readonly forwardLatency: number;
  private readonly written: ReadonlySet<number>;

  constructor(block: IrBlock, core: CoreTiming) {
    this.temps = new Float64Array(block.temps);
    this.names = new Array<string | undefined>(block.temps);
    const rows: Readonly<Record<string, OperationCost | undefined>> = core.instructions;
    this.loadLatency = rows[LOAD]?.latency ?? 0;
    this.forwardLatency = rows[FORWARD]?.latency ?? this.loadLatency;
    this.written = new Set(
      block.ops.filter((op) => op.op === Op.SetReg).map((op) => Number(op.imm)),
    );
  }

  /** The latest time at which anything is ready. */
  get latest(): number {
    return Math.max(...this.registers, ...this.vectors, this.flags, this.x87);
  }

  run(code: readonly Costed[]): void {
    for (const { instruction, ops, cost } of code) {
      for (const op of ops) this.step(op, instruction, cost.latency);
    }
  }

  private step(op: IrOp, instruction: IrInstruction, latency: number): void {
    const ready = Math.max(this.time(op.a), this.time(op.b), this.time(op.c));
    if (op.dst !== NONE) {
      this.temps[op.dst] = this.produced(op, ready, latency);
      this.names[op.dst] = this.nameOf(op);
    }
    const index = Number(op.imm);
    if (op.op === Op.SetReg || op.op === Op.SetRegHigh) {
      const free = index === RSP && STACK_ENGINE.has(instruction.mnemonic);
      this.registers[index] = ready + (free ? 0 : latency);
    } else if (op.op === Op.SetXmm) {
      this.vectors[index] = ready + latency;
    } else if (op.op === Op.Flags || op.op === Op.FlagsIf) {
      this.flags = ready + latency;
    } else if (isStore(op)) {
      const name = this.addressName(op.a);
      if (name !== undefined) this.memory.set(name, this.time(op.b) + latency);
    }
  }

  private produced(op: IrOp, ready: number, latency: number): number {
    switch (op.op) {
      case Op.GetReg:
      case Op.GetRegHigh:
        return this.registers[Number(op.imm)];
      case Op.GetXmm:
        return this.vectors[Number(op.imm)];
      case Op.Condition:
      case Op.GetFlags:
        return this.flags;
      case Op.CallResult:
        return Math.max(...this.temps.subarray(Math.max(op.dst - 1, 0), op.dst));
      case Op.Call:
        if (HELPERS[Number(op.imm)].name !== 'x87') return ready;
        this.x87 = Math.max(ready, this.x87) + latency;
        return this.x87;
      default:
        return isLoad(op) ? this.loaded(op, ready) : ready;
    }
  }

  /** A load waits for its address, and for the store that it forwards from. */
  private loaded(op: IrOp, ready: number): number {
    const name = this.addressName(op.a);
    const stored = name === undefined ? undefined : this.memory.get(name);
    if (stored === undefined) return ready + this.loadLatency;
    return Math.max(ready, stored) + this.forwardLatency;
  }

  /** When the temporary of the iteration that was run last is ready. */
  time(temp: number): number {
    return temp === NONE ? 0 : this.temps[temp];
  }

  /** A name for a temporary that has the same value in every iteration. */
  private nameOf(op: IrOp): string | undefined {
    const index = Number(op.imm);
    switch (op.op) {
      case Op.Const:
        return `#${String(op.imm)}`;
      case Op.GetReg:
        return this.written.has(index) ? undefined : `r${String(index)}`;
      case Op.GetState:
        return `s${String(index)}`;
      case Op.Add:
      case Op.Shl: {
        const [a, b] = [this.addressName(op.a), this.addressName(op.b)];
        return a === undefined || b === undefined ? undefined : `(${a}${String(op.op)}${b})`;
      }
      case Op.ProbeWrite:
        return this.addressName(op.a);
      default:
        return undefined;
    }
  }

  private addressName(temp: number): string | undefined {
    return temp === NONE ? undefined : this.names[temp];
  }
}

/** Times blocks for one board. */
export class BlockTimer {
  private readonly core: CoreTiming;

  constructor(core: CoreTiming) {
    this.core = core;
  }

  time(block: IrBlock): BlockTiming {
    const code = block.instructions.map((instruction, index) =>
      this.costed(instruction, opsOf(block, index)),
    );
    const usage = new Usage(this.core);
    const prefix = new Int32Array(code.length + 1);
    code.forEach((costed, index) => {
      usage.add(costed);
      prefix[index + 1] = ticksFromCycles(usage.cycles);
    });
    const whole = prefix[code.length];
    const chain = jumpsToItself(block) ? this.loopCycles(block, code) : 0;
    const ticks = Math.max(whole, ticksFromCycles(chain));
    const { reorderBuffer } = this.core;
    const resolveTicks = ticksFromCycles(this.resolveCycles(block, code));
    if (reorderBuffer === undefined) return { ticks, resolveTicks, prefix };
    return {
      ticks,
      resolveTicks,
      prefix,
      flow: flowOf(block, this.flowCosts(code), { ticks, offsets: prefix }, reorderBuffer),
    };
  }

  private flowCosts(code: readonly Costed[]): FlowCosts {
    const rows: Readonly<Record<string, OperationCost | undefined>> = this.core.instructions;
    const loadLatency = rows[LOAD]?.latency ?? 0;
    return {
      instructions: code.map(({ cost }) => cost),
      loadLatency,
      forwardLatency: rows[FORWARD]?.latency ?? loadLatency,
    };
  }

  /** How long what decides the last jump takes to compute, from when the block begins. */
  private resolveCycles(block: IrBlock, code: readonly Costed[]): number {
    const flow = new Dataflow(block, this.core);
    flow.run(code);
    return flow.time(block.ops[block.ops.length - 1].a);
  }

  private loopCycles(block: IrBlock, code: readonly Costed[]): number {
    const flow = new Dataflow(block, this.core);
    for (let n = 0; n < WARM_ITERATIONS; n++) flow.run(code);
    const before = flow.latest;
    for (let n = 0; n < MEASURED_ITERATIONS; n++) flow.run(code);
    return (flow.latest - before) / MEASURED_ITERATIONS;
  }

  private costed(instruction: IrInstruction, ops: readonly IrOp[]): Costed {
    return {
      instruction,
      ops,
      cost: this.costOf(instruction, ops),
      loads: ops.filter((op) => isLoad(op)).length,
      stores: ops.filter((op) => isStore(op)).length,
    };
  }

  /** The row for an instruction: `div64`, `lock add`, `lock`, `add`; else the default. */
  private costOf(instruction: IrInstruction, ops: readonly IrOp[]): OperationCost {
    const { instructions } = this.core;
    const { mnemonic } = instruction;
    const names: string[] = [];
    if (ops.some(isWideDivision)) names.push(`${mnemonic}64`);
    names.push(mnemonic);
    if (ops.some((op) => op.op === Op.ProbeWrite && op.imm === 1n)) names.unshift(LOCK);
    if (mnemonic.startsWith('lock ')) names.unshift(mnemonic);
    for (const name of names) {
      if (Object.hasOwn(instructions, name)) return instructions[name];
    }
    return this.core.default;
  }
}

function jumpsToItself(block: IrBlock): boolean {
  const last = block.ops[block.ops.length - 1];
  if (last.op === Op.Jump) return last.imm === block.address;
  return last.op === Op.Branch && (last.imm === block.address || last.imm2 === block.address);
}

/** Tells a CPU what iterations of repeated string instructions cost; once, before it runs. */
export function setRepeatCosts(view: DataView, cpuBlock: number, core: CoreTiming): void {
  const rows = core.instructions;
  const perByte = REP_BYTE in rows ? ticksFromCycles(rows[REP_BYTE].throughput) : 0;
  const perElement = (REP_ELEMENT in rows ? rows[REP_ELEMENT] : core.default).throughput;
  view.setInt32(cpuBlock + Cpu.REP_BYTE_TICKS, perByte, true);
  view.setInt32(cpuBlock + Cpu.REP_ELEMENT_TICKS, ticksFromCycles(perElement), true);
}
