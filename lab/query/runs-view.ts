/** The view `runs`: one row for each run of the session, from the manifests. */
import type { RecordedRun } from '../recording/read-run.ts';
import { quoteName, quoteString } from './sql-text.ts';
import type { ViewDefinition } from './views.ts';

export interface LabelledRun {
  readonly run: RecordedRun;
  readonly label: string;
}

interface RunColumn {
  readonly name: string;
  readonly comment: string;
  readonly type: 'VARCHAR' | 'BIGINT' | 'DOUBLE';
  readonly value: (run: LabelledRun) => string | number | undefined;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

const operationsOf = ({ run }: LabelledRun): number | undefined =>
  run.manifest
    ? sum(run.manifest.experiment.target.phases.map((phase) => phase.operations))
    : undefined;

const COLUMNS: readonly RunColumn[] = [
  { name: 'run', comment: 'Name of the run.', type: 'VARCHAR', value: ({ label }) => label },
  {
    name: 'target',
    comment: 'Workload or program that ran.',
    type: 'VARCHAR',
    value: ({ run }) => run.manifest?.experiment.target.name,
  },
  {
    name: 'board',
    comment: 'Board that it ran on.',
    type: 'VARCHAR',
    value: ({ run }) => run.manifest?.experiment.board.name,
  },
  {
    name: 'kernel',
    comment: 'Kernel command line.',
    type: 'VARCHAR',
    value: ({ run }) => run.manifest?.experiment.kernel.commandLine,
  },
  {
    name: 'seed',
    comment: 'Seed.',
    type: 'BIGINT',
    value: ({ run }) => run.manifest?.experiment.seed,
  },
  {
    name: 'cpus',
    comment: 'CPUs of the board.',
    type: 'BIGINT',
    value: ({ run }) => run.manifest?.experiment.board.cpus,
  },
  {
    name: 'core_mhz',
    comment: 'Core clock in MHz.',
    type: 'DOUBLE',
    value: ({ run }) => run.manifest?.experiment.board.core.coreMHz,
  },
  {
    name: 'ticks',
    comment: "The CPUs' final clocks, summed, in ticks of 1/64 cycle.",
    type: 'BIGINT',
    value: ({ run }) => (run.manifest ? sum(run.manifest.totals.ticks) : undefined),
  },
  {
    name: 'user_instructions',
    comment: 'Retired instructions in user mode.',
    type: 'BIGINT',
    value: ({ run }) => run.manifest?.totals.userInstructions,
  },
  {
    name: 'kernel_instructions',
    comment: 'Retired instructions in the kernel.',
    type: 'BIGINT',
    value: ({ run }) => run.manifest?.totals.kernelInstructions,
  },
  {
    name: 'operations',
    comment: 'Operations of the workload; 0 where it counts none.',
    type: 'BIGINT',
    value: operationsOf,
  },
  {
    name: 'exit_status',
    comment: 'Exit code, or 128 + signal.',
    type: 'BIGINT',
    value: ({ run }) => run.manifest?.exitStatus,
  },
];

function literal(value: string | number | undefined | null): string {
  if (value === undefined || value === null) return 'NULL';
  return typeof value === 'number' ? String(value) : quoteString(value);
}

export function describeRuns(runs: readonly LabelledRun[]): ViewDefinition {
  const rows = runs.map((run) => {
    const cells = COLUMNS.map(
      ({ name, type, value }) => `CAST(${literal(value(run))} AS ${type}) AS ${quoteName(name)}`,
    );
    return `SELECT ${cells.join(', ')}`;
  });
  return {
    name: 'runs',
    comment: 'The runs of this session and what they were.',
    sql: `CREATE VIEW runs AS ${rows.join(' UNION ALL ')}`,
    columns: COLUMNS,
  };
}
