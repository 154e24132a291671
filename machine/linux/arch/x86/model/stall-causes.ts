/** Ours, not Linux's: where the stalls of kernel code are booked. */
import { Cause } from '../../../../core/ledger/cause.ts';

/** The ledger cause of each stall cell of a block record. */
export const STALL_CAUSES: readonly Cause[] = [
  Cause.FRONTEND,
  Cause.BRANCH,
  Cause.L2,
  Cause.LLC,
  Cause.DRAM,
  Cause.DTLB,
  Cause.PAGE_WALK,
  Cause.COHERENCE,
  Cause.ATOMIC,
  Cause.DATA_DEPENDENT,
];
