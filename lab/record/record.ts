/** Records an experiment: executes it and writes the run directory, whole or not at all. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { TraceSink } from '../../machine/core/trace/event-table.ts';
import type { JsonValue } from '../recording/canonical-json.ts';
import type { Manifest } from '../recording/manifest.ts';
import { createRun, type ManifestInput, type RunOptions } from '../recording/run-directory.ts';
import {
  writeLedgerTable,
  writeSymbolsTable,
  writeTasksTable,
  writeWindowsTable,
} from '../recording/summary-tables.ts';
import type { Execution } from '../experiment/experiment.ts';
import { execute, type ExecutedRun } from './execute.ts';
import type { ResolvedExperiment } from './resolve.ts';
import { sortSymbols } from './sort-symbols.ts';

/** The program's image inside a run directory: what a replay executes. */
export const IMAGE_FILE = 'program.elf';

/** The files of the guest's root inside a run directory, in the manifest's order. */
export const guestFileName = (index: number): string => `file-${index + 1}.bin`;

export const RUNS_FOLDER = 'runs';

export interface HostFacts {
  readonly wallMs: number;
  /** Guest instructions, user and kernel, per microsecond of wall time. */
  readonly mips: number;
}

export interface RecordedExperiment extends ExecutedRun {
  /** Absolute path of the run directory. */
  readonly path: string;
  readonly manifest: Manifest;
  readonly host: HostFacts;
}

export async function record(
  experiment: ResolvedExperiment,
  execution: Execution,
): Promise<RecordedExperiment> {
  const options: RunOptions = { compression: execution.zstd ? 'zstd' : 'none' };
  const writer = await createRun(execution.out ?? freeName(experiment.name), options);
  try {
    const run = execute(experiment, { sink: writer.sink, ...execution });
    writeSummaryTables(writer.sink, run);
    writer.addFile(IMAGE_FILE, experiment.program.bytes);
    experiment.files.forEach(({ bytes }, i) => {
      writer.addFile(guestFileName(i), bytes);
    });
    const host = hostFacts(run);
    const manifest = writer.finish({
      manifest: manifestOf(experiment, run),
      stdout: run.stdout,
      stderr: run.stderr,
      host: { ...host, ...hostDescription(execution) },
    });
    return { ...run, path: writer.path, manifest, host };
  } finally {
    writer.abandon();
  }
}

/** The first of `runs/NAME-1`, `runs/NAME-2`, ... that is free. */
function freeName(target: string): string {
  const base = (target.split('/').at(-1) ?? '').replaceAll(/[^\w.-]/g, '_');
  for (let n = 1; ; n++) {
    const path = join(RUNS_FOLDER, `${base}-${n}`);
    if (!existsSync(path)) return path;
  }
}

/** The tables that are sums of the whole run; also what a replay compares. */
export function writeSummaryTables(sink: TraceSink, { machine }: ExecutedRun): void {
  const { ledger, symbols, tasks, clocks } = machine;
  const sorted = sortSymbols(symbols.all);
  writeLedgerTable(
    sink,
    ledger.rows.map((row) => ({ ...row, symbol: sorted.position(row.symbol) })),
  );
  writeSymbolsTable(sink, sorted.symbols);
  writeWindowsTable(sink, ledger.windows);
  writeTasksTable(sink, tasks, Math.max(...clocks));
}

export const sha256Of = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

/** The manifest of a run, but for the tables and streams that the writer adds. */
export function manifestOf(experiment: ResolvedExperiment, run: ExecutedRun): ManifestInput {
  const { machine } = run;
  const { kind, name, params, program, phases, kernel, board, seed, events, files } = experiment;
  const { signal } = machine.exit;
  return {
    experiment: {
      target: {
        kind,
        name,
        params,
        imageSha256: sha256Of(program.bytes),
        argv: [...program.argv],
        env: [...program.env],
        path: program.path,
        phases: [...phases],
      },
      kernel: { commandLine: kernel, configuration: machine.configuration },
      board: board as unknown as Manifest['experiment']['board'],
      seed,
      events: [...events],
      files: files.map(({ path, bytes, mode }) => ({
        path,
        mode,
        bytes: bytes.length,
        sha256: sha256Of(bytes),
      })),
    },
    totals: {
      ticks: [...machine.clocks],
      userInstructions: machine.userInstructions,
      kernelInstructions: machine.kernelInstructions,
      windows: machine.ledger.windows.map((window) => ({
        name: window.name,
        begin: [...window.begin],
        end: [...window.end],
      })),
      counters: machine.counters,
    },
    residualTicks: machine.ledger.residuals(machine.clocks),
    exitStatus: machine.exit.status,
    ...(signal === undefined ? {} : { signal: signal.message }),
    warnings: [...machine.warnings],
  };
}

function hostFacts({ machine, wallMs }: ExecutedRun): HostFacts {
  const instructions = machine.userInstructions + machine.kernelInstructions;
  return { wallMs, mips: instructions / (wallMs * 1000) };
}

function hostDescription({ tier, filter }: Execution): Record<string, JsonValue> {
  return { tier, filter, node: process.version, platform: `${process.platform}-${process.arch}` };
}
