/** `lab demo`: the whole promise in a minute: run, compare, ask, replay. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Command } from 'commander';
import type { Execution, Experiment } from '../experiment/experiment.ts';
import type { RecordedExperiment } from '../record/record.ts';
import { ExitCode } from './errors.ts';
import { colour, printLine } from './output.ts';

const TARGET = 'vdso-vs-syscall';
const BOARD = 'zen4-vm';
const BASE = 'pti=off';
const VARIANT = 'pti=on';
const PHASE = 'MONOTONIC/syscall';

const QUESTION = `select name, count(*) as calls, round(avg(dur), 1) as avg_ns, max(dur) as max_ns
from syscalls group by name order by calls desc limit 3`;

const EXPERIMENT: Experiment = {
  target: TARGET,
  guestArguments: [],
  files: [],
  env: [],
  kernel: BASE,
  board: BOARD,
  params: { clock: 'MONOTONIC', method: 'both', operations: '20000' },
  seed: 1,
  events: [],
};

export function demoCommand(): Command {
  return new Command('demo')
    .description('Shows a run, a comparison, a query and a replay on a temporary recording.')
    .action(async () => {
      const folder = mkdtempSync(join(tmpdir(), 'cyclelab-demo-'));
      try {
        await demo(folder);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
}

async function demo(folder: string): Promise<void> {
  const base = await runUnder(BASE, join(folder, 'pti-off'));
  await runUnder(VARIANT, join(folder, 'pti-on'));
  await comparePhase(folder);
  await ask(base.path);
  await replayAgain(base.path);
}

function heading(text: string): void {
  printLine(`\n${colour.bold(colour.cyan(`$ ${text}`))}`);
}

async function runUnder(kernel: string, out: string): Promise<RecordedExperiment> {
  const { resolveExperiment } = await import('../record/resolve.ts');
  const { record } = await import('../record/record.ts');
  const { runJson } = await import('../report/run-json.ts');
  const { runText } = await import('../report/run-text.ts');
  heading(`lab run ${TARGET} --board ${BOARD} --kernel ${kernel}`);
  const execution: Execution = { tier: 'auto', filter: true, zstd: false, out };
  const resolved = resolveExperiment({ ...EXPERIMENT, kernel });
  const recorded = await record(resolved, execution);
  printLine(runText(runJson(resolved, recorded)));
  return recorded;
}

async function comparePhase(folder: string): Promise<void> {
  const { loadRun } = await import('../compare/from-run.ts');
  const { compareRuns } = await import('../compare/compare.ts');
  const { comparisonText } = await import('../report/comparison-text.ts');
  heading(`lab compare pti-off pti-on --by context,cause --phase ${PHASE}`);
  const [base, variant] = await Promise.all(
    ['pti-off', 'pti-on'].map(async (name) => (await loadRun(join(folder, name))).ledger),
  );
  if (base === undefined || variant === undefined) return;
  const comparison = compareRuns(base, [variant], { by: ['context', 'cause'], windows: [PHASE] });
  printLine(comparisonText(comparison));
}

async function ask(run: string): Promise<void> {
  const { QuerySession } = await import('../query/database.ts');
  const { printRows } = await import('./query-output.ts');
  heading(`lab query pti-off "${QUESTION.replace('\n', ' ')}"`);
  const session = await QuerySession.open([run], {});
  try {
    await printRows(await session.query(QUESTION), 'table');
  } finally {
    session.close();
  }
}

async function replayAgain(run: string): Promise<void> {
  const { replay } = await import('../replay/replay.ts');
  heading('lab replay pti-off --tier interpreter');
  const result = await replay(run, { tier: 'interpreter', filter: true });
  if (result.identical) {
    printLine(`${colour.green('replay identical')}: ${result.rows} rows, totals and output`);
  } else {
    printLine(`${colour.red('replay diverges')}: ${result.divergence ?? ''}`);
    process.exitCode = ExitCode.FAILED;
  }
}
