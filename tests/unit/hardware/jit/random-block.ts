/** Random IR blocks: every op, operands among all earlier temporaries of the right kind. */
import { FloatForm, FloatOp } from '../../../../machine/hardware/cpu/float-op.ts';
import {
  FlagKind,
  NONE,
  Op,
  Width,
  type IrBlock,
  type IrOp,
} from '../../../../machine/hardware/cpu/ir.ts';
import { Simd } from '../../../../machine/hardware/cpu/simd.ts';
import { Cpu } from '../../../../machine/hardware/layout.ts';
import { ABSENT, CODE, DATA, READ_ONLY } from './rig.ts';

/** Draws integers from a list of random numbers, so that fast-check can shrink the list. */
export class Dice {
  private next = 0;
  constructor(private readonly numbers: readonly number[]) {}

  below(n: number): number {
    return (this.numbers[this.next++ % this.numbers.length] >>> 0) % n;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  bits64(): bigint {
    const high = BigInt(this.below(2 ** 32));
    const value = (high << 32n) | BigInt(this.below(2 ** 32));
    return this.pick([value, value & 0xffn, value | (0xffff_ffffn << 32n), 1n << (value & 63n)]);
  }
}

const INTEGER_BINARY = [
  Op.Add,
  Op.Sub,
  Op.Mul,
  Op.And,
  Op.Or,
  Op.Xor,
  Op.Eq,
  Op.Ne,
  Op.LtU,
  Op.LtS,
  Op.LeU,
  Op.LeS,
];
const SHIFTS = [Op.Shl, Op.Shr, Op.Sar, Op.Rotl, Op.Rotr];
const INTEGER_UNARY = [Op.Not, Op.Neg, Op.Clz, Op.Ctz, Op.Popcnt];
const WIDTHS = [Width.W8, Width.W16, Width.W32, Width.W64];
/** SIMD opcodes of two operands and of one, as the lifter uses them. */
const VECTOR_BINARY = [
  Simd.I8X16_EQ,
  Simd.I16X8_GT_S,
  Simd.I32X4_EQ,
  Simd.V128_AND,
  Simd.V128_ANDNOT,
  Simd.V128_OR,
  Simd.V128_XOR,
  Simd.I8X16_NARROW_I16X8_S,
  Simd.I8X16_ADD,
  Simd.I8X16_SUB_SAT_U,
  Simd.I8X16_MIN_U,
  Simd.I8X16_AVGR_U,
  Simd.I16X8_ADD_SAT_S,
  Simd.I16X8_MUL,
  Simd.I16X8_MAX_S,
  Simd.I32X4_ADD,
  Simd.I32X4_DOT_I16X8_S,
  Simd.I32X4_EXTMUL_HIGH_I16X8_S,
  Simd.I64X2_ADD,
  Simd.I64X2_SUB,
  Simd.I64X2_EXTMUL_LOW_I32X4_U,
];
const VECTOR_UNARY = [Simd.V128_NOT];
const VECTOR_SHIFTS = [
  { opcode: Simd.I16X8_SHR_S, bits: 16 },
  { opcode: Simd.I32X4_SHL, bits: 32 },
  { opcode: Simd.I64X2_SHR_U, bits: 64 },
];
/** Forms of Op.Float: each operation, packed or scalar, single or double where it has the choice. */
const FLOAT_FORMS = Array.from({ length: FloatOp.F32_TO_I32_PAIR_TRUNCATE + 1 }, (_, op) => op);
const BITMASKS = [Simd.I8X16_BITMASK, Simd.I32X4_BITMASK, Simd.I64X2_BITMASK];
/** Doubles and singles whose sums and products are interesting: NaNs, infinities, zeros. */
const FLOAT_HALVES = [
  0x7ff8_0000_0000_1234n,
  0xfff0_0000_0000_0001n,
  0x7ff0_0000_0000_0000n,
  0xfff0_0000_0000_0000n,
  0x8000_0000_0000_0000n,
  0x3ff8_0000_0000_0000n,
  0x7f80_0001_7f80_0000n,
  0xff80_0000_ffc0_0055n,
];

interface Temp {
  readonly id: number;
  readonly width: Width;
}

export class BlockBuilder {
  readonly ops: IrOp[] = [];
  private temps = 0;
  private readonly integers: Temp[] = [];
  private readonly booleans: number[] = [];
  private readonly vectors: number[] = [];

  constructor(
    private readonly dice: Dice,
    private readonly vectorOps: boolean,
  ) {}

  op(op: Op, width: Width, fields: Partial<IrOp> = {}): void {
    this.ops.push({
      op,
      width,
      dst: NONE,
      a: NONE,
      b: NONE,
      c: NONE,
      imm: 0n,
      imm2: 0n,
      ...fields,
    });
  }

  integer(op: Op, width: Width, fields: Partial<IrOp> = {}, resultWidth = width): number {
    const id = this.temps++;
    this.op(op, width, { ...fields, dst: id });
    this.integers.push({ id, width: resultWidth });
    if (op >= Op.Eq && op <= Op.LeS) this.booleans.push(id);
    return id;
  }

  vector(op: Op, width: Width, fields: Partial<IrOp> = {}): number {
    const id = this.temps++;
    this.op(op, width, { ...fields, dst: id });
    this.vectors.push(id);
    return id;
  }

  /** A temporary that fits `width`. */
  anyInteger(width: Width): number {
    const fitting = this.integers.filter((temp) => temp.width <= width);
    if (fitting.length > 0 && this.dice.below(4) > 0) return this.dice.pick(fitting).id;
    if (this.dice.below(2) === 0) return this.constant(width, this.dice.bits64());
    return this.integer(Op.GetReg, width, { imm: BigInt(this.dice.below(16)) });
  }

  constant(width: Width, value: bigint): number {
    return this.integer(Op.Const, width, { imm: BigInt.asUintN(8 << width, value) });
  }

  anyBoolean(): number {
    if (this.booleans.length > 0 && this.dice.below(3) > 0) return this.dice.pick(this.booleans);
    const id = this.integer(Op.Condition, Width.W8, { imm: BigInt(this.dice.below(16)) });
    this.booleans.push(id);
    return id;
  }

  anyVector(): number {
    if (this.vectors.length > 0 && this.dice.below(3) > 0) return this.dice.pick(this.vectors);
    if (this.vectorOps && this.dice.below(2) === 0) {
      const half = (): bigint => this.dice.pick([...FLOAT_HALVES, this.dice.bits64()]);
      return this.vector(Op.VectorConst, Width.W128, { imm: half(), imm2: half() });
    }
    return this.vector(Op.GetXmm, Width.W128, { imm: BigInt(this.dice.below(16)) });
  }

  address(): number {
    const { dice } = this;
    const choice = dice.below(24);
    if (choice === 0) return this.constant(Width.W64, ABSENT + BigInt(dice.below(64)));
    if (choice === 1) return this.constant(Width.W64, READ_ONLY + BigInt(dice.below(64)));
    if (choice === 2) return this.constant(Width.W64, 0x8000_0000_0000_0000n);
    if (choice < 6) return this.constant(Width.W64, DATA + 0xff0n + BigInt(dice.below(32)));
    if (choice < 9) return this.constant(Width.W64, DATA + 0x30n + BigInt(dice.below(32)));
    const offset = this.constant(Width.W64, BigInt(dice.below(0x1f00) & ~15));
    const base = this.constant(Width.W64, DATA);
    return this.integer(Op.Add, Width.W64, { a: base, b: offset });
  }

  readonly steps: readonly (() => void)[] = [
    () => {
      const width = this.dice.pick(WIDTHS);
      const op = this.dice.pick(INTEGER_BINARY);
      const fields = { a: this.anyInteger(width), b: this.anyInteger(width) };
      this.integer(op, width, fields, op >= Op.Eq && op <= Op.LeS ? Width.W8 : width);
    },
    () => {
      const width = this.dice.pick(WIDTHS);
      const count = this.constant(width, BigInt(this.dice.below(8 << width)));
      this.integer(this.dice.pick(SHIFTS), width, { a: this.anyInteger(width), b: count });
    },
    () => {
      const width = this.dice.pick(WIDTHS);
      this.integer(this.dice.pick(INTEGER_UNARY), width, { a: this.anyInteger(width) });
    },
    () => {
      const op = this.dice.pick([Op.MulHighU, Op.MulHighS]);
      const fields = { a: this.anyInteger(Width.W64), b: this.anyInteger(Width.W64) };
      this.integer(op, Width.W64, fields);
    },
    () => {
      const divisor = this.constant(Width.W64, this.dice.bits64() | 3n);
      const op = this.dice.pick([Op.DivU, Op.DivS]);
      this.integer(op, Width.W64, { a: this.anyInteger(Width.W64), b: divisor });
    },
    () => {
      const width = this.dice.pick([Width.W16, Width.W32, Width.W64]);
      this.integer(Op.Bswap, width, { a: this.anyInteger(width) });
    },
    () => {
      const width = this.dice.pick([Width.W16, Width.W32, Width.W64]);
      const from = this.dice.pick(WIDTHS.filter((w) => w < width));
      this.integer(Op.SignExtend, width, { a: this.anyInteger(from), imm: BigInt(from) });
    },
    () => {
      const width = this.dice.pick(WIDTHS);
      this.integer(Op.Truncate, width, { a: this.anyInteger(Width.W64) });
    },
    () => {
      const width = this.dice.pick(WIDTHS);
      const fields = { a: this.anyBoolean(), b: this.anyInteger(width), c: this.anyInteger(width) };
      this.integer(Op.Select, width, fields);
    },
    () => {
      const width = this.dice.pick(WIDTHS);
      this.integer(Op.GetReg, width, { imm: BigInt(this.dice.below(16)) });
    },
    () => {
      this.integer(Op.GetRegHigh, Width.W8, { imm: BigInt(this.dice.below(4)) });
    },
    () => {
      const width = this.dice.pick(WIDTHS);
      this.op(Op.SetReg, width, { a: this.anyInteger(width), imm: BigInt(this.dice.below(16)) });
    },
    () => {
      const width = this.dice.pick(WIDTHS);
      this.op(Op.SetReg, width, { a: this.anyInteger(width), imm: BigInt(this.dice.below(4)) });
    },
    () => {
      this.op(Op.SetRegHigh, Width.W8, {
        a: this.anyInteger(Width.W8),
        imm: BigInt(this.dice.below(4)),
      });
    },
    () => {
      this.integer(Op.GetState, Width.W32, { imm: BigInt(this.dice.pick([Cpu.DF, Cpu.MXCSR])) });
    },
    () => {
      this.op(Op.SetState, Width.W32, { a: this.anyInteger(Width.W8), imm: BigInt(Cpu.DF) });
    },
    () => {
      this.flags();
    },
    () => {
      this.flags();
    },
    () => {
      const c = this.dice.pick([this.anyBoolean(), this.anyInteger(Width.W8)]);
      const source = this.constant(Width.W32, BigInt(this.dice.pick([0, 1, 0x800, 0x801])));
      const width = this.dice.pick(WIDTHS);
      const imm = BigInt(this.dice.pick([FlagKind.SHIFT, FlagKind.RAW]));
      this.op(Op.FlagsIf, width, { a: this.anyInteger(width), b: source, c, imm });
    },
    () => {
      const id = this.integer(Op.Condition, Width.W8, { imm: BigInt(this.dice.below(16)) });
      this.booleans.push(id);
    },
    () => {
      this.integer(Op.GetFlags, Width.W32);
    },
    () => {
      const width = this.dice.pick(WIDTHS);
      this.integer(Op.Load, width, { a: this.address() });
    },
    () => {
      const width = this.dice.pick(WIDTHS);
      this.op(Op.Store, width, { a: this.address(), b: this.anyInteger(width) });
    },
    () => {
      const width = this.dice.pick(WIDTHS);
      const host = this.integer(Op.ProbeWrite, width, { a: this.address() }, Width.W64);
      this.integers.pop();
      const old = this.integer(Op.LoadHost, width, { a: host });
      const sum = this.integer(Op.Add, width, { a: old, b: this.anyInteger(width) });
      this.op(Op.StoreHost, width, { a: host, b: sum });
    },
    () => {
      const width = this.dice.pick([Width.W32, Width.W64, Width.W128]);
      const imm = width === Width.W128 ? BigInt(this.dice.below(2)) : 0n;
      this.vector(Op.LoadVector, width, { a: this.address(), imm });
    },
    () => {
      const width = this.dice.pick([Width.W32, Width.W64, Width.W128]);
      const imm = width === Width.W128 ? BigInt(this.dice.below(2)) : 0n;
      this.op(Op.StoreVector, width, { a: this.address(), b: this.anyVector(), imm });
    },
    () => {
      this.op(Op.SetXmm, Width.W128, { a: this.anyVector(), imm: BigInt(this.dice.below(16)) });
    },
    () => {
      this.op(Op.TrapIf, Width.W8, { a: this.anyBoolean(), imm: 0n });
    },
  ];

  /** Vector arithmetic, apart because the steps above are enough for integer code. */
  readonly vectorSteps: readonly (() => void)[] = [
    () => {
      const imm = BigInt(this.dice.pick(VECTOR_BINARY));
      this.vector(Op.Vector, Width.W128, { a: this.anyVector(), b: this.anyVector(), imm });
    },
    () => {
      this.vector(Op.Vector, Width.W128, {
        a: this.anyVector(),
        imm: BigInt(this.dice.pick(VECTOR_UNARY)),
      });
    },
    () => {
      const operation = this.dice.pick(FLOAT_FORMS);
      const wide = operation < FloatOp.RCP && this.dice.below(2) === 0;
      const single = operation < FloatOp.ADD_SUB && this.dice.below(2) === 0;
      const predicate = operation === FloatOp.COMPARE ? this.dice.below(8) : 0;
      const form =
        operation |
        (predicate << FloatForm.PREDICATE_SHIFT) |
        (wide ? FloatForm.DOUBLE : 0) |
        (single ? FloatForm.SCALAR : 0);
      const [a, b] = [this.anyVector(), this.anyVector()];
      this.vector(Op.Float, Width.W128, { a, b, imm: BigInt(form) });
    },
    () => {
      const lanes = (): bigint => {
        let value = 0n;
        for (let i = 0; i < 8; i++) value = (value << 8n) | BigInt(this.dice.below(32));
        return value;
      };
      const fields = { a: this.anyVector(), b: this.anyVector(), imm: lanes(), imm2: lanes() };
      this.vector(Op.Shuffle, Width.W128, fields);
    },
    () => {
      const { opcode, bits } = this.dice.pick(VECTOR_SHIFTS);
      const count = this.constant(Width.W32, BigInt(this.dice.below(bits)));
      this.vector(Op.VectorShift, Width.W128, {
        a: this.anyVector(),
        b: count,
        imm: BigInt(opcode),
      });
    },
    () => {
      const width = this.dice.pick(WIDTHS);
      const imm = BigInt(this.dice.below(16 >> width));
      this.integer(Op.ExtractLane, width, { a: this.anyVector(), imm });
    },
    () => {
      const width = this.dice.pick(WIDTHS);
      const imm = BigInt(this.dice.below(16 >> width));
      this.vector(Op.InsertLane, width, { a: this.anyVector(), b: this.anyInteger(width), imm });
    },
    () => {
      const imm = BigInt(this.dice.pick(BITMASKS));
      this.integer(Op.Bitmask, Width.W32, { a: this.anyVector(), imm });
    },
  ];

  private flags(): void {
    const width = this.dice.pick(WIDTHS);
    const kind = this.dice.below(FlagKind.MULTIPLY + 1) as FlagKind;
    const a = this.anyInteger(width);
    const b = this.anyInteger(width);
    const imm = BigInt(kind);
    switch (kind) {
      case FlagKind.SUB:
        this.op(Op.Flags, width, { a: this.integer(Op.Sub, width, { a, b }), b, imm });
        return;
      case FlagKind.ADD:
        this.op(Op.Flags, width, { a: this.integer(Op.Add, width, { a, b }), b, imm });
        return;
      case FlagKind.ADC:
      case FlagKind.SBB: {
        const carry = this.anyBoolean();
        const op = kind === FlagKind.ADC ? Op.Add : Op.Sub;
        const sum = this.integer(op, width, { a: this.integer(op, width, { a, b }), b: carry });
        this.op(Op.Flags, width, { a: sum, b, c: carry, imm });
        return;
      }
      case FlagKind.INC:
      case FlagKind.DEC:
        this.op(Op.Flags, width, { a, c: this.anyBoolean(), imm });
        return;
      case FlagKind.LOGIC:
        this.op(Op.Flags, width, { a, imm });
        return;
      case FlagKind.SHIFT:
      case FlagKind.RAW:
      case FlagKind.MULTIPLY: {
        const bits =
          kind === FlagKind.MULTIPLY
            ? [0, 1]
            : kind === FlagKind.SHIFT
              ? [0, 1, 0x800, 0x801]
              : [0, 1, 0x8d5, 0xc4];
        const source = this.constant(Width.W32, BigInt(this.dice.pick(bits)));
        this.op(Op.Flags, width, { a, b: source, imm });
        return;
      }
      default:
    }
  }

  /** Ends the block. Every op is an instruction of its own, so that faults show where they are. */
  finish(address: bigint, terminator: Partial<IrOp> & { op: Op }): IrBlock {
    this.op(terminator.op, Width.W64, terminator);
    return {
      address,
      length: this.ops.length,
      instructions: this.ops.map((_, i) => ({
        address: address + BigInt(i),
        length: 1,
        firstOp: i,
        mnemonic: 'nop',
      })),
      ops: this.ops,
      temps: this.temps,
    };
  }

  takenCondition(): number {
    return this.anyBoolean();
  }
}

export function randomBlock(numbers: readonly number[], vectors: boolean, address = CODE): IrBlock {
  const dice = new Dice(numbers);
  const builder = new BlockBuilder(dice, vectors);
  const steps = vectors
    ? [...builder.steps, ...builder.vectorSteps, ...builder.vectorSteps]
    : builder.steps;
  const count = 4 + dice.below(24);
  for (let i = 0; i < count; i++) dice.pick(steps)();
  const a = builder.takenCondition();
  const terminators: (Partial<IrOp> & { op: Op })[] = [
    { op: Op.Branch, a, imm: CODE + 0x8000n, imm2: CODE + 0x9000n },
    { op: Op.Syscall, imm: CODE + 0x8000n },
    { op: Op.Marker, imm: 5n, imm2: CODE + 0x8000n },
    { op: Op.Exception, imm: 6n, imm2: address },
    { op: Op.JumpIndirect, a: builder.anyInteger(Width.W64) },
  ];
  return builder.finish(address, dice.pick(terminators));
}
