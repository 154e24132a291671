/**
 * The processor: runs guest code in user mode on simulated CPUs. Decodes blocks when they are first
 * reached, interprets cold ones, translates hot ones, and keeps the accounts exact wherever a run
 * stops. Which executor runs a block is never visible in state, ticks or records.
 */
import { assert, MachineBug } from '../../core/assert.ts';
import type { Ledger } from '../../core/ledger/ledger.ts';
import { TICKS_PER_CYCLE, type Ticks } from '../../core/units.ts';
import { RegionCompiler } from '../jit/region-compiler.ts';
import { formRegion, REGION_BLOCKS_MAX } from '../jit/regions.ts';
import { Cpu, ExitReason, PageFaultCode, Region } from '../layout.ts';
import type { MemoryHierarchy } from '../memory/hierarchy.ts';
import { Shared } from '../memory/model-layout.ts';
import type { LinearMemory } from '../memory/linear-memory.ts';
import type { CodeSpaces, ExecutionContext } from '../processor.ts';
import {
  Accounting,
  absentBlock,
  type AccountedBlock,
  type HarvestCore,
  type ResolveSymbol,
} from './accounting.ts';
import { formBlock } from './blocks.ts';
import { BlockCode } from './bytecode.ts';
import {
  CODE_BYTES_DEFAULT,
  CodeCache,
  listBytes,
  type CodeBlock,
  type CodeRegion,
  type CodeSpace,
} from './code-cache.ts';
import { THRESHOLD_NEVER } from './encode.ts';
import { Mxcsr } from './float-op.ts';
import { BLOCK_INSTRUCTIONS_MAX, type IrBlock } from './ir.ts';
import { BlocksAhead, type LookAhead } from './loops.ts';
import { branchMisses, setUpPredictor, type PredictorSpec } from './predictor.ts';
import type { BlockTiming } from './timing.ts';

/** `translator`: every block before its first execution. `auto`: hot ones only. */
export type ExecutorTier = 'interpreter' | 'translator' | 'auto';

export interface ProcessorOptions {
  readonly tier: ExecutorTier;
  /** Whether translated code tests the inline filters; the hierarchy must be built alike. */
  readonly filter: boolean;
  readonly timing: (block: IrBlock, lookAhead: LookAhead) => BlockTiming;
  /** Absent: branches cost nothing. */
  readonly predictor?: PredictorSpec | undefined;
  /** Room for bytecode; when it is full, all code is dropped and decoded anew as it is reached. */
  readonly codeBytes?: number;
  /** Who records hardware events; absent: nobody does. */
  readonly events?: EventUser | undefined;
}

interface EventUser {
  /** Whether mispredicted branches are recorded. */
  readonly branches: boolean;
  /** Blocks are about to go: events that name them must be taken now. */
  readonly beforeDropping: () => void;
}

/** Executions after which a block waits to be translated, and after which it waits no longer. */
const WARM = 500;
const HOT = 2000;
/** The same for blocks that a region already contains, but not at its entry. */
const WARM_INSIDE = 4096;
const HOT_INSIDE = 8192;
/** Blocks that were executed less than this stay out of regions. */
const COLD = 100;
/** So many waiting blocks make a batch. */
const BATCH_BLOCKS = 16;

/**
 * The most ticks that a CPU runs without coming back here. V8 does not replace a running function,
 * so a loop must return now and then to be entered again as optimised code.
 */
const SLICE_TICKS = 1 << 22;
/** No other CPU runs. */
const ALONE: Ticks = 2 ** 60;
/**
 * While CPUs communicate, none gets further ahead of the others than this: what bounds how late it
 * sees what they store. 256 cycles; and for how long after the last transfer, 2^17 cycles.
 */
const NEAR: Ticks = 256 * TICKS_PER_CYCLE;
const COMMUNICATION_WINDOW: Ticks = 2 ** 17 * TICKS_PER_CYCLE;
/** Where CPUs are that run no user code. */
const NO_SPACE = 0;
const TWO_32 = 0x1_0000_0000;
const PAGE_BYTES = 4096n;
const NO_BYTES = new Uint8Array(0);
const USER_FETCH = PageFaultCode.USER | PageFaultCode.FETCH;

interface CoreRunner {
  interpret(cpu: number, code: number): void;
  fetch(cpu: number, va: bigint, record: number): number;
  drain(cpu: number): void;
}

export class Processor implements ExecutionContext, CodeSpaces {
  private readonly core: CoreRunner;
  private readonly accounting: Accounting;
  private readonly cache: CodeCache;
  private readonly compiler: RegionCompiler;
  private readonly spaces: CodeSpace[] = [];
  private readonly waiting: CodeBlock[] = [];
  private readonly ahead = new BlocksAhead();
  /** Code that could not be fetched, by address; its stalls need a record too. */
  private readonly absent = new Map<bigint, AccountedBlock>();

  constructor(
    private readonly linear: LinearMemory,
    private readonly hierarchy: MemoryHierarchy,
    private readonly options: ProcessorOptions,
  ) {
    const core = hierarchy.core as unknown as CoreRunner &
      HarvestCore &
      Readonly<Record<string, unknown>>;
    this.core = core;
    this.accounting = new Accounting(linear, core);
    const { filter, predictor } = options;
    const several = linear.cpus > 1;
    const branchEvents = options.events?.branches ?? false;
    const translation = { filter, several, predictor, branchEvents };
    this.compiler = new RegionCompiler(linear.memory, core, translation);
    const codeBytes = options.codeBytes ?? CODE_BYTES_DEFAULT;
    const drop = ({ slot }: CodeRegion): void => {
      this.compiler.drop(slot);
    };
    this.cache = new CodeCache(linear, this.accounting, drop, codeBytes);
    for (let cpu = 0; cpu < linear.cpus; cpu++) {
      this.switchCodeSpace(cpu, NO_SPACE);
      if (options.predictor !== undefined) setUpPredictor(linear, cpu, options.predictor);
    }
  }

  switchCodeSpace(cpu: number, id: number): void {
    const space = this.cache.space(id, this.spaces);
    if (this.spaces[cpu] === space) return;
    this.spaces[cpu] = space;
    space.tables?.attach(this.linear.cpuBlock(cpu));
  }

  dropCodeSpace(id: number): void {
    assert(id !== NO_SPACE, 'the space of CPUs without user code stays');
    if (!this.cache.hasSpace(id)) return;
    this.spaces.forEach((space, cpu) => {
      if (space.id === id) this.switchCodeSpace(cpu, NO_SPACE);
    });
    this.beforeDropping();
    this.cache.dropSpace(id);
  }

  invalidateCode(id: number, begin: number, end: number): void {
    if (!this.cache.hasCodeIn(id, begin, end)) return;
    this.beforeDropping();
    this.cache.invalidateRange(id, begin, end);
  }

  run(cpu: number, limit: Ticks, others: Ticks = ALONE): ExitReason {
    const block = this.linear.cpuBlock(cpu);
    const begin = this.clock(block);
    const end = this.communicates(begin) ? Math.min(limit, Math.max(begin, others) + NEAR) : limit;
    for (;;) {
      const clock = this.clock(block);
      if (clock > end) return this.leave(block, ExitReason.BUDGET, limit);
      this.setBudget(block, clock, Math.min(end - clock, SLICE_TICKS));
      this.setNumber64(
        block + Cpu.TURN_LEFT,
        this.number64(block + Cpu.LIMIT) - Math.min(others, ALONE),
      );
      let reason = this.step(cpu, block);
      if (reason === ExitReason.CODE_WRITTEN) {
        this.bookPrefix(cpu, block);
        reason = this.stepAlone(cpu, block);
      }
      switch (reason) {
        case ExitReason.PAGE_FAULT:
        case ExitReason.EXCEPTION:
          this.bookPrefix(cpu, block);
          this.core.drain(block);
          return this.leave(block, reason, limit);
        case ExitReason.SYSCALL:
          this.core.drain(block);
          return this.leave(block, reason, limit);
        case ExitReason.MARKER:
          return this.leave(block, reason, limit);
        case ExitReason.ORDER:
          this.bookPrefix(cpu, block);
          return this.leave(block, ExitReason.BUDGET, limit);
        case ExitReason.TURN:
          return this.leave(block, ExitReason.BUDGET, limit);
        default:
      }
    }
  }

  private leave(block: number, reason: ExitReason, limit: Ticks): ExitReason {
    const clock = this.clock(block);
    this.setBudget(block, clock, limit - clock);
    this.linear.i32[(block + Cpu.EXIT_REASON) >> 2] = reason;
    return reason;
  }

  /** Whether user code has lately handed lines from CPU to CPU. */
  private communicates(clock: Ticks): boolean {
    if (this.linear.cpus === 1) return false;
    const last = this.number64(Region.HEADER + Shared.COMMUNICATED);
    return last > 0 && clock < last + COMMUNICATION_WINDOW;
  }

  /** Posts everything that `cpu` ran in user mode since the last call to the accounts of `tid`. */
  settle(cpu: number, tid: number, ledger: Ledger, resolveSymbol: ResolveSymbol): void {
    this.accounting.settle(cpu, tid, ledger, resolveSymbol);
  }

  /** Executions of each instruction address so far, up to the last settlement. */
  instructionCounts(): Map<bigint, number> {
    return this.accounting.instructionCounts();
  }

  /** Instructions retired in user mode, up to the last settlement. */
  get instructions(): number {
    return this.accounting.instructions;
  }

  /** The block whose record is at `record`, an address in the block of `cpu`. */
  blockOf(cpu: number, record: number): Pick<AccountedBlock, 'address' | 'ir' | 'timing'> {
    return this.accounting.blockOf(cpu, record);
  }

  /** Branches that a CPU has mispredicted in user mode. */
  branchMisses(cpu: number): number {
    return branchMisses(this.linear, cpu);
  }

  /** One turn: from RIP until something needs the dispatcher. */
  private step(cpu: number, cpuBlock: number): ExitReason {
    if (this.hierarchy.codeWritten) this.invalidateWritten();
    const { linear } = this;
    const rip = linear.u64[(cpuBlock + Cpu.RIP) >> 3];
    const block = this.spaces[cpu].blocks.get(rip) ?? this.build(cpu, rip);
    if (block === undefined) return this.fetchAbsent(cpu, cpuBlock, rip);
    this.considerTranslation(block);
    // Room for code ran out, and everything was dropped.
    if (block.dropped) return ExitReason.DISPATCH;
    const masks = linear.i32[(cpuBlock + Cpu.MXCSR) >> 2] & Mxcsr.MASKS;
    try {
      // Translated code does not look for unmasked exceptions.
      if (block.region !== undefined && masks === (Mxcsr.MASKS as number)) {
        block.space.tables?.jumps.set(rip, block.region.slot);
        return this.compiler.enter(cpuBlock, block.region.slot);
      }
      // The interpreter's table is a cache, which may have forgotten the block.
      block.space.tables?.table.insert(rip, block.code);
      this.core.interpret(cpuBlock, block.code);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      const at = linear.u64[(cpuBlock + Cpu.RIP) >> 3].toString(16);
      throw new MachineBug(`executor trapped near 0x${at}: ${error.message}`);
    }
    return linear.i32[(cpuBlock + Cpu.EXIT_REASON) >> 2];
  }

  /** Executes the instruction at RIP, which writes code. */
  private stepAlone(cpu: number, cpuBlock: number): ExitReason {
    const { i32, u64 } = this.linear;
    const rip = u64[(cpuBlock + Cpu.RIP) >> 3];
    const block = this.spaces[cpu].single.get(rip) ?? this.buildSingle(cpu, rip);
    i32[(cpuBlock + Cpu.MAY_WRITE_CODE) >> 2] = 1;
    this.core.interpret(cpuBlock, block.code);
    i32[(cpuBlock + Cpu.MAY_WRITE_CODE) >> 2] = 0;
    return i32[(cpuBlock + Cpu.EXIT_REASON) >> 2];
  }

  private buildSingle(cpu: number, address: bigint): CodeBlock {
    const block = this.decode(cpu, address, 1);
    assert(block !== undefined, 'an instruction that has begun can be fetched');
    block.space.single.set(address, block);
    return block;
  }

  private build(cpu: number, address: bigint): CodeBlock | undefined {
    const block = this.decode(cpu, address, BLOCK_INSTRUCTIONS_MAX);
    if (block !== undefined) this.cache.publish(block);
    return block;
  }

  /** Decodes the block at `address`; undefined if its bytes cannot be fetched. */
  private decode(cpu: number, address: bigint, instructionsMax: number): CodeBlock | undefined {
    const fetch = (from: bigint, length: number): Uint8Array => this.fetchBytes(cpu, from, length);
    const space = this.spaces[cpu];
    const whole = instructionsMax === BLOCK_INSTRUCTIONS_MAX;
    const known = whole ? this.ahead.take(space, address) : undefined;
    const ir = known ?? formBlock(address, fetch, instructionsMax);
    if ('missing' in ir) return undefined;
    const timing = this.options.timing(ir, this.ahead.lookAhead(space, ir, fetch));
    if (!this.cache.hasRoom(ir, timing)) this.clear();
    const pages = [this.physicalPage(cpu, address)];
    const last = this.physicalPage(cpu, address + BigInt(ir.length - 1));
    if (last !== pages[0]) pages.push(last);
    for (const page of pages) this.hierarchy.markCodePage(page);
    const threshold = this.options.tier === 'auto' ? WARM : THRESHOLD_NEVER;
    return this.cache.add(space, ir, timing, pages, threshold);
  }

  private physicalPage(cpu: number, address: bigint): number {
    return Math.floor(this.hierarchy.translate(cpu, address, USER_FETCH) / Number(PAGE_BYTES));
  }

  /** Up to `length` bytes of code, to read at once; fewer where the next page cannot be fetched from. */
  private fetchBytes(cpu: number, address: bigint, length: number): Uint8Array {
    const { linear } = this;
    if (length <= Number(PAGE_BYTES - (address % PAGE_BYTES))) {
      const physical = this.hierarchy.translate(cpu, address, USER_FETCH);
      const host = linear.guestBase + physical;
      return physical < 0 ? NO_BYTES : linear.u8.subarray(host, host + length);
    }
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const at = address + BigInt(done);
      const physical = this.hierarchy.translate(cpu, at, USER_FETCH);
      if (physical < 0) break;
      const inPage = Math.min(length - done, Number(PAGE_BYTES - (at % PAGE_BYTES)));
      const host = linear.guestBase + physical;
      bytes.set(linear.u8.subarray(host, host + inPage), done);
      done += inPage;
    }
    return bytes.subarray(0, done);
  }

  /** The instruction at `rip` cannot be fetched whole: takes the fault as the processor would. */
  private fetchAbsent(cpu: number, cpuBlock: number, rip: bigint): ExitReason {
    let absent = this.absent.get(rip);
    if (absent === undefined) {
      if (!this.accounting.hasRoom) this.clear();
      absent = this.accounting.add((record) => absentBlock(rip, record));
      this.absent.set(rip, absent);
    }
    const { i32 } = this.linear;
    const line = 64n;
    // The lines of one instruction: a page boundary may lie inside.
    for (let va = rip; va < rip + 16n; va = (va / line + 1n) * line) {
      const ok = this.core.fetch(cpuBlock, BigInt.asIntN(64, va), cpuBlock + absent.record);
      const stall = i32[(cpuBlock + Cpu.STALL) >> 2];
      this.setLeft(cpuBlock, this.left(cpuBlock) - stall);
      if (ok !== 0) continue;
      i32[(cpuBlock + Cpu.EXIT_RECORD) >> 2] = cpuBlock + absent.record;
      return i32[(cpuBlock + Cpu.EXIT_REASON) >> 2];
    }
    throw new MachineBug(`CPU ${String(cpu)}: no fault at 0x${rip.toString(16)}, yet no code`);
  }

  private bookPrefix(cpu: number, cpuBlock: number): void {
    const { i32, u64 } = this.linear;
    const block = this.accounting.blockOf(cpu, i32[(cpuBlock + Cpu.EXIT_RECORD) >> 2]);
    const ticks = this.accounting.bookPrefix(cpu, block, u64[(cpuBlock + Cpu.RIP) >> 3]);
    this.setLeft(cpuBlock, this.left(cpuBlock) - ticks);
  }

  private considerTranslation(block: CodeBlock): void {
    if (block.region !== undefined) return;
    if (this.compiler.isExhausted) {
      if (block.threshold !== THRESHOLD_NEVER) this.cache.setThreshold(block, THRESHOLD_NEVER);
      return;
    }
    if (this.options.tier === 'translator') {
      this.translate([block]);
      return;
    }
    if (this.options.tier !== 'auto') return;
    const executed = this.executions(block);
    if (executed < block.threshold) return;
    const inside = block.regions.size > 0;
    const hot = inside ? HOT_INSIDE : HOT;
    if (inside && executed < WARM_INSIDE) {
      this.cache.setThreshold(block, WARM_INSIDE);
      return;
    }
    this.waiting.push(block);
    if (executed < hot && this.waiting.length < BATCH_BLOCKS) {
      this.cache.setThreshold(block, hot);
      return;
    }
    const heads = this.waiting.filter((head) => head.space.blocks.get(head.address) === head);
    this.waiting.length = 0;
    this.translate([...new Set(heads)]);
  }

  /** How often the interpreter has executed a block. */
  private executions(block: CodeBlock): number {
    return this.linear.i32[(block.code + BlockCode.EXECUTIONS) >> 2];
  }

  /** Forms a region at each head and compiles them in one module; drops all code if there is no room. */
  private translate(heads: readonly CodeBlock[]): void {
    const ahead = this.options.tier === 'translator';
    const formed = heads
      .filter((head) => head.region === undefined)
      .map((head) => ({
        head,
        blocks: formRegion(head, {
          blocksMax: ahead ? 1 : REGION_BLOCKS_MAX,
          block: (address) => this.candidate(head, address),
        }),
      }));
    const room = formed.reduce((sum, { blocks }) => sum + listBytes(blocks), 0);
    if (room > this.cache.free || formed.length > this.compiler.free) {
      this.clear();
      return;
    }
    const regions = formed.map(({ head, blocks }, index) => {
      const flag = this.compiler.nextSlot + index;
      return { head, blocks, flag, list: this.cache.addList(flag, blocks) };
    });
    const slot = this.compiler.compile(regions);
    regions.forEach(({ head, blocks }, index) => {
      this.cache.addRegion({ head, blocks, slot: slot + index });
    });
  }

  /** The block at `address` if a region at `head` may contain it. */
  private candidate(head: CodeBlock, address: bigint): CodeBlock | undefined {
    const block = head.space.blocks.get(address);
    if (block === undefined || this.executions(block) < COLD) return undefined;
    // A region that contains the head is entered instead of being copied.
    if (block.region?.blocks.includes(head) === true) return undefined;
    return block;
  }

  private invalidateWritten(): void {
    this.beforeDropping();
    for (const page of this.hierarchy.takeWrittenCodePages()) this.cache.invalidatePage(page);
  }

  private beforeDropping(): void {
    this.options.events?.beforeDropping();
    this.ahead.clear();
    this.accounting.setAside();
    this.waiting.length = 0;
  }

  /** Drops all code, when memory for it has run out. */
  private clear(): void {
    this.beforeDropping();
    this.cache.clear();
    this.compiler.reset();
    for (const absent of this.absent.values()) this.accounting.remove(absent);
    this.absent.clear();
  }

  private clock(cpuBlock: number): Ticks {
    return this.number64(cpuBlock + Cpu.LIMIT) - this.left(cpuBlock);
  }

  private left(cpuBlock: number): Ticks {
    return this.number64(cpuBlock + Cpu.LEFT);
  }

  private setLeft(cpuBlock: number, left: Ticks): void {
    this.setNumber64(cpuBlock + Cpu.LEFT, left);
  }

  private setBudget(cpuBlock: number, clock: Ticks, left: Ticks): void {
    this.setNumber64(cpuBlock + Cpu.LEFT, left);
    this.setNumber64(cpuBlock + Cpu.LIMIT, clock + left);
  }

  private number64(at: number): number {
    return this.linear.i32[(at >> 2) + 1] * TWO_32 + this.linear.u32[at >> 2];
  }

  private setNumber64(at: number, value: number): void {
    this.linear.u32[at >> 2] = value >>> 0;
    this.linear.i32[(at >> 2) + 1] = Math.floor(value / TWO_32);
  }
}
