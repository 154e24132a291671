/** Runs an experiment: resolves the target, builds the machine, writes the run directory, prints. */
import { InfrastructureError } from '../cli/errors.ts';
import type { Execution, Experiment } from './experiment.ts';

export interface Presentation {
  readonly json: boolean;
}

export function runExperiment(
  experiment: Experiment,
  execution: Execution,
  presentation: Presentation,
): Promise<void> {
  void [execution, presentation];
  throw new InfrastructureError(`no machine to run '${experiment.target}' on`);
}
