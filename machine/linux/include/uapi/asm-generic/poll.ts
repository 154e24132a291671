/** Events of poll, after Linux 6.1 include/uapi/asm-generic/poll.h; epoll's have the same values. */
export const enum Poll {
  IN = 0x1,
  PRI = 0x2,
  OUT = 0x4,
  ERR = 0x8,
  HUP = 0x10,
  NVAL = 0x20,
  RDNORM = 0x40,
  RDBAND = 0x80,
  WRNORM = 0x100,
  WRBAND = 0x200,
  RDHUP = 0x2000,
}
