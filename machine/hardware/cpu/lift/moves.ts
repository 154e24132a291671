/** Moves and extensions between general registers and memory, cmov, set, xchg without lock. */
import { Cpu } from '../../layout.ts';
import { NONE, Op, Width } from '../ir.ts';
import { CONDITION_CODES } from './flags.ts';
import { operandAt, RAX, RBX, RDX, Unsupported, widthOf } from './emitter.ts';
import type { Lifter, LifterTable } from './emitter.ts';
import { OperandKind } from '../decode.ts';

const GENERAL_PROTECTION = 13;

const move: Lifter = (emit, instruction) => {
  const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
  if (destination.kind === OperandKind.OTHER || source.kind === OperandKind.OTHER) {
    // Control and debug registers.
    emit.trapIf(emit.constant(1, Width.W8), GENERAL_PROTECTION);
    return;
  }
  const width = widthOf(destination);
  if (source.kind === OperandKind.SEGMENT) {
    const selector = SELECTORS[source.index] ?? 0;
    const stored = destination.kind === OperandKind.MEMORY ? Width.W16 : width;
    emit.write(destination, stored, emit.constant(selector, stored));
    return;
  }
  emit.write(destination, width, emit.read(source, width));
};

const moveZeroExtended: Lifter = (emit, instruction) => {
  const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
  emit.write(destination, widthOf(destination), emit.read(source, widthOf(source)));
};

const moveSignExtended: Lifter = (emit, instruction) => {
  const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
  const [to, from] = [widthOf(destination), widthOf(source)];
  const value = emit.read(source, from);
  emit.write(destination, to, to === from ? value : emit.signExtend(value, from, to));
};

const loadEffectiveAddress: Lifter = (emit, instruction) => {
  const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
  if (source.kind !== OperandKind.MEMORY) throw new Unsupported('operand');
  const width = widthOf(destination);
  const address = emit.effectiveAddress(source);
  emit.write(destination, width, width === Width.W64 ? address : emit.truncate(width, address));
};

/** xchg with memory is locked without a prefix. */
const exchange: Lifter = (emit, instruction) => {
  const [first, second] = [operandAt(instruction, 0), operandAt(instruction, 1)];
  const place = emit.place(first, true);
  const value = emit.read(second, place.width);
  emit.write(second, place.width, place.value);
  place.write(value);
};

const byteSwap: Lifter = (emit, instruction) => {
  const operand = operandAt(instruction, 0);
  const width = widthOf(operand);
  // A 16-bit bswap is undefined; processors of both vendors write zero.
  const value =
    width === Width.W16
      ? emit.constant(0, width)
      : emit.value(Op.Bswap, width, emit.read(operand, width));
  emit.write(operand, width, value);
};

/** cbw, cwde, cdqe: sign-extends the lower half of rax into the whole at `to`. */
function extendAccumulator(to: Width): Lifter {
  const from = to - 1;
  return (emit) => {
    emit.setRegister(RAX, emit.signExtend(emit.getRegister(RAX, from), from, to), to);
  };
}

/** cwd, cdq, cqo: fills rdx with the sign of rax. */
function signIntoData(width: Width): Lifter {
  const bits = 8 << width;
  return (emit) => {
    const sign = emit.withConstant(Op.Sar, width, emit.getRegister(RAX, width), bits - 1);
    emit.setRegister(RDX, sign, width);
  };
}

function conditionalMove(code: number): Lifter {
  return (emit, instruction) => {
    const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
    const width = widthOf(destination);
    const value = emit.read(source, width);
    const kept = emit.read(destination, width);
    const chosen = emit.value(Op.Select, width, emit.condition(code), value, kept);
    emit.write(destination, width, chosen);
  };
}

function setOnCondition(code: number): Lifter {
  return (emit, instruction) => {
    emit.write(operandAt(instruction, 0), Width.W8, emit.condition(code));
  };
}

const xlat: Lifter = (emit, instruction) => {
  const table = emit.getRegister(RBX);
  const sum = emit.value(Op.Add, Width.W64, table, emit.getRegister(RAX, Width.W8));
  const near = instruction.address32 ? emit.truncate(Width.W32, sum) : sum;
  const { segment } = instruction;
  const base = segment === 'fs' ? Cpu.FS_BASE : Cpu.GS_BASE;
  const address =
    segment === undefined
      ? near
      : emit.value(Op.Add, Width.W64, near, emit.getState(base, Width.W64));
  emit.setRegister(RAX, emit.load(Width.W8, address), Width.W8);
};

/** Selectors of es, cs, ss, ds, fs and gs in a 64-bit Linux process. */
export const SELECTORS: readonly number[] = [0, 0x33, 0x2b, 0, 0, 0];

const conditional: Record<string, Lifter> = {};
for (const [suffix, code] of Object.entries(CONDITION_CODES)) {
  conditional[`cmov${suffix}`] = conditionalMove(code);
  conditional[`set${suffix}`] = setOnCondition(code);
}

export const MOVE_LIFTERS: LifterTable = {
  ...conditional,
  mov: move,
  movzx: moveZeroExtended,
  movsx: moveSignExtended,
  movsxd: moveSignExtended,
  movnti: move,
  lea: loadEffectiveAddress,
  xchg: exchange,
  bswap: byteSwap,
  cbw: extendAccumulator(Width.W16),
  cwde: extendAccumulator(Width.W32),
  cdqe: extendAccumulator(Width.W64),
  cwd: signIntoData(Width.W16),
  cdq: signIntoData(Width.W32),
  cqo: signIntoData(Width.W64),
  xlatb: xlat,
  lahf: (emit) => {
    const flags = emit.value(Op.GetFlags, Width.W64);
    const low = emit.withConstant(Op.And, Width.W64, flags, 0xd5);
    const image = emit.withConstant(Op.Or, Width.W64, low, 2);
    emit.effect(Op.SetRegHigh, Width.W8, image, NONE, NONE, BigInt(RAX));
  },
};
