/**
 * What a block costs when every access hits the first-level caches and every branch is predicted:
 * its base ticks, from the board's instruction tables. The largest of
 * - width: instructions / issue width;
 * - resources: instructions that share an entry of the table share what it stands for, so their
 *   reciprocal throughputs add up; loads, stores and taken branches are resources of their own;
 * - for a block in a loop (loops.ts), its part of the dependency chain that one iteration adds,
 *   through registers, flags and memory (dataflow.ts).
 * Latencies of serialising instructions come on top. Omits: chains through calls and between blocks
 * outside loops, which the core is assumed to overlap with other work.
 */
import { ticksFromCycles } from '../../core/units.ts';
import type { Ticks } from '../../core/units.ts';
import { Cpu, Rep } from '../layout.ts';
import { Dataflow, isLoad, isStore } from './dataflow.ts';
import type { Costed, MemoryLatencies, OperationCost } from './dataflow.ts';
import { flowOf, type BlockFlow, type FlowCosts } from './dependence.ts';
import { Helper, Op } from './ir.ts';
import type { IrBlock, IrInstruction, IrOp } from './ir.ts';
import { loopThrough, type LookAhead } from './loops.ts';

/** The part of a board's CoreSpec that times blocks. */
export interface CoreTiming {
  readonly issueWidth: number;
  readonly instructions: Readonly<Record<string, OperationCost>>;
  readonly default: OperationCost;
  /** Instructions that become one with a conditional branch after them. */
  readonly fused?: readonly string[];
  /** Instructions in flight at most; without it misses do not overlap. */
  readonly reorderBuffer?: number;
}

/** Base ticks of a block, and of its first n instructions for each n up to all of them. */
export interface BlockTiming {
  readonly ticks: Ticks;
  /** From the end of the block until the branch there is resolved. */
  readonly resolveTicks: Ticks;
  readonly prefix: Int32Array;
  /** What its accesses wait for, on a core that overlaps misses. */
  readonly flow?: BlockFlow;
}

/** Rows of the instruction table that are no mnemonics. */
const enum Row {
  LOAD = 'load',
  VECTOR_LOAD = 'vector load',
  STORE = 'store',
  /** `latency` of a load that takes its value from a store in flight; else that of any load. */
  FORWARD = 'forward',
  /** A jump, call, return or backward branch: where the instructions come from changes. */
  TAKEN = 'taken',
  /** Any locked instruction without a row of its own, and xchg with memory. */
  LOCK = 'lock',
  /** Repeated movs and stos, forwards: `latency` to begin, `throughput` for each byte. */
  REP_MOVE = 'rep move',
  REP_STORE = 'rep store',
  /** The same up to Rep.SHORT_BYTES. */
  REP_SHORT = 'rep short',
  /** `throughput` is cycles per element of any other repeated string instruction. */
  REP_ELEMENT = 'rep element',
}

/**
 * Iterations of a loop that are simulated to find what one more of them adds. Chains that come back
 * to their register after up to three iterations are measured exactly.
 */
const WARM_ITERATIONS = 6;
const MEASURED_ITERATIONS = 6;

function opsOf(block: IrBlock, index: number): readonly IrOp[] {
  const next = block.instructions[index + 1]?.firstOp ?? block.ops.length;
  return block.ops.slice(block.instructions[index].firstOp, next);
}

function isWideDivision(op: IrOp): boolean {
  const helper = Number(op.imm);
  return op.op === Op.Call && (helper === Helper.DivideU128 || helper === Helper.DivideS128);
}

function count(ops: readonly IrOp[], test: (op: IrOp) => boolean): number {
  return ops.reduce((sum, op) => sum + (test(op) ? 1 : 0), 0);
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

  /** `fused`: the next instruction, a branch, stands for this one too. */
  add(costed: Costed, fused: boolean): void {
    if (!fused) {
      this.instructions++;
      this.use(costed.cost, 1);
    }
    this.use(this.core.instructions[Row.LOAD], costed.loads + costed.vectorLoads);
    this.use(this.core.instructions[Row.STORE], costed.stores);
    if (costed.cost.serializing === true) this.serial += costed.cost.latency;
  }

  use(resource: OperationCost | undefined, times: number): void {
    if (resource === undefined || times === 0) return;
    const sum = (this.busy.get(resource) ?? 0) + resource.throughput * times;
    this.busy.set(resource, sum);
    this.longest = Math.max(this.longest, sum);
  }

  /** Cycles so far. */
  get cycles(): number {
    return Math.max(this.instructions / this.core.issueWidth, this.longest) + this.serial;
  }
}

/** A block with the costs of its instructions and what they take without dependencies. */
interface CostedBlock {
  readonly block: IrBlock;
  readonly code: readonly Costed[];
  /** Cycles of the first n instructions; the last entry is the block's. */
  readonly prefix: Float64Array;
}

/** Times blocks for one board. */
export class BlockTimer {
  private readonly core: CoreTiming;
  private readonly latencies: MemoryLatencies;
  /** Blocks are looked at again as parts of loops. */
  private readonly costedBlocks = new WeakMap<IrBlock, CostedBlock>();

  constructor(core: CoreTiming) {
    this.core = core;
    const rows: Readonly<Record<string, OperationCost | undefined>> = core.instructions;
    const load = rows[Row.LOAD]?.latency ?? 0;
    this.latencies = {
      load,
      vectorLoad: rows[Row.VECTOR_LOAD]?.latency ?? load,
      forward: rows[Row.FORWARD]?.latency ?? load,
    };
  }

  /** `lookAhead` shows what else is in the block's page. */
  time(block: IrBlock, lookAhead: LookAhead = () => undefined): BlockTiming {
    const costed = this.costedBlock(block);
    const { code, prefix } = costed;
    const whole = prefix[code.length];
    const loop = loopThrough(block, lookAhead);
    const cycles = whole + (loop.length === 0 ? 0 : this.chainExcess(loop));
    const timing = {
      ticks: ticksFromCycles(cycles),
      resolveTicks: ticksFromCycles(this.resolveCycles(costed)),
      prefix: Int32Array.from(prefix, ticksFromCycles),
    };
    const { reorderBuffer } = this.core;
    if (reorderBuffer === undefined) return timing;
    const offsets = { ticks: timing.ticks, offsets: timing.prefix };
    return { ...timing, flow: flowOf(block, this.flowCosts(code), offsets, reorderBuffer) };
  }

  private flowCosts(code: readonly Costed[]): FlowCosts {
    const { load, forward } = this.latencies;
    return {
      instructions: code.map(({ cost }) => cost),
      loadLatency: load,
      forwardLatency: forward,
    };
  }

  /**
   * How long after the block's instructions went in what decides its last jump is known, at least
   * one cycle.
   */
  private resolveCycles({ block, code, prefix }: CostedBlock): number {
    const flow = new Dataflow(this.latencies);
    flow.run(code, block.temps, prefix);
    const decided = flow.time(block.ops[block.ops.length - 1].a);
    return Math.max(0, decided - prefix[code.length]) + 1;
  }

  /**
   * Cycles that the first block of a loop takes beyond its own, because each iteration waits for the
   * one before. What the whole loop waits is divided among the blocks in which the chain grows
   * faster than they are issued, so that the blocks' shares add up to it.
   */
  private chainExcess(loop: readonly IrBlock[]): number {
    // The same order whichever block asks, or two chains of one length would be counted twice.
    const blocks = fromLowest(loop).map((block) => this.costedBlock(block));
    const own = blocks.findIndex(({ block }) => block.address === loop[0].address);
    const issued = blocks.map(({ code, prefix }) => prefix[code.length]);
    const issuedSum = issued.reduce((sum, cycles) => sum + cycles, 0);
    if (latencySum(blocks, this.latencies) <= issuedSum) return 0;
    const flow = new Dataflow(this.latencies);
    const grown = new Float64Array(blocks.length);
    for (let n = 0; n < WARM_ITERATIONS + MEASURED_ITERATIONS; n++) {
      if (n === WARM_ITERATIONS) grown.fill(0);
      blocks.forEach(({ block, code }, index) => {
        const before = flow.latest;
        flow.run(code, block.temps);
        grown[index] += (flow.latest - before) / MEASURED_ITERATIONS;
      });
    }
    const chain = grown.reduce((sum, cycles) => sum + cycles, 0);
    const waits = issued.map((cycles, index) => Math.max(0, grown[index] - cycles));
    const waitSum = waits.reduce((sum, cycles) => sum + cycles, 0);
    if (chain <= issuedSum || waitSum === 0) return 0;
    return ((chain - issuedSum) * waits[own]) / waitSum;
  }

  private costedBlock(block: IrBlock): CostedBlock {
    const known = this.costedBlocks.get(block);
    if (known !== undefined) return known;
    const code = block.instructions.map((instruction, index) =>
      this.costed(instruction, opsOf(block, index)),
    );
    const usage = new Usage(this.core);
    const prefix = new Float64Array(code.length + 1);
    code.forEach((costed, index) => {
      usage.add(costed, this.isFused(code, index));
      if (index === code.length - 1 && endsElsewhere(block)) {
        usage.use(this.core.instructions[Row.TAKEN], 1);
      }
      prefix[index + 1] = usage.cycles;
    });
    const result = { block, code, prefix };
    this.costedBlocks.set(block, result);
    return result;
  }

  private isFused(code: readonly Costed[], index: number): boolean {
    const next = code.at(index + 1);
    if (next === undefined || !/^j[a-z]+$/.test(next.instruction.mnemonic)) return false;
    const { fused = [] } = this.core;
    const { mnemonic } = code[index].instruction;
    return next.instruction.mnemonic !== 'jmp' && fused.includes(mnemonic);
  }

  private costed(instruction: IrInstruction, ops: readonly IrOp[]): Costed {
    return {
      instruction,
      ops,
      cost: this.costOf(instruction, ops),
      loads: count(ops, isLoad),
      vectorLoads: count(ops, ({ op }) => op === Op.LoadVector),
      stores: count(ops, isStore),
    };
  }

  /** The row for an instruction: `div64`, `lock add`, `lock`, `add`; else the default. */
  private costOf(instruction: IrInstruction, ops: readonly IrOp[]): OperationCost {
    const { instructions } = this.core;
    const { mnemonic } = instruction;
    const names: string[] = [];
    if (ops.some(isWideDivision)) names.push(`${mnemonic}64`);
    names.push(mnemonic);
    if (ops.some((op) => op.op === Op.ProbeWrite && op.imm === 1n)) names.unshift(Row.LOCK);
    if (mnemonic.startsWith('lock ')) names.unshift(mnemonic);
    for (const name of names) {
      if (Object.hasOwn(instructions, name)) return instructions[name];
    }
    return this.core.default;
  }
}

/** The blocks of a loop in their order, from the one with the lowest address on. */
function fromLowest(loop: readonly IrBlock[]): IrBlock[] {
  let lowest = 0;
  loop.forEach(({ address }, index) => {
    if (address < loop[lowest].address) lowest = index;
  });
  return [...loop.slice(lowest), ...loop.slice(0, lowest)];
}

/** More than any chain through the blocks can be long. */
function latencySum(blocks: readonly CostedBlock[], latencies: MemoryLatencies): number {
  const { load, vectorLoad, forward } = latencies;
  let sum = 0;
  for (const { code } of blocks) {
    for (const { cost, loads, vectorLoads } of code) {
      sum += cost.latency + loads * Math.max(load, forward) + vectorLoads * vectorLoad;
    }
  }
  return sum;
}

/** Whether the next instruction is certainly, or at a backward branch probably, not the next one. */
function endsElsewhere({ address, length, instructions, ops }: IrBlock): boolean {
  const last = ops[ops.length - 1];
  if (last.op === Op.JumpIndirect) return true;
  const { mnemonic } = instructions[instructions.length - 1];
  if (last.op === Op.Jump) return mnemonic === 'jmp' || mnemonic === 'call';
  return last.op === Op.Branch && last.imm < BigInt.asUintN(64, address + BigInt(length));
}

/** Tells a CPU what repeated string instructions cost; once, before it runs. */
export function setRepeatCosts(view: DataView, cpuBlock: number, core: CoreTiming): void {
  const rows: Readonly<Record<string, OperationCost | undefined>> = core.instructions;
  const set = (at: number, cycles: number, scale = 1): void => {
    view.setInt32(cpuBlock + at, Math.round(ticksFromCycles(1) * cycles * scale), true);
  };
  set(Cpu.REP_MOVE_BYTE_RATE, rows[Row.REP_MOVE]?.throughput ?? 0, Rep.RATE_SCALE);
  set(Cpu.REP_STORE_BYTE_RATE, rows[Row.REP_STORE]?.throughput ?? 0, Rep.RATE_SCALE);
  set(Cpu.REP_MOVE_START_TICKS, rows[Row.REP_MOVE]?.latency ?? 0);
  set(Cpu.REP_STORE_START_TICKS, rows[Row.REP_STORE]?.latency ?? 0);
  set(Cpu.REP_SHORT_START_TICKS, rows[Row.REP_SHORT]?.latency ?? 0);
  set(Cpu.REP_ELEMENT_TICKS, (rows[Row.REP_ELEMENT] ?? core.default).throughput);
}
