/**
 * A CPU with memory and page tables and nothing else, on which instruction vectors are replayed by
 * either executor: the code at CODE, two data pages whose frames are not neighbours.
 */
import { memoryGeometry } from '../../../machine/board/geometry.ts';
import { SIMPLE } from '../../../machine/board/simple.ts';
import { formBlock } from '../../../machine/hardware/cpu/blocks.ts';
import {
  encodeBlock,
  encodedBytes,
  InterpreterTable,
  THRESHOLD_NEVER,
} from '../../../machine/hardware/cpu/encode.ts';
import type { IrBlock } from '../../../machine/hardware/cpu/ir.ts';
import { BlockTimer, setRepeatCosts } from '../../../machine/hardware/cpu/timing.ts';
import { BlockRecord, Cpu, ExitReason } from '../../../machine/hardware/layout.ts';
import { LinearCpuState } from '../../../machine/hardware/memory/cpu-state.ts';
import { instantiateCore } from '../../../machine/hardware/memory/core-module.ts';
import { MemoryHierarchy } from '../../../machine/hardware/memory/hierarchy.ts';
import { LinearMemory } from '../../../machine/hardware/memory/linear-memory.ts';
import { PhysicalMemory } from '../../../machine/hardware/memory/physical.ts';
import { CODE, FX_CONTROL, FX_MXCSR, FX_ST, FX_STATUS, FX_TAG, FX_XMM, WINDOW } from './inputs.ts';
import type { State } from './inputs.ts';

const GUEST_BYTES = 16 << 20;
const ROOT = 0x1000;
const DATA_FRAMES = [0x40000, 0x60000] as const;
const DATA_PAGE = 0x10000000n;
const CODE_FRAME = 0x100000;
const CODE_BYTES = 8 << 20;
const PRESENT_WRITABLE_USER = 7n;
const BUDGET = 0x10000000;

/** Exits after a vector: `nop [rax+rax+0x4c430000]`, marker 0. */
export const END_MARKER: readonly number[] = [0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x43, 0x4c];

interface InterpreterExports {
  interpret(cpu: number, entry: number): void;
}

export class BareMachine {
  readonly linear: LinearMemory;
  readonly hierarchy: MemoryHierarchy;
  readonly state: LinearCpuState;
  readonly record: number;
  private readonly physical: PhysicalMemory;
  private nextTable = ROOT;

  constructor(options: { readonly filter: boolean } = { filter: true }) {
    this.linear = new LinearMemory({ cpus: 1, guestBytes: GUEST_BYTES, arenaBytes: 8 << 20 });
    this.physical = new PhysicalMemory(this.linear);
    this.hierarchy = new MemoryHierarchy(this.linear, memoryGeometry(SIMPLE.memory), options);
    this.state = new LinearCpuState(this.linear, 0);
    this.record = this.linear.arena.allocate(BlockRecord.BYTES, 64);
    DATA_FRAMES.forEach((frame, n) => {
      this.map(DATA_PAGE + BigInt(n * 4096), frame);
    });
    for (let at = 0; at < CODE_BYTES; at += 4096) this.map(CODE + BigInt(at), CODE_FRAME + at);
    this.hierarchy.setAddressSpace(0, BigInt(ROOT), 0, true);
    this.linear.i32[(this.block + Cpu.CPL) >> 2] = 3;
    setRepeatCosts(this.linear.data, this.block, SIMPLE.core);
  }

  /** Address of the CPU block. */
  get block(): number {
    return this.linear.cpuBlock(0);
  }

  private map(va: bigint, frame: number): void {
    let table = ROOT;
    for (let level = 3; level > 0; level--) {
      const at = table + Number((va >> BigInt(12 + 9 * level)) & 511n) * 8;
      if (this.physical.read64(at) === 0n) {
        this.nextTable += 4096;
        this.physical.write64(at, BigInt(this.nextTable) | PRESENT_WRITABLE_USER);
      }
      table = Number(this.physical.read64(at) & ~0xfffn);
    }
    const entry = table + Number((va >> 12n) & 511n) * 8;
    this.physical.write64(entry, BigInt(frame) | PRESENT_WRITABLE_USER);
  }

  /** Bytes of guest memory, which must not cross a page; empty where nothing is mapped. */
  guest(va: bigint, length: number): Uint8Array {
    const physical = this.hierarchy.translate(0, va);
    if (physical < 0) return new Uint8Array(0);
    const inPage = Math.min(length, 4096 - (physical & 4095));
    const host = this.linear.guestBase + physical;
    return this.linear.u8.subarray(host, host + inPage);
  }

  /** Bytes of code, which lies in consecutive frames. */
  fetchBytes(va: bigint, length: number): Uint8Array {
    const physical = this.hierarchy.translate(0, va);
    if (physical < 0) return new Uint8Array(0);
    const host = this.linear.guestBase + physical;
    return this.linear.u8.subarray(host, host + length);
  }

  /** Reads or writes the window, which spans two pages. */
  window(transfer: (bytes: Uint8Array, offset: number) => void): void {
    const first = Number(4096n - (WINDOW & 4095n));
    transfer(this.guest(WINDOW, first), 0);
    transfer(this.guest(WINDOW + BigInt(first), 256 - first), first);
  }

  /** Puts `input` into the CPU and the window; RIP is `address`. */
  load(input: State, address: bigint): void {
    const { state, block, linear } = this;
    input.registers.forEach((value, index) => {
      state.setRegister(index, value);
    });
    state.rip = address;
    state.rflags = BigInt(input.flags);
    state.fsBase = input.fsBase;
    const fx = new DataView(input.fx.buffer);
    linear.i32[(block + Cpu.MXCSR) >> 2] = fx.getUint32(FX_MXCSR, true);
    linear.u8.set(input.fx.subarray(FX_XMM, FX_XMM + 256), block + Cpu.XMM);
    linear.i32[(block + Cpu.X87_CONTROL) >> 2] = fx.getUint16(FX_CONTROL, true);
    linear.i32[(block + Cpu.X87_STATUS) >> 2] = fx.getUint16(FX_STATUS, true);
    linear.i32[(block + Cpu.X87_TAG) >> 2] = fx.getUint8(FX_TAG);
    linear.u8.set(input.fx.subarray(FX_ST, FX_ST + 128), block + Cpu.X87_REGISTERS);
    this.guest(DATA_PAGE, 4096).fill(0);
    this.guest(DATA_PAGE + 4096n, 4096).fill(0);
    this.window((bytes, offset) => {
      bytes.set(input.memory.subarray(offset, offset + bytes.length));
    });
    linear.i64[(block + Cpu.LEFT) >> 3] = BigInt(BUDGET);
    linear.i64[(block + Cpu.LIMIT) >> 3] = BigInt(BUDGET);
  }

  get exitReason(): ExitReason {
    return this.linear.i32[(this.block + Cpu.EXIT_REASON) >> 2];
  }
}

/** Runs code from RIP until an exit that is not the executor's own affair. */
export interface Executor {
  run(machine: BareMachine): ExitReason;
}

/** The interpreter, decoding every block anew. */
export class InterpreterExecutor implements Executor {
  private readonly core: InterpreterExports;
  private readonly code: number;
  private readonly timer = new BlockTimer(SIMPLE.core);
  private static readonly CODE_BYTES = 1 << 17;

  constructor(machine: BareMachine) {
    this.core = instantiateCore(machine.linear.memory) as unknown as InterpreterExports;
    const { arena } = machine.linear;
    this.code = arena.allocate(InterpreterExecutor.CODE_BYTES, 64);
    new InterpreterTable(machine.linear.data, arena.allocate(64, 64), 1).attach(machine.block);
  }

  run(machine: BareMachine): ExitReason {
    for (;;) {
      const block = blockAt(machine, machine.state.rip);
      if (encodedBytes(block) > InterpreterExecutor.CODE_BYTES) throw new Error('block too large');
      encodeBlock(machine.linear.data, this.code, block, {
        record: machine.record,
        ticks: this.timer.time(block).ticks,
        resolveTicks: 0,
        threshold: THRESHOLD_NEVER,
      });
      this.core.interpret(machine.block, this.code);
      const reason = machine.exitReason;
      if (reason !== ExitReason.UNKNOWN_BLOCK && reason !== ExitReason.DISPATCH) return reason;
    }
  }
}

/** The block at an address of the code region. */
export function blockAt(machine: BareMachine, address: bigint): IrBlock {
  const block = formBlock(address, (va, length) => machine.fetchBytes(va, length));
  if ('missing' in block) throw new Error(`no code at ${address.toString(16)}`);
  return block;
}
