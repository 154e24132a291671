/** What `lab run --json` prints; fields are only ever added. */
import type { RecordedExperiment } from '../record/record.ts';
import type { ResolvedExperiment } from '../record/resolve.ts';
import { summarize, type PhaseSummary } from './summary.ts';

export interface RunJson {
  /** Path of the run directory. */
  readonly run: string;
  readonly target: string;
  readonly board: string;
  readonly kernel: string;
  readonly seed: number;
  /** Clock advance of all CPUs together, startup and teardown included. */
  readonly ticks: number;
  readonly cycles: number;
  readonly ns: number;
  /** Retired in user mode and, by the model, in the kernel. */
  readonly instructions: number;
  readonly userInstructions: number;
  readonly kernelInstructions: number;
  /** Over the measured phases; 0 where the target has none. */
  readonly operations: number;
  readonly cyclesPerOperation: number;
  readonly nsPerOperation: number;
  readonly phases: readonly PhaseSummary[];
  readonly residualTicks: number;
  readonly exitStatus: number;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly warnings: readonly string[];
  readonly validation: string;
  readonly host: { readonly wallMs: number; readonly mips: number; readonly slowdown: number };
}

export function runJson(experiment: ResolvedExperiment, run: RecordedExperiment): RunJson {
  const { machine, ledger, manifest, host } = run;
  const summary = summarize(ledger);
  const operations = summary.phases.reduce((sum, phase) => sum + phase.operations, 0);
  const measuredCycles = summary.phases.reduce((sum, phase) => sum + phase.cycles, 0);
  const measuredNs = summary.phases.reduce((sum, phase) => sum + phase.ns, 0);
  const text = new TextDecoder();
  return {
    run: run.path,
    target: experiment.name,
    board: experiment.board.name,
    kernel: experiment.kernel,
    seed: experiment.seed,
    ticks: summary.ticks,
    cycles: summary.cycles,
    ns: summary.ns,
    instructions: summary.instructions,
    userInstructions: machine.userInstructions,
    kernelInstructions: machine.kernelInstructions,
    operations,
    cyclesPerOperation: operations > 0 ? measuredCycles / operations : 0,
    nsPerOperation: operations > 0 ? measuredNs / operations : 0,
    phases: summary.phases,
    residualTicks: manifest.residualTicks.reduce((sum, residual) => sum + residual, 0),
    exitStatus: machine.exit.status,
    signal: machine.exit.signal?.message ?? null,
    stdout: text.decode(run.stdout),
    stderr: text.decode(run.stderr),
    warnings: machine.warnings,
    validation: experiment.board.validation,
    host: { ...host, slowdown: (host.wallMs * 1e6) / summary.ns },
  };
}
