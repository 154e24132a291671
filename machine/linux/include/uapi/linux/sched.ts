/** Flags of clone, after Linux 6.1 include/uapi/linux/sched.h. */

export const enum Clone {
  /** The signal of the child's end, in the flags of clone() and fork(). */
  SIGNAL_MASK = 0xff,
  VM = 0x100,
  FS = 0x200,
  FILES = 0x400,
  SIGHAND = 0x800,
  PIDFD = 0x1000,
  PTRACE = 0x2000,
  VFORK = 0x4000,
  PARENT = 0x8000,
  THREAD = 0x10000,
  NEWNS = 0x20000,
  SYSVSEM = 0x40000,
  SETTLS = 0x80000,
  PARENT_SETTID = 0x100000,
  CHILD_CLEARTID = 0x200000,
  DETACHED = 0x400000,
  UNTRACED = 0x800000,
  CHILD_SETTID = 0x1000000,
  NEWCGROUP = 0x2000000,
  NEWUTS = 0x4000000,
  NEWIPC = 0x8000000,
  NEWUSER = 0x10000000,
  NEWPID = 0x20000000,
  NEWNET = 0x40000000,
  IO = 0x80000000,
}

/** Flags of clone3 beyond 32 bits, as their high half. */
export const enum CloneHigh {
  CLEAR_SIGHAND = 1,
  INTO_CGROUP = 2,
}

/** Flags that make a namespace. */
export const NAMESPACE_FLAGS =
  Clone.NEWNS |
  Clone.NEWCGROUP |
  Clone.NEWUTS |
  Clone.NEWIPC |
  Clone.NEWUSER |
  Clone.NEWPID |
  Clone.NEWNET;
