/** Emission of lazy flags, and the condition codes by name. */
import { FlagKind, NONE, Op, Width } from '../ir.ts';
import type { Emitter, Temp } from './emitter.ts';

export const enum FlagBit {
  CF = 0x001,
  PF = 0x004,
  AF = 0x010,
  ZF = 0x040,
  SF = 0x080,
  OF = 0x800,
}

export const OF_POSITION = 11;

/** x86 condition codes by their suffix, as the decoder spells them. */
export const CONDITION_CODES: Readonly<Record<string, number>> = {
  o: 0, no: 1, b: 2, ae: 3, e: 4, ne: 5, be: 6, a: 7,
  s: 8, ns: 9, p: 10, np: 11, l: 12, ge: 13, le: 14, g: 15,
}; // prettier-ignore

export const CARRY = 2;

/** Sets all six flags; see FlagKind for what source and aux mean. */
export function setFlags(
  emit: Emitter,
  kind: FlagKind,
  width: Width,
  result: Temp,
  source: Temp = NONE,
  aux: Temp = NONE,
): void {
  emit.effect(Op.Flags, width, result, source, aux, BigInt(kind));
}

/** The present flags without `bits`. */
export function flagsWithout(emit: Emitter, bits: number): Temp {
  const flags = emit.value(Op.GetFlags, Width.W64);
  return emit.withConstant(Op.And, Width.W64, flags, 0x8d5 & ~bits);
}

/** carry | overflow << 11, both 0 or 1. */
export function carryAndOverflow(emit: Emitter, carry: Temp, overflow: Temp): Temp {
  const shifted = emit.withConstant(Op.Shl, Width.W64, overflow, OF_POSITION);
  return emit.value(Op.Or, Width.W64, carry, shifted);
}

/** Replaces CF alone. */
export function setCarry(emit: Emitter, carry: Temp): void {
  const kept = flagsWithout(emit, FlagBit.CF);
  setRaw(emit, emit.value(Op.Or, Width.W64, kept, carry));
}

/** Sets the six flags from their rflags positions. */
export function setRaw(emit: Emitter, flags: Temp): void {
  emit.effect(Op.Flags, Width.W64, flags, flags, NONE, BigInt(FlagKind.RAW));
}
