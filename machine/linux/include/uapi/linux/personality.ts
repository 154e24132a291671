/** Flags of personality(2), after Linux 6.1 include/uapi/linux/personality.h. */

export const enum Personality {
  ADDR_NO_RANDOMIZE = 0x0040000,
}
