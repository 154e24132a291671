/** Runs one section of the measuring program on the machine and reads the rows that it prints. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { Board } from '../../../machine/board/board.ts';
import { runMachine } from '../../../machine/board/machine.ts';
import { MachineBug } from '../../../machine/core/assert.ts';
import { UserError } from '../../cli/errors.ts';
import { datasetPath } from '../data-folder.ts';

export interface MeasureOptions {
  readonly board: Board;
  /** Kernel command line. */
  readonly kernel: string;
  /** Part of a row (`name params`) that the program is to measure; empty for all. */
  readonly filter: string;
  readonly megabytesMax: number;
}

/** What the model took, or why there is no figure. */
export type Measured = { readonly cycles: number } | { readonly reason: string };

export interface SectionResult {
  /** By `name\tparams`. */
  readonly rows: ReadonlyMap<string, Measured>;
  /** Why the section ended early; empty when it did not. */
  readonly ended: string;
  /** Guest instructions of user mode and kernel. */
  readonly instructions: number;
}

const DISCARD = { write: (): void => undefined };

let image: Uint8Array | undefined;

function measuringProgram(): Uint8Array {
  image ??= gunzipSync(readFileSync(datasetPath('host-zen4/programs/measure.elf.gz')));
  return image;
}

/** Throws UserError when the kernel line or the program is refused. */
export function measureSection(section: string, options: MeasureOptions): SectionResult {
  let output = '';
  const run = (): ReturnType<typeof runMachine> =>
    runMachine({
      board: options.board,
      commandLine: options.kernel,
      seed: 1,
      program: {
        path: '/measure',
        bytes: measuringProgram(),
        argv: ['measure', section, options.filter, String(options.megabytesMax)],
        env: [],
      },
      phases: [],
      trace: DISCARD,
      events: new Set(),
      tier: 'auto',
      filter: true,
      onConsole: (_fd, bytes) => {
        output += Buffer.from(bytes).toString('latin1');
      },
    });
  let ended = '';
  let instructions = 0;
  try {
    const result = run();
    if (result.kind === 'refusal') throw new UserError(result.message, { remedy: result.remedy });
    const { status, signal } = result.exit;
    if (signal !== undefined) ended = signal.message;
    else if (status !== 0) ended = `exit status ${status}`;
    instructions = result.userInstructions + result.kernelInstructions;
  } catch (error) {
    // A fault of the machine in one section must not hide the figures of the others.
    if (!(error instanceof MachineBug)) throw error;
    ended = error.message;
  }
  return { rows: parseRows(output), ended, instructions };
}

/** `name TAB params TAB cycles`, or `-` for cycles and a reason after it. */
export function parseRows(output: string): Map<string, Measured> {
  const rows = new Map<string, Measured>();
  for (const line of output.split('\n')) {
    const [name, params, cycles, reason] = line.split('\t');
    if (name === undefined || params === undefined || cycles === undefined) continue;
    const value = cycles === '-' ? { reason: reason ?? '' } : { cycles: Number(cycles) };
    rows.set(`${name}\t${params}`, value);
  }
  return rows;
}
