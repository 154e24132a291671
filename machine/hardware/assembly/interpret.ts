/**
 * The interpreter: executes bytecode blocks (cpu/bytecode.ts), chaining from one to the next until
 * something needs the dispatcher. Plain on purpose: cold code runs here, hot code is translated, and
 * the translator is checked against it.
 */
import { BlockCode, BlockTable, OpWord, Slot } from '../cpu/bytecode';
import { JumpKind, Op, Width } from '../cpu/ir';
import { BlockRecord, Cpu, ExitReason, Header, Region } from '../layout';
import { AccessHint, Flow } from '../memory/overlap-layout';
import {
  bitsOf,
  define,
  defineVector,
  immediate,
  loadInteger,
  multiplyHighSigned,
  multiplyHighUnsigned,
  operandA,
  operandB,
  operandC,
  optional,
  rotateLeft,
  secondImmediate,
  setFlags,
  setRegister,
  signExtend,
  SLOTS,
  smallImmediate,
  storeInteger,
  swapBytes,
  truncate,
  vectorA,
  vectorB,
  widthOf,
} from './bytecode-operands';
import { condition, flagsOf } from './flags';
import { takeFloatTrap } from './float-exceptions';
import { floatVector } from './float-vector';
import { fetchLines, readable, writable, written } from './guest-memory';
import { call } from './interpret-call';
import { carry, drain } from './overlap';
import { branch, indirect, popReturn, pushReturn } from './predict';
import { bitmask, shuffle, vectorOp, vectorShift } from './vector';

const VECTOR_GENERAL_PROTECTION: i32 = 13;
const VECTOR_SIMD_EXCEPTION: i32 = 19;

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

/** Address of the AccessHint of an access, or 0. */
@inline function hintOf(code: usize, word: usize): usize {
  const hints: usize = load<u32>(code, BlockCode.HINTS);
  return hints == 0 ? 0 : hints + <usize>load<u16>(word, OpWord.ACCESS) * AccessHint.BYTES;
}

/**
 * Says what a complete block made of values that are on their way; not between iterations of a
 * block that loops, where the next miss does it.
 */
@inline function follow(cpu: usize, code: usize, left: i64, next: u64): void {
  if (load<i32>(code, BlockCode.SERIALIZED) != 0) {
    drain(cpu);
  } else if (load<i32>(cpu, Cpu.PENDING) != 0) {
    const flow: usize = load<u32>(code, BlockCode.FLOW);
    if (flow == 0) return;
    const again = load<i32>(flow, Flow.LOOP) != 0 && next == load<u64>(code, BlockCode.ADDRESS);
    if (!again) carry(cpu, flow, left);
  }
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
  follow(cpu, code, left, next);
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
  const left = load<i64>(cpu, Cpu.LEFT) - <i64>load<i32>(code, BlockCode.TICKS);
  store<i64>(cpu, left, Cpu.LEFT);
  countExecution(record);
  follow(cpu, code, left, next);
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

/** Prediction of the indirect jump, call or return in op `word`. */
function predictIndirect(cpu: usize, code: usize, word: usize, record: i32): void {
  const target = operandA(word);
  const resolve = load<i32>(code, BlockCode.RESOLVE);
  const kind = immediate(word);
  if (kind == JumpKind.RETURN) {
    popReturn(cpu, target, record, resolve);
    return;
  }
  indirect(cpu, load<i64>(code, BlockCode.KEY), target, record, resolve);
  if (kind == JumpKind.CALL) pushReturn(cpu, secondImmediate(word));
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
        const host = readable(cpu, operandA(word), 1 << width, record, hintOf(code, word));
        if (host == 0) {
          fault(cpu, code, word);
          return 0;
        }
        define(word, loadInteger(host, width));
        break;
      }
      case Op.Store: {
        const host = writable(cpu, operandA(word), 1 << width, record, hintOf(code, word));
        if (host == 0) {
          fault(cpu, code, word);
          return 0;
        }
        storeInteger(host, width, operandB(word));
        written(cpu);
        break;
      }
      case Op.ProbeWrite: {
        const host = writable(cpu, operandA(word), 1 << width, record, hintOf(code, word));
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
        const host = readable(cpu, va, 1 << width, record, hintOf(code, word));
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
        const host = writable(cpu, va, 1 << width, record, hintOf(code, word));
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
        defineVector(word, vectorOp(smallImmediate(word), a, b));
        break;
      }
      case Op.Float:
        defineVector(word, floatVector(cpu, smallImmediate(word), vectorA(word), vectorB(word)));
        if (takeFloatTrap()) {
          raise(cpu, code, word, VECTOR_SIMD_EXCEPTION);
          return 0;
        }
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
        if (takeFloatTrap()) {
          raise(cpu, code, word, VECTOR_SIMD_EXCEPTION);
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
        if (secondImmediate(word) != 0) pushReturn(cpu, secondImmediate(word));
        return finish(cpu, code, immediate(word));
      case Op.Branch: {
        const taken = operandA(word) != 0;
        branch(cpu, load<i64>(code, BlockCode.KEY), <i32>taken, <i32>record, load<i32>(code, BlockCode.RESOLVE));
        return finish(cpu, code, taken ? immediate(word) : secondImmediate(word));
      }
      case Op.JumpIndirect:
        predictIndirect(cpu, code, word, <i32>record);
        return finish(cpu, code, operandA(word));
      case Op.Syscall:
        finishAndLeave(cpu, code, immediate(word), ExitReason.SYSCALL, 0);
        return 0;
      case Op.Dispatch:
        finishAndLeave(cpu, code, immediate(word), ExitReason.DISPATCH, 0);
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
