/**
 * What a comparison works on: the ledger of one run, flattened to one posting per account and cause.
 *
 * The same shape is read from a run directory's `ledger` table and taken from a run in memory.
 */

/** Ticks booked to one account under one cause in one window. */
export interface Posting {
  readonly window: string;
  readonly cpu: number;
  readonly tid: number;
  readonly context: string;
  readonly module: string;
  readonly symbol: string;
  readonly cause: string;
  readonly ticks: number;
}

/** Retired instructions and calls of one account in one window: not time, so they have no cause. */
export interface Retired {
  readonly window: string;
  readonly context: string;
  readonly module: string;
  readonly symbol: string;
  readonly instructions: number;
  readonly count: number;
}

/** A measured stretch of a run: its length on the clocks (summed over CPUs) and the work done in it. */
export interface MeasuredWindow {
  readonly name: string;
  /** Clock advance in ticks, read from the clocks and not from the postings. */
  readonly ticks: number;
  /** Operations of the workload in this window; 0 where the target has none. */
  readonly operations: number;
}

/** One side of a comparison. */
export interface RunLedger {
  /** What the side is called in the output, e.g. `pti=on nopcid`. */
  readonly label: string;
  /** Core clock, for nanoseconds. */
  readonly coreMHz: number;
  readonly windows: readonly MeasuredWindow[];
  readonly postings: readonly Posting[];
  readonly retired: readonly Retired[];
}

/** The dimensions that a difference can be broken down by. */
export const DIMENSIONS = ['window', 'cpu', 'context', 'module', 'symbol', 'cause'] as const;

export type Dimension = (typeof DIMENSIONS)[number];
