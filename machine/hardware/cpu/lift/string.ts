/**
 * movs, stos, lods, cmps, scas. A single one is a load and a store like any other; a repeated one
 * is a helper call, because it loops, counts and restarts in the middle.
 * Omits: 32-bit addresses and segment overrides, which become #UD.
 */
import { Cpu } from '../../layout.ts';
import { FlagKind, Helper, NONE, Op, StringOp, Width } from '../ir.ts';
import { RAX, RDI, RSI, Unsupported } from './emitter.ts';
import type { Emitter, Lifter, LifterTable, Temp } from './emitter.ts';
import { setFlags } from './flags.ts';

const REPEAT = 1;
const REPEAT_NOT_EQUAL = 2;

/** Adds one element to index register `index`, or subtracts it when DF is set. */
function advance(emit: Emitter, index: number, address: Temp, width: Width): void {
  const bytes = 1 << width;
  const direction = emit.getState(Cpu.DF, Width.W32);
  const down = emit.constant(-bytes);
  const distance = emit.value(Op.Select, Width.W64, direction, down, emit.constant(bytes));
  emit.setRegister(index, emit.value(Op.Add, Width.W64, address, distance));
}

type Once = (emit: Emitter, width: Width) => void;

const ONCE: Readonly<Record<StringOp, Once>> = {
  [StringOp.MOVS]: (emit, width) => {
    const [source, destination] = [emit.getRegister(RSI), emit.getRegister(RDI)];
    emit.store(width, destination, emit.load(width, source));
    advance(emit, RSI, source, width);
    advance(emit, RDI, destination, width);
  },
  [StringOp.STOS]: (emit, width) => {
    const destination = emit.getRegister(RDI);
    emit.store(width, destination, emit.getRegister(RAX, width));
    advance(emit, RDI, destination, width);
  },
  [StringOp.LODS]: (emit, width) => {
    const source = emit.getRegister(RSI);
    emit.setRegister(RAX, emit.load(width, source), width);
    advance(emit, RSI, source, width);
  },
  [StringOp.CMPS]: (emit, width) => {
    const [source, destination] = [emit.getRegister(RSI), emit.getRegister(RDI)];
    const left = emit.load(width, source);
    const right = emit.load(width, destination);
    advance(emit, RSI, source, width);
    advance(emit, RDI, destination, width);
    setFlags(emit, FlagKind.SUB, width, emit.value(Op.Sub, width, left, right), right);
  },
  [StringOp.SCAS]: (emit, width) => {
    const destination = emit.getRegister(RDI);
    const right = emit.load(width, destination);
    const left = emit.getRegister(RAX, width);
    advance(emit, RDI, destination, width);
    setFlags(emit, FlagKind.SUB, width, emit.value(Op.Sub, width, left, right), right);
  },
};

function stringLifter(operation: StringOp, width: Width): Lifter {
  return (emit, instruction) => {
    if (instruction.address32) throw new Unsupported('address size');
    const repeat = instruction.repne ? REPEAT_NOT_EQUAL : instruction.rep ? REPEAT : 0;
    if (repeat === 0) {
      ONCE[operation](emit, width);
    } else {
      const form = emit.constant(operation + 8 * width + 32 * repeat);
      emit.effect(Op.Call, Width.W64, form, NONE, NONE, BigInt(Helper.RepString));
    }
  };
}

const SUFFIXES: readonly (readonly [string, Width])[] = [
  ['b', Width.W8],
  ['w', Width.W16],
  ['d', Width.W32],
  ['q', Width.W64],
];
const STEMS: readonly (readonly [string, StringOp])[] = [
  ['movs', StringOp.MOVS],
  ['stos', StringOp.STOS],
  ['lods', StringOp.LODS],
  ['cmps', StringOp.CMPS],
  ['scas', StringOp.SCAS],
];

/** Apart from the other tables: movsd and cmpsd are SSE2 instructions too. */
export const STRING_LIFTERS: LifterTable = Object.fromEntries(
  STEMS.flatMap(([stem, operation]) =>
    SUFFIXES.map(([suffix, width]) => [stem + suffix, stringLifter(operation, width)]),
  ),
);
