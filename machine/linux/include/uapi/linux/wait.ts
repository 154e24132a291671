/** Options of wait4 and waitid, after Linux 6.1 include/uapi/linux/wait.h. */

export const enum Wait {
  NOHANG = 0x1,
  /** Also WSTOPPED. */
  UNTRACED = 0x2,
  EXITED = 0x4,
  CONTINUED = 0x8,
  NOWAIT = 0x1000000,
  NOTHREAD = 0x20000000,
  ALL = 0x40000000,
  CLONE = 0x80000000,
}

/** Whom waitid waits for. */
export const enum WaitFor {
  ALL = 0,
  PID = 1,
  PGID = 2,
  PIDFD = 3,
}
