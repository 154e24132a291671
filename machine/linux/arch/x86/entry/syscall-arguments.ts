/** Ours, not Linux's: the six arguments of a system call, read from the registers when asked for. */
import { Gpr, type Registers } from '../model/registers.ts';

const ORDER = [Gpr.RDI, Gpr.RSI, Gpr.RDX, Gpr.R10, Gpr.R8, Gpr.R9] as const;

export class SyscallArguments {
  constructor(private readonly registers: Registers) {}

  /** Argument `index` as a signed 64-bit integer, exact up to 2^53. */
  wide(index: number): number {
    return this.registers.signed(ORDER[index]);
  }

  /** The argument as a size or address: like wide(), but negative ones are huge. */
  unsigned(index: number): number {
    const gpr = ORDER[index];
    return this.registers.high(gpr) * 2 ** 32 + this.registers.low(gpr);
  }

  /** The low 32 bits, signed. */
  int(index: number): number {
    return this.registers.low(ORDER[index]) | 0;
  }

  low(index: number): number {
    return this.registers.low(ORDER[index]);
  }

  high(index: number): number {
    return this.registers.high(ORDER[index]);
  }
}
