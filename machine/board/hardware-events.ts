/**
 * Records the machine's own events: takes them out of the hardware's log and gives each its CPU's
 * task, its code's address and its names. Ours.
 */
import { SymbolTable } from '../core/ledger/symbols.ts';
import { EventTable, type TableSpec, type TraceSink } from '../core/trace/event-table.ts';
import type { Processor } from '../hardware/cpu/dispatch.ts';
import { BlockRecord } from '../hardware/layout.ts';
import { EventRow, HardwareEvent, ServedBy } from '../hardware/memory/event-layout.ts';
import { HardwareEventLog, type LoggedEvent } from '../hardware/memory/event-log.ts';
import type { LinearMemory } from '../hardware/memory/linear-memory.ts';
import { KernelText } from '../linux/arch/x86/model/kernel-text.ts';
import { BRANCH_MISS, CACHE_MISS, PAGE_WALK, TLB_MISS } from './hardware-tables.ts';

const TABLES: Readonly<Record<HardwareEvent, TableSpec>> = {
  [HardwareEvent.TLB_MISS]: TLB_MISS,
  [HardwareEvent.PAGE_WALK]: PAGE_WALK,
  [HardwareEvent.CACHE_MISS]: CACHE_MISS,
  [HardwareEvent.BRANCH_MISS]: BRANCH_MISS,
};
const KINDS = [
  HardwareEvent.TLB_MISS,
  HardwareEvent.PAGE_WALK,
  HardwareEvent.CACHE_MISS,
  HardwareEvent.BRANCH_MISS,
];

const enum Common {
  TICK,
  CPU,
  TID,
  /** Of all but branches, whose next column is the address. */
  CONTEXT,
  IP,
  ADDRESS,
}

const enum Miss {
  ACCESS = 6,
  PAGE_SIZE = 7,
  WALK_LATENCY = 8,
  SERVED_BY = 8,
  TLB_LATENCY = 9,
}

const enum Line {
  PHYSICAL = 6,
  ACCESS = 7,
  SERVED_BY = 8,
  LATENCY = 9,
}

const enum Branch {
  IP = 3,
  KIND = 4,
  LATENCY = 5,
}

const LOW_32 = 0xffff_ffffn;

/** True if any of these tables has to be recorded. */
export function wantsHardwareEvents(events: ReadonlySet<string>): boolean {
  return KINDS.some((kind) => events.has(TABLES[kind].name));
}

export interface HardwareEventsOptions {
  readonly linear: LinearMemory;
  readonly processor: () => Processor;
  readonly sink: TraceSink;
  /** Names of the tables to record. */
  readonly events: ReadonlySet<string>;
  /** Task that runs on a CPU. */
  readonly tidOf: (cpu: number) => number;
}

export class HardwareEvents {
  readonly log: HardwareEventLog;
  private readonly kinds: readonly HardwareEvent[];
  private readonly tables = new Map<HardwareEvent, EventTable>();
  /** The kernel's records of each CPU: an address, and how many there are. */
  private readonly kernelRecords: { readonly first: number; readonly count: number }[] = [];
  private readonly kernelSymbols = new SymbolTable();
  private readonly kernelText = new KernelText(this.kernelSymbols);

  constructor(private readonly options: HardwareEventsOptions) {
    const { events, sink, linear } = options;
    this.kinds = KINDS.filter((kind) => events.has(TABLES[kind].name));
    for (const kind of this.kinds) this.tables.set(kind, new EventTable(TABLES[kind], sink));
    this.log = new HardwareEventLog(linear, (event) => {
      this.take(event);
    });
  }

  /** The kernel's functions got `count` records from address `first` on. */
  noteKernelRecords(first: number, count: number): void {
    this.kernelRecords.push({ first, count });
  }

  begin(): void {
    this.log.begin(this.kinds);
  }

  finish(): void {
    this.log.drain();
    for (const table of this.tables.values()) table.finish();
  }

  private take(event: LoggedEvent): void {
    const table = this.tables.get(event.kind);
    if (table === undefined) return;
    const row = table.next();
    table.set(Common.CPU, row, event.cpu);
    table.set(Common.TID, row, this.options.tidOf(event.cpu));
    if (event.kind === HardwareEvent.BRANCH_MISS) {
      this.takeBranch(event, table, row);
      return;
    }
    table.setWide(Common.TICK, row, event.wide(EventRow.TICK));
    this.setCode(event, table, row);
    table.setHalves(Common.ADDRESS, row, event.low(EventRow.ADDRESS), event.high(EventRow.ADDRESS));
    switch (event.kind) {
      case HardwareEvent.CACHE_MISS:
        table.setWide(Line.PHYSICAL, row, event.wide(EventRow.PHYSICAL));
        table.set(Line.ACCESS, row, event.i32(EventRow.SOURCE));
        table.set(Line.SERVED_BY, row, event.i32(EventRow.SERVED) - ServedBy.L2);
        table.setWide(Line.LATENCY, row, event.wide(EventRow.TICKS));
        break;
      case HardwareEvent.TLB_MISS:
        table.set(Miss.SERVED_BY, row, event.i32(EventRow.SERVED));
        table.set(Miss.ACCESS, row, event.i32(EventRow.SOURCE));
        table.set(Miss.PAGE_SIZE, row, event.i32(EventRow.PAGE));
        table.setWide(Miss.TLB_LATENCY, row, event.wide(EventRow.TICKS));
        break;
      case HardwareEvent.PAGE_WALK:
        table.set(Miss.ACCESS, row, event.i32(EventRow.SOURCE));
        table.set(Miss.PAGE_SIZE, row, event.i32(EventRow.PAGE));
        table.setWide(Miss.WALK_LATENCY, row, event.wide(EventRow.TICKS));
    }
  }

  /** The clock in the log is that of the block's begin, without its base ticks. */
  private takeBranch(event: LoggedEvent, table: EventTable, row: number): void {
    const block = this.options.processor().blockOf(event.cpu, event.record);
    const address = block.ir?.instructions.at(-1)?.address ?? block.address;
    table.setWide(Common.TICK, row, event.wide(EventRow.TICK) + block.timing.ticks);
    table.setHalves(Branch.IP, row, Number(address & LOW_32), Number(address >> 32n));
    table.set(Branch.KIND, row, event.i32(EventRow.SOURCE));
    table.setWide(Branch.LATENCY, row, event.wide(EventRow.TICKS));
  }

  private setCode(event: LoggedEvent, table: EventTable, row: number): void {
    const kernel = this.kernelAddress(event.record);
    table.set(Common.CONTEXT, row, kernel === undefined ? 0 : 1);
    const known = event.low(EventRow.IP) !== 0 || event.high(EventRow.IP) !== 0;
    if (kernel === undefined && known) {
      table.setHalves(Common.IP, row, event.low(EventRow.IP), event.high(EventRow.IP));
      return;
    }
    const address = kernel ?? this.options.processor().blockOf(event.cpu, event.record).address;
    table.setHalves(Common.IP, row, Number(address & LOW_32), Number((address >> 32n) & LOW_32));
  }

  /** Where the kernel function begins that a record belongs to; undefined for user code. */
  private kernelAddress(record: number): bigint | undefined {
    for (const { first, count } of this.kernelRecords) {
      const fn = (record - first) / BlockRecord.BYTES;
      if (fn < 0 || fn >= count) continue;
      return this.kernelSymbols.at(this.kernelText.symbolOf(fn)).address;
    }
    return undefined;
  }
}
