/**
 * Shares the difference between two configurations among the knobs that differ.
 *
 * With several knobs at once, what one of them costs depends on which others are already set. The
 * Shapley value averages a knob's marginal cost over every order of turning the knobs; the shares
 * add up to the whole difference. Runs are exact, so no sampling is needed: all 2^n subsets are run.
 */

/** 2^n runs: beyond this many knobs the experiment is a sweep, not a comparison. */
const KNOBS_MAX = 6;

/**
 * Shares of `value(all) - value(none)` by knob.
 *
 * @param knobs number of knobs, at most KNOBS_MAX
 * @param value the measured value with the knobs of bit mask `subset` turned
 */
export function shapleyShares(knobs: number, value: (subset: number) => number): number[] {
  if (knobs > KNOBS_MAX)
    throw new RangeError(`${knobs} knobs: at most ${KNOBS_MAX} can be shared out`);
  const factorial = [1];
  for (let n = 1; n <= knobs; n++) factorial[n] = n * (factorial[n - 1] ?? 1);
  const weight = (size: number): number =>
    ((factorial[size] ?? 1) * (factorial[knobs - size - 1] ?? 1)) / (factorial[knobs] ?? 1);
  const shares: number[] = [];
  for (let knob = 0; knob < knobs; knob++) {
    const bit = 1 << knob;
    let share = 0;
    for (let subset = 0; subset < 1 << knobs; subset++) {
      if ((subset & bit) !== 0) continue;
      share += weight(populationCount(subset)) * (value(subset | bit) - value(subset));
    }
    shares.push(share);
  }
  return shares;
}

function populationCount(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}
