/** Flags and commands of open and fcntl, after Linux 6.1 include/uapi/asm-generic/fcntl.h and linux/fcntl.h. */

export const enum O {
  RDONLY = 0,
  WRONLY = 1,
  RDWR = 2,
  ACCMODE = 3,
  CREAT = 0o100,
  EXCL = 0o200,
  NOCTTY = 0o400,
  TRUNC = 0o1000,
  APPEND = 0o2000,
  NONBLOCK = 0o4000,
  DSYNC = 0o10000,
  ASYNC = 0o20000,
  DIRECT = 0o40000,
  LARGEFILE = 0o100000,
  DIRECTORY = 0o200000,
  NOFOLLOW = 0o400000,
  NOATIME = 0o1000000,
  CLOEXEC = 0o2000000,
  SYNC = 0o4010000,
  PATH = 0o10000000,
  /** __O_TMPFILE | O_DIRECTORY */
  TMPFILE = 0o20200000,
  /** __O_TMPFILE alone */
  TMPFILE_BIT = 0o20000000,
}

export const enum FcntlCommand {
  DUPFD = 0,
  GETFD = 1,
  SETFD = 2,
  GETFL = 3,
  SETFL = 4,
  GETLK = 5,
  SETLK = 6,
  SETLKW = 7,
  SETOWN = 8,
  GETOWN = 9,
  SETSIG = 10,
  GETSIG = 11,
  OFD_GETLK = 36,
  OFD_SETLK = 37,
  OFD_SETLKW = 38,
  SETLEASE = 1024,
  GETLEASE = 1025,
  DUPFD_CLOEXEC = 1030,
  SETPIPE_SZ = 1031,
  GETPIPE_SZ = 1032,
  ADD_SEALS = 1033,
  GET_SEALS = 1034,
}

export const FD_CLOEXEC = 1;

export const enum At {
  FDCWD = -100,
  SYMLINK_NOFOLLOW = 0x100,
  /** AT_EACCESS of faccessat2 as well */
  REMOVEDIR = 0x200,
  SYMLINK_FOLLOW = 0x400,
  NO_AUTOMOUNT = 0x800,
  EMPTY_PATH = 0x1000,
}
