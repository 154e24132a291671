/** Ours, not Linux's: the user registers of one CPU as 32-bit halves, without BigInt on the way. */
import { Cpu } from '../../../../hardware/layout.ts';

/** Hardware numbers of the general registers. */
export const enum Gpr {
  RAX = 0,
  RCX = 1,
  RDX = 2,
  RBX = 3,
  RSP = 4,
  RBP = 5,
  RSI = 6,
  RDI = 7,
  R8 = 8,
  R9 = 9,
  R10 = 10,
  R11 = 11,
}

const MXCSR_DEFAULT = 0x1f80;
const X87_CONTROL_DEFAULT = 0x37f;
const TWO_32 = 2 ** 32;

export class Registers {
  private readonly words: Uint32Array;
  /** The same bytes, for what is wider than a word or off its grid. */
  readonly view: DataView;

  constructor(buffer: ArrayBufferLike, block: number) {
    this.view = new DataView(buffer, block, Cpu.FILTER_READ);
    this.words = new Uint32Array(buffer, block, Cpu.FILTER_READ >> 2);
  }

  low(gpr: number): number {
    return this.words[gpr * 2];
  }

  high(gpr: number): number {
    return this.words[gpr * 2 + 1];
  }

  /** The register as a signed integer; exact up to 2^53, far outside every valid address beyond. */
  signed(gpr: number): number {
    return (this.words[gpr * 2 + 1] | 0) * TWO_32 + this.words[gpr * 2];
  }

  /** The register as an address or size; beyond 2^53 rounded, far outside every valid address. */
  unsigned(gpr: number): number {
    return this.words[gpr * 2 + 1] * TWO_32 + this.words[gpr * 2];
  }

  /** Sets a register to a signed integer of magnitude at most 2^53. */
  set(gpr: number, value: number): void {
    this.words[gpr * 2] = value >>> 0;
    this.words[gpr * 2 + 1] = Math.floor(value / TWO_32) >>> 0;
  }

  setHalves(gpr: number, low: number, high: number): void {
    this.words[gpr * 2] = low;
    this.words[gpr * 2 + 1] = high;
  }

  /** rip as a number; user addresses are below 2^47. */
  get rip(): number {
    return this.words[(Cpu.RIP >> 2) + 1] * TWO_32 + this.words[Cpu.RIP >> 2];
  }

  set rip(value: number) {
    this.words[Cpu.RIP >> 2] = value >>> 0;
    this.words[(Cpu.RIP >> 2) + 1] = Math.floor(value / TWO_32);
  }

  /** The time stamp counter at a clock value; exact while counts stay below 2^53. */
  tscAt(clock: number): number {
    const { words } = this;
    const numerator = words[Cpu.TSC_NUMERATOR >> 2];
    const denominator = words[Cpu.TSC_DENOMINATOR >> 2];
    const offset = words[Cpu.TSC_OFFSET >> 2] + (words[(Cpu.TSC_OFFSET >> 2) + 1] | 0) * TWO_32;
    const whole = Math.floor(clock / denominator);
    const rest = clock - whole * denominator;
    return offset + whole * numerator + Math.floor((rest * numerator) / denominator);
  }

  /** What fninit and a new xsave area leave: control words, empty x87 stack, zero registers. */
  resetFloatingPoint(): void {
    this.words[Cpu.MXCSR >> 2] = MXCSR_DEFAULT;
    this.words[Cpu.X87_CONTROL >> 2] = X87_CONTROL_DEFAULT;
    this.words[Cpu.X87_STATUS >> 2] = 0;
    this.words[Cpu.X87_TAG >> 2] = 0;
    this.words.fill(0, Cpu.X87_REGISTERS >> 2, (Cpu.X87_REGISTERS + 128) >> 2);
    this.words.fill(0, Cpu.XMM >> 2, (Cpu.XMM + 256) >> 2);
  }

  /** A copy of the general registers and rip. */
  copyGeneral(): Registers {
    const copy = new Uint32Array(Cpu.FILTER_READ >> 2);
    copy.set(this.words.subarray(0, Cpu.CC_RESULT >> 2));
    return new Registers(copy.buffer, 0);
  }

  /** Copies the architectural state out, and in again. */
  save(thread: Uint32Array): void {
    thread.set(this.words.subarray(0, thread.length));
  }

  load(thread: Uint32Array): void {
    this.words.set(thread);
  }

  /** Current privilege level, 0 or 3. */
  set privilege(level: 0 | 3) {
    this.words[Cpu.CPL >> 2] = level;
  }

  get exitAddressLow(): number {
    return this.words[Cpu.EXIT_ADDRESS >> 2];
  }

  get exitAddressHigh(): number {
    return this.words[(Cpu.EXIT_ADDRESS >> 2) + 1];
  }

  get exitInfo(): number {
    return this.words[Cpu.EXIT_INFO >> 2];
  }
}
