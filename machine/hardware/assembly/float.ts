/**
 * SSE arithmetic on single values. WebAssembly's under the default MXCSR except for NaNs, whose
 * sign and payload it leaves open and the processor defines.
 */
import { ScalarOp } from '../cpu/simd';
import { mxcsr, Mxcsr } from './convert';
import { rounded32, rounded64 } from './float-rounding';

const QUIET_64: u64 = 0x0008000000000000;
const QUIET_32: u32 = 0x00400000;
const DEFAULT_64: u64 = 0xfff8000000000000;
const DEFAULT_32: u32 = 0xffc00000;

/** The NaN of an operation on a and b whose result is one. */
export function nan64(a: u64, b: u64): u64 {
  const first = reinterpret<f64>(a);
  if (first != first) return a | QUIET_64;
  const second = reinterpret<f64>(b);
  return second != second ? b | QUIET_64 : DEFAULT_64;
}

export function nan32(a: u32, b: u32): u32 {
  const first = reinterpret<f32>(a);
  if (first != first) return a | QUIET_32;
  const second = reinterpret<f32>(b);
  return second != second ? b | QUIET_32 : DEFAULT_32;
}

@inline function isNumber64(opcode: u32, a: f64, b: f64): bool {
  return b == b && (a == a || opcode == ScalarOp.F64_SQRT);
}

@inline function isNumber32(opcode: u32, a: f32, b: f32): bool {
  return b == b && (a == a || opcode == ScalarOp.F32_SQRT);
}

/** Square root takes b alone. */
export function arithmetic64(cpu: usize, opcode: u32, a: u64, b: u64): u64 {
  const x = reinterpret<f64>(a);
  const y = reinterpret<f64>(b);
  if ((mxcsr(cpu) & Mxcsr.SPECIAL) != 0 && isNumber64(opcode, x, y)) {
    return rounded64(cpu, opcode, a, b);
  }
  let result: f64;
  switch (opcode) {
    case ScalarOp.F64_ADD:
      result = x + y;
      break;
    case ScalarOp.F64_SUB:
      result = x - y;
      break;
    case ScalarOp.F64_MUL:
      result = x * y;
      break;
    case ScalarOp.F64_DIV:
      result = x / y;
      break;
    default:
      result = sqrt<f64>(y);
      if (result != result) return nan64(b, b);
  }
  return result == result ? reinterpret<u64>(result) : nan64(a, b);
}

export function arithmetic32(cpu: usize, opcode: u32, a: u32, b: u32): u32 {
  const x = reinterpret<f32>(a);
  const y = reinterpret<f32>(b);
  if ((mxcsr(cpu) & Mxcsr.SPECIAL) != 0 && isNumber32(opcode, x, y)) {
    return rounded32(cpu, opcode, a, b);
  }
  let result: f32;
  switch (opcode) {
    case ScalarOp.F32_ADD:
      result = x + y;
      break;
    case ScalarOp.F32_SUB:
      result = x - y;
      break;
    case ScalarOp.F32_MUL:
      result = x * y;
      break;
    case ScalarOp.F32_DIV:
      result = x / y;
      break;
    default:
      result = sqrt<f32>(y);
      if (result != result) return nan32(b, b);
  }
  return result == result ? reinterpret<u32>(result) : nan32(a, b);
}
