/**
 * Per-entity load tracking, after Linux 6.1 kernel/sched/pelt.c: time in pieces of 1024 us, each
 * worth y^n with y^32 = 1/2. Omits: thermal and IRQ pressure, clock scaling.
 */
import type { Ns, SchedAvg } from './entities.ts';

/** runnable_avg_yN_inv: y^n * 2^32. */
const INVERSE: readonly number[] = [
  0xffffffff, 0xfa83b2da, 0xf5257d14, 0xefe4b99a, 0xeac0c6e6, 0xe5b906e6, 0xe0ccdeeb, 0xdbfbb796,
  0xd744fcc9, 0xd2a81d91, 0xce248c14, 0xc9b9bd85, 0xc5672a10, 0xc12c4cc9, 0xbd08a39e, 0xb8fbaf46,
  0xb504f333, 0xb123f581, 0xad583ee9, 0xa9a15ab4, 0xa5fed6a9, 0xa2704302, 0x9ef5325f, 0x9b8d39b9,
  0x9837f050, 0x94f4efa8, 0x91c3d373, 0x8ea4398a, 0x8b95c1e3, 0x88980e80, 0x85aac367, 0x82cd8698,
];

const PERIOD = 1024;
/** The sum of all periods that can ever be. */
const LOAD_AVG_MAX = 47742;
const LOAD_AVG_PERIOD = 32;
const TWO_32 = 2 ** 32;

/** How far an update went, on which its cost depends. */
export const enum PeltStep {
  /** Less than 1024 ns have passed: nothing. */
  NONE,
  /** Within the same period. */
  ACCUMULATED,
  /** Into another period: the sums decayed. */
  DECAYED,
}

export function createAvg(): SchedAvg {
  return {
    lastUpdate: 0,
    loadSum: 0,
    runnableSum: 0,
    utilSum: 0,
    periodContrib: 0,
    loadAvg: 0,
    runnableAvg: 0,
    utilAvg: 0,
  };
}

/** decay_load: value * y^periods. */
function decayLoad(value: number, periods: number): number {
  if (periods > LOAD_AVG_PERIOD * 63) return 0;
  const halved = Math.floor(value / 2 ** Math.floor(periods / LOAD_AVG_PERIOD));
  return Math.floor((halved * INVERSE[periods % LOAD_AVG_PERIOD]) / TWO_32);
}

/** __accumulate_pelt_segments */
function segments(periods: number, first: number, last: number): number {
  const middle = LOAD_AVG_MAX - decayLoad(LOAD_AVG_MAX, periods) - 1024;
  return decayLoad(first, periods) + middle + last;
}

/** ___update_load_sum: `load` is a weight (or 1), `runnable` tasks, `running` 0 or 1. */
export function updateLoadSum(
  now: Ns,
  avg: SchedAvg,
  load: number,
  runnable: number,
  running: number,
): PeltStep {
  const delta = now - avg.lastUpdate;
  if (delta < 0) {
    avg.lastUpdate = now;
    return PeltStep.NONE;
  }
  const units = Math.floor(delta / 1024);
  if (units === 0) return PeltStep.NONE;
  avg.lastUpdate += units * 1024;
  const isRunnable = load === 0 ? 0 : runnable;
  const isRunning = load === 0 ? 0 : running;
  const total = units + avg.periodContrib;
  const periods = Math.floor(total / PERIOD);
  let contribution = units;
  if (periods > 0) {
    avg.loadSum = decayLoad(avg.loadSum, periods);
    avg.runnableSum = decayLoad(avg.runnableSum, periods);
    avg.utilSum = decayLoad(avg.utilSum, periods);
    const rest = total % PERIOD;
    contribution = load === 0 ? rest : segments(periods, PERIOD - avg.periodContrib, rest);
  }
  avg.periodContrib = total % PERIOD;
  if (load > 0) avg.loadSum += load * contribution;
  if (isRunnable > 0) avg.runnableSum += isRunnable * contribution * 1024;
  if (isRunning > 0) avg.utilSum += contribution * 1024;
  return periods > 0 ? PeltStep.DECAYED : PeltStep.ACCUMULATED;
}

/** ___update_load_avg: averages from sums; only after a decay. */
export function updateAverages(avg: SchedAvg, load: number): void {
  const divider = LOAD_AVG_MAX - 1024 + avg.periodContrib;
  avg.loadAvg = Math.floor((load * avg.loadSum) / divider);
  avg.runnableAvg = Math.floor(avg.runnableSum / divider);
  avg.utilAvg = Math.floor(avg.utilSum / divider);
}

/** The largest sum that `avg` could have now: get_pelt_divider. */
export function peltDivider(avg: SchedAvg): number {
  return LOAD_AVG_MAX - 1024 + avg.periodContrib;
}
