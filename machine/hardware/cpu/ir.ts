/**
 * The intermediate representation: the one definition of what each guest instruction does.
 * AssemblyScript compiles this file too: const enums and types only, no table of objects.
 *
 * An instruction is lifted to a few ops over single-assignment temporaries; the interpreter and
 * the translator to WebAssembly both execute these ops and nothing else. Rules that both rely on:
 *
 * - An integer temporary is 64 bits wide and holds its value zero-extended from the op's width.
 *   Every integer op takes and produces that form (arithmetic is modulo 2^width).
 * - A vector temporary is 128 bits.
 * - Within one guest instruction every op that can fault (Load, Store, ProbeWrite, faulting
 *   helpers) comes before the first op that changes guest state (SetReg, SetXmm, Flags, ...), so a
 *   faulting instruction restarts exactly. An instruction with two stores probes the second first.
 * - A block is a straight line of instructions from its entry address to its first control
 *   transfer, at most BLOCK_INSTRUCTIONS_MAX long; it ends before an instruction that starts in
 *   the next page, and an instruction that straddles two pages is a block of its own. What a block
 *   is depends on its entry address and the code bytes alone, never on the executor.
 * - An instruction that reads the clock (rdtsc, rdtscp) starts a block, so that the clock it reads
 *   includes everything before it.
 */

export const BLOCK_INSTRUCTIONS_MAX = 64;

/** log2 of the width in bytes. */
export const enum Width {
  W8 = 0,
  W16 = 1,
  W32 = 2,
  W64 = 3,
  W128 = 4,
}

export const enum Op {
  // Constants and state -------------------------------------------------------------------
  /** dst = imm */
  Const,
  /** dst = low `width` bits of general register imm */
  GetReg,
  /** general register imm = a; W64 and W32 replace all of it, W16 and W8 only their own bits */
  SetReg,
  /** dst = bits 8..15 of general register imm (ah, ch, dh, bh) */
  GetRegHigh,
  /** bits 8..15 of general register imm = a */
  SetRegHigh,
  /** dst = the i32 (W32) or i64 (W64) field of the CPU block at offset imm (FS_BASE, DF, MXCSR ...) */
  GetState,
  SetState,

  // Integer arithmetic: dst = a op b, modulo 2^width ----------------------------------------
  Add,
  Sub,
  Mul,
  And,
  Or,
  Xor,
  /** Shift and rotate counts are already masked by the lifter to less than the width. */
  Shl,
  Shr,
  Sar,
  Rotl,
  Rotr,
  Not,
  Neg,
  /** dst = high 64 bits of the 64 x 64 product (W64 only), unsigned and signed */
  MulHighU,
  MulHighS,
  /** dst = a / b, W64 only; the lifter has trapped b = 0 and (DivS) the overflow before */
  DivU,
  DivS,
  /** dst = number of zero bits above (below) the first one; width when a is 0 */
  Clz,
  Ctz,
  Popcnt,
  Bswap,
  /** dst = a sign-extended from width imm to `width` */
  SignExtend,
  /** dst = the low `width` bits of a */
  Truncate,
  /** dst = a compared with b at `width`: 1 or 0 */
  Eq,
  Ne,
  LtU,
  LtS,
  LeU,
  LeS,
  /** dst = a ? b : c (a is 0 or 1) */
  Select,

  // Memory; a is the virtual address ----------------------------------------------------------
  /** dst = zero-extended value at a */
  Load,
  /** value at a = b */
  Store,
  /** dst = host address of a, writable; charges one access with write intent. imm 1 = `lock` */
  ProbeWrite,
  /** dst = value at host address a, from ProbeWrite; cannot fault */
  LoadHost,
  /** value at host address a = b; cannot fault. Completes a page-crossing write */
  StoreHost,
  /** Vector load of W32, W64 (zero-extended) or W128. imm 1 = #GP unless 16-byte aligned */
  LoadVector,
  /** Vector store of the low W32, W64 or all W128 bits of b. imm 1 = #GP unless aligned */
  StoreVector,

  // Flags (lazy) ------------------------------------------------------------------------------
  /** CC = { kind imm, width, result a, source b, aux c }; see FlagKind */
  Flags,
  /**
   * The same when c is not 0 (aux is then 0), else CC stays: shifts by a count that may be zero.
   * Kinds SHIFT and RAW only.
   */
  FlagsIf,
  /** dst = condition imm (x86 encoding 0..15) of the current flags: 1 or 0 */
  Condition,
  /** dst = the six arithmetic flags at their rflags positions */
  GetFlags,

  // Vectors -----------------------------------------------------------------------------------
  /** dst = xmm register imm */
  GetXmm,
  SetXmm,
  /** dst = 128-bit constant: imm is the low half, imm2 the high half */
  VectorConst,
  /**
   * dst = a op b (op a when b is NONE): imm is a WebAssembly SIMD opcode (after the 0xfd prefix)
   * taking v128s to v128.
   */
  Vector,
  /**
   * dst = a op b: imm is a form of FloatForm. Raises exceptions in Cpu.MXCSR; one that is unmasked
   * exits with ExitReason.EXCEPTION, vector 19, as a fault. A NaN that arithmetic produces is the
   * processor's: a made quiet when a is a NaN, else b made quiet when b is one, else the default one.
   */
  Float,
  /** dst = i8x16.shuffle a, b with the 16 lane indices of imm (low 8) and imm2 (high 8) */
  Shuffle,
  /** dst = a op count, imm is a wasm SIMD shift opcode, b an integer temporary below the lane width */
  VectorShift,
  /** dst = lane imm of a, zero-extended, lanes of `width` */
  ExtractLane,
  /** dst = a with lane imm of `width` replaced by the integer b */
  InsertLane,
  /** dst = integer: wasm SIMD bitmask opcode imm of a */
  Bitmask,

  // Calls -------------------------------------------------------------------------------------
  /** dst = helper imm(a, b, c); see Helper and helpers.ts */
  Call,
  /** dst = second result of the preceding Call: the i64 in Cpu.HELPER_RESULT */
  CallResult,
  /** When a is 1: exit with ExitReason.EXCEPTION, vector imm, RIP at this instruction, as a fault */
  TrapIf,

  // Terminators: exactly one, last in the block --------------------------------------------------
  /** Go to imm. imm2: the address after a call, else 0. */
  Jump,
  /** Go to imm when a is 1, else to imm2. */
  Branch,
  /** Go to the address in a. imm is a JumpKind, imm2 the address after a call. */
  JumpIndirect,
  /** Exit with ExitReason.SYSCALL; imm is the next address. */
  Syscall,
  /** Exit with ExitReason.EXCEPTION, vector imm, RIP imm2 (this instruction; after it for #BP). */
  Exception,
  /** Exit with ExitReason.MARKER, number imm; imm2 is the next address. */
  Marker,
  /** Exit with ExitReason.DISPATCH; imm is the next address. The way executors are chosen changed. */
  Dispatch,
}

/** For the predictors and the return stack. */
export const enum JumpKind {
  JUMP,
  CALL,
  RETURN,
}

/**
 * How the lazy flags follow from { result, source, aux }. `lhs op rhs = result`:
 * ADD, ADC: source = rhs (aux = carry in). SUB, SBB: source = rhs (aux = borrow in).
 * INC, DEC: aux = CF, unchanged. LOGIC: CF = OF = AF = 0. SHIFT: source = CF and OF at their rflags
 * positions (bits 0 and 11), AF = 0; SF ZF PF from result.
 * MULTIPLY: source = CF = OF; SF ZF PF from result. RAW: source = the flags at their rflags positions.
 */
export const enum FlagKind {
  RAW,
  ADD,
  ADC,
  SUB,
  SBB,
  INC,
  DEC,
  LOGIC,
  SHIFT,
  MULTIPLY,
}

/** No temporary. */
export const NONE = -1;

/** One op. Unused operands are NONE, unused immediates 0n. */
export interface IrOp {
  readonly op: Op;
  readonly width: Width;
  readonly dst: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly imm: bigint;
  readonly imm2: bigint;
}

/** One guest instruction inside a block. */
export interface IrInstruction {
  readonly address: bigint;
  readonly length: number;
  /** Index into IrBlock.ops of its first op. */
  readonly firstOp: number;
  /** Mnemonic for the timing tables and for messages, lower case, as the decoder prints it. */
  readonly mnemonic: string;
}

/** A basic block as lifted; timing is added by cpu/timing.ts from the board. */
export interface IrBlock {
  readonly address: bigint;
  /** Bytes of code. */
  readonly length: number;
  readonly instructions: readonly IrInstruction[];
  readonly ops: readonly IrOp[];
  /** Temporaries used; numbered 0..temps-1, integer and vector ones in one numbering. */
  readonly temps: number;
}

/**
 * Helpers: exports of the AssemblyScript core with the signature (cpu: i32, i64 for each argument)
 * -> i64, a second result in Cpu.HELPER_RESULT. Floating-point arguments and results are bit
 * patterns. Conversions and comparisons raise exceptions as Op.Float does. How to call each is in
 * helpers.ts. Helpers read MXCSR and the x87 fields in the CPU block, so SetState writes through.
 */
export const enum Helper {
  /** (high, low, divisor) -> quotient, remainder; a quotient beyond 64 bits was trapped before. */
  DivideU128,
  DivideS128,
  /** (high, low, divisor) -> 1 when DivideS128 would overflow or divide by zero. */
  DivideS128Overflows,
  /** (value, count, log2 width + 8 * carry) -> value; second result CF and OF at rflags positions. */
  RotateCarryLeft,
  RotateCarryRight,
  /** (integer) -> bits, rounded as MXCSR says. */
  F64FromI64,
  F32FromI64,
  /** (bits, 1 to truncate, 0 to round as MXCSR says) -> integer, the indefinite one out of range. */
  F64ToI64,
  F64ToI32,
  F32ToI64,
  F32ToI32,
  /** (bits) -> bits */
  F32FromF64,
  F64FromF32,
  /** (bits a, bits b, 1 for ucomisd) -> ZF PF CF at their rflags positions, as comisd a, b. */
  CompareF64,
  CompareF32,
  /** (StringOp + 8 * log2 width + 32 * (1 rep/repe, 2 repne)) on rsi, rdi, rcx, rax and memory. */
  RepString,
  /** (leaf, subleaf) -> eax and ebx << 32; second result ecx and edx << 32. */
  Cpuid,
  /** () -> time stamp counter. */
  ReadTsc,
  /** (virtual address), 16-byte aligned. */
  FxSave,
  FxRestore,
  /** (operation, operand, operand) -> result: register operations of the x87 unit; see x87. */
  X87,
  /** (operation, virtual address): x87 operations on memory operands longer than 8 bytes. */
  X87Memory,
}

export const enum StringOp {
  MOVS,
  STOS,
  LODS,
  CMPS,
  SCAS,
}
