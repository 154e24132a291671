/**
 * Ours, not Linux's: one CPU in kernel mode, as the place where the kernel model's time is made.
 *
 * A modelled function calls `run(F.name, instructions)` with the retired instructions of its real
 * counterpart for the branches that it takes, then touches the lines of its objects. Time is the
 * instructions at the board's rate, what the caches and TLBs add for text and data, the hardware
 * primitives, and the mitigations. Sums are kept per function in typed arrays and settled into
 * the ledger when the context, the task or the window changes: the hot path allocates nothing.
 */
import { assert, MachineBug } from '../../../../core/assert.ts';
import { Cause } from '../../../../core/ledger/cause.ts';
import { Context } from '../../../../core/ledger/context.ts';
import type { Ledger } from '../../../../core/ledger/ledger.ts';
import type { Ticks } from '../../../../core/units.ts';
import { BlockRecord, Cpu } from '../../../../hardware/layout.ts';
import type { KernelAccess, RecordAddress } from '../../../../hardware/processor.ts';
import type { PerCpu } from './address-map.ts';
import { TlbState } from '../mm/tlb.ts';
import { FunctionAccounts } from './function-accounts.ts';
import { High, PAGE_STRUCT_BYTES } from './address-map.ts';
import { F } from './generated/function-ids.ts';
import type { KernelText } from './kernel-text.ts';
import { type Hardening, instructionLimits } from './hardening.ts';
import type { KernelTicks } from './kernel-ticks.ts';
import type { Platform, PlatformCpu } from './platform.ts';
import { Registers } from './registers.ts';
import { SlowTicks } from './slow-ticks.ts';
import { StallCells } from './stall-cells.ts';

const LINE_BYTES = 64;
/** Instructions that the SRSO return thunk adds to a return, and a retpoline to an indirect call. */
const SRSO_INSTRUCTIONS = 3;
const RETPOLINE_INSTRUCTIONS = 2;

/** Stall ticks of an access that the kernel's own tables must allow; faults are negative. */
function served(ticks: Ticks): Ticks {
  if (ticks < 0) throw new MachineBug('the kernel touched an address that it has not mapped');
  return ticks;
}

/** What a kernel CPU needs to be told at construction. */
export interface KernelCpuOptions {
  readonly platform: Platform;
  readonly number: number;
  readonly ticks: KernelTicks;
  readonly text: KernelText;
  readonly ledger: Ledger;
  readonly hardening: Hardening;
  /** The function that an idle CPU is in. */
  readonly idleFunction: F;
  /** Physical address of the CPU's per-CPU area. */
  readonly perCpu: number;
}

export class KernelCpu {
  readonly number: number;
  readonly hardware: PlatformCpu;
  readonly ticks: KernelTicks;
  readonly perCpu: number;
  readonly hardening: Hardening;
  readonly registers: Registers;
  /** Which address spaces its TLB may hold. */
  readonly tlb = new TlbState();
  /** Low half of the top of the current task's kernel stack. */
  stackTop = 0;
  /** Task whose vector state the registers hold; 0 for nobody. */
  fpuOwner = 0;
  /** One cell of the CPU's block: the ticks since the kernel was entered. */
  private readonly elapsedCell: Float64Array;
  /** Told when a lock is waited for, and when it has been got; absent while nobody wants to know. */
  onContention?: (lock: number, isOver: boolean) => void;
  /** The interrupt under way came while the kernel ran. */
  interruptedKernel = false;
  /** RCU callbacks that have been queued and wait for a grace period to begin. */
  rcuCallbacks = 0;
  /** Whether kernel code runs, or is stopped between two tasks. */
  inKernel = false;
  private entryClock: Ticks = 0;
  /** When the kernel was left. */
  private exitClock: Ticks = 0;
  private userTicks: Ticks = 0;
  private kernelTicks: Ticks = 0;
  /** The part of `elapsed` that takeKernelTicks() has given out. */
  private elapsedTaken: Ticks = 0;
  private record: RecordAddress = 0;
  private current: F = 0;
  private readonly access: KernelAccess;
  private readonly text: KernelText;
  private readonly ledger: Ledger;
  private readonly records: RecordAddress;
  private readonly stalls: StallCells;
  private readonly counts = new Float64Array(F.COUNT);
  private readonly instructions = new Float64Array(F.COUNT);
  /** Instructions of mitigations, whose time is not base time. */
  private readonly thunkInstructions = new Float64Array(F.COUNT);
  private readonly instructionTicks: Ticks;
  private readonly returnTicks: Ticks;
  private readonly idleFunction: F;
  private readonly limits: Uint32Array;
  private readonly slow: SlowTicks;
  private readonly charges = new Float64Array(F.COUNT * Cause.COUNT);
  private readonly dirty = new Int32Array(F.COUNT);
  private readonly isDirty = new Uint8Array(F.COUNT);
  private dirtyCount = 0;
  private accounts: FunctionAccounts;
  private readonly accountTables = new Map<number, FunctionAccounts>();
  private tid = 0;
  private context: Context = Context.KERNEL;

  constructor(options: KernelCpuOptions) {
    this.number = options.number;
    this.hardware = options.platform.cpus[options.number];
    this.access = this.hardware.access;
    this.ticks = options.ticks;
    this.instructionTicks = options.ticks.instruction;
    this.returnTicks = options.ticks.srsoReturn;
    this.text = options.text;
    this.hardening = options.hardening;
    this.idleFunction = options.idleFunction;
    this.limits = instructionLimits(options.hardening);
    this.slow = new SlowTicks(options.text, options.ticks);
    this.ledger = options.ledger;
    this.perCpu = options.perCpu;
    this.records = options.platform.allocateRecords(F.COUNT);
    this.stalls = new StallCells(options.platform.buffer, this.records);
    this.registers = new Registers(options.platform.buffer, this.hardware.state.block);
    const cell = this.hardware.state.block + Cpu.KERNEL_ELAPSED;
    this.elapsedCell = new Float64Array(options.platform.buffer, cell, 1);
    this.accounts = this.accountTable();
  }

  /** Ticks since the kernel was entered; not in the CPU's clock yet, but the memory model sees them. */
  get elapsed(): Ticks {
    return this.elapsedCell[0];
  }

  set elapsed(ticks: Ticks) {
    this.elapsedCell[0] = ticks;
  }

  /** The CPU's time now, kernel work included. */
  get now(): Ticks {
    return this.entryClock + this.elapsed;
  }

  /** When the kernel was entered. */
  get entered(): Ticks {
    return this.entryClock;
  }

  /** User time since it was last taken. */
  takeUserTicks(): Ticks {
    const ticks = this.userTicks;
    this.userTicks = 0;
    return ticks;
  }

  /** Kernel time since it was last taken, up to now. */
  takeKernelTicks(): Ticks {
    const ticks = this.kernelTicks + this.elapsed - this.elapsedTaken;
    this.kernelTicks = 0;
    this.elapsedTaken = this.elapsed;
    return ticks;
  }

  /** The CPU's time, whatever runs on it. */
  get clock(): Ticks {
    return this.inKernel ? this.now : this.hardware.state.clock;
  }

  /** User code stopped: kernel time starts at the CPU's clock. Inside the kernel it goes on. */
  enter(): void {
    if (this.inKernel) return;
    this.inKernel = true;
    this.entryClock = this.hardware.state.clock;
    this.userTicks += this.entryClock - this.exitClock;
    this.elapsed = 0;
    this.elapsedTaken = 0;
    this.registers.privilege = 0;
  }

  /** Kernel time becomes part of the CPU's clock, and user mode goes on. */
  leave(): void {
    this.inKernel = false;
    this.entryClock += this.elapsed;
    this.exitClock = this.entryClock;
    this.kernelTicks += this.elapsed - this.elapsedTaken;
    this.elapsed = 0;
    this.elapsedTaken = 0;
    this.hardware.state.clock = this.entryClock;
    this.registers.privilege = 3;
  }

  private clearDirty(): void {
    for (let i = 0; i < this.dirtyCount; i++) this.isDirty[this.dirty[i]] = 0;
    this.dirtyCount = 0;
  }

  /** Notes that `fn` has something to settle. */
  private mark(fn: F): void {
    if (this.isDirty[fn] !== 0) return;
    this.isDirty[fn] = 1;
    this.dirty[this.dirtyCount++] = fn;
  }

  /** What follows is charged to `fn`, which has run and is running on. */
  continueIn(fn: F): void {
    this.mark(fn);
    this.current = fn;
    this.record = this.records + fn * BlockRecord.BYTES;
  }

  /** Runs `wanted` instructions of `fn`, called once; fewer or none where hardening that it is for is off. */
  run(fn: F, wanted: number): void {
    const { text, access } = this;
    const limit = this.limits[fn];
    if (limit === 0) return;
    const instructions = wanted > limit ? limit : wanted;
    const calls = this.counts[fn];
    if (calls === 0) this.mark(fn);
    this.counts[fn] = calls + 1;
    this.instructions[fn] += instructions;
    const record = this.records + fn * BlockRecord.BYTES;
    this.record = record;
    this.current = fn;
    let elapsed = instructions * this.instructionTicks + text.mispredicted[fn] * this.returnTicks;
    let line = text.start[fn];
    const end = line + text.linesOf(fn, instructions) * LINE_BYTES;
    for (; line < end; line += LINE_BYTES) {
      const stall = access.fetch(line, High.IMAGE, record);
      if (stall !== 0) elapsed += served(stall);
    }
    let data = text.dataStart[fn];
    for (let own = text.dataLines[fn]; own > 0; own--, data += LINE_BYTES) {
      const stall = access.read(data, High.IMAGE, record);
      if (stall !== 0) elapsed += served(stall);
    }
    this.elapsed += elapsed;
    if (this.slow.has[fn] !== 0) this.chargeSlow(fn, instructions, 1);
  }

  /** `instructions` more of `fn`, which has called and goes on: no call, no return. */
  runMore(fn: F, instructions: number): void {
    this.continueIn(fn);
    this.instructions[fn] += instructions;
    this.elapsed += instructions * this.instructionTicks;
  }

  /** The instructions of `fn` that take longer than others. */
  private chargeSlow(fn: F, instructions: number, calls: number): void {
    this.charge(Cause.ATOMIC, this.slow.atomics(fn, instructions));
    this.charge(Cause.TRANSITION, calls * this.slow.call[fn]);
  }

  /** Runs `wanted` instructions of `fn` in all, over `calls` calls. */
  runCalls(fn: F, wanted: number, calls: number): void {
    const limit = this.limits[fn];
    if (calls === 0 || limit === 0) return;
    const instructions = Math.min(wanted, limit * calls);
    const first = Math.floor(instructions / calls);
    this.run(fn, first);
    this.counts[fn] += calls - 1;
    const others = instructions - first;
    this.instructions[fn] += others;
    const { text } = this;
    this.elapsed +=
      others * this.instructionTicks + (calls - 1) * text.mispredicted[fn] * this.returnTicks;
    if (this.slow.has[fn] !== 0) this.chargeSlow(fn, others, calls - 1);
  }

  /** `count` indirect calls made by the function that runs. */
  indirect(count: number): void {
    const { ticks } = this;
    if (!ticks.retpolines) return;
    this.thunkInstructions[this.current] += count * RETPOLINE_INSTRUCTIONS;
    this.charge(Cause.MITIGATION_RETPOLINE, count * ticks.retpoline);
    if (ticks.srsoReturn === 0) return;
    this.thunkInstructions[this.current] += count * SRSO_INSTRUCTIONS;
    this.charge(Cause.MITIGATION_SRSO, count * ticks.srsoReturn);
  }

  /** Ticks of the function that runs under a cause of its own (a primitive, a copy ...). */
  charge(cause: Cause, ticks: Ticks): void {
    this.charges[this.current * Cause.COUNT + cause] += ticks;
    this.elapsed += ticks;
  }

  /** Instructions of a mitigation inside the function that runs. */
  chargeInstructions(cause: Cause, instructions: number): void {
    this.thunkInstructions[this.current] += instructions;
    this.charge(cause, instructions * this.instructionTicks);
  }

  /** Reads the line of an object in the direct map. */
  read(physical: number): void {
    this.elapsed += served(this.access.read(physical, High.DIRECT, this.record));
  }

  write(physical: number): void {
    this.elapsed += served(this.access.write(physical, High.DIRECT, this.record));
  }

  /** Reads or writes the lines of a copy or fill of `bytes`, whose misses overlap. */
  stream(direction: 'read' | 'write', low: number, high: number, bytes: number): void {
    const { access, record } = this;
    this.stalls.save(this.current);
    let stall = 0;
    const end = low + bytes;
    for (let at = low - (low % LINE_BYTES); at < end; at += LINE_BYTES) {
      const ticks =
        direction === 'read'
          ? access.read(at >>> 0, high, record)
          : access.write(at >>> 0, high, record);
      if (ticks !== 0) stall += served(ticks);
    }
    if (stall > 0) this.elapsed += this.stalls.overlap(this.current, this.ticks.streamOverlap);
  }

  readPerCpu(offset: PerCpu): void {
    this.elapsed += served(this.access.read(this.perCpu + offset, High.DIRECT, this.record));
  }

  writePerCpu(offset: PerCpu): void {
    this.elapsed += served(this.access.write(this.perCpu + offset, High.DIRECT, this.record));
  }

  readImage(low: number): void {
    this.elapsed += served(this.access.read(low, High.IMAGE, this.record));
  }

  writeImage(low: number): void {
    this.elapsed += served(this.access.write(low, High.IMAGE, this.record));
  }

  /** Writes `count` lines of the kernel stack from `depth` bytes below its top. */
  stack(depth: number, count: number): void {
    for (let i = 0; i < count; i++) {
      const low = this.stackTop - depth - 64 * (i + 1);
      this.elapsed += served(this.access.write(low, High.VMALLOC, this.record));
    }
  }

  readEntryArea(offset: number): void {
    this.elapsed += served(this.access.read(offset, High.ENTRY_AREA, this.record));
  }

  writeEntryArea(offset: number): void {
    this.elapsed += served(this.access.write(offset, High.ENTRY_AREA, this.record));
  }

  /** Touches the struct page of a frame. */
  writePageStruct(frame: number): void {
    const low = (frame * PAGE_STRUCT_BYTES) >>> 0;
    this.elapsed += served(this.access.write(low, High.VMEMMAP, this.record));
  }

  /** Touches a line of user memory through the user mapping. */
  readUser(low: number, high: number): void {
    this.elapsed += served(this.access.read(low, high, this.record));
  }

  writeUser(low: number, high: number): void {
    this.elapsed += served(this.access.write(low, high, this.record));
  }

  /** Forgets what was charged since the last settlement: setting up is not part of the run. */
  discard(): void {
    for (let i = 0; i < this.dirtyCount; i++) {
      const fn = this.dirty[i];
      this.counts[fn] = 0;
      this.instructions[fn] = 0;
      this.thunkInstructions[fn] = 0;
      this.charges.fill(0, fn * Cause.COUNT, (fn + 1) * Cause.COUNT);
      this.stalls.clear(fn);
    }
    this.clearDirty();
    this.elapsed = 0;
  }

  /** Brings the kernel's text into the caches, as a boot and a login before the run would have. */
  warmText(): void {
    const [first, end] = this.text.range;
    // Backwards: what many operations share comes first in the text and must be the last in.
    for (let line = end - LINE_BYTES; line >= first; line -= LINE_BYTES) {
      served(this.access.fetch(line, High.IMAGE, this.records));
    }
    this.stalls.clear(0);
  }

  /** From here on, kernel time belongs to `tid` in `context`. */
  attribute(tid: number, context: Context): void {
    this.settle();
    this.tid = tid;
    this.context = context;
    this.accounts = this.accountTable();
  }

  /** Retired kernel instructions that are not settled yet, for checks. */
  unsettledInstructions(): number {
    let sum = 0;
    for (let i = 0; i < this.dirtyCount; i++) {
      const fn = this.dirty[i];
      const srso = this.ticks.srsoReturn === 0 ? 0 : SRSO_INSTRUCTIONS;
      sum += this.instructions[fn] + this.thunkInstructions[fn];
      sum += this.counts[fn] * this.text.returns[fn] * srso;
    }
    return sum;
  }

  /** Conditional branches among them. */
  unsettledBranches(): number {
    let sum = 0;
    for (let i = 0; i < this.dirtyCount; i++) {
      const fn = this.dirty[i];
      sum += this.instructions[fn] * this.text.branches[fn];
    }
    return Math.round(sum);
  }

  /** Nothing runs until `until`: the idle task's time. */
  idle(until: Ticks): void {
    const { state } = this.hardware;
    this.ledger.post(this.idleAccount(), Cause.IDLE, until - state.clock);
    state.clock = until;
  }

  private idleAccount(): number {
    return this.ledger.account(this.number, 0, Context.IDLE, this.text.symbolOf(this.idleFunction));
  }

  /** Posts everything since the last settlement to the ledger. */
  settle(): void {
    const { current } = this;
    const running = this.isDirty[current] !== 0;
    for (let i = 0; i < this.dirtyCount; i++) this.settleFunction(this.dirty[i]);
    this.clearDirty();
    // What runs may go on charging and touching before it calls anything.
    if (running) this.mark(current);
  }

  private settleFunction(fn: F): void {
    const { ledger, ticks } = this;
    let account = this.accounts.get(fn);
    if (account < 0) {
      account = ledger.account(this.number, this.tid, this.context, this.text.symbolOf(fn));
      this.accounts.set(fn, account);
    }
    const count = this.counts[fn];
    const returns = ticks.srsoReturn === 0 ? 0 : count * this.text.returns[fn];
    const thunks = this.thunkInstructions[fn] + returns * SRSO_INSTRUCTIONS;
    ledger.count(account, count, this.instructions[fn] + thunks);
    ledger.post(account, Cause.BASE, this.instructions[fn] * this.instructionTicks);
    if (returns > 0) {
      const mispredicted = count * this.text.mispredicted[fn];
      ledger.post(account, Cause.MITIGATION_SRSO, mispredicted * ticks.srsoReturn);
    }
    const first = fn * Cause.COUNT;
    for (let cause = 0; cause < Cause.COUNT; cause++) {
      if (this.charges[first + cause] !== 0)
        ledger.post(account, cause, this.charges[first + cause]);
    }
    this.charges.fill(0, first, first + Cause.COUNT);
    this.stalls.drain(fn, (cause, ticks) => {
      ledger.post(account, cause, ticks);
    });
    this.counts[fn] = 0;
    this.instructions[fn] = 0;
    this.thunkInstructions[fn] = 0;
  }

  /** Ledger accounts by function for the current task and context. */
  private accountTable(): FunctionAccounts {
    assert(this.tid < 2 ** 32, 'a thread id has 32 bits');
    const key = this.tid * 8 + this.context;
    let table = this.accountTables.get(key);
    if (table === undefined) {
      table = new FunctionAccounts();
      this.accountTables.set(key, table);
    }
    return table;
  }
}
