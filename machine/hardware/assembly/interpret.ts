/**
 * The interpreter: executes bytecode blocks (cpu/bytecode.ts), chaining from one to the next until
 * something needs the dispatcher. Plain on purpose: cold code runs here, hot code is translated, and
 * the translator is checked against it.
 */
import { BlockCode, BlockTable, OpWord, Slot } from '../cpu/bytecode';
import { Helper, Op, Width } from '../cpu/ir';
import { BlockRecord, Cpu, ExitReason, Header, Region } from '../layout';
import { cpuid } from './cpuid';
import { divideS128, divideS128Overflows, divideU128, rotateCarryLeft, rotateCarryRight } from './divide';
import { condition, flagsOf } from './flags';
import { fxRestore, fxSave, x87Memory } from './float-state';
import { fetchLines, readable, writable, written } from './guest-memory';
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
import { bitmask, scalarOp, shuffle, vectorOp, vectorShift } from './vector';
import { repString } from './string';
import { x87 } from './x87';

/** Where temporaries live. Nothing here is re-entered, so one file of them serves all CPUs. */
const SLOTS: usize = memory.data(16384, 16);

const VECTOR_GENERAL_PROTECTION: i32 = 13;

@inline function operandA(word: usize): u64 {
  return load<u64>(SLOTS + <usize>load<u16>(word, OpWord.A));
}

@inline function operandB(word: usize): u64 {
  return load<u64>(SLOTS + <usize>load<u16>(word, OpWord.B));
}

@inline function operandC(word: usize): u64 {
  return load<u64>(SLOTS + <usize>load<u16>(word, OpWord.C));
}

/** An operand that may be absent, as 0. */
@inline function optional(word: usize, field: usize): u64 {
  const slot = load<u16>(word + field);
  return slot == Slot.NONE ? 0 : load<u64>(SLOTS + <usize>slot);
}

@inline function define(word: usize, value: u64): void {
  store<u64>(SLOTS + <usize>load<u16>(word, OpWord.DST), value);
}

@inline function vectorA(word: usize): v128 {
  return v128.load(SLOTS + <usize>load<u16>(word, OpWord.A));
}

@inline function vectorB(word: usize): v128 {
  return v128.load(SLOTS + <usize>load<u16>(word, OpWord.B));
}

@inline function defineVector(word: usize, value: v128): void {
  v128.store(SLOTS + <usize>load<u16>(word, OpWord.DST), value);
}

@inline function immediate(word: usize): u64 {
  return load<u16>(word, OpWord.WIDE) != 0
    ? load<u64>(word, OpWord.WIDE_IMM)
    : <u64>(<i64>load<i32>(word, OpWord.IMM));
}

@inline function smallImmediate(word: usize): u32 {
  return load<u32>(word, OpWord.IMM);
}

@inline function secondImmediate(word: usize): u64 {
  return load<u16>(word, OpWord.WIDE) != 0 ? load<u64>(word, OpWord.WIDE_IMM2) : 0;
}

@inline function widthOf(word: usize): u32 {
  return load<u8>(word, OpWord.WIDTH);
}

@inline function bitsOf(width: u32): u64 {
  return <u64>(8 << width);
}

@inline function truncate(width: u32, value: u64): u64 {
  return value & (u64.MAX_VALUE >> (64 - bitsOf(width)));
}

@inline function signExtend(width: u32, value: u64): i64 {
  const shift = 64 - bitsOf(width);
  return <i64>(value << shift) >> shift;
}

/** Loads an integer of any width, zero-extended. */
@inline function loadInteger(host: usize, width: u32): u64 {
  if (width == Width.W64) return load<u64>(host);
  if (width == Width.W32) return load<u32>(host);
  return width == Width.W8 ? <u64>load<u8>(host) : <u64>load<u16>(host);
}

@inline function storeInteger(host: usize, width: u32, value: u64): void {
  if (width == Width.W64) store<u64>(host, value);
  else if (width == Width.W32) store<u32>(host, <u32>value);
  else if (width == Width.W8) store<u8>(host, <u8>value);
  else store<u16>(host, <u16>value);
}

@inline function setRegister(cpu: usize, index: u32, width: u32, value: u64): void {
  const at = cpu + Cpu.GPR + (<usize>index << 3);
  if (width >= <u32>Width.W32) store<u64>(at, value);
  else if (width == Width.W8) store<u8>(at, <u8>value);
  else store<u16>(at, <u16>value);
}

@inline function setFlags(cpu: usize, word: usize, aux: u64): void {
  store<u64>(cpu, operandA(word), Cpu.CC_RESULT);
  store<u64>(cpu, optional(word, OpWord.B), Cpu.CC_SOURCE);
  store<u64>(cpu, aux, Cpu.CC_AUX);
  store<u32>(cpu, (smallImmediate(word) << 2) | widthOf(word), Cpu.CC_OP);
}

function rotateLeft(width: u32, value: u64, count: u64): u64 {
  if (width == Width.W64) return rotl<u64>(value, count);
  if (count == 0) return value;
  return truncate(width, (value << count) | (value >> (bitsOf(width) - count)));
}

function swapBytes(width: u32, value: u64): u64 {
  return bswap<u64>(value) >> (64 - bitsOf(width));
}

function multiplyHighUnsigned(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const middle = aHigh * bLow + ((aLow * bLow) >> 32);
  const other = aLow * bHigh + (middle & 0xffffffff);
  return aHigh * bHigh + (middle >> 32) + (other >> 32);
}

function multiplyHighSigned(a: u64, b: u64): u64 {
  const unsigned = multiplyHighUnsigned(a, b);
  return unsigned - (<i64>a < 0 ? b : 0) - (<i64>b < 0 ? a : 0);
}

/** Ends execution with `reason`; RIP is set by the caller. */
@inline function leave(cpu: usize, code: usize, reason: i32): void {
  store<i32>(cpu, reason, Cpu.EXIT_REASON);
  store<i32>(cpu, load<i32>(code, BlockCode.RECORD), Cpu.EXIT_RECORD);
}

/** Sets RIP to the instruction that op `word` belongs to. */
function pointAt(cpu: usize, code: usize, word: usize): void {
  const offset = <u32>(word - code);
  let entry = code + load<u32>(code, BlockCode.TRAPS);
  for (let left = load<i32>(code, BlockCode.INSTRUCTIONS) - 1; left > 0; left--) {
    if (load<u32>(entry, 8) > offset) break;
    entry += 8;
  }
  store<u64>(cpu, load<u64>(code, BlockCode.ADDRESS) + <u64>load<u32>(entry, 4), Cpu.RIP);
}

/** A fault whose exit fields are set: only the place is missing. */
function fault(cpu: usize, code: usize, word: usize): void {
  pointAt(cpu, code, word);
  store<i32>(cpu, load<i32>(code, BlockCode.RECORD), Cpu.EXIT_RECORD);
}

function raise(cpu: usize, code: usize, word: usize, vector: i32): void {
  pointAt(cpu, code, word);
  store<i32>(cpu, vector, Cpu.EXIT_INFO);
  leave(cpu, code, ExitReason.EXCEPTION);
}

/** Runs a helper. Returns false when it faulted. */
function call(cpu: usize, code: usize, word: usize): bool {
  const a: i64 = optional(word, OpWord.A);
  const b: i64 = optional(word, OpWord.B);
  const c: i64 = optional(word, OpWord.C);
  store<i32>(cpu, load<i32>(code, BlockCode.RECORD), Cpu.EXIT_RECORD);
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
      result = compareF64(cpu, a, b);
      break;
    case Helper.CompareF32:
      result = compareF32(cpu, a, b);
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

/** Code of the block at `address`, or 0. */
@inline function lookUp(cpu: usize, address: u64): usize {
  const hash = (<u32>(address ^ (address >> BlockTable.HASH_SHIFT)) << BlockTable.SET_SHIFT) &
    load<u32>(cpu, Cpu.BLOCK_TABLE_MASK);
  let entry: usize = load<u32>(cpu, Cpu.BLOCK_TABLE) + hash;
  for (let way = 0; way < BlockTable.WAYS; way++) {
    if (load<u64>(entry) == address) return <usize>load<u32>(entry, 8);
    entry += BlockTable.ENTRY_BYTES;
  }
  return 0;
}

function touch(record: usize): void {
  const list = load<u32>(Region.HEADER, Header.TOUCHED_LIST);
  if (list == 0) return;
  const count = load<u32>(Region.HEADER, Header.TOUCHED_COUNT);
  store<i32>(<usize>list + <usize>(count << 2), <i32>record);
  store<u32>(Region.HEADER, count + 1, Header.TOUCHED_COUNT);
}

@inline function countExecution(record: usize): void {
  const count = load<i64>(record, BlockRecord.COUNT);
  store<i64>(record, count + 1, BlockRecord.COUNT);
  if (count == 0) touch(record);
}

/** Accounts for a complete block. Returns the code of the next one, or 0 to leave. */
@inline function finish(cpu: usize, code: usize, next: u64): usize {
  const record: usize = load<u32>(code, BlockCode.RECORD);
  const left = load<i64>(cpu, Cpu.LEFT) - <i64>load<i32>(code, BlockCode.TICKS);
  store<i64>(cpu, left, Cpu.LEFT);
  countExecution(record);
  store<u64>(cpu, next, Cpu.RIP);
  store<i32>(code, load<i32>(code, BlockCode.EXECUTIONS) + 1, BlockCode.EXECUTIONS);
  if (left < 0) {
    leave(cpu, code, ExitReason.BUDGET);
    return 0;
  }
  const target = lookUp(cpu, next);
  if (target == 0) {
    leave(cpu, code, ExitReason.UNKNOWN_BLOCK);
    return 0;
  }
  if (load<i32>(target, BlockCode.EXECUTIONS) >= load<i32>(target, BlockCode.THRESHOLD)) {
    leave(cpu, code, ExitReason.DISPATCH);
    return 0;
  }
  return target;
}

/** Ends a block by leaving with `reason` after its accounting. */
function finishAndLeave(cpu: usize, code: usize, next: u64, reason: i32, info: i32): void {
  const record: usize = load<u32>(code, BlockCode.RECORD);
  store<i64>(cpu, load<i64>(cpu, Cpu.LEFT) - <i64>load<i32>(code, BlockCode.TICKS), Cpu.LEFT);
  countExecution(record);
  store<u64>(cpu, next, Cpu.RIP);
  store<i32>(code, load<i32>(code, BlockCode.EXECUTIONS) + 1, BlockCode.EXECUTIONS);
  store<i32>(cpu, info, Cpu.EXIT_INFO);
  leave(cpu, code, reason);
}

/**
 * Executes from the block whose code is at `entry` (Cpu.RIP is its address) until something needs
 * the dispatcher: EXIT_REASON, EXIT_RECORD and RIP say what and where. LEFT is exact, except that
 * the completed instructions of a block that faulted are still to be charged.
 */
export function interpret(cpu: usize, entry: usize): void {
  let code = entry;
  while (code != 0) {
    const record: usize = load<u32>(code, BlockCode.RECORD);
    const address = load<u64>(code, BlockCode.ADDRESS);
    if (!fetchLines(cpu, address, load<u32>(code, BlockCode.LENGTH), record)) {
      store<u64>(cpu, address, Cpu.RIP);
      store<i32>(cpu, <i32>record, Cpu.EXIT_RECORD);
      return;
    }
    code = runBlock(cpu, code, record);
  }
}

/** Executes one block. Returns the code of the next, or 0 to leave. */
function runBlock(cpu: usize, code: usize, record: usize): usize {
  let word = code + BlockCode.OPS;
  while (true) {
    const width = widthOf(word);
    switch (<u32>load<u8>(word, OpWord.OP)) {
      case Op.Const:
        define(word, truncate(width, immediate(word)));
        break;
      case Op.GetReg:
        define(word, truncate(width, load<u64>(cpu + Cpu.GPR + (<usize>smallImmediate(word) << 3))));
        break;
      case Op.SetReg:
        setRegister(cpu, smallImmediate(word), width, operandA(word));
        break;
      case Op.GetRegHigh:
        define(word, load<u8>(cpu + Cpu.GPR + 1 + (<usize>smallImmediate(word) << 3)));
        break;
      case Op.SetRegHigh:
        store<u8>(cpu + Cpu.GPR + 1 + (<usize>smallImmediate(word) << 3), <u8>operandA(word));
        break;
      case Op.GetState:
        define(word, loadInteger(cpu + smallImmediate(word), width));
        break;
      case Op.SetState:
        storeInteger(cpu + smallImmediate(word), width, operandA(word));
        break;
      case Op.Add:
        define(word, truncate(width, operandA(word) + operandB(word)));
        break;
      case Op.Sub:
        define(word, truncate(width, operandA(word) - operandB(word)));
        break;
      case Op.Mul:
        define(word, truncate(width, operandA(word) * operandB(word)));
        break;
      case Op.And:
        define(word, operandA(word) & operandB(word));
        break;
      case Op.Or:
        define(word, operandA(word) | operandB(word));
        break;
      case Op.Xor:
        define(word, operandA(word) ^ operandB(word));
        break;
      case Op.Shl:
        define(word, truncate(width, operandA(word) << operandB(word)));
        break;
      case Op.Shr:
        define(word, operandA(word) >> operandB(word));
        break;
      case Op.Sar:
        define(word, truncate(width, signExtend(width, operandA(word)) >> operandB(word)));
        break;
      case Op.Rotl:
        define(word, rotateLeft(width, operandA(word), operandB(word)));
        break;
      case Op.Rotr: {
        const bits = bitsOf(width);
        define(word, rotateLeft(width, operandA(word), (bits - operandB(word)) & (bits - 1)));
        break;
      }
      case Op.Not:
        define(word, truncate(width, ~operandA(word)));
        break;
      case Op.Neg:
        define(word, truncate(width, -operandA(word)));
        break;
      case Op.MulHighU:
        define(word, multiplyHighUnsigned(operandA(word), operandB(word)));
        break;
      case Op.MulHighS:
        define(word, multiplyHighSigned(operandA(word), operandB(word)));
        break;
      case Op.DivU:
        define(word, operandA(word) / operandB(word));
        break;
      case Op.DivS:
        define(word, <i64>operandA(word) / <i64>operandB(word));
        break;
      case Op.Clz:
        define(word, clz<u64>(operandA(word)) - (64 - bitsOf(width)));
        break;
      case Op.Ctz:
        define(word, min<u64>(ctz<u64>(operandA(word)), bitsOf(width)));
        break;
      case Op.Popcnt:
        define(word, popcnt<u64>(operandA(word)));
        break;
      case Op.Bswap:
        define(word, swapBytes(width, operandA(word)));
        break;
      case Op.SignExtend:
        define(word, truncate(width, signExtend(smallImmediate(word), operandA(word))));
        break;
      case Op.Truncate:
        define(word, truncate(width, operandA(word)));
        break;
      case Op.Eq:
        define(word, <u64>(operandA(word) == operandB(word)));
        break;
      case Op.Ne:
        define(word, <u64>(operandA(word) != operandB(word)));
        break;
      case Op.LtU:
        define(word, <u64>(operandA(word) < operandB(word)));
        break;
      case Op.LtS:
        define(word, <u64>(signExtend(width, operandA(word)) < signExtend(width, operandB(word))));
        break;
      case Op.LeU:
        define(word, <u64>(operandA(word) <= operandB(word)));
        break;
      case Op.LeS:
        define(word, <u64>(signExtend(width, operandA(word)) <= signExtend(width, operandB(word))));
        break;
      case Op.Select:
        define(word, operandA(word) != 0 ? operandB(word) : operandC(word));
        break;
      case Op.Load: {
        const host = readable(cpu, operandA(word), 1 << width, record);
        if (host == 0) {
          fault(cpu, code, word);
          return 0;
        }
        define(word, loadInteger(host, width));
        break;
      }
      case Op.Store: {
        const host = writable(cpu, operandA(word), 1 << width, record);
        if (host == 0) {
          fault(cpu, code, word);
          return 0;
        }
        storeInteger(host, width, operandB(word));
        written(cpu);
        break;
      }
      case Op.ProbeWrite: {
        const host = writable(cpu, operandA(word), 1 << width, record);
        if (host == 0) {
          fault(cpu, code, word);
          return 0;
        }
        define(word, host);
        break;
      }
      case Op.LoadHost:
        define(word, loadInteger(<usize>operandA(word), width));
        break;
      case Op.StoreHost: {
        const host = <usize>operandA(word);
        storeInteger(host, width, operandB(word));
        if (host == cpu + Cpu.BOUNCE) written(cpu);
        break;
      }
      case Op.LoadVector: {
        const va = operandA(word);
        if (smallImmediate(word) != 0 && (va & 15) != 0) {
          raise(cpu, code, word, VECTOR_GENERAL_PROTECTION);
          return 0;
        }
        const host = readable(cpu, va, 1 << width, record);
        if (host == 0) {
          fault(cpu, code, word);
          return 0;
        }
        if (width == Width.W128) defineVector(word, v128.load(host));
        else if (width == Width.W64) defineVector(word, v128.load64_zero(host));
        else defineVector(word, v128.load32_zero(host));
        break;
      }
      case Op.StoreVector: {
        const va = operandA(word);
        if (smallImmediate(word) != 0 && (va & 15) != 0) {
          raise(cpu, code, word, VECTOR_GENERAL_PROTECTION);
          return 0;
        }
        const host = writable(cpu, va, 1 << width, record);
        if (host == 0) {
          fault(cpu, code, word);
          return 0;
        }
        if (width == Width.W128) v128.store(host, vectorB(word));
        else storeInteger(host, width, operandB(word));
        written(cpu);
        break;
      }
      case Op.Flags:
        setFlags(cpu, word, optional(word, OpWord.C));
        break;
      case Op.FlagsIf:
        if (operandC(word) != 0) setFlags(cpu, word, 0);
        break;
      case Op.Condition:
        define(word, condition(cpu, smallImmediate(word)));
        break;
      case Op.GetFlags:
        define(word, flagsOf(cpu));
        break;
      case Op.GetXmm:
        defineVector(word, v128.load(cpu + Cpu.XMM + (<usize>smallImmediate(word) << 4)));
        break;
      case Op.SetXmm:
        v128.store(cpu + Cpu.XMM + (<usize>smallImmediate(word) << 4), vectorA(word));
        break;
      case Op.VectorConst: {
        const low = immediate(word);
        defineVector(word, i64x2.replace_lane(i64x2.splat(low), 1, secondImmediate(word)));
        break;
      }
      case Op.Vector: {
        const a = vectorA(word);
        const b = load<u16>(word, OpWord.B) == Slot.NONE ? a : vectorB(word);
        defineVector(word, vectorOp(cpu, smallImmediate(word), a, b));
        break;
      }
      case Op.ScalarFloat:
        defineVector(word, scalarOp(cpu, smallImmediate(word), width, vectorA(word), vectorB(word)));
        break;
      case Op.Shuffle:
        defineVector(
          word,
          shuffle(vectorA(word), vectorB(word), immediate(word), secondImmediate(word)),
        );
        break;
      case Op.VectorShift:
        defineVector(word, vectorShift(smallImmediate(word), vectorA(word), <i32>operandB(word)));
        break;
      case Op.ExtractLane: {
        const lane = SLOTS + <usize>load<u16>(word, OpWord.A) + (<usize>smallImmediate(word) << width);
        define(word, loadInteger(lane, width));
        break;
      }
      case Op.InsertLane: {
        const value = operandB(word);
        const vector = vectorA(word);
        defineVector(word, vector);
        const lane = SLOTS + <usize>load<u16>(word, OpWord.DST) + (<usize>smallImmediate(word) << width);
        storeInteger(lane, width, value);
        break;
      }
      case Op.Bitmask:
        define(word, bitmask(smallImmediate(word), vectorA(word)));
        break;
      case Op.Call:
        if (!call(cpu, code, word)) {
          fault(cpu, code, word);
          return 0;
        }
        break;
      case Op.CallResult:
        define(word, load<u64>(cpu, Cpu.HELPER_RESULT));
        break;
      case Op.TrapIf:
        if (operandA(word) != 0) {
          raise(cpu, code, word, smallImmediate(word));
          return 0;
        }
        break;
      case Op.Jump:
        return finish(cpu, code, immediate(word));
      case Op.Branch:
        return finish(
          cpu,
          code,
          operandA(word) != 0 ? immediate(word) : secondImmediate(word),
        );
      case Op.JumpIndirect:
        return finish(cpu, code, operandA(word));
      case Op.Syscall:
        finishAndLeave(cpu, code, immediate(word), ExitReason.SYSCALL, 0);
        return 0;
      case Op.Exception:
        store<u64>(cpu, secondImmediate(word), Cpu.RIP);
        store<i32>(cpu, <i32>immediate(word), Cpu.EXIT_INFO);
        leave(cpu, code, ExitReason.EXCEPTION);
        return 0;
      case Op.Marker:
        finishAndLeave(cpu, code, secondImmediate(word), ExitReason.MARKER, <i32>immediate(word));
        return 0;
      default:
        unreachable();
    }
    word += load<u16>(word, OpWord.WIDE) != 0 ? OpWord.WIDE_BYTES : OpWord.BYTES;
  }
  return 0;
}
