/**
 * Conversions between integers and floats and between the two float formats, and comparison, as
 * SSE2 defines them: rounding by MXCSR, the integer indefinite out of range, NaNs made quiet with
 * their payload kept, DAZ and FTZ. Omits the sticky exception bits.
 */
import { Cpu } from '../layout';

export const enum Mxcsr {
  DAZ = 0x0040,
  ROUNDING_SHIFT = 13,
  FTZ = 0x8000,
  /** Everything that makes float arithmetic differ from WebAssembly's. */
  SPECIAL = 0xe040,
}

export const enum Rounding {
  NEAREST = 0,
  DOWN = 1,
  UP = 2,
  ZERO = 3,
}

const INDEFINITE_64: i64 = i64.MIN_VALUE;
const INDEFINITE_32: i64 = 0x80000000;
const SIGN_64: u64 = 0x8000000000000000;
const QUIET_64: u64 = 0x7ff8000000000000;
const SIGN_32: u32 = 0x80000000;
const QUIET_32: u32 = 0x7fc00000;

@inline export function mxcsr(cpu: usize): u32 {
  return load<u32>(cpu, Cpu.MXCSR);
}

@inline function rounding(cpu: usize): u32 {
  return (mxcsr(cpu) >> Mxcsr.ROUNDING_SHIFT) & 3;
}

function roundF64(value: f64, mode: u32): f64 {
  if (mode == Rounding.NEAREST) return nearest<f64>(value);
  if (mode == Rounding.DOWN) return floor<f64>(value);
  return mode == Rounding.UP ? ceil<f64>(value) : trunc<f64>(value);
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

function integer64(value: f64): i64 {
  if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0)) return INDEFINITE_64;
  return <i64>value;
}

function integer32(value: f64): i64 {
  if (!(value >= -2147483648.0 && value < 2147483648.0)) return INDEFINITE_32;
  return <i64>(<u32>(<i32>value));
}

@inline function mode(cpu: usize, truncate: i64): u32 {
  return truncate != 0 ? Rounding.ZERO : rounding(cpu);
}

export function f64ToI64(cpu: usize, bits: i64, truncate: i64): i64 {
  return integer64(roundF64(reinterpret<f64>(daz64(cpu, bits)), mode(cpu, truncate)));
}

export function f64ToI32(cpu: usize, bits: i64, truncate: i64): i64 {
  return integer32(roundF64(reinterpret<f64>(daz64(cpu, bits)), mode(cpu, truncate)));
}

export function f32ToI64(cpu: usize, bits: i64, truncate: i64): i64 {
  const value = <f64>reinterpret<f32>(daz32(cpu, <u32>bits));
  return integer64(roundF64(value, mode(cpu, truncate)));
}

export function f32ToI32(cpu: usize, bits: i64, truncate: i64): i64 {
  const value = <f64>reinterpret<f32>(daz32(cpu, <u32>bits));
  return integer32(roundF64(value, mode(cpu, truncate)));
}

/**
 * Moves a nearest result by one unit where the mode asks for the other neighbour. `error` is the
 * sign of result - exact value. Neighbours of one sign are neighbours as integers.
 */
function direct64(bits: u64, error: i32, mode: u32): u64 {
  if (error == 0 || mode == Rounding.NEAREST) return bits;
  const negative = bits >> 63 != 0;
  const inwards = negative ? error < 0 : error > 0;
  const wantsInwards = mode == Rounding.ZERO || (mode == Rounding.DOWN) != negative;
  if (inwards && wantsInwards) return bits - 1;
  return !inwards && !wantsInwards ? bits + 1 : bits;
}

function direct32(bits: u32, error: i32, mode: u32): u32 {
  if (error == 0 || mode == Rounding.NEAREST) return bits;
  const negative = bits >> 31 != 0;
  const inwards = negative ? error < 0 : error > 0;
  const wantsInwards = mode == Rounding.ZERO || (mode == Rounding.DOWN) != negative;
  if (inwards && wantsInwards) return bits - 1;
  return !inwards && !wantsInwards ? bits + 1 : bits;
}

/** Sign of the difference between an integral float and `value`. */
function compareWithInteger(float: f64, value: i64): i32 {
  if (float >= 9223372036854775808.0) return 1;
  const back = <i64>float;
  return back == value ? 0 : back > value ? 1 : -1;
}

export function f64FromI64(cpu: usize, value: i64): i64 {
  const float = <f64>value;
  return direct64(reinterpret<u64>(float), compareWithInteger(float, value), rounding(cpu));
}

export function f32FromI64(cpu: usize, value: i64): i64 {
  const float = <f32>value;
  return <i64>direct32(reinterpret<u32>(float), compareWithInteger(float, value), rounding(cpu));
}

export function f32FromF64(cpu: usize, bits: i64): i64 {
  const input = daz64(cpu, bits);
  const value = reinterpret<f64>(input);
  const sign = <u32>(input >> 32) & SIGN_32;
  if (value != value) return <i64>(sign | QUIET_32 | (<u32>(input >> 29) & 0x3fffff));
  const float = <f32>value;
  const back = <f64>float;
  const error = back == value ? 0 : back > value ? 1 : -1;
  const result = direct32(reinterpret<u32>(float), error, rounding(cpu));
  const denormal = ((result >> 23) & 0xff) == 0;
  if (denormal && (mxcsr(cpu) & Mxcsr.FTZ) != 0) return <i64>sign;
  return <i64>result;
}

export function f64FromF32(cpu: usize, bits: i64): i64 {
  const input = daz32(cpu, <u32>bits);
  const value = reinterpret<f32>(input);
  if (value == value) return reinterpret<i64>(<f64>value);
  const sign = (<u64>input << 32) & SIGN_64;
  return sign | QUIET_64 | ((<u64>input & 0x3fffff) << 29);
}

const ZF: i64 = 0x40;
const CF: i64 = 0x01;
const UNORDERED: i64 = 0x45;

function flagsOfComparison(a: f64, b: f64): i64 {
  if (a > b) return 0;
  if (a < b) return CF;
  return a == b ? ZF : UNORDERED;
}

export function compareF64(cpu: usize, a: i64, b: i64): i64 {
  return flagsOfComparison(reinterpret<f64>(daz64(cpu, a)), reinterpret<f64>(daz64(cpu, b)));
}

export function compareF32(cpu: usize, a: i64, b: i64): i64 {
  return flagsOfComparison(
    <f64>reinterpret<f32>(daz32(cpu, <u32>a)),
    <f64>reinterpret<f32>(daz32(cpu, <u32>b)),
  );
}
