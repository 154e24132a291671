/**
 * What the interpreter does around the ops of a block: where it is accounted, where the next one is,
 * how it is left. AssemblyScript.
 */
import { BlockCode, BlockTable, OpWord } from '../cpu/bytecode';
import { BlockRecord, Cpu, ExitReason } from '../layout';
import { AccessHint, Flow } from '../memory/overlap-layout';
import { touchRecord } from './harvest';
import { carry, drain } from './overlap';

/** The record of a block on this CPU. */
@inline export function recordOf(cpu: usize, code: usize): usize {
  return cpu + <usize>load<u32>(code, BlockCode.RECORD);
}

/** Ends execution with `reason`; RIP is set by the caller. */
@inline export function leave(cpu: usize, code: usize, reason: i32): void {
  store<i32>(cpu, reason, Cpu.EXIT_REASON);
  store<i32>(cpu, <i32>recordOf(cpu, code), Cpu.EXIT_RECORD);
}

/** Sets RIP to the instruction that op `word` belongs to. */
export function pointAt(cpu: usize, code: usize, word: usize): void {
  const offset = <u32>(word - code);
  let entry = code + load<u32>(code, BlockCode.TRAPS);
  for (let left = load<i32>(code, BlockCode.INSTRUCTIONS) - 1; left > 0; left--) {
    if (load<u32>(entry, 8) > offset) break;
    entry += 8;
  }
  store<u64>(cpu, load<u64>(code, BlockCode.ADDRESS) + <u64>load<u32>(entry, 4), Cpu.RIP);
}

/** A fault whose exit fields are set: only the place is missing. */
export function fault(cpu: usize, code: usize, word: usize): void {
  pointAt(cpu, code, word);
  store<i32>(cpu, <i32>recordOf(cpu, code), Cpu.EXIT_RECORD);
}

export function raise(cpu: usize, code: usize, word: usize, vector: i32): void {
  pointAt(cpu, code, word);
  store<i32>(cpu, vector, Cpu.EXIT_INFO);
  leave(cpu, code, ExitReason.EXCEPTION);
}

/** Code of the block at `address`, or 0. */
@inline export function lookUp(cpu: usize, address: u64): usize {
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
@inline export function hintOf(code: usize, word: usize): usize {
  const hints: usize = load<u32>(code, BlockCode.HINTS);
  return hints == 0 ? 0 : hints + <usize>load<u16>(word, OpWord.ACCESS) * AccessHint.BYTES;
}

/**
 * Says what a complete block made of values that are on their way; not between iterations of a
 * block that loops, where the next miss does it.
 */
@inline export function follow(cpu: usize, code: usize, left: i64, next: u64): void {
  if (load<i32>(code, BlockCode.SERIALIZED) != 0) {
    drain(cpu);
  } else if (load<i32>(cpu, Cpu.PENDING) != 0) {
    const flow: usize = load<u32>(code, BlockCode.FLOW);
    if (flow == 0) return;
    const again = load<i32>(flow, Flow.LOOP) != 0 && next == load<u64>(code, BlockCode.ADDRESS);
    if (!again) carry(cpu, flow, left);
  }
}

@inline export function countExecution(cpu: usize, record: usize): void {
  const count = load<i64>(record, BlockRecord.COUNT);
  store<i64>(record, count + 1, BlockRecord.COUNT);
  if (count == 0) touchRecord(cpu, record);
}
