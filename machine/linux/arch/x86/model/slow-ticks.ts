/** Ours, not Linux's: what the slow instructions of each kernel function take on a board. */
import type { Ticks } from '../../../../core/units.ts';
import { F } from './generated/function-ids.ts';
import type { KernelText } from './kernel-text.ts';
import type { KernelTicks } from './kernel-ticks.ts';

export class SlowTicks {
  /** 1 for functions that have slow instructions. */
  readonly has = new Uint8Array(F.COUNT);
  /** Of atomic instructions, for each instruction of the function. */
  private readonly atomic = new Float64Array(F.COUNT);
  /** Of the others, for each call. */
  readonly call = new Float64Array(F.COUNT);

  constructor(text: KernelText, ticks: KernelTicks) {
    for (let fn = 0; fn < F.COUNT; fn++) {
      this.atomic[fn] = text.atomics[fn] * ticks.lockedInstruction;
      this.call[fn] =
        text.userAccesses[fn] * ticks.userAccess +
        text.flagChanges[fn] * ticks.interruptFlag +
        text.stateMoves[fn] * ticks.vectorState;
      this.has[fn] = this.atomic[fn] + this.call[fn] === 0 ? 0 : 1;
    }
  }

  /** Ticks of the atomic instructions among so many of `fn`. */
  atomics(fn: F, instructions: number): Ticks {
    return Math.round(instructions * this.atomic[fn]);
  }
}
