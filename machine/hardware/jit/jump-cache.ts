/**
 * The cache of entry points: a direct-mapped table in linear memory from guest virtual address to
 * slot of the shared function table, through which regions find each other without the host.
 * Cpu.JUMP_CACHE points to the table of the code space that the CPU is in.
 */
import { Cpu, JumpTable } from '../layout.ts';
import { CPU_LOCAL } from './region-context.ts';
import type { FunctionWriter, Local } from './wasm-encoder.ts';
import { Wasm } from './wasm-opcodes.ts';

/** Never the address of code: not canonical. */
const EMPTY = 0x8000_0000_0000_0000n;

export class JumpCache {
  static readonly BYTES = JumpTable.ENTRIES << JumpTable.ENTRY_SHIFT;

  constructor(
    private readonly memory: { readonly i32: Int32Array; readonly i64: BigInt64Array },
    /** Where the table lies, 16-byte aligned. */
    readonly address: number,
  ) {
    this.clear();
  }

  clear(): void {
    const first = this.address >> 3;
    const { i64 } = this.memory;
    i64[first] = BigInt.asIntN(64, EMPTY);
    i64[first + 1] = 0n;
    // Doubles what is empty until all is: an i64 at a time would cost a BigInt each.
    const words = 2 * JumpTable.ENTRIES;
    for (let done = 2; done < words; done *= 2) i64.copyWithin(first + done, first, first + done);
  }

  set(code: bigint, slot: number): void {
    const entry = this.entry(code);
    this.memory.i64[entry >> 3] = BigInt.asIntN(64, code);
    this.memory.i32[(entry + JumpTable.SLOT) >> 2] = slot;
  }

  /** Forgets the entry point, if it is there. */
  delete(code: bigint): void {
    const index = this.entry(code) >> 3;
    const { i64 } = this.memory;
    if (BigInt.asUintN(64, i64[index]) === code) i64[index] = BigInt.asIntN(64, EMPTY);
  }

  /** Pushes the linear address of the entry for the address in local `pc`. */
  static pushEntry(w: FunctionWriter, pc: Local): void {
    w.localGet(CPU_LOCAL);
    w.memory(Wasm.I32_LOAD, Cpu.JUMP_CACHE);
    w.localGet(pc);
    w.u8(Wasm.I32_WRAP_I64);
    w.localGet(pc);
    w.u8(Wasm.I32_WRAP_I64);
    w.i32Const(JumpTable.HASH_SHIFT);
    w.u8(Wasm.I32_SHR_U);
    w.u8(Wasm.I32_XOR);
    w.i32Const(JumpTable.ENTRIES - 1);
    w.u8(Wasm.I32_AND);
    w.i32Const(JumpTable.ENTRY_SHIFT);
    w.u8(Wasm.I32_SHL);
    w.u8(Wasm.I32_ADD);
  }

  private entry(code: bigint): number {
    const low = Number(BigInt.asUintN(32, code));
    const index = (low ^ (low >>> JumpTable.HASH_SHIFT)) & (JumpTable.ENTRIES - 1);
    return this.address + (index << JumpTable.ENTRY_SHIFT);
  }
}
