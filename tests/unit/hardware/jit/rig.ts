/** Runs IR blocks through the interpreter and through the translator on one small machine. */
import { encodeBlock, InterpreterTable } from '../../../../machine/hardware/cpu/encode.ts';
import type { IrBlock } from '../../../../machine/hardware/cpu/ir.ts';
import { RegionCompiler } from '../../../../machine/hardware/jit/region-compiler.ts';
import { JumpCache } from '../../../../machine/hardware/jit/jump-cache.ts';
import { BlockRecord, Cpu, ExitReason } from '../../../../machine/hardware/layout.ts';
import { MemoryHierarchy } from '../../../../machine/hardware/memory/hierarchy.ts';
import { LinearMemory } from '../../../../machine/hardware/memory/linear-memory.ts';
import type { MemoryGeometry } from '../../../../machine/hardware/memory/model-setup.ts';
import { PhysicalMemory } from '../../../../machine/hardware/memory/physical.ts';

const PRESENT = 1n;
const WRITABLE = 2n;
const USER = 4n;
const NO_EXECUTE = 1n << 63n;

export const GEOMETRY: MemoryGeometry = {
  l1i: { bytes: 64 * 32, ways: 4, ticks: 0 },
  l1d: { bytes: 64 * 32, ways: 4, ticks: 0 },
  l2: { bytes: 64 * 256, ways: 8, ticks: 640 },
  llc: { bytes: 64 * 1024, ways: 16, ticks: 2560 },
  itlb: { entries: 8, ways: 8, ticks: 0 },
  dtlb: { entries: 8, ways: 8, ticks: 0 },
  stlb: { entries: 32, ways: 4, ticks: 448 },
  walkTicks: 1280,
  dramTicks: 12800,
  transferTicks: 7000,
};

/** Where the tests find code and data. DATA has two pages in frames that are not neighbours. */
export const CODE = 0x400000n;
export const CODE_PAGES = 16;
export const DATA = 0x600000n;
export const ABSENT = DATA + 0x2000n;
export const READ_ONLY = DATA + 0x3000n;
export const STACK_TOP = 0x7ff000n;

const ROOT = 0x1000;
const CODE_FRAME = 0x100000;
const DATA_FRAMES = [0x200000, 0x203000];
const READ_ONLY_FRAME = 0x206000;
const STACK_FRAME = 0x210000;
const STACK_PAGES = 8;

/** A machine with the address space above and CPU 0 in user mode. */
export class GuestMachine {
  readonly linear: LinearMemory;
  readonly physical: PhysicalMemory;
  readonly hierarchy: MemoryHierarchy;
  readonly cpu: number;
  private nextTable = ROOT;

  constructor(options: {
    filter: boolean;
    guestBytes?: number;
    geometry?: MemoryGeometry;
    cpus?: number;
  }) {
    const cpus = options.cpus ?? 1;
    this.linear = new LinearMemory({ cpus, guestBytes: options.guestBytes ?? 4 << 20 });
    this.physical = new PhysicalMemory(this.linear);
    this.hierarchy = new MemoryHierarchy(this.linear, options.geometry ?? GEOMETRY, options);
    this.cpu = this.linear.cpuBlock(0);
    for (let page = 0; page < CODE_PAGES; page++) {
      this.map(CODE + BigInt(page * 4096), CODE_FRAME + page * 4096, PRESENT | USER | WRITABLE);
    }
    DATA_FRAMES.forEach((frame, page) => {
      this.map(DATA + BigInt(page * 4096), frame, PRESENT | USER | WRITABLE | NO_EXECUTE);
    });
    this.map(READ_ONLY, READ_ONLY_FRAME, PRESENT | USER | NO_EXECUTE);
    for (let page = 0; page < STACK_PAGES; page++) {
      const va = STACK_TOP - BigInt((page + 1) * 4096);
      this.map(va, STACK_FRAME + page * 4096, PRESENT | USER | WRITABLE | NO_EXECUTE);
    }
    for (let cpu = 0; cpu < cpus; cpu++) {
      this.hierarchy.setAddressSpace(cpu, BigInt(ROOT), 0, true);
      const block = this.linear.cpuBlock(cpu);
      this.linear.i32[(block + Cpu.CPL) >> 2] = 3;
      this.linear.i32[(block + Cpu.MXCSR) >> 2] = 0x1f80;
    }
  }

  map(va: bigint, frame: number, flags: bigint): void {
    let table = ROOT;
    for (let level = 3; level > 0; level--) {
      const at = table + Number((va >> BigInt(12 + 9 * level)) & 511n) * 8;
      if (this.physical.read64(at) === 0n) {
        this.nextTable += 0x1000;
        this.physical.write64(at, BigInt(this.nextTable) | PRESENT | WRITABLE | USER);
      }
      table = Number(this.physical.read64(at) & 0x000ffffffffff000n);
    }
    this.physical.write64(table + Number((va >> 12n) & 511n) * 8, BigInt(frame) | flags);
  }

  writeCode(va: bigint, bytes: Uint8Array): void {
    this.physical.write(CODE_FRAME + Number(va - CODE), bytes);
  }

  dataBytes(): Uint8Array {
    const { physical } = this;
    return Uint8Array.from(DATA_FRAMES.flatMap((frame) => [...physical.view(frame, 4096)]));
  }

  setData(bytes: Uint8Array): void {
    DATA_FRAMES.forEach((frame, page) => {
      this.physical.write(frame, bytes.subarray(page * 4096, (page + 1) * 4096));
    });
  }

  get64(offset: number): bigint {
    return this.linear.u64[(this.cpu + offset) >> 3];
  }

  set64(offset: number, value: bigint): void {
    this.linear.u64[(this.cpu + offset) >> 3] = BigInt.asUintN(64, value);
  }

  get32(offset: number): number {
    return this.linear.i32[(this.cpu + offset) >> 2];
  }

  set32(offset: number, value: number): void {
    this.linear.i32[(this.cpu + offset) >> 2] = value;
  }
}

/** Everything that a run may change. */
export interface Outcome {
  readonly reason: number;
  readonly state: Record<string, string>;
  readonly memory: Uint8Array;
  readonly record: readonly bigint[];
}

/** What the exit fields mean depends on the reason; the others are left over. */
function exitFields(machine: GuestMachine, reason: number): Record<string, string> {
  const fields: Record<string, string> = {};
  if (reason >= 2 && reason <= 4) fields['info'] = String(machine.get32(Cpu.EXIT_INFO));
  if (reason === 2) fields['address'] = machine.get64(Cpu.EXIT_ADDRESS).toString(16);
  return fields;
}

export function snapshotState(machine: GuestMachine, reason: number): Record<string, string> {
  const state: Record<string, string> = exitFields(machine, reason);
  for (let r = 0; r < 16; r++) {
    state[`r${String(r)}`] = machine.get64(Cpu.GPR + 8 * r).toString(16);
    const low = machine.get64(Cpu.XMM + 16 * r).toString(16);
    state[`xmm${String(r)}`] = `${machine.get64(Cpu.XMM + 16 * r + 8).toString(16)}:${low}`;
  }
  state['rip'] = machine.get64(Cpu.RIP).toString(16);
  state['result'] = machine.get64(Cpu.CC_RESULT).toString(16);
  state['source'] = machine.get64(Cpu.CC_SOURCE).toString(16);
  state['aux'] = machine.get64(Cpu.CC_AUX).toString(16);
  state['op'] = String(machine.get32(Cpu.CC_OP));
  state['df'] = String(machine.get32(Cpu.DF));
  state['mxcsr'] = String(machine.get32(Cpu.MXCSR));
  state['left'] = machine.linear.i64[(machine.cpu + Cpu.LEFT) >> 3].toString();
  return state;
}

export interface InitialState {
  readonly gpr: readonly bigint[];
  /** 32 halves. */
  readonly xmm: readonly bigint[];
  readonly flags: {
    readonly op: number;
    readonly result: bigint;
    readonly source: bigint;
    readonly aux: bigint;
  };
  readonly data: Uint8Array;
  readonly left: bigint;
  /** All exceptions masked: translated code runs under no other. */
  readonly mxcsr?: number;
}

const TICKS = 64;

/** One machine per executor, fresh caches each, so that ticks must agree too. */
export class BlockRig {
  readonly machine: GuestMachine;
  private readonly compiler: RegionCompiler;
  private readonly table: InterpreterTable;
  private readonly jumps: JumpCache;
  private readonly codeAt: number;
  private readonly recordAt: number;
  private readonly flagAt: number;

  constructor(filter: boolean) {
    this.machine = new GuestMachine({ filter });
    const { linear, hierarchy } = this.machine;
    const core = hierarchy.core as unknown as Readonly<Record<string, unknown>>;
    this.compiler = new RegionCompiler(linear.memory, core, { filter });
    this.table = new InterpreterTable(linear.data, linear.arena.allocate(1024 * 64, 64), 1024);
    this.table.attach(this.machine.cpu);
    this.jumps = new JumpCache(linear, linear.arena.allocate(JumpCache.BYTES));
    this.machine.set32(Cpu.JUMP_CACHE, this.jumps.address);
    this.codeAt = linear.arena.allocate(1 << 20);
    this.recordAt = linear.arena.allocate(BlockRecord.BYTES * 64, 128);
    this.flagAt = linear.arena.allocate(16);
  }

  private prepare(initial: InitialState, start: bigint): void {
    const { machine } = this;
    initial.gpr.forEach((value, r) => {
      machine.set64(Cpu.GPR + 8 * r, value);
    });
    initial.xmm.forEach((value, half) => {
      machine.set64(Cpu.XMM + 8 * half, value);
    });
    machine.set32(Cpu.CC_OP, initial.flags.op);
    machine.set64(Cpu.CC_RESULT, initial.flags.result);
    machine.set64(Cpu.CC_SOURCE, initial.flags.source);
    machine.set64(Cpu.CC_AUX, initial.flags.aux);
    machine.set32(Cpu.DF, 0);
    machine.set32(Cpu.MXCSR, initial.mxcsr ?? 0x1f80);
    machine.set64(Cpu.LEFT, initial.left);
    machine.set64(Cpu.LIMIT, initial.left);
    machine.set64(Cpu.RIP, start);
    machine.setData(initial.data);
    machine.hierarchy.flushTlb(0, 0);
    const { linear } = machine;
    linear.i64.fill(0n, this.recordAt >> 3, (this.recordAt + BlockRecord.BYTES * 64) >> 3);
  }

  private outcome(reason: number, count: number): Outcome {
    const { machine } = this;
    const begin = this.recordAt >> 3;
    const end = (this.recordAt + BlockRecord.BYTES * count) >> 3;
    return {
      reason,
      state: snapshotState(machine, reason),
      memory: machine.dataBytes(),
      record: [...machine.linear.i64.slice(begin, end)],
    };
  }

  interpret(blocks: readonly IrBlock[], initial: InitialState): Outcome {
    const { machine } = this;
    this.prepare(initial, blocks[0].address);
    this.table.clear();
    let at = this.codeAt;
    blocks.forEach((block, i) => {
      const record = this.recordAt + i * BlockRecord.BYTES;
      encodeBlock(machine.linear.data, at, block, {
        record,
        ticks: TICKS * (i + 1),
        resolveTicks: 0,
        threshold: 0x7fffffff,
      });
      this.table.insert(block.address, at);
      at += 1 << 14;
    });
    const core = machine.hierarchy.core as unknown as {
      interpret(cpu: number, code: number): void;
    };
    core.interpret(machine.cpu, this.codeAt);
    return this.outcome(machine.get32(Cpu.EXIT_REASON), blocks.length);
  }

  translate(blocks: readonly IrBlock[], initial: InitialState): Outcome {
    this.prepare(initial, blocks[0].address);
    const timed = blocks.map((ir, i) => ({
      ir,
      baseTicks: TICKS * (i + 1),
      resolveTicks: 0,
      record: this.recordAt + i * BlockRecord.BYTES,
    }));
    // Edges that a region cannot contain leave it; every block can be entered on its own.
    const alone = timed.slice(1).map((block) => [block]);
    const regions = [timed, ...alone].map((region) => ({
      blocks: region,
      enteredFlag: this.flagAt,
    }));
    const slot = this.compiler.compile(regions);
    blocks.forEach((block, i) => {
      this.jumps.set(block.address, slot + i);
    });
    const exit = this.compiler.enter(this.machine.cpu, slot);
    // Where nothing follows, the interpreter says UNKNOWN_BLOCK and a region DISPATCH.
    const reason = exit === ExitReason.DISPATCH ? ExitReason.UNKNOWN_BLOCK : exit;
    this.jumps.clear();
    this.compiler.reset();
    return this.outcome(reason, blocks.length);
  }
}
