/**
 * Reading and writing what op words of the bytecode name: temporaries, immediates, registers, flags;
 * and the integer operations that take more than one WebAssembly op.
 */
import { OpWord, Slot } from '../cpu/bytecode';
import { Width } from '../cpu/ir';
import { Cpu } from '../layout';

/** Where temporaries live. Nothing here is re-entered, so one file of them serves all CPUs. */
export const SLOTS: usize = memory.data(16384, 16);

@inline export function operandA(word: usize): u64 {
  return load<u64>(SLOTS + <usize>load<u16>(word, OpWord.A));
}

@inline export function operandB(word: usize): u64 {
  return load<u64>(SLOTS + <usize>load<u16>(word, OpWord.B));
}

@inline export function operandC(word: usize): u64 {
  return load<u64>(SLOTS + <usize>load<u16>(word, OpWord.C));
}

/** An operand that may be absent, as 0. */
@inline export function optional(word: usize, field: usize): u64 {
  const slot = load<u16>(word + field);
  return slot == Slot.NONE ? 0 : load<u64>(SLOTS + <usize>slot);
}

@inline export function define(word: usize, value: u64): void {
  store<u64>(SLOTS + <usize>load<u16>(word, OpWord.DST), value);
}

@inline export function vectorA(word: usize): v128 {
  return v128.load(SLOTS + <usize>load<u16>(word, OpWord.A));
}

@inline export function vectorB(word: usize): v128 {
  return v128.load(SLOTS + <usize>load<u16>(word, OpWord.B));
}

@inline export function defineVector(word: usize, value: v128): void {
  v128.store(SLOTS + <usize>load<u16>(word, OpWord.DST), value);
}

@inline export function immediate(word: usize): u64 {
  return load<u16>(word, OpWord.WIDE) != 0
    ? load<u64>(word, OpWord.WIDE_IMM)
    : <u64>(<i64>load<i32>(word, OpWord.IMM));
}

@inline export function smallImmediate(word: usize): u32 {
  return load<u32>(word, OpWord.IMM);
}

@inline export function secondImmediate(word: usize): u64 {
  return load<u16>(word, OpWord.WIDE) != 0 ? load<u64>(word, OpWord.WIDE_IMM2) : 0;
}

@inline export function widthOf(word: usize): u32 {
  return load<u8>(word, OpWord.WIDTH);
}

@inline export function bitsOf(width: u32): u64 {
  return <u64>(8 << width);
}

@inline export function truncate(width: u32, value: u64): u64 {
  return value & (u64.MAX_VALUE >> (64 - bitsOf(width)));
}

@inline export function signExtend(width: u32, value: u64): i64 {
  const shift = 64 - bitsOf(width);
  return <i64>(value << shift) >> shift;
}

/** Loads an integer of any width, zero-extended. */
@inline export function loadInteger(host: usize, width: u32): u64 {
  if (width == Width.W64) return load<u64>(host);
  if (width == Width.W32) return load<u32>(host);
  return width == Width.W8 ? <u64>load<u8>(host) : <u64>load<u16>(host);
}

@inline export function storeInteger(host: usize, width: u32, value: u64): void {
  if (width == Width.W64) store<u64>(host, value);
  else if (width == Width.W32) store<u32>(host, <u32>value);
  else if (width == Width.W8) store<u8>(host, <u8>value);
  else store<u16>(host, <u16>value);
}

@inline export function setRegister(cpu: usize, index: u32, width: u32, value: u64): void {
  const at = cpu + Cpu.GPR + (<usize>index << 3);
  if (width >= <u32>Width.W32) store<u64>(at, value);
  else if (width == Width.W8) store<u8>(at, <u8>value);
  else store<u16>(at, <u16>value);
}

@inline export function setFlags(cpu: usize, word: usize, aux: u64): void {
  store<u64>(cpu, operandA(word), Cpu.CC_RESULT);
  store<u64>(cpu, optional(word, OpWord.B), Cpu.CC_SOURCE);
  store<u64>(cpu, aux, Cpu.CC_AUX);
  store<u32>(cpu, (smallImmediate(word) << 2) | widthOf(word), Cpu.CC_OP);
}

export function rotateLeft(width: u32, value: u64, count: u64): u64 {
  if (width == Width.W64) return rotl<u64>(value, count);
  if (count == 0) return value;
  return truncate(width, (value << count) | (value >> (bitsOf(width) - count)));
}

export function swapBytes(width: u32, value: u64): u64 {
  return bswap<u64>(value) >> (64 - bitsOf(width));
}

export function multiplyHighUnsigned(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const middle = aHigh * bLow + ((aLow * bLow) >> 32);
  const other = aLow * bHigh + (middle & 0xffffffff);
  return aHigh * bHigh + (middle >> 32) + (other >> 32);
}

export function multiplyHighSigned(a: u64, b: u64): u64 {
  const unsigned = multiplyHighUnsigned(a, b);
  return unsigned - (<i64>a < 0 ? b : 0) - (<i64>b < 0 ? a : 0);
}
