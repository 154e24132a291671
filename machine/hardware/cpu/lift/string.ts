/**
 * movs, stos, lods, cmps, scas. A single one is a load and a store like any other; a repeated one
 * is a helper call, because it loops, counts and restarts in the middle. With 32-bit addresses the
 * index registers and the count are esi, edi and ecx, whose upper halves become zero.
 */
import { Cpu } from '../../layout.ts';
import { FlagKind, Helper, NONE, Op, StringFlag, StringOp, Width } from '../ir.ts';
import { RAX, RDI, RSI } from './emitter.ts';
import type { Emitter, Lifter, LifterTable, Temp } from './emitter.ts';
import { setFlags } from './flags.ts';

const REPEAT = 1;
const REPEAT_NOT_EQUAL = 2;

/** What the prefixes make of a string instruction. */
interface StringForm {
  readonly width: Width;
  /** W64, or W32 with an address-size prefix. */
  readonly address: Width;
  /** Segment override of the source. */
  readonly segment: 'fs' | 'gs' | undefined;
}

/** Adds one element to index register `index`, or subtracts it when DF is set. */
function advance(emit: Emitter, index: number, address: Temp, form: StringForm): void {
  const bytes = 1 << form.width;
  const direction = emit.getState(Cpu.DF, Width.W32);
  const down = emit.constant(-bytes, form.address);
  const up = emit.constant(bytes, form.address);
  const distance = emit.value(Op.Select, form.address, direction, down, up);
  const next = emit.value(Op.Add, form.address, address, distance);
  emit.setRegister(index, next, form.address);
}

/** The address that an index register holds, in the source's segment. */
function sourceAddress(emit: Emitter, index: Temp, form: StringForm): Temp {
  if (form.segment === undefined) return index;
  const base = emit.getState(form.segment === 'fs' ? Cpu.FS_BASE : Cpu.GS_BASE, Width.W64);
  return emit.value(Op.Add, Width.W64, base, index);
}

type Once = (emit: Emitter, form: StringForm) => void;

const ONCE: Readonly<Record<StringOp, Once>> = {
  [StringOp.MOVS]: (emit, form) => {
    const [source, destination] = indices(emit, form);
    const value = emit.load(form.width, sourceAddress(emit, source, form));
    emit.store(form.width, destination, value);
    advance(emit, RSI, source, form);
    advance(emit, RDI, destination, form);
  },
  [StringOp.STOS]: (emit, form) => {
    const destination = emit.getRegister(RDI, form.address);
    emit.store(form.width, destination, emit.getRegister(RAX, form.width));
    advance(emit, RDI, destination, form);
  },
  [StringOp.LODS]: (emit, form) => {
    const source = emit.getRegister(RSI, form.address);
    const value = emit.load(form.width, sourceAddress(emit, source, form));
    emit.setRegister(RAX, value, form.width);
    advance(emit, RSI, source, form);
  },
  [StringOp.CMPS]: (emit, form) => {
    const [source, destination] = indices(emit, form);
    const left = emit.load(form.width, sourceAddress(emit, source, form));
    const right = emit.load(form.width, destination);
    advance(emit, RSI, source, form);
    advance(emit, RDI, destination, form);
    compare(emit, form.width, left, right);
  },
  [StringOp.SCAS]: (emit, form) => {
    const destination = emit.getRegister(RDI, form.address);
    const right = emit.load(form.width, destination);
    const left = emit.getRegister(RAX, form.width);
    advance(emit, RDI, destination, form);
    compare(emit, form.width, left, right);
  },
};

function indices(emit: Emitter, form: StringForm): readonly [source: Temp, destination: Temp] {
  return [emit.getRegister(RSI, form.address), emit.getRegister(RDI, form.address)];
}

function compare(emit: Emitter, width: Width, left: Temp, right: Temp): void {
  setFlags(emit, FlagKind.SUB, width, emit.value(Op.Sub, width, left, right), right);
}

function stringLifter(operation: StringOp, width: Width): Lifter {
  return (emit, instruction) => {
    const { address32, segment } = instruction;
    const repeat = instruction.repne ? REPEAT_NOT_EQUAL : instruction.rep ? REPEAT : 0;
    if (repeat === 0) {
      const address = address32 ? Width.W32 : Width.W64;
      ONCE[operation](emit, { width, address, segment });
      return;
    }
    const number =
      operation +
      8 * width +
      32 * repeat +
      (address32 ? StringFlag.ADDRESS_32 : 0) +
      (segment === 'fs' ? StringFlag.FS : segment === 'gs' ? StringFlag.GS : 0);
    const form = emit.constant(number);
    emit.effect(Op.Call, Width.W64, form, NONE, NONE, BigInt(Helper.RepString));
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
