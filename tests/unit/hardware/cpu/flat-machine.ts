/** A core with nothing around it, for tests of instructions: flat memory, no page tables. */
import { CORE_WASM_BASE64 } from '../../../../machine/hardware/generated/core-wasm.ts';
import { formBlock } from '../../../../machine/hardware/cpu/blocks.ts';
import {
  encodeBlock,
  encodedBytes,
  InterpreterTable,
  THRESHOLD_NEVER,
} from '../../../../machine/hardware/cpu/encode.ts';
import { BlockRecord, Cpu, ExitReason, Header, Region } from '../../../../machine/hardware/layout.ts';
import type { IrBlock } from '../../../../machine/hardware/cpu/ir.ts';

const PAGE = 65536;
const ARENA = 0x40000;
const TABLE = 0x30000;
const GUEST = 0x200000;
const GUEST_BYTES = 0x100000;

interface CoreExports {
  interpret(cpu: number, entry: number): void;
}

export class FlatMachine {
  readonly cpu = Region.CPU_BLOCKS;
  readonly memory = new WebAssembly.Memory({ initial: (GUEST + GUEST_BYTES) / PAGE, maximum: 65536 });
  readonly view = new DataView(this.memory.buffer);
  readonly bytes = new Uint8Array(this.memory.buffer);
  readonly table: InterpreterTable;
  private readonly core: CoreExports;
  private arena = ARENA;
  private readonly codes = new Map<bigint, number>();

  constructor() {
    const module = new WebAssembly.Module(Buffer.from(CORE_WASM_BASE64, 'base64'));
    const instance = new WebAssembly.Instance(module, { env: { memory: this.memory, abort } });
    this.core = instance.exports as unknown as CoreExports;
    this.view.setInt32(Region.HEADER + Header.GUEST_BASE, GUEST, true);
    this.view.setBigInt64(Region.HEADER + Header.GUEST_BYTES, BigInt(GUEST_BYTES), true);
    this.table = new InterpreterTable(this.view, TABLE, 64);
    this.table.attach(this.cpu);
  }

  guest(address: bigint, length: number): Uint8Array {
    const start = GUEST + Number(address);
    return this.bytes.subarray(start, Math.min(start + length, GUEST + GUEST_BYTES));
  }

  register(index: number): bigint {
    return this.view.getBigUint64(this.cpu + Cpu.GPR + index * 8, true);
  }

  setRegister(index: number, value: bigint): void {
    this.view.setBigUint64(this.cpu + Cpu.GPR + index * 8, value, true);
  }

  get rip(): bigint {
    return this.view.getBigUint64(this.cpu + Cpu.RIP, true);
  }

  block(address: bigint): IrBlock {
    const block = formBlock(address, (va, length) => this.guest(va, length));
    if ('missing' in block) throw new Error('no code');
    return block;
  }

  private codeOf(address: bigint): number {
    const known = this.codes.get(address);
    if (known !== undefined) return known;
    const block = this.block(address);
    const record = this.arena;
    const at = (this.arena += BlockRecord.BYTES);
    this.arena += (encodedBytes(block) + 7) & ~7;
    const costs = { record, ticks: block.instructions.length, threshold: THRESHOLD_NEVER };
    encodeBlock(this.view, at, block, costs);
    this.codes.set(address, at);
    this.table.insert(address, at);
    return at;
  }

  /** Runs from `address` until something other than a missing block happens. */
  run(address: bigint): ExitReason {
    this.view.setBigUint64(this.cpu + Cpu.RIP, address, true);
    this.view.setBigInt64(this.cpu + Cpu.LEFT, 1_000_000n, true);
    this.view.setBigInt64(this.cpu + Cpu.LIMIT, 1_000_000n, true);
    for (;;) {
      this.core.interpret(this.cpu, this.codeOf(this.rip));
      const reason = this.view.getInt32(this.cpu + Cpu.EXIT_REASON, true);
      if (reason !== ExitReason.UNKNOWN_BLOCK) return reason;
    }
  }
}

function abort(): never {
  throw new Error('core aborted');
}
