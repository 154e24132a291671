/**
 * Ours, not Linux's: the stalls of kernel code, which the memory model adds up in a record for each
 * function, and where they are booked.
 */
import { Cause } from '../../../../core/ledger/cause.ts';
import type { Ticks } from '../../../../core/units.ts';
import { BlockRecord, Stall } from '../../../../hardware/layout.ts';
import { F } from './generated/function-ids.ts';

const TWO_32 = 2 ** 32;

/** The ledger cause of each stall cell of a block record. */
const STALL_CAUSES: readonly Cause[] = [
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

/** The stall cells of one CPU's records: per function and cause 64 bits, as two words. */
export class StallCells {
  private readonly words: Uint32Array;
  private readonly saved = new Float64Array(Stall.COUNT);

  /** `records` is the byte offset in `buffer` of the first function's record. */
  constructor(buffer: ArrayBufferLike, records: number) {
    this.words = new Uint32Array(buffer, records, (F.COUNT * BlockRecord.BYTES) >> 2);
  }

  /** Remembers the cells of `fn`, for overlap(). */
  save(fn: F): void {
    for (let stall = 0; stall < Stall.COUNT; stall++) this.saved[stall] = this.ticksAt(fn, stall);
  }

  /** Divides what the cells of `fn` have gained since save(). Returns the ticks that remain. */
  overlap(fn: F, divisor: number): Ticks {
    let kept = 0;
    for (let stall = 0; stall < Stall.COUNT; stall++) {
      const before = this.saved[stall];
      const gained = this.ticksAt(fn, stall) - before;
      if (gained === 0) continue;
      const ticks = Math.ceil(gained / divisor);
      kept += ticks;
      const at = cell(fn, stall);
      this.words[at] = (before + ticks) >>> 0;
      this.words[at + 1] = Math.floor((before + ticks) / TWO_32);
    }
    return kept;
  }

  /** Hands over the ticks of `fn` by cause and forgets them. */
  drain(fn: F, post: (cause: Cause, ticks: Ticks) => void): void {
    for (let stall = 0; stall < Stall.COUNT; stall++) {
      const ticks = this.ticksAt(fn, stall);
      if (ticks === 0) continue;
      post(STALL_CAUSES[stall], ticks);
      const at = cell(fn, stall);
      this.words[at] = 0;
      this.words[at + 1] = 0;
    }
  }

  /** Empties the record of `fn`. */
  clear(fn: F): void {
    const first = (fn * BlockRecord.BYTES) >> 2;
    this.words.fill(0, first, first + (BlockRecord.BYTES >> 2));
  }

  private ticksAt(fn: F, stall: number): Ticks {
    const at = cell(fn, stall);
    return this.words[at] + this.words[at + 1] * TWO_32;
  }
}

function cell(fn: F, stall: number): number {
  return (fn * BlockRecord.BYTES + BlockRecord.STALLS + stall * 8) >> 2;
}
