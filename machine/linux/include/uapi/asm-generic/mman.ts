/** mmap and madvise constants, after Linux 6.1 include/uapi/asm-generic/mman-common.h and mman.h. */

export const enum Prot {
  NONE = 0,
  READ = 1,
  WRITE = 2,
  EXEC = 4,
  SEM = 8,
  GROWSDOWN = 0x01000000,
  GROWSUP = 0x02000000,
}

export const enum Map {
  SHARED = 0x1,
  PRIVATE = 0x2,
  SHARED_VALIDATE = 0x3,
  TYPE = 0xf,
  FIXED = 0x10,
  ANONYMOUS = 0x20,
  GROWSDOWN = 0x100,
  DENYWRITE = 0x800,
  EXECUTABLE = 0x1000,
  LOCKED = 0x2000,
  NORESERVE = 0x4000,
  POPULATE = 0x8000,
  NONBLOCK = 0x10000,
  STACK = 0x20000,
  HUGETLB = 0x40000,
  SYNC = 0x80000,
  FIXED_NOREPLACE = 0x100000,
  /** Where the base-2 logarithm of a huge page size starts. */
  HUGE_SHIFT = 26,
}

/** mremap */
export const enum Mremap {
  MAYMOVE = 1,
  FIXED = 2,
  DONTUNMAP = 4,
}

/** msync */
export const enum Msync {
  ASYNC = 1,
  INVALIDATE = 2,
  SYNC = 4,
}

/** mlockall and mlock2 */
export const enum Mcl {
  CURRENT = 1,
  FUTURE = 2,
  ONFAULT = 4,
}

/** MLOCK_ONFAULT */
export const MLOCK_ONFAULT = 1;

export const enum Advice {
  NORMAL = 0,
  RANDOM = 1,
  SEQUENTIAL = 2,
  WILLNEED = 3,
  DONTNEED = 4,
  FREE = 8,
  REMOVE = 9,
  DONTFORK = 10,
  DOFORK = 11,
  MERGEABLE = 12,
  UNMERGEABLE = 13,
  HUGEPAGE = 14,
  NOHUGEPAGE = 15,
  DONTDUMP = 16,
  DODUMP = 17,
  WIPEONFORK = 18,
  KEEPONFORK = 19,
  COLD = 20,
  PAGEOUT = 21,
  POPULATE_READ = 22,
  POPULATE_WRITE = 23,
  DONTNEED_LOCKED = 24,
  COLLAPSE = 25,
}
