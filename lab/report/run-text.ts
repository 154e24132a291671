/** What `lab run` prints for people: the program's output, then where the time went. */
import type { TableColumn } from '../cli/output.ts';
import { colour, formatNumber, formatTable } from '../cli/output.ts';
import type { RunJson } from './run-json.ts';
import type { PhaseSummary } from './summary.ts';

const PHASE_COLUMNS: readonly TableColumn[] = [
  { title: 'phase' },
  { title: 'operations', align: 'right' },
  { title: 'cycles/op', align: 'right' },
  { title: 'ns/op', align: 'right' },
  { title: 'instructions/op', align: 'right' },
];

export function phaseTable(phases: readonly PhaseSummary[]): string {
  return formatTable(
    PHASE_COLUMNS,
    phases.map((phase) => [
      phase.name,
      formatNumber(phase.operations),
      formatNumber(phase.cyclesPerOperation, 2),
      formatNumber(phase.nsPerOperation, 2),
      formatNumber(phase.instructionsPerOperation, 1),
    ]),
  );
}

/** The lines after the program's own output. */
export function runText(run: RunJson): string {
  const instructionsPerCycle = run.instructions / Math.max(1, run.cycles);
  const lines = [
    ...(run.phases.length > 0 ? [phaseTable(run.phases), ''] : []),
    `${colour.bold(run.target)} on ${run.board}, kernel '${run.kernel}', seed ${run.seed}: exit status ${run.exitStatus}`,
    `  ${formatNumber(run.cycles)} cycles, ${formatNumber(run.ns)} ns, ${formatNumber(run.instructions)} instructions (${formatNumber(run.userInstructions)} user), ${instructionsPerCycle.toFixed(2)} per cycle`,
    `  every tick accounted for: residual ${run.residualTicks}; exact, n=1`,
    `  validation: ${run.validation}`,
    `  host: ${formatNumber(run.host.wallMs)} ms, ${run.host.mips.toFixed(1)} MIPS, ${formatNumber(run.host.slowdown)} times slower than the machine it models`,
    `  recorded in ${run.run}`,
  ];
  const warnings = run.warnings.map((warning) => colour.yellow(`warning: ${warning}`));
  const signal = run.signal === null ? [] : [colour.red(run.signal)];
  return [...signal, ...warnings, ...lines].join('\n');
}
