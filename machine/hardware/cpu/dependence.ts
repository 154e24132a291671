/**
 * Data flow of a block, for the model of overlapping misses: which values each address waits for,
 * and what each register and stack slot waits for at the end. A term is a source (a register as it
 * was at the block's start, or a load of the block) and the ticks from there. Ours.
 * Omits: values that come to an address by way of vector registers, of flags set in another block,
 * or of memory other than stack slots named by rsp or rbp and a constant.
 */
import { ticksFromCycles, type Ticks } from '../../core/units.ts';
import { AccessKind, Source } from '../memory/overlap-layout.ts';
import { NONE, Op, Width } from './ir.ts';
import type { IrBlock, IrOp } from './ir.ts';

/** Ticks after each source at which a value is ready. */
export type Terms = ReadonlyMap<number, Ticks>;

export interface AccessFlow {
  readonly kind: AccessKind;
  readonly address: bigint;
  /** Source of what it loads. */
  readonly source: number;
  /** Index of its instruction. */
  readonly instruction: number;
  /** Loads of the block after the last serialising instruction before it; undefined without one. */
  readonly fence: readonly number[] | undefined;
  readonly terms: Terms;
}

export interface BlockFlow {
  /** Memory accesses in the order of their ops. */
  readonly accesses: readonly AccessFlow[];
  /** Sources that the block changes, ascending. */
  readonly results: readonly (readonly [source: number, terms: Terms])[];
  /** Whether the block may jump to itself. */
  readonly loops: boolean;
  /** A serialising instruction comes after the last access. */
  readonly endsSerialized: boolean;
  /** Base ticks of the block. */
  readonly ticks: Ticks;
  /** Base ticks before each instruction. */
  readonly offsets: Int32Array;
  /** Base ticks that the instructions of a reorder buffer take, if they are like this block's. */
  readonly window: Ticks;
}

/** What an instruction costs here, in cycles. */
export interface FlowCost {
  readonly latency: number;
  readonly serializing?: boolean;
}

export interface FlowCosts {
  /** By index of instruction. */
  readonly instructions: readonly FlowCost[];
  readonly loadLatency: number;
  readonly forwardLatency: number;
}

const EMPTY: Terms = new Map();
const RSP = 4;
const RBP = 5;
const LATENCY_MAX = 0xffff;
/** Beyond so many terms a value is as good as dependent on all of them; the latest are kept. */
const TERMS_MAX = 24;

/** Ops whose operand `a` is a guest address; encoded with a hint each. */
export function isAccess(op: IrOp): boolean {
  switch (op.op) {
    case Op.Load:
    case Op.LoadVector:
    case Op.Store:
    case Op.StoreVector:
    case Op.ProbeWrite:
      return true;
    default:
      return false;
  }
}

function kindOf(op: IrOp): AccessKind {
  if (op.op === Op.ProbeWrite) return AccessKind.UPDATE;
  return op.op === Op.Store || op.op === Op.StoreVector ? AccessKind.STORE : AccessKind.LOAD;
}

function union(...values: readonly Terms[]): Terms {
  const full = values.filter((terms) => terms.size > 0);
  if (full.length === 0) return EMPTY;
  if (full.length === 1) return full[0];
  const merged = new Map<number, Ticks>();
  for (const terms of full) {
    for (const [source, ticks] of terms) {
      merged.set(source, Math.max(merged.get(source) ?? 0, ticks));
    }
  }
  while (merged.size > TERMS_MAX) merged.delete(Math.min(...merged.keys()));
  return merged;
}

function later(terms: Terms, ticks: Ticks): Terms {
  if (ticks === 0 || terms.size === 0) return terms;
  return new Map([...terms].map(([source, at]) => [source, Math.min(at + ticks, LATENCY_MAX)]));
}

/** rsp or rbp as it was at the start of the block, plus a constant. */
interface StackAddress {
  readonly base: number;
  readonly offset: bigint;
}

/** The source that stands for a stack slot. */
export function slotSource(base: number, offset: bigint): number {
  const count = BigInt(Source.SLOT_COUNT);
  const index = ((offset >> 3n) + (base === RSP ? count / 2n : 0n)) % count;
  return Source.SLOTS + Number((index + count) % count);
}

class FlowBuilder {
  private readonly temps: Terms[];
  private readonly stack: (StackAddress | undefined)[];
  private readonly constants: (bigint | undefined)[];
  /** The register that a temporary was read from. */
  private readonly register: (number | undefined)[];
  private readonly now: Terms[] = [];
  /** The stack address that rsp and rbp hold now. */
  private readonly pointers = new Map<number, StackAddress | undefined>();
  private readonly changed = new Set<number>();
  private readonly accesses: AccessFlow[] = [];
  private loads = 0;
  private fenced: number[] | undefined;
  private called: Terms = EMPTY;
  private flags: Terms = EMPTY;
  private readonly loadTicks: Ticks;
  private readonly forwardTicks: Ticks;

  constructor(
    private readonly block: IrBlock,
    private readonly costs: FlowCosts,
  ) {
    this.temps = new Array<Terms>(block.temps).fill(EMPTY);
    this.stack = new Array<StackAddress | undefined>(block.temps);
    this.constants = new Array<bigint | undefined>(block.temps);
    this.register = new Array<number | undefined>(block.temps);
    for (let source = 0; source < (Source.LOADS as number); source++) {
      this.now.push(new Map([[source, 0]]));
    }
    for (const base of [RSP, RBP]) this.pointers.set(base, { base, offset: 0n });
    this.loadTicks = ticksFromCycles(costs.loadLatency);
    this.forwardTicks = ticksFromCycles(costs.forwardLatency);
  }

  build(ticks: Ticks, offsets: Int32Array, window: Ticks): BlockFlow {
    const { instructions, ops } = this.block;
    let instruction = -1;
    let serialized = false;
    ops.forEach((op, index) => {
      while (instruction + 1 < instructions.length) {
        if (instructions[instruction + 1].firstOp > index) break;
        instruction++;
        if (this.costs.instructions[instruction].serializing === true) {
          this.fenced = [];
          serialized = true;
        }
      }
      if (isAccess(op)) serialized = false;
      this.step(op, instruction);
    });
    // An instruction without ops at the end is still to be seen.
    for (let i = instruction + 1; i < instructions.length; i++) {
      serialized ||= this.costs.instructions[i].serializing === true;
    }
    const results = [...this.changed]
      .sort((a, b) => a - b)
      .map((source): [number, Terms] => [source, this.now[source]]);
    return {
      accesses: this.usedOnly(results),
      results,
      loops: ticks > 0 && this.loops(),
      ticks,
      endsSerialized: serialized,
      offsets,
      window,
    };
  }

  private loops(): boolean {
    const { address, ops } = this.block;
    const { op, imm, imm2 } = ops[ops.length - 1];
    return (op === Op.Jump || op === Op.Branch) && (imm === address || imm2 === address);
  }

  /** Loads whose values nothing here waits for get no source. */
  private usedOnly(results: readonly (readonly [number, Terms])[]): AccessFlow[] {
    const used = new Set<number>();
    for (const { terms } of this.accesses) for (const source of terms.keys()) used.add(source);
    for (const [, terms] of results) for (const source of terms.keys()) used.add(source);
    return this.accesses.map((access) =>
      used.has(access.source) ? access : { ...access, source: Source.NONE },
    );
  }

  private step(op: IrOp, instruction: number): void {
    const latency = ticksFromCycles(this.costs.instructions[instruction]?.latency ?? 0);
    const index = Number(op.imm & 31n);
    const value = union(this.of(op.a), this.of(op.b), this.of(op.c));
    if (isAccess(op)) {
      this.access(op, instruction, latency);
      return;
    }
    switch (op.op) {
      case Op.SetReg:
        this.setRegister(index, op, later(this.merged(index, op, value), latency));
        return;
      case Op.SetRegHigh:
        this.set(index, union(this.now[index], later(value, latency)));
        return;
      case Op.Flags:
      case Op.FlagsIf:
        this.flags = later(value, latency);
        return;
      default:
        if (op.dst !== NONE) this.produce(op, index, value);
    }
  }

  private produce(op: IrOp, index: number, value: Terms): void {
    const { dst } = op;
    switch (op.op) {
      case Op.Const:
        this.constants[dst] = op.imm;
        return;
      case Op.GetReg:
        this.stack[dst] = this.pointers.get(index);
        this.register[dst] = index;
        this.temps[dst] = this.now[index];
        return;
      case Op.Xor:
        if (!this.isSame(op)) this.temps[dst] = value;
        return;
      case Op.GetRegHigh:
        this.temps[dst] = this.now[index];
        return;
      case Op.Condition:
      case Op.GetFlags:
        this.temps[dst] = this.flags;
        return;
      case Op.Call:
        this.called = value;
        this.temps[dst] = value;
        return;
      case Op.CallResult:
        this.temps[dst] = this.called;
        return;
      case Op.Add:
      case Op.Sub:
        this.stack[dst] = this.moved(op);
        if (op.op === Op.Add || !this.isSame(op)) this.temps[dst] = value;
        return;
      default:
        this.temps[dst] = value;
    }
  }

  /** A narrow result leaves the rest of the register as it was. */
  private merged(index: number, op: IrOp, value: Terms): Terms {
    return op.width < Width.W32 ? union(this.now[index], value) : value;
  }

  /** A register less itself is 0, whatever it was: processors do not wait for it. */
  private isSame({ a, b }: IrOp): boolean {
    return a === b || (this.register[a] !== undefined && this.register[a] === this.register[b]);
  }

  /** The stack address that is another one plus or minus a constant. */
  private moved(op: IrOp): StackAddress | undefined {
    const [a, b] = [this.stack[op.a], this.constants[op.b]];
    if (a !== undefined && b !== undefined) {
      const by = BigInt.asIntN(64, b);
      return { base: a.base, offset: op.op === Op.Add ? a.offset + by : a.offset - by };
    }
    const [c, d] = [this.constants[op.a], this.stack[op.b]];
    if (op.op !== Op.Add || c === undefined || d === undefined) return undefined;
    return { base: d.base, offset: d.offset + BigInt.asIntN(64, c) };
  }

  private setRegister(index: number, op: IrOp, terms: Terms): void {
    if (index === RSP || index === RBP) this.pointers.set(index, this.stack[op.a]);
    // The stack engine moves rsp; nothing waits for it.
    const free = index === RSP && this.stack[op.a]?.base === RSP;
    this.set(index, free ? this.of(op.a) : terms);
  }

  private set(source: number, terms: Terms): void {
    this.now[source] = terms;
    this.changed.add(source);
  }

  private access(op: IrOp, instruction: number, latency: Ticks): void {
    const kind = kindOf(op);
    const slot = this.slotOf(op.a);
    const address = this.of(op.a);
    const source = Source.LOADS + Math.min(this.loads, Source.LOAD_COUNT - 1);
    this.accesses.push({
      kind,
      address: this.block.instructions[instruction].address,
      source,
      instruction,
      fence: this.fenced,
      terms: address,
    });
    if (kind === AccessKind.STORE) {
      if (slot !== undefined) this.set(slot, later(this.of(op.b), latency));
      return;
    }
    this.loads++;
    this.fenced?.push(source);
    const forwarded = slot === undefined ? EMPTY : later(this.now[slot], this.forwardTicks);
    const own = new Map([[source, 0]]);
    this.temps[op.dst] = union(later(address, this.loadTicks), forwarded, own);
  }

  private slotOf(temp: number): number | undefined {
    const at = this.stack[temp];
    return at === undefined ? undefined : slotSource(at.base, at.offset);
  }

  private of(temp: number): Terms {
    return temp === NONE ? EMPTY : this.temps[temp];
  }
}

/**
 * Flow of a block of `ticks` base ticks, of which `offsets` before each instruction.
 * `reorderBuffer` is in instructions.
 */
export function flowOf(
  block: IrBlock,
  costs: FlowCosts,
  { ticks, offsets }: { readonly ticks: Ticks; readonly offsets: Int32Array },
  reorderBuffer: number,
): BlockFlow {
  const window = Math.ceil((ticks * reorderBuffer) / block.instructions.length);
  return new FlowBuilder(block, costs).build(ticks, offsets, window);
}
