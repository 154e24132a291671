/** PAGE_ALIGN, after Linux 6.1 include/linux/mm.h, for addresses as numbers below 2^53. */
const PAGE_BYTES = 4096;

export function pageAlign(value: number): number {
  return Math.ceil(value / PAGE_BYTES) * PAGE_BYTES;
}

export function pageFloor(value: number): number {
  return Math.floor(value / PAGE_BYTES) * PAGE_BYTES;
}
