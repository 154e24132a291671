/**
 * Emits the IR of one block, op by op, and gives lifters their view of registers, memory and
 * operands. Nothing here knows an instruction.
 */
import { Cpu } from '../../layout.ts';
import { NONE, Op, Width } from '../ir.ts';
import type { Helper, IrOp } from '../ir.ts';
import { OperandKind } from '../decode.ts';
import type { Decoded, MemoryOperand, Operand } from '../decode.ts';

/** Thrown inside a lifter for an encoding outside the guest's instruction set: becomes #UD. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported';
}

/** A temporary of the block. */
export type Temp = number;

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

export function bitsOf(width: Width): number {
  return 8 << width;
}

export function bytesOf(width: Width): number {
  return 1 << width;
}

export function maskOf(width: Width): bigint {
  return (1n << BigInt(bitsOf(width))) - 1n;
}

const WIDTH_OF_BYTES: Readonly<Record<number, Width | undefined>> = {
  1: Width.W8,
  2: Width.W16,
  4: Width.W32,
  8: Width.W64,
  16: Width.W128,
};

/** A memory or register place that an instruction reads, computes on and writes back. */
export interface Place {
  readonly width: Width;
  readonly value: Temp;
  write(value: Temp): void;
}

export class Emitter {
  readonly ops: IrOp[] = [];
  temps = 0;

  /** Emits an op that defines a new temporary. */
  value(
    op: Op,
    width: Width,
    a: Temp = NONE,
    b: Temp = NONE,
    c: Temp = NONE,
    imm = 0n,
    imm2 = 0n,
  ): Temp {
    const dst = this.temps++;
    this.ops.push({ op, width, dst, a, b, c, imm, imm2 });
    return dst;
  }

  /** Emits an op that defines nothing. */
  effect(
    op: Op,
    width: Width,
    a: Temp = NONE,
    b: Temp = NONE,
    c: Temp = NONE,
    imm = 0n,
    imm2 = 0n,
  ): void {
    this.ops.push({ op, width, dst: NONE, a, b, c, imm, imm2 });
  }

  constant(value: bigint | number, width: Width = Width.W64): Temp {
    const imm = BigInt.asUintN(bitsOf(width), BigInt(value));
    return this.value(Op.Const, width, NONE, NONE, NONE, imm);
  }

  /** dst = a op constant. */
  withConstant(op: Op, width: Width, a: Temp, constant: bigint | number): Temp {
    return this.value(op, width, a, this.constant(constant, width));
  }

  truncate(width: Width, a: Temp): Temp {
    return this.value(Op.Truncate, width, a);
  }

  /** Sign-extends `a` from `from` to `to`. */
  signExtend(a: Temp, from: Width, to: Width = Width.W64): Temp {
    return this.value(Op.SignExtend, to, a, NONE, NONE, BigInt(from));
  }

  getRegister(index: number, width: Width = Width.W64): Temp {
    return this.value(Op.GetReg, width, NONE, NONE, NONE, BigInt(index));
  }

  setRegister(index: number, value: Temp, width: Width = Width.W64): void {
    this.effect(Op.SetReg, width, value, NONE, NONE, BigInt(index));
  }

  getState(offset: Cpu, width: Width): Temp {
    return this.value(Op.GetState, width, NONE, NONE, NONE, BigInt(offset));
  }

  setState(offset: Cpu, width: Width, value: Temp): void {
    this.effect(Op.SetState, width, value, NONE, NONE, BigInt(offset));
  }

  load(width: Width, address: Temp): Temp {
    return this.value(Op.Load, width, address);
  }

  store(width: Width, address: Temp, value: Temp): void {
    this.effect(Op.Store, width, address, value);
  }

  call(helper: Helper, a: Temp = NONE, b: Temp = NONE, c: Temp = NONE): Temp {
    return this.value(Op.Call, Width.W64, a, b, c, BigInt(helper));
  }

  callResult(): Temp {
    return this.value(Op.CallResult, Width.W64);
  }

  /** x86 condition code 0..15 as 1 or 0. */
  condition(code: number): Temp {
    return this.value(Op.Condition, Width.W8, NONE, NONE, NONE, BigInt(code));
  }

  trapIf(condition: Temp, vector: number): void {
    this.effect(Op.TrapIf, Width.W64, condition, NONE, NONE, BigInt(vector));
  }

  /** The virtual address of a memory operand, `offset` bytes further. */
  address(memory: MemoryOperand, offset = 0): Temp {
    const linear = this.effectiveAddress(memory, offset);
    if (memory.segment === undefined) return linear;
    const base = this.getState(memory.segment === 'fs' ? Cpu.FS_BASE : Cpu.GS_BASE, Width.W64);
    return this.value(Op.Add, Width.W64, base, linear);
  }

  /** The address without the segment base, as lea computes it. */
  effectiveAddress(memory: MemoryOperand, offset = 0): Temp {
    let sum = memory.base >= 0 ? this.getRegister(memory.base) : NONE;
    if (memory.index >= 0) {
      const index = this.getRegister(memory.index);
      const shift = Math.log2(memory.scale);
      const scaled = shift === 0 ? index : this.withConstant(Op.Shl, Width.W64, index, shift);
      sum = sum === NONE ? scaled : this.value(Op.Add, Width.W64, sum, scaled);
    }
    const displacement = BigInt.asUintN(64, memory.displacement + BigInt(offset));
    if (sum === NONE) sum = this.constant(displacement);
    else if (displacement !== 0n) sum = this.withConstant(Op.Add, Width.W64, sum, displacement);
    return memory.address32 ? this.truncate(Width.W32, sum) : sum;
  }

  /** Value of a general register or memory operand at its own width, or of an immediate. */
  read(operand: Operand, width: Width): Temp {
    switch (operand.kind) {
      case OperandKind.REGISTER:
        return operand.high
          ? this.value(Op.GetRegHigh, Width.W8, NONE, NONE, NONE, BigInt(operand.index))
          : this.getRegister(operand.index, width);
      case OperandKind.MEMORY:
        return this.load(width, this.address(operand));
      case OperandKind.IMMEDIATE:
        return this.constant(operand.value, width);
      default:
        throw new Unsupported('operand');
    }
  }

  /** Writes a general register or memory operand. */
  write(operand: Operand, width: Width, value: Temp): void {
    if (operand.kind === OperandKind.MEMORY) {
      this.store(width, this.address(operand), value);
    } else if (operand.kind !== OperandKind.REGISTER) {
      throw new Unsupported('operand');
    } else if (operand.high) {
      this.effect(Op.SetRegHigh, Width.W8, value, NONE, NONE, BigInt(operand.index));
    } else {
      this.setRegister(operand.index, value, width);
    }
  }

  /**
   * Opens an operand that is read and then written. For memory it is one access with write intent,
   * which may fault here; the write itself cannot.
   */
  place(operand: Operand, lock: boolean): Place {
    const width = widthOf(operand);
    if (operand.kind !== OperandKind.MEMORY) {
      return {
        width,
        value: this.read(operand, width),
        write: (value) => {
          this.write(operand, width, value);
        },
      };
    }
    const address = this.address(operand);
    const host = this.value(Op.ProbeWrite, width, address, NONE, NONE, lock ? 1n : 0n);
    return {
      width,
      value: this.value(Op.LoadHost, width, host),
      write: (value) => {
        this.effect(Op.StoreHost, width, host, value);
      },
    };
  }
}

/** Width of a general register or memory operand. */
export function widthOf(operand: Operand): Width {
  if (operand.kind === OperandKind.REGISTER) return operand.width;
  if (operand.kind === OperandKind.MEMORY) {
    const width = WIDTH_OF_BYTES[operand.bytes];
    if (width !== undefined) return width;
  }
  throw new Unsupported('operand width');
}

/** Operand `position` of `instruction`; absent ones are outside the instruction set. */
export function operandAt(instruction: Decoded, position: number): Operand {
  const operand = instruction.operands.at(position);
  if (operand === undefined) throw new Unsupported('operand count');
  return operand;
}

/** Lifts one decoded instruction. Throws Unsupported before it has emitted a state change. */
export type Lifter = (emit: Emitter, instruction: Decoded) => void;

/** Lifters by mnemonic. */
export type LifterTable = Readonly<Record<string, Lifter>>;
