/**
 * Hardware events on their way from the AssemblyScript core to the tables: fields of the machine's
 * header, and the rows of the log. Read by TypeScript and by the core: `const enum`s only.
 */

/** Offsets from Region.HEADER; i32 each. */
export const enum EventLog {
  /** Bits of the kinds that are recorded, 1 << HardwareEvent. 0: nothing is, at no cost. */
  WANTED = 0x200,
  /** Address of the first row, of the next one, and the end. A full log is drained at once. */
  FIRST = 0x204,
  NEXT = 0x208,
  END = 0x20c,
}

export const enum HardwareEvent {
  TLB_MISS = 0,
  PAGE_WALK = 1,
  CACHE_MISS = 2,
  BRANCH_MISS = 3,
}

/** One row of the log. */
export const enum EventRow {
  /** i32 each: HardwareEvent, address of the CPU's block, address of the BlockRecord. */
  KIND = 0x00,
  CPU = 0x04,
  RECORD = 0x08,
  /** i32: AccessSource, or BranchKind. */
  SOURCE = 0x0c,
  /** i64: the clock as the access was begun; of a branch, as its block was. */
  TICK = 0x10,
  /** i64: address of the instruction where it is known, else 0. */
  IP = 0x18,
  /** i64: virtual address that was accessed. */
  ADDRESS = 0x20,
  /** i64: physical address of the line. */
  PHYSICAL = 0x28,
  /** i64: ticks from the miss to its end, before any of them overlap with others. */
  TICKS = 0x30,
  /** i32 each: PageSize or PageOutcome; ServedBy. */
  PAGE = 0x38,
  SERVED = 0x3c,
  BYTES = 0x40,
}

/** What accessed. */
export const enum AccessSource {
  READ = 0,
  WRITE = 1,
  FETCH = 2,
  /** The page walker, on behalf of one of the others. */
  WALK = 3,
}

export const enum BranchKind {
  CONDITIONAL = 0,
  INDIRECT = 1,
  RETURN = 2,
}

/** EventRow.PAGE where there is no page: of a translation that ended in a fault, and of a line. */
export const enum PageOutcome {
  NONE = 3,
}

/** Where a translation or a line came from. */
export const enum ServedBy {
  STLB = 0,
  WALK = 1,
  L2 = 2,
  LLC = 3,
  DRAM = 4,
  /** Another CPU's cache, which had the line modified or had to give it up for a write. */
  OTHER_CPU = 5,
  /** Another CPU's cache, after the last level did not have the line. */
  OTHER_CPU_CLEAN = 6,
  /** Nowhere: a line that a string store overwrites whole is not read. */
  NONE = 7,
}
