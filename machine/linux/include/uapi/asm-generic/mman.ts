/** mmap and madvise constants, after Linux 6.1 include/uapi/asm-generic/mman-common.h and mman.h. */

export const enum Prot {
  NONE = 0,
  READ = 1,
  WRITE = 2,
  EXEC = 4,
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
  NORESERVE = 0x4000,
  POPULATE = 0x8000,
  STACK = 0x20000,
  FIXED_NOREPLACE = 0x100000,
}

export const enum Advice {
  NORMAL = 0,
  RANDOM = 1,
  SEQUENTIAL = 2,
  WILLNEED = 3,
  DONTNEED = 4,
  FREE = 8,
  REMOVE = 9,
  HUGEPAGE = 14,
  NOHUGEPAGE = 15,
}
