/**
 * The processor: runs guest code in user mode on simulated CPUs. Decodes blocks when they are first
 * reached, interprets cold ones, translates hot ones, and keeps the accounts exact wherever a run
 * stops. Which executor runs a block is never visible in state, ticks or records.
 */
import { assert, MachineBug } from '../../core/assert.ts';
import type { Ledger } from '../../core/ledger/ledger.ts';
import type { Ticks } from '../../core/units.ts';
import { RegionCompiler } from '../jit/region-compiler.ts';
import { formRegion, REGION_BLOCKS_MAX } from '../jit/regions.ts';
import { Cpu, ExitReason, PageFaultCode } from '../layout.ts';
import type { MemoryHierarchy } from '../memory/hierarchy.ts';
import type { LinearMemory } from '../memory/linear-memory.ts';
import type { ExecutionContext } from '../processor.ts';
import { Accounting, absentBlock, type AccountedBlock, type ResolveSymbol } from './accounting.ts';
import { formBlock } from './blocks.ts';
import { BlockCode } from './bytecode.ts';
import {
  CODE_BYTES_DEFAULT,
  CodeCache,
  type CodeBlock,
  type CodeRegion,
  type CodeSpace,
} from './code-cache.ts';
import { THRESHOLD_NEVER } from './encode.ts';
import { Mxcsr } from './float-op.ts';
import type { IrBlock } from './ir.ts';
import { branchMisses, setUpPredictor, type PredictorSpec } from './predictor.ts';
import type { BlockTiming } from './timing.ts';

/** `translator`: every block before its first execution. `auto`: hot ones only. */
export type ExecutorTier = 'interpreter' | 'translator' | 'auto';

export interface ProcessorOptions {
  readonly tier: ExecutorTier;
  /** Whether translated code tests the inline filters; the hierarchy must be built alike. */
  readonly filter: boolean;
  readonly timing: (block: IrBlock) => BlockTiming;
  /** Absent: branches cost nothing. */
  readonly predictor?: PredictorSpec | undefined;
  /** Room for bytecode; when it is full, all code is dropped and decoded anew as it is reached. */
  readonly codeBytes?: number;
}

/** Executions after which a block waits to be translated, and after which it waits no longer. */
const WARM = 48;
const HOT = 192;
/** The same for blocks that a region already contains, but not at its entry. */
const WARM_INSIDE = 1024;
const HOT_INSIDE = 2048;
/** So many waiting blocks make a batch. */
const BATCH_BLOCKS = 16;

/**
 * The most ticks that a CPU runs without coming back here. V8 does not replace a running function,
 * so a loop must return now and then to be entered again as optimised code.
 */
const SLICE_TICKS = 1 << 22;
const TWO_32 = 0x1_0000_0000;
const PAGE_BYTES = 4096n;
const USER_FETCH = PageFaultCode.USER | PageFaultCode.FETCH;

interface CoreRunner {
  interpret(cpu: number, code: number): void;
  fetch(cpu: number, va: bigint, record: number): number;
  drain(cpu: number): void;
}

export class Processor implements ExecutionContext {
  private readonly core: CoreRunner;
  private readonly accounting: Accounting;
  private readonly cache: CodeCache;
  private readonly compiler: RegionCompiler;
  private readonly spaces: CodeSpace[] = [];
  private readonly waiting: CodeBlock[] = [];
  /** Code that could not be fetched, by address; its stalls need a record too. */
  private readonly absent = new Map<bigint, AccountedBlock>();
  /** The CPU whose counts the records hold. */
  private current = 0;

  constructor(
    private readonly linear: LinearMemory,
    private readonly hierarchy: MemoryHierarchy,
    private readonly options: ProcessorOptions,
  ) {
    const core = hierarchy.core as unknown as CoreRunner & Readonly<Record<string, unknown>>;
    this.core = core;
    this.accounting = new Accounting(linear);
    this.compiler = new RegionCompiler(linear.memory, core, options);
    const codeBytes = options.codeBytes ?? CODE_BYTES_DEFAULT;
    const drop = ({ slot }: CodeRegion): void => {
      this.compiler.drop(slot);
    };
    this.cache = new CodeCache(linear, this.accounting, drop, codeBytes);
    for (let cpu = 0; cpu < linear.cpus; cpu++) {
      this.switchCodeSpace(cpu, 0);
      if (options.predictor !== undefined) setUpPredictor(linear, cpu, options.predictor);
    }
  }

  /** Makes `cpu` run the code of address space `id` from now on. */
  switchCodeSpace(cpu: number, id: number): void {
    const space = this.cache.space(id);
    const block = this.linear.cpuBlock(cpu);
    this.spaces[cpu] = space;
    space.table.attach(block);
    this.linear.i32[(block + Cpu.JUMP_CACHE) >> 2] = space.jumps.address;
  }

  /** Forgets the code of an address space that is gone; no CPU may be in it. */
  dropCodeSpace(id: number): void {
    assert(
      this.spaces.every((space) => space.id !== id),
      'no CPU runs in a dropped code space',
    );
    this.beforeDropping();
    this.cache.dropSpace(id);
  }

  /** Forgets code decoded from [begin, end) of address space `id`, because its mapping changed. */
  invalidateRange(id: number, begin: bigint, end: bigint): void {
    const space = this.cache.space(id);
    if (begin >= end || !this.cache.hasCodeIn(space, begin, end)) return;
    this.beforeDropping();
    this.cache.invalidateRange(space, begin, end);
  }

  run(cpu: number, limit: Ticks): ExitReason {
    if (cpu !== this.current) {
      this.accounting.setAside(this.current);
      this.current = cpu;
    }
    const block = this.linear.cpuBlock(cpu);
    for (;;) {
      const clock = this.clock(block);
      if (clock > limit) {
        this.setBudget(block, clock, limit - clock);
        this.linear.i32[(block + Cpu.EXIT_REASON) >> 2] = ExitReason.BUDGET;
        return ExitReason.BUDGET;
      }
      this.setBudget(block, clock, Math.min(limit - clock, SLICE_TICKS));
      const reason = this.step(cpu, block);
      if (reason === ExitReason.PAGE_FAULT || reason === ExitReason.EXCEPTION) {
        this.bookPrefix(block);
        this.core.drain(block);
      } else if (reason === ExitReason.SYSCALL) {
        this.core.drain(block);
      } else if (reason !== ExitReason.MARKER) {
        continue;
      }
      const end = this.clock(block);
      this.setBudget(block, end, limit - end);
      return reason;
    }
  }

  /** Posts everything that `cpu` ran in user mode since the last call to the accounts of `tid`. */
  settle(cpu: number, tid: number, ledger: Ledger, resolveSymbol: ResolveSymbol): void {
    this.accounting.settle(cpu, tid, ledger, resolveSymbol, cpu === this.current);
  }

  /** Executions of each instruction address so far, up to the last settlement. */
  instructionCounts(): Map<bigint, number> {
    return this.accounting.instructionCounts();
  }

  /** Instructions retired in user mode, up to the last settlement. */
  get instructions(): number {
    return this.accounting.instructions;
  }

  /** Branches that a CPU has mispredicted in user mode. */
  branchMisses(cpu: number): number {
    return branchMisses(this.linear, cpu);
  }

  /** One turn: from RIP until something needs the dispatcher. */
  private step(cpu: number, cpuBlock: number): ExitReason {
    if (this.hierarchy.codeWritten) this.invalidateWritten();
    if (this.compiler.free < BATCH_BLOCKS) this.clear();
    const { linear } = this;
    const rip = linear.u64[(cpuBlock + Cpu.RIP) >> 3];
    const block = this.spaces[cpu].blocks.get(rip) ?? this.build(cpu, rip);
    if (block === undefined) return this.fetchAbsent(cpu, cpuBlock, rip);
    this.considerTranslation(cpu, block);
    const masks = linear.i32[(cpuBlock + Cpu.MXCSR) >> 2] & Mxcsr.MASKS;
    try {
      // Translated code does not look for unmasked exceptions.
      if (block.region !== undefined && masks === (Mxcsr.MASKS as number)) {
        block.space.jumps.set(rip, block.region.slot);
        return this.compiler.enter(cpuBlock, block.region.slot);
      }
      // The interpreter's table is a cache, which may have forgotten the block.
      block.space.table.insert(rip, block.code);
      this.core.interpret(cpuBlock, block.code);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      const at = linear.u64[(cpuBlock + Cpu.RIP) >> 3].toString(16);
      throw new MachineBug(`executor trapped near 0x${at}: ${error.message}`);
    }
    return linear.i32[(cpuBlock + Cpu.EXIT_REASON) >> 2];
  }

  /** Decodes the block at `address`; undefined if its bytes cannot be fetched. */
  private build(cpu: number, address: bigint): CodeBlock | undefined {
    const ir = formBlock(address, (from, length) => this.fetchBytes(cpu, from, length));
    if ('missing' in ir) return undefined;
    const timing = this.options.timing(ir);
    if (!this.cache.hasRoom(ir, timing)) this.clear();
    const pages = [this.physicalPage(cpu, address)];
    const last = this.physicalPage(cpu, address + BigInt(ir.length - 1));
    if (last !== pages[0]) pages.push(last);
    for (const page of pages) this.hierarchy.markCodePage(page);
    const threshold = this.options.tier === 'auto' ? WARM : THRESHOLD_NEVER;
    return this.cache.add(this.spaces[cpu], ir, timing, pages, threshold);
  }

  private physicalPage(cpu: number, address: bigint): number {
    return Math.floor(this.hierarchy.translate(cpu, address, USER_FETCH) / Number(PAGE_BYTES));
  }

  /** Up to `length` bytes of code; fewer where the next page cannot be fetched from. */
  private fetchBytes(cpu: number, address: bigint, length: number): Uint8Array {
    const { linear } = this;
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
    this.accounting.touch(absent);
    const { i32 } = this.linear;
    const line = 64n;
    // The lines of one instruction: a page boundary may lie inside.
    for (let va = rip; va < rip + 16n; va = (va / line + 1n) * line) {
      const ok = this.core.fetch(cpuBlock, BigInt.asIntN(64, va), absent.record);
      const stall = i32[(cpuBlock + Cpu.STALL) >> 2];
      this.setLeft(cpuBlock, this.left(cpuBlock) - stall);
      if (ok !== 0) continue;
      i32[(cpuBlock + Cpu.EXIT_RECORD) >> 2] = absent.record;
      return i32[(cpuBlock + Cpu.EXIT_REASON) >> 2];
    }
    throw new MachineBug(`CPU ${String(cpu)}: no fault at 0x${rip.toString(16)}, yet no code`);
  }

  private bookPrefix(cpuBlock: number): void {
    const { i32, u64 } = this.linear;
    const block = this.accounting.blockOf(i32[(cpuBlock + Cpu.EXIT_RECORD) >> 2]);
    const ticks = this.accounting.bookPrefix(block, u64[(cpuBlock + Cpu.RIP) >> 3]);
    this.setLeft(cpuBlock, this.left(cpuBlock) - ticks);
  }

  private considerTranslation(cpu: number, block: CodeBlock): void {
    if (block.region !== undefined) return;
    if (this.options.tier === 'translator') {
      this.translate(cpu, [block]);
      return;
    }
    if (this.options.tier !== 'auto') return;
    const executed = this.linear.i32[(block.code + BlockCode.EXECUTIONS) >> 2];
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
    this.translate(cpu, [...new Set(heads)]);
  }

  /** Forms a region at each head and compiles them in one module. */
  private translate(cpu: number, heads: readonly CodeBlock[]): void {
    const ahead = this.options.tier === 'translator';
    const regions = heads
      .filter((head) => head.region === undefined)
      .map((head) => {
        const blocks = formRegion(head, {
          blocksMax: ahead ? 1 : REGION_BLOCKS_MAX,
          block: (address) => this.candidate(head, address),
        });
        return { head, blocks, enteredFlag: this.accounting.addFlag(blocks) };
      });
    const slot = this.compiler.compile(regions);
    regions.forEach(({ head, blocks }, index) => {
      this.cache.addRegion({ head, blocks, slot: slot + index });
    });
    assert(cpu === this.current, 'code is translated for the CPU that runs');
  }

  /** The block at `address` if a region at `head` may contain it. */
  private candidate(head: CodeBlock, address: bigint): CodeBlock | undefined {
    const block = head.space.blocks.get(address);
    // A region that contains the head is entered instead of being copied.
    if (block?.region?.blocks.includes(head) === true) return undefined;
    return block;
  }

  private invalidateWritten(): void {
    this.beforeDropping();
    for (const page of this.hierarchy.takeWrittenCodePages()) this.cache.invalidatePage(page);
  }

  private beforeDropping(): void {
    this.accounting.setAside(this.current);
    this.waiting.length = 0;
  }

  /** Drops all code, when memory for it has run out. */
  private clear(): void {
    this.beforeDropping();
    this.cache.clear();
    this.compiler.reset();
    for (const absent of this.absent.values()) this.accounting.remove(absent);
    this.absent.clear();
    this.accounting.resetFlags();
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
