/** Calls of helpers by the interpreter. */
import { BlockCode, OpWord, Slot } from '../cpu/bytecode';
import { Helper } from '../cpu/ir';
import { Cpu } from '../layout';
import { define, optional, smallImmediate } from './bytecode-operands';
import { readTsc } from './clock';
import {
  compareF32,
  compareF64,
  f32FromF64,
  f32FromI64,
  f32ToI32,
  f32ToI64,
  f64FromF32,
  f64FromI64,
  f64ToI32,
  f64ToI64,
} from './convert';
import { cpuid } from './cpuid';
import {
  divideS128,
  divideS128Overflows,
  divideU128,
  rotateCarryLeft,
  rotateCarryRight,
} from './divide';
import { fxRestore, fxSave, x87Memory } from './float-state';
import { repString } from './string';
import { x87 } from './x87';

/** Runs a helper. Returns false when it faulted. */
export function call(cpu: usize, code: usize, word: usize): bool {
  const a: i64 = optional(word, OpWord.A);
  const b: i64 = optional(word, OpWord.B);
  const c: i64 = optional(word, OpWord.C);
  store<i32>(cpu, <i32>cpu + load<i32>(code, BlockCode.RECORD), Cpu.EXIT_RECORD);
  let result: i64 = 0;
  switch (smallImmediate(word)) {
    case Helper.DivideU128:
      result = divideU128(cpu, a, b, c);
      break;
    case Helper.DivideS128:
      result = divideS128(cpu, a, b, c);
      break;
    case Helper.DivideS128Overflows:
      result = divideS128Overflows(cpu, a, b, c);
      break;
    case Helper.RotateCarryLeft:
      result = rotateCarryLeft(cpu, a, b, c);
      break;
    case Helper.RotateCarryRight:
      result = rotateCarryRight(cpu, a, b, c);
      break;
    case Helper.F64FromI64:
      result = f64FromI64(cpu, a);
      break;
    case Helper.F32FromI64:
      result = f32FromI64(cpu, a);
      break;
    case Helper.F64ToI64:
      result = f64ToI64(cpu, a, b);
      break;
    case Helper.F64ToI32:
      result = f64ToI32(cpu, a, b);
      break;
    case Helper.F32ToI64:
      result = f32ToI64(cpu, a, b);
      break;
    case Helper.F32ToI32:
      result = f32ToI32(cpu, a, b);
      break;
    case Helper.F32FromF64:
      result = f32FromF64(cpu, a);
      break;
    case Helper.F64FromF32:
      result = f64FromF32(cpu, a);
      break;
    case Helper.CompareF64:
      result = compareF64(cpu, a, b, c);
      break;
    case Helper.CompareF32:
      result = compareF32(cpu, a, b, c);
      break;
    case Helper.X87:
      result = x87(cpu, a, b, c);
      break;
    case Helper.X87Memory:
      return x87Memory(cpu, a, b) != 0;
    case Helper.FxSave:
      return fxSave(cpu, a) != 0;
    case Helper.FxRestore:
      return fxRestore(cpu, a) != 0;
    case Helper.RepString:
      return repString(cpu, a) != 0;
    case Helper.Cpuid:
      result = cpuid(cpu, a, b);
      break;
    case Helper.ReadTsc:
      result = readTsc(cpu);
      break;
    default:
      unreachable();
  }
  if (load<u16>(word, OpWord.DST) != Slot.NONE) define(word, result);
  return true;
}
