/** Architectural state of one CPU as the kernel model reads and writes it, in the CPU's block. */
import { Flag, arithmeticFlags } from '../cpu/lazy-flags.ts';
import { FlagKind } from '../cpu/ir.ts';
import { Cpu } from '../layout.ts';
import type { CpuState } from '../processor.ts';
import type { Ticks } from '../../core/units.ts';
import type { LinearMemory } from './linear-memory.ts';

const TWO_32 = 0x1_0000_0000;
const CC_OP_RAW = FlagKind.RAW * 4;

export class LinearCpuState implements CpuState {
  readonly number: number;
  readonly block: number;
  private readonly i32: Int32Array;
  private readonly u32: Uint32Array;
  private readonly u64: BigUint64Array;
  private readonly result = { low: 0, high: 0 };
  private readonly source = { low: 0, high: 0 };

  constructor(linear: LinearMemory, cpu: number) {
    this.number = cpu;
    this.block = linear.cpuBlock(cpu);
    this.i32 = linear.i32;
    this.u32 = linear.u32;
    this.u64 = linear.u64;
  }

  /** LIMIT - LEFT. Setting it moves LEFT: what the kernel spends comes off the CPU's budget. */
  get clock(): Ticks {
    return this.number64(Cpu.LIMIT) - this.number64(Cpu.LEFT);
  }

  set clock(ticks: Ticks) {
    this.setNumber64(Cpu.LEFT, this.number64(Cpu.LIMIT) - ticks);
  }

  register(index: number): bigint {
    return this.u64[(this.block + Cpu.GPR + index * 8) >> 3];
  }

  setRegister(index: number, value: bigint): void {
    this.u64[(this.block + Cpu.GPR + index * 8) >> 3] = value;
  }

  get rip(): bigint {
    return this.u64[(this.block + Cpu.RIP) >> 3];
  }

  set rip(value: bigint) {
    this.u64[(this.block + Cpu.RIP) >> 3] = value;
  }

  get rflags(): bigint {
    const { i32, block } = this;
    this.halves(Cpu.CC_RESULT, this.result);
    this.halves(Cpu.CC_SOURCE, this.source);
    const arithmetic = arithmeticFlags(
      i32[(block + Cpu.CC_OP) >> 2],
      this.result,
      this.source,
      i32[(block + Cpu.CC_AUX) >> 2],
    );
    const direction = i32[(block + Cpu.DF) >> 2] !== 0 ? Flag.DIRECTION : 0;
    const other = this.u32[(block + Cpu.RFLAGS_OTHER) >> 2];
    return BigInt((other | arithmetic | direction | Flag.ALWAYS) >>> 0);
  }

  set rflags(value: bigint) {
    const { i32, block } = this;
    const image = Number(BigInt.asUintN(32, value));
    i32[(block + Cpu.CC_OP) >> 2] = CC_OP_RAW;
    this.setNumber64(Cpu.CC_SOURCE, image & Flag.ARITHMETIC);
    i32[(block + Cpu.DF) >> 2] = image & Flag.DIRECTION ? 1 : 0;
    i32[(block + Cpu.RFLAGS_OTHER) >> 2] =
      image & ~(Flag.ARITHMETIC | Flag.DIRECTION | Flag.ALWAYS);
  }

  get fsBase(): bigint {
    return this.u64[(this.block + Cpu.FS_BASE) >> 3];
  }

  set fsBase(value: bigint) {
    this.u64[(this.block + Cpu.FS_BASE) >> 3] = value;
  }

  get gsBase(): bigint {
    return this.u64[(this.block + Cpu.GS_BASE) >> 3];
  }

  set gsBase(value: bigint) {
    this.u64[(this.block + Cpu.GS_BASE) >> 3] = value;
  }

  private halves(field: Cpu, out: { low: number; high: number }): void {
    const at = (this.block + field) >> 2;
    out.low = this.u32[at];
    out.high = this.u32[at + 1];
  }

  private number64(field: Cpu): number {
    const at = (this.block + field) >> 2;
    return this.i32[at + 1] * TWO_32 + this.u32[at];
  }

  private setNumber64(field: Cpu, value: number): void {
    const at = (this.block + field) >> 2;
    this.u32[at] = value >>> 0;
    this.i32[at + 1] = Math.floor(value / TWO_32);
  }
}
