/** Results of system calls that user code never sees, after Linux 6.1 include/linux/errno.h. */
export const enum Restart {
  /** ETIME, as a wait's time-out inside the kernel. */
  TIMEOUT = 62,
  /** ERESTARTSYS: again after a handler with SA_RESTART. */
  SYS = 512,
  /** ERESTARTNOINTR: always again. */
  NOINTR = 513,
  /** ERESTARTNOHAND: again if no handler ran. */
  NOHAND = 514,
  /** ERESTART_RESTARTBLOCK: again by restart_syscall. */
  BLOCK = 516,
}
