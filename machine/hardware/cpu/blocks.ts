/** Forms basic blocks: decodes and lifts from an address to the end of its block (see ir.ts). */
import { decode, INSTRUCTION_BYTES_MAX, OperandKind } from './decode.ts';
import type { Decoded } from './decode.ts';
import { BLOCK_INSTRUCTIONS_MAX, NONE, Op, Width } from './ir.ts';
import type { IrBlock, IrInstruction } from './ir.ts';
import { CONTROL_TRANSFERS, INVALID_OPCODE, nextAddress, raise } from './lift/control.ts';
import { Emitter, Unsupported } from './lift/emitter.ts';
import { markerNumber } from './lift/system.ts';
import { lifterOf } from './lift/table.ts';
import { removeDead } from './optimize.ts';

const PAGE_BYTES = 4096n;

/**
 * Up to `length` bytes of guest code from `address` on; fewer, even none, where the next page
 * cannot be fetched from.
 */
export type FetchBytes = (address: bigint, length: number) => Uint8Array;

/** Code could not be fetched: a page fault at `missing`, the first absent byte. */
export interface MissingCode {
  readonly missing: bigint;
}

/** Instructions that read the clock start a block, so that it includes everything before them. */
const CLOCK_READERS: ReadonlySet<string> = new Set(['rdtsc', 'rdtscp']);

function pageOf(address: bigint): bigint {
  return address / PAGE_BYTES;
}

/** Mnemonic with the prefixes that change what it costs, as a disassembler prints them. */
function fullMnemonic(instruction: Decoded): string {
  const lock = instruction.lock ? 'lock ' : '';
  const repeats = instruction.string && (instruction.rep || instruction.repne);
  if (!repeats) return lock + instruction.mnemonic;
  const compares = /^(cmps|scas)/.test(instruction.mnemonic);
  const prefix = instruction.repne ? 'repne ' : compares ? 'repe ' : 'rep ';
  return prefix + instruction.mnemonic;
}

/** Lifts one instruction; returns whether it ends the block. */
function liftInto(emit: Emitter, instruction: Decoded): boolean {
  const mark = emit.ops.length;
  const temps = emit.temps;
  try {
    const lifter = lifterOf(instruction);
    if (lifter === undefined) throw new Unsupported(instruction.mnemonic);
    lifter(emit, instruction);
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    emit.ops.length = mark;
    emit.temps = temps;
    raise(emit, INVALID_OPCODE, instruction.address);
    return true;
  }
  return CONTROL_TRANSFERS.has(instruction.mnemonic) || markerNumber(instruction) !== undefined;
}

/** xchg with memory locks without a prefix. */
function locksMemory(instruction: Decoded): boolean {
  if (instruction.lock) return true;
  const target = instruction.operands.at(0);
  return instruction.mnemonic === 'xchg' && target?.kind === OperandKind.MEMORY;
}

function mayJoin(instruction: Decoded, start: bigint): boolean {
  const last = nextAddress(instruction) - 1n;
  if (CLOCK_READERS.has(instruction.mnemonic) || locksMemory(instruction)) return false;
  return pageOf(last) === pageOf(start);
}

/**
 * The block at `address`, of at most `instructionsMax`. `missing` when its first instruction cannot
 * be fetched whole.
 */
export function formBlock(
  address: bigint,
  fetchBytes: FetchBytes,
  instructionsMax: number = BLOCK_INSTRUCTIONS_MAX,
): IrBlock | MissingCode {
  const emit = new Emitter();
  const instructions: IrInstruction[] = [];
  let next = address;
  let ended = false;
  const inPage = Number(PAGE_BYTES - (address % PAGE_BYTES));
  let code = fetchBytes(address, inPage);
  while (!ended && instructions.length < instructionsMax) {
    if (pageOf(next) !== pageOf(address)) break;
    let instruction = decode(code.subarray(Number(next - address)), next);
    if (instruction === undefined) {
      if (instructions.length > 0) break;
      code = fetchBytes(address, INSTRUCTION_BYTES_MAX);
      instruction = decode(code, next);
      if (instruction === undefined) {
        return { missing: BigInt.asUintN(64, address + BigInt(code.length)) };
      }
    }
    if (instructions.length > 0 && !mayJoin(instruction, address)) break;
    instructions.push({
      address: next,
      length: instruction.length,
      firstOp: emit.ops.length,
      mnemonic: fullMnemonic(instruction),
    });
    ended = liftInto(emit, instruction);
    next = nextAddress(instruction);
  }
  if (!ended) emit.effect(Op.Jump, Width.W64, NONE, NONE, NONE, next);
  const live = removeDead(emit.ops, instructions, emit.temps);
  return {
    address,
    length: Number(next - address),
    instructions: live.instructions,
    ops: live.ops,
    temps: emit.temps,
  };
}
