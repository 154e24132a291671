/** The machine's own events: the same however user code is executed, and as many as are counted. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { HARDWARE_TABLES } from '../../../machine/board/hardware-tables.ts';
import type { MachineResult, Tier } from '../../../machine/board/machine-api.ts';
import { runMachine } from '../../../machine/board/machine.ts';
import { SIMPLE } from '../../../machine/board/simple.ts';
import { ZEN4_VM } from '../../../machine/board/zen4-vm.ts';
import type { TableSpec, TraceSink } from '../../../machine/core/trace/event-table.ts';
import { findWorkload } from '../../../workloads/registry.ts';

const KERNEL_EVENTS = ['page_fault_user', 'sched_migrate_task'];
const EVENTS = [...HARDWARE_TABLES.map(({ name }) => name), ...KERNEL_EVENTS];

/** Digests what is written, and counts rows by the values of dictionary columns. */
class CountingSink implements TraceSink {
  private readonly hash = createHash('sha256');
  private readonly rows = new Map<string, number>();
  /** Rows that do not say where in the code they are. */
  nowhere = 0;

  write(table: TableSpec, columns: Parameters<TraceSink['write']>[1], rows: number): void {
    this.hash.update(table.name);
    for (const [index, column] of columns.entries()) {
      const wide = table.columns[index].type === 'u64' ? 2 : 1;
      const { buffer, byteOffset, BYTES_PER_ELEMENT } = column;
      this.hash.update(new Uint8Array(buffer, byteOffset, rows * wide * BYTES_PER_ELEMENT));
    }
    const named = table.columns.flatMap(({ values }, index) =>
      values === undefined ? [] : [{ values, index }],
    );
    const ip = table.columns.findIndex(({ name }) => name === 'ip');
    for (let row = 0; row < rows; row++) {
      const names = named.map(({ values, index }) => values[columns[index][row]]);
      const key = [table.name, ...names].join(' ');
      this.rows.set(key, (this.rows.get(key) ?? 0) + 1);
      if (ip >= 0 && columns[ip][row * 2] === 0 && columns[ip][row * 2 + 1] === 0) this.nowhere++;
    }
  }

  digest(): string {
    return this.hash.digest('hex');
  }

  /** Rows whose table and names match. */
  count(wanted: RegExp): number {
    return [...this.rows].reduce((sum, [key, rows]) => (wanted.test(key) ? sum + rows : sum), 0);
  }
}

interface Setting {
  readonly name: string;
  readonly parameters: Record<string, string>;
  readonly kernel: string;
  readonly board?: typeof ZEN4_VM;
}

interface Executor {
  readonly tier: Tier;
  readonly filter: boolean;
  readonly events?: readonly string[];
}

function execute(
  { name, parameters, kernel, board = ZEN4_VM }: Setting,
  { tier, filter, events = EVENTS }: Executor,
): { sink: CountingSink; result: MachineResult } {
  const program = findWorkload(name)?.build(parameters);
  if (program?.kind !== 'program') throw new Error(`${name} cannot be built`);
  const sink = new CountingSink();
  const result = runMachine({
    board,
    commandLine: kernel,
    seed: 3,
    program: { path: `/${name}`, bytes: program.bytes, argv: [name], env: [] },
    phases: program.phases.map((phase) => phase.name),
    trace: sink,
    events: new Set(events),
    tier,
    filter,
    onConsole: () => undefined,
  });
  if (result.kind === 'refusal') throw new Error(result.message);
  return { sink, result };
}

const SETTINGS: readonly Setting[] = [
  { name: 'tlb-thrash', parameters: { pages: '96', operations: '200' }, kernel: 'maxcpus=1' },
  { name: 'syscall-storm', parameters: { operations: '20' }, kernel: 'maxcpus=1 pti=on' },
  {
    name: 'futex-contention',
    parameters: { threads: '4', operations: '20' },
    kernel: 'maxcpus=4',
  },
  {
    name: 'futex-contention',
    parameters: { threads: '2', operations: '20' },
    kernel: 'maxcpus=2',
    board: SIMPLE,
  },
];

const OTHERS: readonly Executor[] = [
  { tier: 'interpreter', filter: true },
  { tier: 'translator', filter: false },
];

describe.each(SETTINGS)('$name with $kernel', (setting) => {
  const { sink, result } = execute(setting, { tier: 'auto', filter: true });
  const digest = sink.digest();

  it.each(OTHERS)('has the same events with tier $tier, filter $filter', (executor) => {
    expect(execute(setting, executor).sink.digest()).toBe(digest);
  });

  it('has a row for everything that is counted', () => {
    const { counters } = result;
    const rows = {
      'L1-icache-load-misses': sink.count(/^cache_miss \w+ fetch/),
      'L1-dcache-load-misses': sink.count(/^cache_miss \w+ (read|write|walk)/),
      'l2-misses': sink.count(/^cache_miss .* (llc|dram|other_cpu|other_cpu_clean|none)$/),
      'iTLB-load-misses': sink.count(/^tlb_miss \w+ fetch/),
      'dTLB-load-misses': sink.count(/^tlb_miss \w+ (read|write)/),
      'stlb-misses': sink.count(/^tlb_miss .* walk$/),
      'page-walks': sink.count(/^page_walk/),
      'branch-misses:u': sink.count(/^branch_miss/),
      'page-faults': sink.count(/^page_fault_user/),
      'cpu-migrations': sink.count(/^sched_migrate_task/),
      'LLC-load-misses': sink.count(/^cache_miss .* (dram|other_cpu_clean)$/),
    };
    expect(counters).toMatchObject(rows);
    expect(rows['L1-dcache-load-misses']).toBeGreaterThan(100);
    expect(rows['page-walks']).toBeGreaterThan(10);
    expect(sink.nowhere).toBe(0);
  });

  it('takes as long with branches alone, and counts the same', () => {
    const plain = execute(setting, { tier: 'auto', filter: true, events: ['branch_miss'] });
    expect(plain.result.clocks).toEqual(result.clocks);
    expect(plain.result.counters).toEqual(result.counters);
    expect(plain.sink.count(/./)).toBe(sink.count(/^branch_miss/));
  });
});
