/**
 * Classic BPF programs, after Linux 6.1 net/core/filter.c: checked once (bpf_check_classic), then run.
 * The kernel translates them to machine code (bpf_jit_enable=1, the default on x86-64); here they are
 * interpreted, and `instructions` says how many machine instructions the translated program retires on
 * the way taken: one for a load or a move, two for arithmetic with a constant that must be loaded and for a
 * comparison with its branch, one more where both branches jump, and a frame of ten. Omits: packets and
 * the extensions for them (seccomp refuses both).
 */

/** struct sock_filter */
export interface BpfInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export const BPF_INSTRUCTION_BYTES = 8;
/** BPF_MAXINSNS */
export const BPF_INSTRUCTIONS_MAX = 4096;
const MEMORY_WORDS = 16;

/** Classes, and what they are combined with: include/uapi/linux/bpf_common.h. */
export const enum Bpf {
  LD_W_ABS = 0x20,
  LD_W_LEN = 0x80,
  LDX_W_LEN = 0x81,
  LD_IMM = 0x00,
  LDX_IMM = 0x01,
  LD_MEM = 0x60,
  LDX_MEM = 0x61,
  ST = 0x02,
  STX = 0x03,
  RET_K = 0x06,
  RET_A = 0x16,
  TAX = 0x07,
  TXA = 0x87,
  ADD_K = 0x04,
  ADD_X = 0x0c,
  SUB_K = 0x14,
  SUB_X = 0x1c,
  MUL_K = 0x24,
  MUL_X = 0x2c,
  DIV_K = 0x34,
  DIV_X = 0x3c,
  OR_K = 0x44,
  OR_X = 0x4c,
  AND_K = 0x54,
  AND_X = 0x5c,
  LSH_K = 0x64,
  LSH_X = 0x6c,
  RSH_K = 0x74,
  RSH_X = 0x7c,
  NEG = 0x84,
  XOR_K = 0xa4,
  XOR_X = 0xac,
  JA = 0x05,
  JEQ_K = 0x15,
  JEQ_X = 0x1d,
  JGT_K = 0x25,
  JGT_X = 0x2d,
  JGE_K = 0x35,
  JGE_X = 0x3d,
  JSET_K = 0x45,
  JSET_X = 0x4d,
}

/** Arithmetic on the accumulator, by operation (code & 0xf0): 32 bits, unsigned. */
const ALU: Readonly<Record<number, (a: number, b: number) => number>> = {
  0x00: (a, b) => a + b,
  0x10: (a, b) => a - b,
  0x20: (a, b) => Math.imul(a, b),
  0x30: (a, b) => Math.floor(a / b),
  0x40: (a, b) => a | b,
  0x50: (a, b) => a & b,
  0x60: (a, b) => (b > 31 ? 0 : a << b),
  0x70: (a, b) => (b > 31 ? 0 : a >>> b),
  0x80: (a) => -a,
  0xa0: (a, b) => a ^ b,
};

/** Comparisons, by operation. */
const JUMP: Readonly<Record<number, (a: number, b: number) => boolean>> = {
  0x10: (a, b) => a === b,
  0x20: (a, b) => a > b,
  0x30: (a, b) => a >= b,
  0x40: (a, b) => (a & b) !== 0,
};

const CLASS = 0x07;
const CLASS_ALU = 0x04;
const CLASS_JMP = 0x05;
const SOURCE_X = 0x08;
const OPERATION = 0xf0;
const FRAME_INSTRUCTIONS = 10;

/** Codes that a program for seccomp may use: seccomp_check_filter. */
const ALLOWED: ReadonlySet<number> = new Set([
  ...[Bpf.LD_W_ABS, Bpf.LD_W_LEN, Bpf.LDX_W_LEN, Bpf.LD_IMM, Bpf.LDX_IMM, Bpf.LD_MEM, Bpf.LDX_MEM],
  ...[Bpf.ST, Bpf.STX, Bpf.RET_K, Bpf.RET_A, Bpf.TAX, Bpf.TXA],
  ...[Bpf.ADD_K, Bpf.ADD_X, Bpf.SUB_K, Bpf.SUB_X, Bpf.MUL_K, Bpf.MUL_X, Bpf.DIV_K, Bpf.DIV_X],
  ...[Bpf.OR_K, Bpf.OR_X, Bpf.AND_K, Bpf.AND_X, Bpf.LSH_K, Bpf.LSH_X, Bpf.RSH_K, Bpf.RSH_X],
  ...[Bpf.NEG, Bpf.XOR_K, Bpf.XOR_X],
  ...[Bpf.JA, Bpf.JEQ_K, Bpf.JEQ_X, Bpf.JGT_K, Bpf.JGT_X, Bpf.JGE_K, Bpf.JGE_X],
  ...[Bpf.JSET_K, Bpf.JSET_X],
]);

/** Reads an array of struct sock_filter. */
export function readProgram(bytes: Uint8Array): BpfInstruction[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const program: BpfInstruction[] = [];
  for (let at = 0; at < bytes.length; at += BPF_INSTRUCTION_BYTES) {
    program.push({
      code: view.getUint16(at, true),
      jt: view.getUint8(at + 2),
      jf: view.getUint8(at + 3),
      k: view.getUint32(at + 4, true),
    });
  }
  return program;
}

/** bpf_check_classic and seccomp_check_filter: whether every way through the program is sound. */
export function isSound(program: readonly BpfInstruction[], dataBytes: number): boolean {
  const last = program.at(-1)?.code;
  if (last !== (Bpf.RET_K as number) && last !== (Bpf.RET_A as number)) return false;
  return program.every((_, at) => isSoundAt(program, at, dataBytes)) && loadsWhatWasStored(program);
}

function isSoundAt(program: readonly BpfInstruction[], at: number, dataBytes: number): boolean {
  const { code, jt, jf, k } = program[at];
  if (!ALLOWED.has(code)) return false;
  const left = program.length - at - 1;
  switch (code) {
    case Bpf.LD_W_ABS:
      return k % 4 === 0 && k < dataBytes;
    case Bpf.DIV_K:
      return k !== 0;
    case Bpf.LSH_K:
    case Bpf.RSH_K:
      return k < 32;
    case Bpf.LD_MEM:
    case Bpf.LDX_MEM:
    case Bpf.ST:
    case Bpf.STX:
      return k < MEMORY_WORDS;
    case Bpf.JA:
      return k < left;
    default:
      return (code & CLASS) !== CLASS_JMP || (jt < left && jf < left);
  }
}

/** check_load_and_stores: no word of memory is loaded on a way on which it was not stored. */
function loadsWhatWasStored(program: readonly BpfInstruction[]): boolean {
  const ALL = 0xffff;
  const valid = program.map(() => ALL);
  let stored = 0;
  for (const [at, { code, jt, jf, k }] of program.entries()) {
    stored &= valid[at];
    if (code === (Bpf.ST as number) || code === (Bpf.STX as number)) stored |= 1 << k;
    else if (code === (Bpf.LD_MEM as number) || code === (Bpf.LDX_MEM as number)) {
      if ((stored & (1 << k)) === 0) return false;
    } else if (code === (Bpf.JA as number)) {
      valid[at + 1 + k] &= stored;
      stored = ALL;
    } else if ((code & CLASS) === CLASS_JMP) {
      valid[at + 1 + jt] &= stored;
      valid[at + 1 + jf] &= stored;
      stored = ALL;
    }
  }
  return true;
}

/** What a program returned, and what that took. */
export interface BpfOutcome {
  value: number;
  /** Retired machine instructions of the translated program. */
  instructions: number;
}

const MEMORY = new Uint32Array(MEMORY_WORDS);

/** Runs a sound program over `data`, 32-bit words. The outcome is valid until the next run. */
export function runProgram(program: readonly BpfInstruction[], data: Uint32Array): BpfOutcome {
  let a = 0;
  let x = 0;
  let instructions = FRAME_INSTRUCTIONS;
  for (let at = 0; ; at++) {
    const { code, jt, jf, k } = program[at];
    instructions++;
    const kind = code & CLASS;
    if (kind === CLASS_JMP) {
      if (code === (Bpf.JA as number)) {
        at += k;
        continue;
      }
      const isTrue = JUMP[code & OPERATION](a, (code & SOURCE_X) !== 0 ? x : k);
      // A comparison, its branch, and a second branch where neither way goes straight on.
      instructions += !isTrue && jt !== 0 && jf !== 0 ? 2 : 1;
      at += isTrue ? jt : jf;
      continue;
    }
    if (kind === CLASS_ALU) {
      const operand = (code & SOURCE_X) !== 0 ? x : k;
      // Dividing by a register that is 0 ends the program with 0.
      if ((code & OPERATION) === 0x30 && operand === 0) return outcome(0, instructions);
      if ((code & OPERATION) === 0x30) instructions += 5;
      a = ALU[code & OPERATION](a, operand) >>> 0;
      continue;
    }
    switch (code) {
      case Bpf.LD_W_ABS:
        a = data[k >> 2];
        break;
      case Bpf.LD_W_LEN:
        a = data.byteLength;
        break;
      case Bpf.LDX_W_LEN:
        x = data.byteLength;
        break;
      case Bpf.LD_IMM:
        a = k;
        break;
      case Bpf.LDX_IMM:
        x = k;
        break;
      case Bpf.LD_MEM:
        a = MEMORY[k];
        break;
      case Bpf.LDX_MEM:
        x = MEMORY[k];
        break;
      case Bpf.ST:
        MEMORY[k] = a;
        break;
      case Bpf.STX:
        MEMORY[k] = x;
        break;
      case Bpf.TAX:
        x = a;
        break;
      case Bpf.TXA:
        a = x;
        break;
      default:
        return outcome(code === (Bpf.RET_A as number) ? a : k, instructions);
    }
  }
}

const OUTCOME: BpfOutcome = { value: 0, instructions: 0 };

function outcome(value: number, instructions: number): BpfOutcome {
  OUTCOME.value = value >>> 0;
  OUTCOME.instructions = instructions;
  return OUTCOME;
}
