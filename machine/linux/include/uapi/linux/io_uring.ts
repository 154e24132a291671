/** io_uring's numbers, after Linux 6.1 include/uapi/linux/io_uring.h. */

export const enum IoringSetup {
  IOPOLL = 1 << 0,
  SQPOLL = 1 << 1,
  SQ_AFF = 1 << 2,
  CQSIZE = 1 << 3,
  CLAMP = 1 << 4,
  ATTACH_WQ = 1 << 5,
  R_DISABLED = 1 << 6,
  SUBMIT_ALL = 1 << 7,
  COOP_TASKRUN = 1 << 8,
  TASKRUN_FLAG = 1 << 9,
  SQE128 = 1 << 10,
  CQE32 = 1 << 11,
  SINGLE_ISSUER = 1 << 12,
  DEFER_TASKRUN = 1 << 13,
  ALL = 0x3fff,
}

export const enum IoringEnter {
  GETEVENTS = 1 << 0,
  SQ_WAKEUP = 1 << 1,
  SQ_WAIT = 1 << 2,
  EXT_ARG = 1 << 3,
  REGISTERED_RING = 1 << 4,
  ALL = 0x1f,
}

/** sq_ring->flags */
export const enum IoringSq {
  NEED_WAKEUP = 1 << 0,
  CQ_OVERFLOW = 1 << 1,
}

export const enum IoringFeature {
  SINGLE_MMAP = 1 << 0,
  NODROP = 1 << 1,
  SUBMIT_STABLE = 1 << 2,
  EXT_ARG = 1 << 8,
  CQE_SKIP = 1 << 11,
}

export const enum IoringOp {
  NOP = 0,
}

/** Flags of a submission: IOSQE_*. */
export const enum Iosqe {
  FIXED_FILE = 1 << 0,
  IO_DRAIN = 1 << 1,
  IO_LINK = 1 << 2,
  IO_HARDLINK = 1 << 3,
  ASYNC = 1 << 4,
  BUFFER_SELECT = 1 << 5,
  CQE_SKIP_SUCCESS = 1 << 6,
  ALL = 0x7f,
}

export const enum IoringOffset {
  SQ_RING = 0,
  CQ_RING = 0x8000000,
  SQES = 0x10000000,
}

/** Bytes of the structures. */
export const enum IoringBytes {
  SQE = 64,
  CQE = 16,
  PARAMS = 120,
}

/** Offsets in struct io_uring_sqe. */
export const enum SqeField {
  OPCODE = 0,
  FLAGS = 1,
  USER_DATA = 32,
}

/** Offsets in struct io_uring_params. */
export const enum ParamsField {
  SQ_ENTRIES = 0,
  CQ_ENTRIES = 4,
  FLAGS = 8,
  SQ_THREAD_CPU = 12,
  SQ_THREAD_IDLE = 16,
  FEATURES = 20,
  WQ_FD = 24,
  RESERVED = 28,
  SQ_OFF = 40,
  CQ_OFF = 80,
}
