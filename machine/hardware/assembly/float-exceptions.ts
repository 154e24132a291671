/**
 * MXCSR and the exceptions of SSE operations: each operation raises bits while it computes and
 * commits them once, so that one unmasked in any lane is seen before anything is written.
 */
import { FloatException, Mxcsr } from '../cpu/float-op';
import { Cpu } from '../layout';

const SIGN_64: u64 = 0x8000000000000000;
const SIGN_32: u32 = 0x80000000;

/** FloatException bits of the operation in progress. */
let pending: u32 = 0;
/** Whether the last commit met an unmasked exception; see takeFloatTrap. */
let trapped: bool = false;

@inline export function mxcsr(cpu: usize): u32 {
  return load<u32>(cpu, Cpu.MXCSR);
}

@inline export function roundingMode(cpu: usize): u32 {
  return (mxcsr(cpu) >> Mxcsr.ROUNDING_SHIFT) & 3;
}

@inline export function raiseFloat(flags: u32): void {
  pending |= flags;
}

/** Whether `exception` is unmasked. */
@inline export function isUnmasked(cpu: usize, exception: u32): bool {
  return ((mxcsr(cpu) >> Mxcsr.MASKS_SHIFT) & exception) == 0;
}

/** False while the sticky inexact bit makes finding out about inexactness pointless. */
@inline export function wantsInexact(cpu: usize): bool {
  return (mxcsr(cpu) & FloatException.INEXACT) == 0 || isUnmasked(cpu, FloatException.INEXACT);
}

/** Makes the raised bits sticky. An exception known before the result hides those that come of it. */
export function commitFloat(cpu: usize): void {
  if (pending == 0) return;
  const unmasked = ~(mxcsr(cpu) >> Mxcsr.MASKS_SHIFT) & FloatException.ALL;
  const flags = (pending & unmasked & FloatException.BEFORE) != 0 ? pending & FloatException.BEFORE : pending;
  pending = 0;
  store<u32>(cpu, mxcsr(cpu) | flags, Cpu.MXCSR);
  if ((flags & unmasked) != 0) trapped = true;
}

/** Whether the operation just done must trap; translated code never runs with unmasked exceptions. */
@inline export function takeFloatTrap(): bool {
  if (!trapped) return false;
  trapped = false;
  return true;
}

/** Denormals are zeros of their sign under DAZ. */
@inline export function daz64(cpu: usize, bits: u64): u64 {
  const denormal = ((bits >> 52) & 0x7ff) == 0;
  return denormal && (mxcsr(cpu) & Mxcsr.DAZ) != 0 ? bits & SIGN_64 : bits;
}

@inline export function daz32(cpu: usize, bits: u32): u32 {
  const denormal = ((bits >> 23) & 0xff) == 0;
  return denormal && (mxcsr(cpu) & Mxcsr.DAZ) != 0 ? bits & SIGN_32 : bits;
}

@inline export function isDenormal64(bits: u64): bool {
  return ((bits << 1) - 1) < 0x001fffffffffffff;
}

@inline export function isDenormal32(bits: u32): bool {
  return ((bits << 1) - 1) < 0x00ffffff;
}

@inline export function isNan64(bits: u64): bool {
  return bits << 1 > 0xffe0000000000000;
}

@inline export function isNan32(bits: u32): bool {
  return bits << 1 > 0xff000000;
}

@inline export function isSignaling64(bits: u64): bool {
  return isNan64(bits) && (bits & 0x0008000000000000) == 0;
}

@inline export function isSignaling32(bits: u32): bool {
  return isNan32(bits) && (bits & 0x00400000) == 0;
}
