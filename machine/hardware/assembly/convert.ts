/**
 * Conversions between integers and floats and between the two float formats, and comparison, as
 * SSE2 defines them: rounding by MXCSR, the integer indefinite out of range, NaNs made quiet with
 * their payload kept, DAZ and FTZ, exceptions. Names that end in Lane leave committing what was
 * raised to their caller.
 */
import { FloatException } from '../cpu/float-op';
import {
  commitFloat,
  daz32,
  daz64,
  isDenormal32,
  isDenormal64,
  isNan32,
  isNan64,
  isSignaling32,
  isSignaling64,
  raiseFloat,
  roundingMode,
} from './float-exceptions';
import { narrowed } from './float-rounding';

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

function roundF64(value: f64, mode: u32): f64 {
  if (mode == Rounding.NEAREST) return nearest<f64>(value);
  if (mode == Rounding.DOWN) return floor<f64>(value);
  return mode == Rounding.UP ? ceil<f64>(value) : trunc<f64>(value);
}

/** `rounded` is `value` rounded to an integer. */
function integer64(value: f64, rounded: f64): i64 {
  if (!(rounded >= -9223372036854775808.0 && rounded < 9223372036854775808.0)) {
    raiseFloat(FloatException.INVALID);
    return INDEFINITE_64;
  }
  if (rounded != value) raiseFloat(FloatException.INEXACT);
  return <i64>rounded;
}

function integer32(value: f64, rounded: f64): i64 {
  if (!(rounded >= -2147483648.0 && rounded < 2147483648.0)) {
    raiseFloat(FloatException.INVALID);
    return INDEFINITE_32;
  }
  if (rounded != value) raiseFloat(FloatException.INEXACT);
  return <i64>(<u32>(<i32>rounded));
}

@inline function mode(cpu: usize, truncate: i64): u32 {
  return truncate != 0 ? Rounding.ZERO : roundingMode(cpu);
}

export function f64ToI32Lane(cpu: usize, bits: u64, truncate: i64): i64 {
  const value = reinterpret<f64>(daz64(cpu, bits));
  return integer32(value, roundF64(value, mode(cpu, truncate)));
}

export function f32ToI32Lane(cpu: usize, bits: u32, truncate: i64): i64 {
  const value = <f64>reinterpret<f32>(daz32(cpu, bits));
  return integer32(value, roundF64(value, mode(cpu, truncate)));
}

export function f64ToI64(cpu: usize, bits: i64, truncate: i64): i64 {
  const value = reinterpret<f64>(daz64(cpu, bits));
  const integer = integer64(value, roundF64(value, mode(cpu, truncate)));
  commitFloat(cpu);
  return integer;
}

export function f64ToI32(cpu: usize, bits: i64, truncate: i64): i64 {
  const integer = f64ToI32Lane(cpu, bits, truncate);
  commitFloat(cpu);
  return integer;
}

export function f32ToI64(cpu: usize, bits: i64, truncate: i64): i64 {
  const value = <f64>reinterpret<f32>(daz32(cpu, <u32>bits));
  const integer = integer64(value, roundF64(value, mode(cpu, truncate)));
  commitFloat(cpu);
  return integer;
}

export function f32ToI32(cpu: usize, bits: i64, truncate: i64): i64 {
  const integer = f32ToI32Lane(cpu, <u32>bits, truncate);
  commitFloat(cpu);
  return integer;
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
  const error = compareWithInteger(float, value);
  if (error != 0) raiseFloat(FloatException.INEXACT);
  commitFloat(cpu);
  return direct64(reinterpret<u64>(float), error, roundingMode(cpu));
}

export function f32FromI64Lane(cpu: usize, value: i64): u32 {
  const float = <f32>value;
  const error = compareWithInteger(float, value);
  if (error != 0) raiseFloat(FloatException.INEXACT);
  return direct32(reinterpret<u32>(float), error, roundingMode(cpu));
}

export function f32FromI64(cpu: usize, value: i64): i64 {
  const bits = f32FromI64Lane(cpu, value);
  commitFloat(cpu);
  return <i64>bits;
}

export function f32FromF64Lane(cpu: usize, bits: u64): u32 {
  if (!isNan64(bits)) return narrowed(cpu, bits);
  if (isSignaling64(bits)) raiseFloat(FloatException.INVALID);
  return (<u32>(bits >> 32) & SIGN_32) | QUIET_32 | (<u32>(bits >> 29) & 0x3fffff);
}

export function f32FromF64(cpu: usize, bits: i64): i64 {
  const narrow = f32FromF64Lane(cpu, bits);
  commitFloat(cpu);
  return <i64>narrow;
}

export function f64FromF32Lane(cpu: usize, bits: u32): u64 {
  const input = daz32(cpu, bits);
  if (!isNan32(input)) {
    if (isDenormal32(input)) raiseFloat(FloatException.DENORMAL);
    return reinterpret<u64>(<f64>reinterpret<f32>(input));
  }
  if (isSignaling32(input)) raiseFloat(FloatException.INVALID);
  const sign = (<u64>input << 32) & SIGN_64;
  return sign | QUIET_64 | ((<u64>input & 0x3fffff) << 29);
}

export function f64FromF32(cpu: usize, bits: i64): i64 {
  const wide = f64FromF32Lane(cpu, <u32>bits);
  commitFloat(cpu);
  return wide;
}

/** Raises what a comparison does: invalid for a NaN (`quiet`: a signalling one), else denormal. */
@inline export function noteComparison64(a: u64, b: u64, quiet: bool): void {
  if (isNan64(a) || isNan64(b)) {
    if (!quiet || isSignaling64(a) || isSignaling64(b)) raiseFloat(FloatException.INVALID);
  } else if (isDenormal64(a) || isDenormal64(b)) {
    raiseFloat(FloatException.DENORMAL);
  }
}

@inline export function noteComparison32(a: u32, b: u32, quiet: bool): void {
  if (isNan32(a) || isNan32(b)) {
    if (!quiet || isSignaling32(a) || isSignaling32(b)) raiseFloat(FloatException.INVALID);
  } else if (isDenormal32(a) || isDenormal32(b)) {
    raiseFloat(FloatException.DENORMAL);
  }
}

const ZF: i64 = 0x40;
const CF: i64 = 0x01;
const UNORDERED: i64 = 0x45;

function flagsOfComparison(a: f64, b: f64): i64 {
  if (a > b) return 0;
  if (a < b) return CF;
  return a == b ? ZF : UNORDERED;
}

/** comisd, or ucomisd when `quiet` is not 0. */
export function compareF64(cpu: usize, a: i64, b: i64, quiet: i64): i64 {
  const left = daz64(cpu, a);
  const right = daz64(cpu, b);
  noteComparison64(left, right, quiet != 0);
  commitFloat(cpu);
  return flagsOfComparison(reinterpret<f64>(left), reinterpret<f64>(right));
}

export function compareF32(cpu: usize, a: i64, b: i64, quiet: i64): i64 {
  const left = daz32(cpu, <u32>a);
  const right = daz32(cpu, <u32>b);
  noteComparison32(left, right, quiet != 0);
  commitFloat(cpu);
  return flagsOfComparison(<f64>reinterpret<f32>(left), <f64>reinterpret<f32>(right));
}
