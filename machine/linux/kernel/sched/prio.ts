/**
 * Priorities and weights, after Linux 6.1 include/linux/sched/prio.h and kernel/sched/core.c
 * (sched_prio_to_weight, sched_prio_to_wmult). Omits: nothing.
 */

/** Scheduling policies, include/uapi/linux/sched.h. */
export const enum Policy {
  NORMAL = 0,
  FIFO = 1,
  RR = 2,
  BATCH = 3,
  IDLE = 5,
  DEADLINE = 6,
  EXT = 7,
}

/** Or-ed into the policy by callers: children go back to SCHED_NORMAL. */
export const SCHED_RESET_ON_FORK = 0x40000000;

export const NICE_MIN = -20;
export const NICE_MAX = 19;
/** Real-time priorities are 1 to 99; prio is 99 - rt_priority. */
export const RT_PRIO_MAX = 100;
export const PRIO_DEFAULT = 120;
/** prio of a deadline task. */
export const DL_PRIO = -1;

export const nicePrio = (nice: number): number => PRIO_DEFAULT + nice;

/** SCHED_FIXEDPOINT_SHIFT: loads on 64 bits have this many more bits. */
export const LOAD_SHIFT = 10;
/** Weight of nice 0, in load units: NICE_0_LOAD. */
export const NICE_0_LOAD = 1024 << LOAD_SHIFT;
/** WEIGHT_IDLEPRIO and WMULT_IDLEPRIO */
const WEIGHT_IDLE = 3;
const WMULT_IDLE = 1431655765;

/** Weight of a nice level, from -20 on: each step is about 1.25 times the next. */
export const PRIO_TO_WEIGHT: readonly number[] = [
  88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
  3906, 3121, 2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87,
  70, 56, 45, 36, 29, 23, 18, 15,
];

/** 2^32 / weight, precomputed. */
export const PRIO_TO_WMULT: readonly number[] = [
  48388, 59856, 76040, 92818, 118348, 147320, 184698, 229616, 287308, 360437, 449829, 563644,
  704093, 875809, 1099582, 1376151, 1717300, 2157191, 2708050, 3363326, 4194304, 5237765, 6557202,
  8165337, 10153587, 12820798, 15790321, 19976592, 24970740, 31350126, 39045157, 49367440, 61356676,
  76695844, 95443717, 119304647, 148102320, 186737708, 238609294, 286331153,
];

/** A weight in load units, with 2^32 / (weight without the extra bits). */
export interface LoadWeight {
  weight: number;
  inverse: number;
}

const WMULT_CONST = 2 ** 32;
const LOAD_SCALE = 2 ** LOAD_SHIFT;

/** set_load_weight */
export function setLoadWeight(load: LoadWeight, policy: Policy, nice: number): void {
  const isIdle = policy === Policy.IDLE;
  load.weight = (isIdle ? WEIGHT_IDLE : PRIO_TO_WEIGHT[nice - NICE_MIN]) * LOAD_SCALE;
  load.inverse = isIdle ? WMULT_IDLE : PRIO_TO_WMULT[nice - NICE_MIN];
}

/** __update_inv_weight, for loads that are not in the table (groups, queues). */
export function setWeight(load: LoadWeight, weight: number): void {
  if (load.weight === weight) return;
  load.weight = weight;
  const narrow = Math.max(1, Math.floor(weight / LOAD_SCALE));
  load.inverse = Math.min(WMULT_CONST - 1, Math.floor(WMULT_CONST / narrow));
}

/** scale_load_down: at least 2, as Linux keeps it, unless there is no load at all. */
export function scaleLoadDown(weight: number): number {
  return weight === 0 ? 0 : Math.max(2, Math.floor(weight / LOAD_SCALE));
}

/** __calc_delta: nanoseconds * weight / load.weight. */
export function calcDelta(ns: number, weight: number, load: LoadWeight): number {
  return Math.floor((ns * (weight / LOAD_SCALE) * load.inverse) / WMULT_CONST);
}

/** calc_delta_fair: virtual nanoseconds of `ns` at `load`. */
export function calcDeltaFair(ns: number, load: LoadWeight): number {
  return load.weight === NICE_0_LOAD ? ns : calcDelta(ns, NICE_0_LOAD, load);
}
