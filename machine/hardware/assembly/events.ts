/**
 * The log of hardware events: rows that the machine takes out when it stops, when another task runs
 * and when the log is full. Only misses come here, and nothing is written unless it was asked for.
 * AssemblyScript; ours.
 */
import { Cpu, Region } from '../layout';
import { EventLog, EventRow, HardwareEvent } from '../memory/event-layout';

/** Empties the log. */
@external("env", "drainEvents")
declare function drainEvents(): void;

/** Virtual address of the access in progress. */
let address: i64 = 0;

@inline export function setAddress(va: i64): void {
  address = va;
}

@inline export function wanted(kind: i32): bool {
  return (load<i32>(Region.HEADER, EventLog.WANTED) & (1 << kind)) != 0;
}

/** Appends a row; its other fields are for the caller to fill. */
function append(cpu: usize, kind: i32, record: usize, tick: i64): usize {
  if (load<u32>(Region.HEADER, EventLog.NEXT) == load<u32>(Region.HEADER, EventLog.END)) drainEvents();
  const row: usize = load<u32>(Region.HEADER, EventLog.NEXT);
  store<u32>(Region.HEADER, <u32>row + EventRow.BYTES, EventLog.NEXT);
  store<i32>(row, kind, EventRow.KIND);
  store<u32>(row, <u32>cpu, EventRow.CPU);
  store<u32>(row, <u32>record, EventRow.RECORD);
  store<i64>(row, tick, EventRow.TICK);
  return row;
}

/** A miss of an access to memory. Called when it has been served. */
export function noteMiss(
  cpu: usize, kind: i32, record: usize, tick: i64, ip: i64, source: i32, physical: i64, ticks: i64, page: i32, served: i32,
): void {
  const row = append(cpu, kind, record, tick);
  store<i32>(row, source, EventRow.SOURCE);
  store<i64>(row, ip, EventRow.IP);
  store<i64>(row, address, EventRow.ADDRESS);
  store<i64>(row, physical, EventRow.PHYSICAL);
  store<i64>(row, ticks, EventRow.TICKS);
  store<i32>(row, page, EventRow.PAGE);
  store<i32>(row, served, EventRow.SERVED);
}

/** A mispredicted branch of the block whose record is at `record`, which loses `ticks`. */
export function noteBranch(cpu: usize, record: usize, kind: i32, ticks: i32): void {
  const clock = load<i64>(cpu, Cpu.LIMIT) - load<i64>(cpu, Cpu.LEFT);
  const row = append(cpu, HardwareEvent.BRANCH_MISS, record, clock);
  store<i32>(row, kind, EventRow.SOURCE);
  store<i64>(row, <i64>ticks, EventRow.TICKS);
}
