/**
 * Executes a resolved experiment on the machine and collects what a recording or a comparison needs.
 *
 * The result depends on the experiment alone; how long it took is kept apart from it.
 */
import { performance } from 'node:perf_hooks';
import type { MachineRefusal, MachineResult, Tier } from '../../machine/board/machine-api.ts';
import { runMachine } from '../../machine/board/machine.ts';
import type { TraceSink } from '../../machine/core/trace/event-table.ts';
import { UserError } from '../cli/errors.ts';
import { HostMemoryGuard } from './host-memory.ts';
import { runLedgerFromMachine } from './machine-ledger.ts';
import type { RunLedger } from '../compare/posting.ts';
import type { ResolvedExperiment } from './resolve.ts';
import { UnbalancedRun } from './unbalanced-run.ts';

export interface ExecuteOptions {
  readonly sink: TraceSink;
  readonly tier: Tier;
  readonly filter: boolean;
  /** Bytes of host memory that the run may take; no limit when absent. */
  readonly hostMemory?: number | undefined;
}

export interface ExecutedRun {
  readonly machine: MachineResult;
  readonly ledger: RunLedger;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** Wall time of the simulation on this host; never part of the result. */
  readonly wallMs: number;
}

/** Runs it. Throws UserError when it cannot be started, UnbalancedRun when the ledger does not account for every tick. */
export function execute(
  experiment: ResolvedExperiment,
  { sink, tier, filter, hostMemory }: ExecuteOptions,
): ExecutedRun {
  const output = { 1: new ByteCollector(), 2: new ByteCollector() };
  const { board, kernel, seed, events, program, files, phases } = experiment;
  const guard = new HostMemoryGuard(hostMemory);
  const begin = performance.now();
  const machine = runMachine({
    board,
    commandLine: kernel,
    seed,
    program,
    files,
    phases: phases.map(({ name }) => name),
    trace: {
      write: (table, columns, rows) => {
        guard.look();
        sink.write(table, columns, rows);
      },
    },
    ...(hostMemory === undefined ? {} : { hostBytesMax: hostMemory }),
    events: new Set(events),
    tier,
    filter,
    onConsole: (fd, bytes) => {
      guard.look();
      output[fd].add(bytes);
    },
  });
  const wallMs = performance.now() - begin;
  if (machine.kind === 'refusal') throw refused(machine, experiment);
  const residuals = machine.ledger.residuals(machine.clocks);
  if (residuals.some((residual) => residual !== 0)) throw new UnbalancedRun(residuals);
  const ledger = runLedgerFromMachine({
    label: kernel === '' ? 'defaults' : kernel,
    coreMHz: board.core.coreMHz,
    ledger: machine.ledger,
    symbols: machine.symbols,
    operations: new Map(phases.map(({ name, operations }) => [name, operations])),
  });
  return { machine, ledger, stdout: output[1].bytes(), stderr: output[2].bytes(), wallMs };
}

function refused(
  { about, message, remedy }: MachineRefusal,
  { name }: ResolvedExperiment,
): UserError {
  const place = about === 'kernel' ? '--kernel' : name;
  return new UserError(message, remedy === '' ? { place } : { place, remedy });
}

/** Gathers output that comes in pieces. */
class ByteCollector {
  private readonly pieces: Uint8Array[] = [];

  add(piece: Uint8Array): void {
    this.pieces.push(piece.slice());
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.pieces);
  }
}
