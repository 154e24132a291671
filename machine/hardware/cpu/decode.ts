/**
 * The decoder: turns code bytes into plain instruction values. The only module that decodes with
 * iced-x86, whose objects live in its own wasm memory and must not leak out of here.
 * 64-bit mode only.
 */
import {
  Code,
  Decoder,
  DecoderError,
  DecoderOptions,
  MemorySizeExt,
  Mnemonic,
  OpKind,
  Register,
} from 'iced-x86';
import type { Instruction } from 'iced-x86';
import { Width } from './ir.ts';

/** Mnemonic of what goes on beyond INSTRUCTION_BYTES_MAX. */
export const TOO_LONG = '(too long)';

/** The longest instruction that the processor accepts, in bytes. */
export const INSTRUCTION_BYTES_MAX = 15;

export const enum OperandKind {
  REGISTER,
  XMM,
  X87,
  MMX,
  /** es, cs, ss, ds, fs, gs: 0..5. */
  SEGMENT,
  IMMEDIATE,
  MEMORY,
  /** Address of a direct jump or call. */
  TARGET,
  /** Anything that this machine has no use for: control, ymm ... registers. */
  OTHER,
}

export interface RegisterOperand {
  readonly kind: OperandKind.REGISTER;
  /** Hardware number 0..15. */
  readonly index: number;
  readonly width: Width;
  /** ah, ch, dh or bh: bits 8..15 of register `index`. */
  readonly high: boolean;
}

export interface MemoryOperand {
  readonly kind: OperandKind.MEMORY;
  /** Hardware numbers, or -1; a rip-relative operand has none and an absolute displacement. */
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  /** Unsigned 64-bit. */
  readonly displacement: bigint;
  readonly segment: 'fs' | 'gs' | undefined;
  /** Address computed modulo 2^32 (address-size prefix). */
  readonly address32: boolean;
  /** Bytes accessed; 0 where the decoder does not say (lea, fxsave ...). */
  readonly bytes: number;
}

export type Operand =
  | RegisterOperand
  | MemoryOperand
  | {
      readonly kind: OperandKind.XMM | OperandKind.X87 | OperandKind.MMX | OperandKind.SEGMENT;
      readonly index: number;
    }
  | { readonly kind: OperandKind.IMMEDIATE; readonly value: bigint }
  | { readonly kind: OperandKind.TARGET; readonly address: bigint }
  | { readonly kind: OperandKind.OTHER };

export interface Decoded {
  readonly address: bigint;
  readonly length: number;
  /** Lower case, without prefixes: `movsb`, `add`. `(bad)` for bytes that decode to nothing. */
  readonly mnemonic: string;
  /** movs, stos, lods, cmps or scas (the mnemonics movsd and cmpsd are SSE2 ones too). */
  readonly string: boolean;
  readonly operands: readonly Operand[];
  readonly lock: boolean;
  readonly rep: boolean;
  readonly repne: boolean;
  /** The address-size prefix is present and matters (memory operand, string, jecxz, loop). */
  readonly address32: boolean;
  /** Segment override with a base of its own, for operands that are implied. */
  readonly segment: 'fs' | 'gs' | undefined;
  /** Bytes that a stack instruction pushes or pops at a time. */
  readonly stackBytes: 2 | 8;
}

const GPR_NAMES: readonly (readonly [Width, readonly string[]])[] = [
  [Width.W64, 'RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15'.split(' ')],
  [Width.W32, 'EAX ECX EDX EBX ESP EBP ESI EDI R8D R9D R10D R11D R12D R13D R14D R15D'.split(' ')],
  [Width.W16, 'AX CX DX BX SP BP SI DI R8W R9W R10W R11W R12W R13W R14W R15W'.split(' ')],
  [Width.W8, 'AL CL DL BL SPL BPL SIL DIL R8L R9L R10L R11L R12L R13L R14L R15L'.split(' ')],
];
const HIGH_BYTE_NAMES = ['AH', 'CH', 'DH', 'BH'];
const VECTOR_REGISTERS = 16;
const X87_REGISTERS = 8;
const SEGMENT_NAMES = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];

const REGISTER_BY_NAME = Register as unknown as Readonly<Record<string, number | undefined>>;
const MNEMONIC_NAMES = Mnemonic as unknown as Readonly<Record<number, string | undefined>>;

const REGISTER_OPERANDS = registerOperands();

function registerOperands(): ReadonlyMap<number, Operand> {
  const table = new Map<number, Operand>();
  const define = (name: string, operand: Operand): void => {
    const number = REGISTER_BY_NAME[name];
    if (number !== undefined) table.set(number, operand);
  };
  for (const [width, names] of GPR_NAMES) {
    names.forEach((name, index) => {
      define(name, { kind: OperandKind.REGISTER, index, width, high: false });
    });
  }
  HIGH_BYTE_NAMES.forEach((name, index) => {
    define(name, { kind: OperandKind.REGISTER, index, width: Width.W8, high: true });
  });
  for (let index = 0; index < VECTOR_REGISTERS; index++) {
    define(`XMM${String(index)}`, { kind: OperandKind.XMM, index });
  }
  for (let index = 0; index < X87_REGISTERS; index++) {
    define(`ST${String(index)}`, { kind: OperandKind.X87, index });
    define(`MM${String(index)}`, { kind: OperandKind.MMX, index });
  }
  SEGMENT_NAMES.forEach((name, index) => {
    define(name, { kind: OperandKind.SEGMENT, index });
  });
  return table;
}

const OTHER_OPERAND: Operand = { kind: OperandKind.OTHER };

function registerNumber(register: Register): number {
  const operand = REGISTER_OPERANDS.get(register);
  return operand?.kind === OperandKind.REGISTER ? operand.index : -1;
}

function addresses32Bits(register: Register): boolean {
  if (register === Register.EIP) return true;
  const operand = REGISTER_OPERANDS.get(register);
  return operand?.kind === OperandKind.REGISTER && operand.width === Width.W32;
}

function segmentOf(instruction: Instruction): 'fs' | 'gs' | undefined {
  const segment = instruction.segmentPrefix;
  return segment === Register.FS ? 'fs' : segment === Register.GS ? 'gs' : undefined;
}

function memoryOperand(instruction: Instruction): Operand {
  return {
    kind: OperandKind.MEMORY,
    base: registerNumber(instruction.memoryBase),
    index: registerNumber(instruction.memoryIndex),
    scale: instruction.memoryIndexScale,
    displacement: BigInt.asUintN(64, instruction.memoryDisplacement),
    segment: segmentOf(instruction),
    address32: hasAddress32(instruction),
    bytes: MemorySizeExt.size(instruction.memorySize),
  };
}

function hasAddress32(instruction: Instruction): boolean {
  if (addresses32Bits(instruction.memoryBase)) return true;
  if (addresses32Bits(instruction.memoryIndex)) return true;
  // A bare 32-bit displacement: the decoder reports a displacement size of 4 under the prefix.
  return (
    instruction.memoryBase === Register.None &&
    instruction.memoryIndex === Register.None &&
    instruction.memoryDisplSize === 4
  );
}

const IMMEDIATE_KINDS: ReadonlySet<OpKind> = new Set([
  OpKind.Immediate8,
  OpKind.Immediate8_2nd,
  OpKind.Immediate16,
  OpKind.Immediate32,
  OpKind.Immediate64,
  OpKind.Immediate8to16,
  OpKind.Immediate8to32,
  OpKind.Immediate8to64,
  OpKind.Immediate32to64,
]);

const STRING_KINDS_32: ReadonlySet<OpKind> = new Set([
  OpKind.MemorySegESI,
  OpKind.MemorySegEDI,
  OpKind.MemoryESEDI,
]);
const COUNT_32: ReadonlySet<Code> = new Set([
  Code.Loop_rel8_64_ECX,
  Code.Loope_rel8_64_ECX,
  Code.Loopne_rel8_64_ECX,
  Code.Jecxz_rel8_64,
]);
const STACK_16: ReadonlySet<Code> = new Set([
  ...[Code.Enterw_imm16_imm8, Code.Leavew, Code.Push_imm16, Code.Pushw_imm8],
  ...[Code.Pushfw, Code.Popfw, Code.Pushw_FS, Code.Pushw_GS, Code.Popw_FS, Code.Popw_GS],
]);

function decodeOperand(instruction: Instruction, position: number): Operand {
  const kind = instruction.opKind(position);
  if (kind === OpKind.Register) {
    return REGISTER_OPERANDS.get(instruction.opRegister(position)) ?? OTHER_OPERAND;
  }
  if (kind === OpKind.Memory) return memoryOperand(instruction);
  if (kind === OpKind.NearBranch64) {
    return { kind: OperandKind.TARGET, address: instruction.nearBranchTarget };
  }
  if (IMMEDIATE_KINDS.has(kind)) {
    return {
      kind: OperandKind.IMMEDIATE,
      value: BigInt.asUintN(64, instruction.immediate(position)),
    };
  }
  return OTHER_OPERAND;
}

function decodedFrom(instruction: Instruction, tooLong: boolean): Decoded {
  const operands: Operand[] = [];
  let string32 = false;
  for (let position = 0; position < instruction.opCount; position++) {
    operands.push(decodeOperand(instruction, position));
    string32 ||= STRING_KINDS_32.has(instruction.opKind(position));
  }
  const invalid = instruction.isInvalid;
  const name = tooLong ? TOO_LONG : '(bad)';
  const memory = operands.find((operand) => operand.kind === OperandKind.MEMORY);
  return {
    address: instruction.ip,
    length: instruction.length,
    mnemonic: invalid ? name : (MNEMONIC_NAMES[instruction.mnemonic] ?? '(bad)').toLowerCase(),
    string: instruction.isStringInstruction,
    operands,
    lock: instruction.hasLockPrefix,
    rep: instruction.hasRepPrefix,
    repne: instruction.hasRepnePrefix,
    address32:
      string32 ||
      COUNT_32.has(instruction.code) ||
      (memory?.kind === OperandKind.MEMORY && memory.address32),
    segment: segmentOf(instruction),
    stackBytes: STACK_16.has(instruction.code) ? 2 : 8,
  };
}

/**
 * Decodes the instruction at `address` from the first bytes of `bytes` (up to 15 are looked at).
 * Returns undefined when the bytes end inside the instruction; an invalid encoding is a value with
 * mnemonic `(bad)`, or TOO_LONG.
 */
export function decode(bytes: Uint8Array, address: bigint): Decoded | undefined {
  const decoder = new Decoder(64, bytes.subarray(0, INSTRUCTION_BYTES_MAX), DecoderOptions.None);
  decoder.ip = address;
  const instruction = decoder.decode();
  try {
    const ended = instruction.isInvalid && decoder.lastError === DecoderError.NoMoreBytes;
    if (ended && bytes.length < INSTRUCTION_BYTES_MAX) return undefined;
    return decodedFrom(instruction, ended);
  } finally {
    instruction.free();
    decoder.free();
  }
}
