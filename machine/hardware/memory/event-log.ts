/**
 * The log of hardware events, as the machine sees it: which kinds are recorded, and the rows that
 * the core has written since they were last taken (assembly/events.ts).
 */
import { Region } from '../layout.ts';
import { EventLog, EventRow, type HardwareEvent } from './event-layout.ts';
import type { LinearMemory } from './linear-memory.ts';

/** Room in the log: a full one costs a call, no event. */
const ROWS = 4096;
const TWO_32 = 2 ** 32;

const word = (field: EventLog): number => (Region.HEADER + field) >> 2;

/** One row; an instance is filled anew for each. Addresses are as in the log. */
export class LoggedEvent {
  private at = 0;

  constructor(private readonly linear: LinearMemory) {}

  point(address: number): void {
    this.at = address;
  }

  get kind(): HardwareEvent {
    return this.i32(EventRow.KIND);
  }

  /** Number of the CPU. */
  get cpu(): number {
    return (this.i32(EventRow.CPU) - Region.CPU_BLOCKS) / Region.CPU_BLOCK_BYTES;
  }

  /** Address of the BlockRecord that the event is booked to. */
  get record(): number {
    return this.low(EventRow.RECORD);
  }

  /** A field of 32 bits. */
  i32(field: EventRow): number {
    return this.linear.i32[(this.at + field) >> 2];
  }

  /** Halves of a field of 64 bits, unsigned. */
  low(field: EventRow): number {
    return this.linear.u32[(this.at + field) >> 2];
  }

  high(field: EventRow): number {
    return this.linear.u32[(this.at + field + 4) >> 2];
  }

  /** A field of 64 bits whose value is below 2^53 and not negative. */
  wide(field: EventRow): number {
    return this.high(field) * TWO_32 + this.low(field);
  }
}

export class HardwareEventLog {
  private readonly first: number;
  private readonly event: LoggedEvent;

  /** Nothing is recorded before begin(). */
  constructor(
    private readonly linear: LinearMemory,
    private readonly take: (event: LoggedEvent) => void,
  ) {
    this.first = linear.arena.allocate(ROWS * EventRow.BYTES, 64);
    this.event = new LoggedEvent(linear);
    const { i32 } = linear;
    i32[word(EventLog.FIRST)] = this.first;
    i32[word(EventLog.NEXT)] = this.first;
    i32[word(EventLog.END)] = this.first + ROWS * EventRow.BYTES;
  }

  /** From here on, events of these kinds are recorded. */
  begin(kinds: readonly HardwareEvent[]): void {
    this.linear.i32[word(EventLog.WANTED)] = kinds.reduce<number>(
      (bits, kind) => bits | (1 << kind),
      0,
    );
  }

  /** Hands out the rows written so far, in order. */
  drain(): void {
    const { i32 } = this.linear;
    const end = i32[word(EventLog.NEXT)];
    for (let row = this.first; row < end; row += EventRow.BYTES) {
      this.event.point(row);
      this.take(this.event);
    }
    i32[word(EventLog.NEXT)] = this.first;
  }
}
