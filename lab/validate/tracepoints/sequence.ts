/**
 * Runs an operation on the machine with every event table of the kernel on and puts the rows of its tasks into one
 * sequence of names, as a trace of a real kernel shows them: `+read` enters a call, `-read` leaves it.
 */
import type { Board } from '../../../machine/board/board.ts';
import { runMachine } from '../../../machine/board/machine.ts';
import { SIMPLE } from '../../../machine/board/simple.ts';
import { KERNEL_TABLES } from '../../../machine/linux/trace/specs.ts';
import { MachineBug } from '../../../machine/core/assert.ts';
import type { ColumnData, TableSpec } from '../../../machine/core/trace/event-table.ts';
import { NR } from '../../../machine/linux/include/uapi/asm/unistd-64.ts';
import { countingProgram, type PathOperation, REPETITIONS } from '../paths/operation.ts';
import { call } from '../paths/emit.ts';

/** A call that no operation makes: it stands before and after each of them. */
const MARK = 'getuid';
/** One CPU; timers as on the machine that was traced. */
const BOARD: Board = {
  ...SIMPLE,
  cpus: 1,
  features: ['fsgsbase', 'constant_tsc', 'nonstop_tsc', 'rdtscp'],
};
const COMMAND_LINE =
  'norandmaps mitigations=off pti=off CONFIG_HZ=100 transparent_hugepage=madvise';

/** Tables with a row that is not a tracepoint of Linux, or stands for two. */
const NOT_TRACED = new Set(['syscalls', 'futex', 'irq_handler']);

interface Event {
  readonly tick: number;
  readonly name: string;
  readonly tid: number;
  /** Tasks that a scheduler event names. */
  readonly about: readonly number[];
  /** Task that runs from here on; -1 for no change. */
  readonly next: number;
}

/** The sequence that most of the counted repetitions have, or why there is none. */
export function traceOperation(
  operation: PathOperation,
): { readonly names: readonly string[] } | { readonly reason: string } {
  const marker = call(MARK);
  const marked: PathOperation = {
    ...operation,
    measured: (stage) => {
      marker(stage);
      operation.measured(stage);
      marker(stage);
    },
  };
  const { bytes, phases } = countingProgram(marked);
  const events: Event[] = [];
  try {
    const result = runMachine({
      board: BOARD,
      commandLine: COMMAND_LINE,
      seed: 1,
      program: { path: `/${operation.name}`, bytes, argv: [operation.name], env: [] },
      phases,
      trace: {
        write: (table, columns, rows) => {
          for (let row = 0; row < rows; row++) addRow(events, table, columns, row);
        },
      },
      events: new Set(KERNEL_TABLES.map(({ name }) => name)),
      tier: 'interpreter',
      filter: true,
      onConsole: () => undefined,
    });
    if (result.kind === 'refusal') return { reason: result.message };
    if (result.exit.status !== 0) {
      return { reason: result.exit.signal?.message ?? `exit status ${result.exit.status}` };
    }
    const missing = result.warnings.find((warning) => warning.includes('not modelled'));
    if (missing !== undefined) return { reason: missing };
  } catch (error) {
    if (!(error instanceof MachineBug)) throw error;
    return { reason: error.message };
  }
  return { names: mostFrequent(windows(events)) };
}

/** Columns by name, for one row. 64-bit values are read up to 2^53. */
function cell(table: TableSpec, columns: readonly ColumnData[], row: number, name: string): number {
  const index = table.columns.findIndex((column) => column.name === name);
  const data = columns[index];
  const type = table.columns[index]?.type;
  if (data === undefined) return -1;
  if (type !== 'u64' && type !== 'i64') return data[row] ?? -1;
  return (data[row * 2] ?? 0) + (data[row * 2 + 1] ?? 0) * 2 ** 32;
}

const ABOUT = ['pid', 'prev_pid', 'next_pid'];

function addRow(
  events: Event[],
  table: TableSpec,
  columns: readonly ColumnData[],
  row: number,
): void {
  if (NOT_TRACED.has(table.name)) return;
  const value = (name: string): number => cell(table, columns, row, name);
  const about = table.name.startsWith('sched_') ? ABOUT.map(value) : [];
  const sign = SIGNS[table.name];
  const name = sign === undefined ? table.name : sign + callName(value('id'));
  const next = table.name === 'sched_switch' ? value('next_pid') : -1;
  events.push({ tick: value('tick'), name, tid: value('tid'), about, next });
}

const SIGNS: Readonly<Record<string, string>> = { sys_enter: '+', sys_exit: '-' };

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(NR).map(([name, number]) => [number, name]),
);

const callName = (number: number): string => NAMES.get(number) ?? 'unknown';

/**
 * What lies between two marks, for each repetition. While another task is on the CPU, only what the
 * scheduler does to the operation's tasks counts, as in a trace of those tasks.
 */
function windows(events: readonly Event[]): (readonly string[])[] {
  const tasks = new Set(events.filter(({ name }) => name.startsWith('+')).map(({ tid }) => tid));
  const found: string[][] = [];
  let current: string[] | null = null;
  let marks = 0;
  // Until the first switch, the only task runs.
  let running = -1;
  for (const { name, tid, about, next } of [...events].sort((a, b) => a.tick - b.tick)) {
    const concerns = tasks.has(running < 0 ? tid : running) || about.some((pid) => tasks.has(pid));
    if (next >= 0) running = next;
    if (!concerns) continue;
    if (name === `-${MARK}`) {
      marks++;
      current = marks % 2 === 1 ? [] : null;
    } else if (name === `+${MARK}`) {
      if (current !== null) found.push(current);
      current = null;
    } else {
      current?.push(name);
    }
  }
  return found.slice(-REPETITIONS);
}

function mostFrequent(sequences: readonly (readonly string[])[]): readonly string[] {
  const keys = sequences.map((sequence) => sequence.join(' '));
  const times = (key: string): number => keys.filter((each) => each === key).length;
  let best = keys[0] ?? '';
  for (const key of keys) if (times(key) > times(best)) best = key;
  return best === '' ? [] : best.split(' ');
}
