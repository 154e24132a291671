/**
 * Ours, not Linux's: what differs between the two fair schedulers, CFS (Linux 6.1) and EEVDF (6.6
 * on). Everything around it (queues, groups, load, bandwidth, balancing) is the same code.
 */
import type { CfsRq, SchedEntity, SchedHost } from './entities.ts';

export interface FairPolicy {
  /** The order of a queue's tree. */
  readonly less: (a: SchedEntity, b: SchedEntity) => boolean;
  readonly augment?: (
    se: SchedEntity,
    left: SchedEntity | null,
    right: SchedEntity | null,
  ) => boolean;
  /** Into the tree, or out of it: sums that depend on what waits. */
  linked(cfsRq: CfsRq, se: SchedEntity): void;
  unlinked(cfsRq: CfsRq, se: SchedEntity): void;
  /** update_min_vruntime: the queue's floor follows its entities. */
  updateMinVruntime(cfsRq: CfsRq): void;
  /** The running entity's time has advanced. True when its request is served. */
  served(host: SchedHost, cfsRq: CfsRq, se: SchedEntity): boolean;
  /** place_entity: where an entity that comes to the queue stands. `flags` are Enqueue's. */
  place(host: SchedHost, cfsRq: CfsRq, se: SchedEntity, flags: number): void;
  /** An entity is about to leave the queue. */
  leaving(host: SchedHost, cfsRq: CfsRq, se: SchedEntity): void;
  /** What runs next; `curr` is the running entity if it wants to go on. */
  pick(host: SchedHost, cfsRq: CfsRq, curr: SchedEntity | null): SchedEntity | null;
  /** An entity starts to run. */
  setNext(cfsRq: CfsRq, se: SchedEntity): void;
  /** A timer tick with others waiting: whether the running entity has had enough. */
  tickExpired(host: SchedHost, cfsRq: CfsRq, curr: SchedEntity): boolean;
  /** Whether `woken` should run before `curr`, both on one queue. */
  preempts(host: SchedHost, cfsRq: CfsRq, curr: SchedEntity, woken: SchedEntity): boolean;
  /** sched_yield of `se`. */
  yielded(host: SchedHost, cfsRq: CfsRq, se: SchedEntity): void;
  /** The slice that sched_rr_get_interval reports. */
  sliceNs(host: SchedHost, cfsRq: CfsRq, se: SchedEntity): number;
  /** A weight changes from `oldWeight` while the entity waits (on the queue) or is off it. */
  reweighed(se: SchedEntity, oldWeight: number, newWeight: number): void;
}
