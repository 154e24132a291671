/**
 * Ours, not Linux's: ledger accounts by kernel function for one task in one context. A task runs a
 * small part of the kernel, so the table grows by chunks.
 */
import { F } from './generated/function-ids.ts';

const CHUNK_SHIFT = 6;
const CHUNK = 1 << CHUNK_SHIFT;

export class FunctionAccounts {
  private readonly chunks = new Array<Int32Array | undefined>((F.COUNT + CHUNK - 1) >> CHUNK_SHIFT);

  /** The account of `fn`, or -1 where there is none yet. */
  get(fn: F): number {
    const chunk = this.chunks[fn >> CHUNK_SHIFT];
    return chunk === undefined ? -1 : chunk[fn & (CHUNK - 1)];
  }

  set(fn: F, account: number): void {
    const index = fn >> CHUNK_SHIFT;
    this.chunks[index] ??= new Int32Array(CHUNK).fill(-1);
    this.chunks[index][fn & (CHUNK - 1)] = account;
  }
}
