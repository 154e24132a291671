/** Runs an experiment: resolves the target, builds the machine, writes the run directory, prints. */
import { InfrastructureError } from '../cli/errors.ts';
import type { Execution, Experiment } from './experiment.ts';

export interface Presentation {
  readonly json: boolean;
}

export function runExperiment(
  experiment: Experiment,
  _execution: Execution,
  _presentation: Presentation,
): Promise<void> {
  throw new InfrastructureError(`no machine to run '${experiment.target}' on`);
}
