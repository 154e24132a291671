/**
 * Books the ticks that one access stalls: to a cell of the record of the block that makes it, and
 * to the sum that the access reports. AssemblyScript.
 *
 * Misses are blocking: every tick is charged when it arises. A model of overlapping misses would
 * replace `post` by one that knows which access the miss depends on.
 */
import { BlockRecord, Cpu, Stall } from '../layout';

/** Take the cell as posted. */
const NO_CELL: i32 = -1;

let record: usize = 0;
let sum: i32 = 0;
/** Where everything goes whatever its cause: page walks and instruction fetches, or NO_CELL. */
let cellForced: i32 = NO_CELL;

@inline export function beginAccess(recordAddress: usize, fetch: bool): void {
  record = recordAddress;
  sum = 0;
  cellForced = fetch ? Stall.FRONTEND : NO_CELL;
}

@inline export function post(cell: i32, ticks: i32): void {
  const forced = cellForced;
  const address = record + (<usize>(forced >= 0 ? forced : cell) << 3);
  store<i64>(address, load<i64>(address, BlockRecord.STALLS) + <i64>ticks, BlockRecord.STALLS);
  sum += ticks;
}

/** From here to endWalk() everything is PAGE_WALK, unless a fetch already claims it. */
@inline export function beginWalk(): void {
  if (cellForced < 0) cellForced = Stall.PAGE_WALK;
}

@inline export function endWalk(): void {
  if (cellForced == Stall.PAGE_WALK) cellForced = NO_CELL;
}

/** Reports the ticks of the access in Cpu.STALL. */
@inline export function endAccess(cpu: usize): i32 {
  store<i32>(cpu, sum, Cpu.STALL);
  return sum;
}

/** Adds one to the i64 counter at `address`. */
@inline export function count(address: usize): void {
  store<i64>(address, load<i64>(address) + 1);
}
