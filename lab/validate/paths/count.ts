/** Runs an operation on the machine and counts what the kernel model did in each repetition. */
import type { Board } from '../../../machine/board/board.ts';
import { runMachine } from '../../../machine/board/machine.ts';
import { SIMPLE } from '../../../machine/board/simple.ts';
import { MachineBug } from '../../../machine/core/assert.ts';
import { Context } from '../../../machine/core/ledger/context.ts';
import { branchDensity } from '../../../machine/board/kernel-functions.ts';
import { countingProgram, type PathOperation } from './operation.ts';

/** How the real kernel was booted for each column of the data, in the model's words. */
export const BOOTS = {
  off: { commandLine: 'norandmaps cgroup.memory=nokmem mitigations=off pti=off', features: [] },
  on: { commandLine: 'norandmaps cgroup.memory=nokmem pti=on spectre_v2=retpoline', features: [] },
  on_zen: { commandLine: 'norandmaps cgroup.memory=nokmem', features: ['retpoline', 'srso'] },
} as const;

export type Boot = keyof typeof BOOTS;

/** What one repetition took in the kernel. */
export interface PathCount {
  readonly instructions: number;
  readonly branches: number;
  /** Distinct 64-byte lines of kernel data, by virtual address. */
  readonly dataLines: number;
  /** The functions that ran. */
  readonly functions: readonly string[];
}

/** First address of the kernel's half, in units of 2^32. */
const KERNEL_HIGH = 0x80000000;
const LINE_SHIFT = 6;
/** Few ticks, as interrupts are left out; huge pages for who asks, as the counted operations do. */
const SETTINGS = 'CONFIG_HZ=100 transparent_hugepage=madvise';

/** The count that most repetitions have, or why there is none. */
export function countOperation(
  operation: PathOperation,
  boot: Boot,
): PathCount | { readonly reason: string } {
  const { bytes, phases } = countingProgram(operation);
  const lines: Set<string>[] = phases.map(() => new Set());
  let phase = -1;
  const { commandLine, features } = BOOTS[boot];
  const board: Board = { ...SIMPLE, cpus: 1, features: [...FEATURES, ...features] };
  try {
    const result = runMachine({
      board,
      commandLine: `${commandLine} ${SETTINGS}`,
      seed: 1,
      program: { path: `/${operation.name}`, bytes, argv: [operation.name], env: [] },
      phases,
      trace: { write: () => undefined },
      events: new Set(),
      tier: 'interpreter',
      filter: true,
      observer: {
        onData: (low, high) => {
          if (phase < 0 || high >>> 0 < KERNEL_HIGH) return;
          lines[phase]?.add(`${high >>> 0}:${low >>> LINE_SHIFT}`);
        },
        onMarker: (marker) => {
          phase = marker % 2 === 1 ? (marker - 1) / 2 : -1;
        },
      },
      onConsole: () => undefined,
    });
    if (result.kind === 'refusal') return { reason: result.message };
    if (result.exit.status !== 0) {
      return { reason: result.exit.signal?.message ?? `exit status ${result.exit.status}` };
    }
    const missing = result.warnings.find((warning) => warning.includes('not modelled'));
    if (missing !== undefined) return { reason: missing };
    return mostFrequent(
      phases.map((name, i) => {
        const contexts = operation.sleeps === true ? WITH_TIMER : KERNEL_ONLY;
        return countPhase(result, { name, contexts, dataLines: lines[i]?.size ?? 0 });
      }),
    );
  } catch (error) {
    if (!(error instanceof MachineBug)) throw error;
    return { reason: error.message };
  }
}

const FEATURES = ['fsgsbase', 'constant_tsc', 'nonstop_tsc', 'rdtscp'];

type Result = Extract<ReturnType<typeof runMachine>, { kind: 'result' }>;

const KERNEL_ONLY: readonly number[] = [Context.KERNEL];
const WITH_TIMER: readonly number[] = [
  Context.KERNEL,
  Context.HARDIRQ,
  Context.SOFTIRQ,
  Context.IDLE,
];

interface Phase {
  readonly name: string;
  readonly contexts: readonly number[];
  readonly dataLines: number;
}

/** Interrupts that nobody asked for are left out, as they were in the real kernel's counts. */
function countPhase({ ledger, symbols }: Result, { name, contexts, dataLines }: Phase): PathCount {
  const window = ledger.windows.findIndex((each) => each.name === name);
  const functions: string[] = [];
  let instructions = 0;
  let branches = 0;
  for (const row of ledger.rows) {
    if (row.window !== window || !contexts.includes(row.context)) continue;
    instructions += row.instructions;
    const { name: fn } = symbols.at(row.symbol);
    functions.push(fn);
    branches += row.instructions * branchDensity(fn);
  }
  return { instructions, branches: Math.round(branches), dataLines, functions };
}

function mostFrequent(counts: readonly PathCount[]): PathCount {
  const times = (count: PathCount): number =>
    counts.filter(({ instructions }) => instructions === count.instructions).length;
  return counts.reduce((best, count) => (times(count) > times(best) ? count : best));
}
