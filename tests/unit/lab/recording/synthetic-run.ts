/** A whole synthetic run: a ledger that balances, symbols, tasks, windows, system calls. */
import { HARDWARE_TABLES } from '../../../../machine/board/hardware-tables.ts';
import type { CodeSymbol } from '../../../../machine/core/ledger/symbols.ts';
import { Cause } from '../../../../machine/core/ledger/cause.ts';
import { Context } from '../../../../machine/core/ledger/context.ts';
import { Ledger } from '../../../../machine/core/ledger/ledger.ts';
import {
  EventTable,
  type TableSpec,
  type TraceSink,
} from '../../../../machine/core/trace/event-table.ts';
import {
  createRun,
  type ManifestInput,
  type RunOptions,
} from '../../../../lab/recording/run-directory.ts';
import type { Manifest } from '../../../../lab/recording/manifest.ts';
import {
  writeLedgerTable,
  writeSymbolsTable,
  writeTasksTable,
  writeWindowsTable,
} from '../../../../lab/recording/summary-tables.ts';
import { EVERY_TYPE, fillEveryType } from './synthetic.ts';

/** Cycles of 0.5 ns, so that a tick is 1/128 ns. */
export const CORE_MHZ = 2000;
const CALLS = ['read', 'clock_gettime', 'exit_group'] as const;

export const SYSCALLS: TableSpec = {
  name: 'syscalls',
  comment: 'System calls.',
  default: true,
  columns: [
    { name: 'tick', type: 'u64', unit: 'ticks', comment: 'Entry.' },
    { name: 'cpu', type: 'u8', comment: 'CPU.' },
    { name: 'tid', type: 'i32', comment: 'Thread.' },
    { name: 'dur', type: 'u64', unit: 'ticks', comment: 'Until return.' },
    { name: 'nr', type: 'u16', comment: 'Number.' },
    { name: 'name', type: 'dictionary', comment: 'Name.', values: CALLS },
    { name: 'ret', type: 'i64', comment: 'Result.' },
  ],
};

export const PAGE_FAULT_USER: TableSpec = {
  name: 'page_fault_user',
  comment: 'Page faults of user code.',
  default: true,
  columns: [
    { name: 'tick', type: 'u64', unit: 'ticks', comment: 'When.' },
    { name: 'cpu', type: 'u8', comment: 'CPU.' },
    { name: 'tid', type: 'i32', comment: 'Thread.' },
    { name: 'address', type: 'u64', unit: 'address', comment: 'Faulting address.' },
    { name: 'ip', type: 'u64', unit: 'address', comment: 'Instruction.' },
    { name: 'error_code', type: 'u32', comment: "The CPU's error code." },
  ],
};

const SYMBOLS: readonly CodeSymbol[] = [
  { name: '_start', module: '/bin/hello', address: 0x401000n, size: 64 },
  { name: 'do_syscall_64', module: 'vmlinux', address: 0xffffffff81000000n, size: 256 },
];

function bookedLedger(): { ledger: Ledger; clock: number } {
  const ledger = new Ledger(1);
  const user = ledger.account(0, 1, Context.USER, 0);
  const kernel = ledger.account(0, 1, Context.KERNEL, 1);
  ledger.post(user, Cause.BASE, 640);
  ledger.post(user, Cause.DRAM, 64_000);
  ledger.count(user, 10, 40);
  ledger.closeWindow('storm', [64_640]);
  ledger.post(user, Cause.BASE, 6400);
  ledger.count(user, 100, 400);
  ledger.post(kernel, Cause.BASE, 12_800);
  ledger.post(kernel, Cause.TRANSITION, 25_600);
  ledger.post(kernel, Cause.MITIGATION_PTI, 12_800);
  ledger.count(kernel, 100, 9000);
  ledger.closeWindow('teardown', [122_240]);
  return { ledger, clock: 122_240 };
}

export function manifestInput(seed: number): ManifestInput {
  const { ledger, clock } = bookedLedger();
  return {
    experiment: {
      target: {
        kind: 'workload',
        name: 'synthetic',
        params: { operations: 100 },
        imageSha256: '0'.repeat(64),
        argv: ['synthetic'],
        env: [],
        path: '/usr/libexec/cyclelab/synthetic',
        phases: [{ name: 'measure', operations: 100 }],
      },
      kernel: { commandLine: 'pti=on', configuration: { pti: 'on' } },
      board: { name: 'simple', cpus: 1, core: { coreMHz: CORE_MHZ, tscMHz: 2000 } },
      seed,
      events: ['syscalls', 'page_fault_user'],
      files: [],
    },
    totals: {
      ticks: [clock],
      userInstructions: 440,
      kernelInstructions: 9000,
      windows: ledger.windows.map(({ name, begin, end }) => ({
        name,
        begin: [...begin],
        end: [...end],
      })),
      counters: {},
    },
    residualTicks: ledger.residuals([clock]),
    exitStatus: 0,
    warnings: [],
  };
}

/** Two rows of each of the machine's own tables, in code of `_start`. */
function writeHardwareEvents(sink: TraceSink): void {
  for (const spec of HARDWARE_TABLES) {
    const table = new EventTable(spec, sink);
    const ip = spec.columns.findIndex(({ name }) => name === 'ip');
    for (let i = 0; i < 2; i++) {
      const row = table.next();
      spec.columns.forEach((_, column) => {
        table.set(column, row, 0);
      });
      table.setWide(0, row, 100 + i);
      table.set(2, row, 1);
      table.setWide(ip, row, 0x401008);
    }
    table.finish();
  }
}

export interface SyntheticOptions extends RunOptions {
  readonly seed?: number;
  readonly calls?: number;
  /** Rows of `every_type`. */
  readonly rows?: number;
}

/** Writes the run and returns its manifest. */
export async function writeSyntheticRun(
  path: string,
  { seed = 1, calls = 100, rows = 1000, ...options }: SyntheticOptions = {},
): Promise<Manifest> {
  const run = await createRun(path, options);
  const { ledger, clock } = bookedLedger();
  const syscalls = new EventTable(SYSCALLS, run.sink);
  for (let i = 0; i < calls; i++) {
    const row = syscalls.next();
    syscalls.setWide(0, row, 64_640 + i * 512);
    syscalls.set(1, row, 0);
    syscalls.set(2, row, 1);
    syscalls.setWide(3, row, 256 + (i % 2) * 128);
    syscalls.set(4, row, i % 3);
    syscalls.set(5, row, i % 3);
    syscalls.setWide(6, row, i % 10 === 9 ? -11 : i);
  }
  syscalls.finish();
  const faults = new EventTable(PAGE_FAULT_USER, run.sink);
  for (let i = 0; i < 4; i++) {
    const row = faults.next();
    faults.setWide(0, row, 100 + i);
    faults.set(2, row, 1);
    faults.setHalves(3, row, 0x1000 * i, 0x7fff);
    faults.setWide(4, row, 0x401000 + i);
    faults.set(5, row, i % 2 === 0 ? 4 : 6);
  }
  faults.finish();
  writeHardwareEvents(run.sink);
  run.sink.open(EVERY_TYPE);
  fillEveryType(run.sink, rows, seed);
  writeLedgerTable(run.sink, ledger.rows);
  writeWindowsTable(run.sink, ledger.windows);
  writeSymbolsTable(run.sink, SYMBOLS);
  writeTasksTable(
    run.sink,
    [{ tid: 1, tgid: 1, parent: 0, comm: 'synthetic', startTick: 0 }],
    clock,
  );
  const stdout = Buffer.from('hello\n');
  return run.finish({ manifest: manifestInput(seed), stdout, stderr: Buffer.alloc(0), host: {} });
}
