/** Runs a program under words of the kernel's command line and says what they changed. */
import type { Board } from '../../../machine/board/board.ts';
import type { MachineResult } from '../../../machine/board/machine-api.ts';
import { runMachine } from '../../../machine/board/machine.ts';
import { ZEN4_VM } from '../../../machine/board/zen4-vm.ts';
import type { Cause } from '../../../machine/core/ledger/cause.ts';
import type { Guest } from '../../../workloads/lib/guest.ts';
import { buildExecutable } from '../../../workloads/lib/program.ts';
import { findWorkload } from '../../../workloads/registry.ts';

export interface WordsRun {
  readonly result: MachineResult;
  /** Rows of each table that was asked for. */
  readonly rows: Readonly<Record<string, number>>;
  readonly output: string;
}

export interface WordsOptions {
  readonly words: string;
  readonly board?: Board;
  readonly events?: readonly string[];
}

function runBytes(bytes: Uint8Array, options: WordsOptions): WordsRun {
  const rows: Record<string, number> = {};
  const decoder = new TextDecoder();
  let output = '';
  const result = runMachine({
    board: options.board ?? ZEN4_VM,
    commandLine: options.words,
    seed: 1,
    program: { path: '/test', bytes, argv: ['test'], env: [] },
    phases: [],
    trace: {
      write: (table, _columns, count) => {
        rows[table.name] = (rows[table.name] ?? 0) + count;
      },
    },
    events: new Set(options.events ?? []),
    tier: 'auto',
    filter: true,
    onConsole: (_fd, text) => {
      output += decoder.decode(text);
    },
  });
  if (result.kind === 'refusal') throw new Error(result.message);
  return { result, rows, output };
}

/** Runs a built-in workload. */
export function runWorkload(
  name: string,
  parameters: Record<string, string>,
  options: WordsOptions,
): WordsRun {
  const program = findWorkload(name)?.build(parameters);
  if (program?.kind !== 'program') throw new Error(`${name} cannot be built`);
  return runBytes(program.bytes, options);
}

/** Runs what `emit` writes. */
export function runGuest(emit: (guest: Guest) => void, options: WordsOptions): WordsRun {
  return runBytes(buildExecutable(0, emit).bytes, options);
}

/** Calls of a function of the kernel or of the program, in the whole run. */
export function callsOf({ result }: WordsRun, symbol: string): number {
  return result.ledger.rows
    .filter((row) => result.symbols.at(row.symbol).name === symbol)
    .reduce((sum, { count }) => sum + count, 0);
}

/** Ticks of a cause, in the whole run. */
export function ticksOf({ result }: WordsRun, cause: Cause): number {
  return result.ledger.rows.reduce((sum, { ticks }) => sum + ticks[cause], 0);
}

export const clockOf = ({ result }: WordsRun): number => Math.max(...result.clocks);
