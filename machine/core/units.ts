/**
 * Units of simulated time.
 *
 * Time is an integer number of ticks, 64 to a core cycle, counted per CPU: costs below one cycle
 * (a superscalar core retires several instructions in each) stay exact, and so does every sum.
 * Ticks fit a double up to 2^53, which is 38,000 seconds of a 3.7 GHz core.
 */

export const TICKS_PER_CYCLE = 64;

/** An integer count of 1/64 core cycles. */
export type Ticks = number;

export function ticksFromCycles(cycles: number): Ticks {
  return Math.round(cycles * TICKS_PER_CYCLE);
}

export function cyclesFromTicks(ticks: Ticks): number {
  return ticks / TICKS_PER_CYCLE;
}

/** Nanoseconds of `ticks` on a core that runs at `coreMHz`. */
export function nanosecondsFromTicks(ticks: Ticks, coreMHz: number): number {
  return (ticks * 1000) / (TICKS_PER_CYCLE * coreMHz);
}
