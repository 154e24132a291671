/** The error of a run whose ledger does not balance. */
import { MachineBug } from '../../machine/core/assert.ts';

/** The ledger does not account for every tick of a run: the run is refused. Always our own bug. */
export class UnbalancedRun extends MachineBug {
  constructor(residuals: readonly number[]) {
    const cpus = residuals
      .map((residual, cpu) => ({ residual, cpu }))
      .filter(({ residual }) => residual !== 0)
      .map(({ residual, cpu }) => `CPU ${cpu}: ${residual} ticks`);
    super(`the ledger does not balance (${cpus.join(', ')}); the run is refused`);
  }
}
