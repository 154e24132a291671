/** Runs one experiment under several kernels, in memory: nothing is recorded but the ledgers. */
import type { TraceSink } from '../../machine/core/trace/event-table.ts';
import type { Execution, Experiment } from '../experiment/experiment.ts';
import { execute } from './execute.ts';
import { resolveExperiment } from './resolve.ts';
import type { RunLedger } from '../compare/posting.ts';

export interface ExecuteKernelsOptions extends Pick<Execution, 'tier' | 'filter' | 'hostMemory'> {
  readonly onStart: (kernel: string) => void;
}

/** A comparison reads the ledger only: events go nowhere. */
const DISCARD: TraceSink = { write: () => undefined };

export function executeKernels(
  experiment: Experiment,
  kernels: readonly string[],
  { tier, filter, hostMemory, onStart }: ExecuteKernelsOptions,
): RunLedger[] {
  const resolved = resolveExperiment({ ...experiment, events: [] });
  return kernels.map((kernel) => {
    onStart(kernel);
    return execute({ ...resolved, kernel }, { sink: DISCARD, tier, filter, hostMemory }).ledger;
  });
}
