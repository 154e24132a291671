/** Multiplier and shift of a clocksource, after Linux 6.1 kernel/time/clocksource.c. */

const NSEC_PER_SEC = 1_000_000_000n;
/** A clocksource that does not wrap is kept precise over this many seconds. */
const RANGE_SECONDS = 600n;

/**
 * clocks_calc_mult_shift: ns = (counts * mult) >> shift for counts of `frequencyHz`, as precise as
 * 64 bits allow over RANGE_SECONDS, with room for a multiplier that is steered up by 11%.
 */
export function multShift(frequencyHz: number): { mult: number; shift: number } {
  const from = BigInt(Math.round(frequencyHz));
  let room = 32n;
  for (let counts = (RANGE_SECONDS * from) >> 32n; counts > 0n; counts >>= 1n) room--;
  let shift = 32n;
  let mult = 0n;
  for (; shift > 0n; shift--) {
    mult = ((NSEC_PER_SEC << shift) + from / 2n) / from;
    if (mult >> room === 0n) break;
  }
  while (mult + (mult * 11n) / 100n >= 1n << 32n) {
    mult >>= 1n;
    shift--;
  }
  return { mult: Number(mult), shift: Number(shift) };
}
