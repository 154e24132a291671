/**
 * Layout of the one linear memory that the whole machine lives in.
 *
 * TypeScript, the AssemblyScript core and generated WebAssembly all read this file, so it holds
 * `const enum`s of byte offsets and nothing else (AssemblyScript compiles it as it stands).
 *
 *   0x00000000  unused first page: address 0 never names anything
 *   0x00001000  AssemblyScript statics
 *   HEADER      machine-wide header (Header)
 *   CPU_BLOCKS  one block of CPU_BLOCK_BYTES for each CPU (Cpu), its block records included
 *   ...         arena: tag arrays, interpreter code, kernel records (handed out by Arena)
 *   GUEST       guest physical memory, page aligned: host address = Header.GUEST_BASE + physical
 */

export const enum Region {
  HEADER = 0x10000,
  CPU_BLOCKS = 0x11000,
  CPU_BLOCK_BYTES = 0x920000,
}

/** Machine-wide header; offsets from Region.HEADER. All fields i32 unless said otherwise. */
export const enum Header {
  /** Linear address of guest physical address 0. */
  GUEST_BASE = 0x00,
  /** Bytes of guest physical memory; i64. */
  GUEST_BYTES = 0x08,
  /** One byte per physical page: 1 where translated or decoded code was read from the page. */
  CODE_PAGES = 0x10,
  /**
   * How many code pages were written since the dispatcher last looked; see CodePage. Such a write
   * is never filtered. A user's is refused: it leaves with ExitReason.CODE_WRITTEN as if it had
   * faulted, and the dispatcher executes the instruction alone, with Cpu.MAY_WRITE_CODE set. The
   * write then takes Budget.FORCE from Cpu.LIMIT and adds as much to Cpu.STALL, so that LEFT goes
   * negative while LIMIT - LEFT, the clock, stays exact; so nothing else is executed before the
   * dispatcher, which looks here before it runs anything, has invalidated the pages.
   */
  CODE_WRITTEN = 0x14,
  /** Physical page number of the last such write. */
  CODE_WRITTEN_PAGE = 0x18,
}

/** Values of the bytes at Header.CODE_PAGES. */
export const enum CodePage {
  NONE = 0,
  CODE = 1,
  /** Holds code that is out of date: written since the dispatcher last looked. */
  WRITTEN = 3,
}

export const enum Budget {
  /** The most that a dispatcher may put in Cpu.LEFT. */
  MAX = 0x3fffffff,
  /** What a write to a code page takes from LEFT and LIMIT; more than MAX. */
  FORCE = 0x40000000,
}

/**
 * One CPU's block: architectural state first, then the exit protocol, then the inline filters.
 * The memory model keeps its own pointers and geometry from Cpu.MODEL on.
 */
export const enum Cpu {
  // Architectural state ------------------------------------------------------------------
  /** rax rcx rdx rbx rsp rbp rsi rdi r8..r15, i64 each (hardware numbering). */
  GPR = 0x000,
  /** i64 */
  RIP = 0x080,
  /** Lazy flags, see FlagKind. i64 result, zero-extended to its width. */
  CC_RESULT = 0x088,
  /** i64 */
  CC_SOURCE = 0x090,
  /** i64 */
  CC_AUX = 0x098,
  /** i32: FlagKind * 4 + Width */
  CC_OP = 0x0a0,
  /** i32: 0 or 1, the direction flag. */
  DF = 0x0a4,
  /** i64 */
  FS_BASE = 0x0a8,
  /** i64 */
  GS_BASE = 0x0b0,
  /** i32 */
  MXCSR = 0x0b8,
  /** i32: rflags bits outside DF and the six arithmetic flags (IF, AC, ID, ...). */
  RFLAGS_OTHER = 0x0bc,
  /** x87: i32 control word, i32 status word (TOP inside), i32 abridged tag byte (1 = used). */
  X87_CONTROL = 0x0c0,
  X87_STATUS = 0x0c4,
  X87_TAG = 0x0c8,
  /** Eight physical x87 registers, 16 bytes each: i64 significand, i32 sign and exponent. */
  X87_REGISTERS = 0x100,
  /** xmm0..15, 16 bytes each. */
  XMM = 0x180,

  // Exit protocol ------------------------------------------------------------------------
  /** i64: ticks left until the CPU must return to the dispatcher; clock = LIMIT - LEFT. */
  LEFT = 0x280,
  /** i64: the clock value at which LEFT reaches zero. */
  LIMIT = 0x288,
  /** i32: ExitReason. */
  EXIT_REASON = 0x290,
  /** i32: trap vector, marker number, or page-fault error code. */
  EXIT_INFO = 0x294,
  /** i64: faulting virtual address (what CR2 holds). */
  EXIT_ADDRESS = 0x298,
  /** i32: address of the record of the block that was executing. */
  EXIT_RECORD = 0x2a0,
  /**
   * i32: ticks that the last slow-path call stalled; the caller subtracts them from its LEFT, also
   * when the call reported a fault.
   */
  STALL = 0x2a4,
  /** i64: second result of a helper (remainder, high half). */
  HELPER_RESULT = 0x2a8,
  /** i32: 1 while a store that crosses a page boundary waits in BOUNCE for commitSplit(). */
  SPLIT_PENDING = 0x2b0,
  /** i32: current privilege level, 0 or 3. */
  CPL = 0x2b4,
  /** 64 bytes: bytes of an access that crosses into another physical page. */
  BOUNCE = 0x2c0,

  // Address translation ------------------------------------------------------------------
  /** i64: physical address of the top page table. */
  CR3 = 0x300,
  /** i32: PCID of the current address space; TLB entries are tagged with it. */
  PCID = 0x308,

  /** TSC: i64 value at clock 0, then i32 numerator and i32 denominator of TSC counts per tick. */
  TSC_OFFSET = 0x310,
  TSC_NUMERATOR = 0x318,
  TSC_DENOMINATOR = 0x31c,
  /** i32 CPU number, as rdtscp, rdpid and lsl report it. */
  TSC_AUX = 0x320,
  /** i32: address of the table through which translated regions find each other. */
  JUMP_CACHE = 0x324,

  /** i32 address and i32 byte mask of the interpreter's block table; see BlockTable in bytecode.ts. */
  BLOCK_TABLE = 0x328,
  BLOCK_TABLE_MASK = 0x32c,

  /**
   * i32: 1/Rep.RATE_SCALE ticks per byte of a forward rep movs (0: per element, as the others), and
   * ticks per element of any other repeated string instruction.
   */
  REP_MOVE_BYTE_RATE = 0x330,
  REP_ELEMENT_TICKS = 0x334,
  /** i32: 1 while the CPU executes one instruction that may write code; see Header.CODE_WRITTEN. */
  MAY_WRITE_CODE = 0x338,

  /** i32: entries of the list at TOUCHED. */
  TOUCHED_COUNT = 0x33c,
  /**
   * i64: while LEFT is below this, the clock is past another CPU's, and what both must see in order
   * waits: see assembly/coherence.ts. The least number when no other CPU runs.
   */
  TURN_LEFT = 0x340,
  /** i32: the physical line that this CPU has asked for, plus 1, while the request is on its way; or 0. */
  REQUESTED = 0x348,
  /** i64: clock at which this CPU last counted an access with `lock`; see assembly/coherence.ts. */
  LOCK_COUNTED = 0x350,
  /** f64: ticks since the kernel was entered, which the clock does not have yet; 0 in user mode. */
  KERNEL_ELAPSED = 0x358,
  /**
   * i32: address of the AccessHint of the access that a call of the slow path is about to make, or
   * 0; the call clears it. i32: 1 while values are on their way, so that blocks must be followed.
   */
  HINT = 0x3f0,
  PENDING = 0x3f4,
  /** Branch prediction (cpu/predictor-layout.ts): i32 address of the tables, or 0 for none. */
  PREDICTOR = 0x360,
  /** i32: offset in the return stack of the address pushed last. */
  RETURN_TOP = 0x364,
  /** i64: outcomes of the last branches, the newest lowest; targets of indirect ones enter too. */
  BRANCH_HISTORY = 0x368,
  /** i32: ticks from the resolution of a mispredicted branch to the first instruction after it. */
  REFILL_TICKS = 0x370,

  /** i32: as REP_MOVE_BYTE_RATE, for rep stos. */
  REP_STORE_BYTE_RATE = 0x374,
  /** i32: ticks before the first byte of a forward rep movs or stos, and of a short one of either. */
  REP_MOVE_START_TICKS = 0x378,
  REP_STORE_START_TICKS = 0x37c,
  REP_SHORT_START_TICKS = 0x380,

  // Inline filters: ENTRIES x { i64 virtual line, i32 host - virtual delta, i32 0 }. A line is the
  // address shifted right logically: with an arithmetic shift -1, an empty entry, would match. ---
  /** Private to the memory model: geometry, pointers and counters. */
  MODEL = 0x400,
  FILTER_READ = 0x2000,
  FILTER_WRITE = 0x4000,
  FILTER_FETCH = 0x6000,
  /** The same for kernel accesses, which user code must never see. */
  FILTER_KERNEL_READ = 0x8000,
  FILTER_KERNEL_WRITE = 0xa000,
  FILTER_KERNEL_FETCH = 0xc000,

  // Accounts: who executes on which CPU is told apart by where it is counted -----------------
  /** Records.MAX block records; a block has the same place in every CPU's. */
  RECORDS = 0x10000,
  /**
   * Up to Records.TOUCHED_MAX i32: what may have changed since the last harvest. The address of a
   * record whose COUNT or FAULTS rose from 0, or of the RegionList of a region that was entered, plus 1.
   */
  TOUCHED = 0x810000,
  /** One byte for each region: 1 while it is listed in TOUCHED. */
  REGION_FLAGS = 0x910000,
}

export const enum Records {
  MAX = 0x10000,
  TOUCHED_MAX = 0x40000,
  REGIONS_MAX = 0x10000,
}

/** Cpu.JUMP_CACHE: where translated code begins, by address; direct-mapped. */
export const enum JumpTable {
  ENTRIES = 4096,
  /** Offsets in an entry: i64 address, i32 slot of the function table. */
  ADDRESS = 0,
  SLOT = 8,
  ENTRY_SHIFT = 4,
  /** An entry's index: (address ^ address >> HASH_SHIFT) modulo ENTRIES, of the low 32 bits. */
  HASH_SHIFT = 12,
}

/** What a translated region contains, for the accounts; i32 each. */
export const enum RegionList {
  /** Index of its byte in Cpu.REGION_FLAGS. */
  FLAG = 0,
  COUNT = 4,
  /** Places of the blocks' records: offsets from the CPU block. */
  RECORDS = 8,
}

/** Costs of forward rep movs and stos. */
export const enum Rep {
  RATE_SCALE = 256,
  /** Up to so many bytes it is a short one. */
  SHORT_BYTES = 128,
}

export const enum Filter {
  ENTRIES = 512,
  ENTRY_BYTES = 16,
  /** Byte offset of an entry: (virtual address >> INDEX_SHIFT) & INDEX_MASK. */
  INDEX_SHIFT = 2,
  INDEX_MASK = 0x1ff0,
  LINE_SHIFT = 6,
}

/** Why a CPU returned to the dispatcher. */
export const enum ExitReason {
  /** LEFT went below zero at the end of a block. */
  BUDGET = 0,
  /** `syscall`; RIP is the address after it. */
  SYSCALL = 1,
  /** Page fault; RIP is the instruction, EXIT_ADDRESS and EXIT_INFO (error code) are set. */
  PAGE_FAULT = 2,
  /** Exception; EXIT_INFO is the vector (0 #DE, 3 #BP, 6 #UD, 13 #GP, 17 #AC ...). */
  EXCEPTION = 3,
  /** A marker NOP was executed; EXIT_INFO is its number, RIP the address after it. */
  MARKER = 4,
  /** The next block has no code yet: RIP has not been decoded. */
  UNKNOWN_BLOCK = 5,
  /**
   * The interpreter reached a block that is translated, or one that has become hot; or MXCSR was
   * loaded, and translated code may run under its default alone.
   */
  DISPATCH = 6,
  /** The instruction at RIP writes to a page that code was decoded from; nothing of it is done. */
  CODE_WRITTEN = 7,
  /** Another CPU's clock is behind, and `pause` lets it go first; RIP is the next instruction. */
  TURN = 8,
  /** The access of the instruction at RIP must wait for CPUs that are behind; nothing of it is done. */
  ORDER = 9,
}

/** Page-fault error code bits, as the processor pushes them. */
export const enum PageFaultCode {
  PRESENT = 1,
  WRITE = 2,
  USER = 4,
  RESERVED = 8,
  FETCH = 16,
}

/**
 * A block record: one row of counters for a piece of code (a user basic block or a kernel
 * function), kept in linear memory so that generated code can bump it. RECORD_BYTES each; all
 * counters are since the last harvest.
 */
export const enum BlockRecord {
  /** i64: complete executions. */
  COUNT = 0x00,
  /** i64: iterations of rep string instructions. */
  REP_ITERATIONS = 0x08,
  /** i64 each, indexed by Stall: stall ticks. */
  STALLS = 0x10,
  /** i64: executions that ended in a fault, and what they completed: instructions, base ticks. */
  FAULTS = 0x68,
  FAULT_INSTRUCTIONS = 0x70,
  FAULT_TICKS = 0x78,
  BYTES = 0x80,
}

/** Stall cells of a block record. The ledger's Cause of cell i is STALL_CAUSES[i]. */
export const enum Stall {
  FRONTEND = 0,
  BRANCH = 1,
  L2 = 2,
  LLC = 3,
  DRAM = 4,
  DTLB = 5,
  PAGE_WALK = 6,
  COHERENCE = 7,
  ATOMIC = 8,
  /** Cost of rep string iterations and other data-dependent execution. */
  DATA_DEPENDENT = 9,
  COUNT = 10,
}
