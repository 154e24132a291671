/**
 * Books the ticks that one access stalls: to cells of the record of the block that makes it, and to
 * the sum that the access reports. AssemblyScript.
 *
 * The pieces that an access is made of (translation, levels, queues) are collected as they arise,
 * each at the tick at which the access has got so far. Where misses overlap, what is charged at the
 * end may be less than their sum, or more when the access had to wait for an earlier one.
 */
import { BlockRecord, Cpu, Stall } from '../layout';
import { AccessHint, Overlap } from '../memory/overlap-layout';
import { Server } from '../memory/model-layout';
import { complete, issueTick, releaseWalker, takeBuffer, takeWalker } from './overlap';
import { reserve } from './server';

/** Take the cell as posted. */
const NO_CELL: i32 = -1;

/** Ticks of each cell so far. */
const PIECES: usize = memory.data(<i32>Stall.COUNT * 8, 8);

let record: usize = 0;
let cpuOf: usize = 0;
let hint: usize = 0;
/** Whether anything was posted: until then the access is a hit, which leaves no trace. */
let opened: bool = false;
let buffered: bool = false;
/** The clock when the access began, when it was issued, and the tick at which it has got so far. */
let begun: i64 = 0;
let issued: i64 = 0;
let now: i64 = 0;
let lastCell: i32 = 0;
/** Bits of the cells that have pieces. */
let posted: i32 = 0;
/** Where everything goes whatever its cause: page walks and instruction fetches, or NO_CELL. */
let cellForced: i32 = NO_CELL;

@inline export function beginAccess(cpu: usize, recordAddress: usize, fetch: bool): void {
  record = recordAddress;
  cpuOf = cpu;
  hint = 0;
  opened = false;
  cellForced = fetch ? Stall.FRONTEND : NO_CELL;
  if (fetch) return;
  hint = load<u32>(cpu, Cpu.HINT);
  store<u32>(cpu, 0, Cpu.HINT);
}

function open(): void {
  opened = true;
  buffered = false;
  posted = 0;
  begun = load<i64>(cpuOf, Cpu.LIMIT) - load<i64>(cpuOf, Cpu.LEFT);
  // Inside the kernel the clock stands still; queues need the time that it will be set to.
  begun += <i64>load<f64>(cpuOf, Cpu.KERNEL_ELAPSED);
  now = begun;
  issued = begun;
  if (hint == 0) return;
  if (load<i32>(cpuOf, Overlap.ON) == 0) {
    hint = 0;
    return;
  }
  begun += <i64>load<i32>(hint, AccessHint.OFFSET);
  now = issueTick(cpuOf, hint, begun);
  issued = now;
}

@inline function add(cell: i32, ticks: i64): void {
  lastCell = cellForced >= 0 ? cellForced : cell;
  posted |= 1 << lastCell;
  const piece = PIECES + (<usize>lastCell << 3);
  store<i64>(piece, load<i64>(piece) + ticks);
  now += ticks;
}

export function post(cell: i32, ticks: i32): void {
  if (!opened) open();
  add(cell, ticks);
}

/** The tick at which the access has got so far. For an access that misses. */
export function tickNow(): i64 {
  if (!opened) open();
  return now;
}

/** The access waits until `tick`. */
export function postUntil(cell: i32, tick: i64): void {
  if (!opened) open();
  if (tick > now) add(cell, tick - now);
}

/** Address of the instruction that misses, if it is one whose accesses have hints; else 0. */
@inline export function instruction(): i64 {
  return hint == 0 ? 0 : load<i64>(hint, AccessHint.IP);
}

/** Whether the access is one of data, not a walk's or a fetch's. */
@inline export function isData(): bool {
  return cellForced < 0;
}

/** A first-level data miss needs a miss buffer. */
export function holdBuffer(): void {
  if (!opened) open();
  if (hint == 0 || buffered || cellForced >= 0) return;
  buffered = true;
  now = takeBuffer(cpuOf, now);
}

/** A page walk of an overlapped access needs a walker from here to freeWalker(). */
export function waitForWalker(): void {
  if (!opened) open();
  if (hint != 0) now = takeWalker(cpuOf, now);
}

export function freeWalker(): void {
  if (hint != 0) releaseWalker(cpuOf, now);
}

/** The access passes through a server, which may make it wait. */
export function queue(server: usize, cell: i32): void {
  const ticks = load<i32>(server, Server.TICKS);
  if (ticks == 0) return;
  if (!opened) open();
  const start = reserve(server, ticks, now);
  if (start != now) add(cell, start - now);
}

/** From here to endWalk() everything is PAGE_WALK, unless a fetch already claims it. */
@inline export function beginWalk(): void {
  if (cellForced < 0) cellForced = Stall.PAGE_WALK;
}

@inline export function endWalk(): void {
  if (cellForced == Stall.PAGE_WALK) cellForced = NO_CELL;
}

@inline function book(cell: i32, ticks: i64): void {
  const address = record + (<usize>cell << 3);
  store<i64>(address, load<i64>(address, BlockRecord.STALLS) + ticks, BlockRecord.STALLS);
}

/**
 * Overlap hides the pieces that are not the last first. What is charged beyond all pieces, the
 * access spent waiting for another one or for a free buffer; the last piece's cell has it.
 */
function distribute(charge: i64): void {
  let left = charge;
  let waiting = charge;
  for (let cells = posted; cells != 0; cells &= cells - 1) {
    const piece = PIECES + (<usize>ctz(cells) << 3);
    waiting -= load<i64>(piece);
  }
  const last = PIECES + (<usize>lastCell << 3);
  const first = min<i64>(left, load<i64>(last) + max<i64>(waiting, 0));
  store<i64>(last, 0);
  if (first != 0) book(lastCell, first);
  left -= first;
  for (let cells = posted & ~(1 << lastCell); cells != 0; cells &= cells - 1) {
    const cell = ctz(cells);
    const piece = PIECES + (<usize>cell << 3);
    const part = min<i64>(left, load<i64>(piece));
    store<i64>(piece, 0);
    left -= part;
    if (part != 0) book(cell, part);
  }
}

/**
 * Nothing overlaps with the access in progress: it is not going to happen now. What it took so far
 * counts from its issue, which may be earlier than the clock says.
 */
export function standAlone(): void {
  hint = 0;
}

/** Reports the ticks of the access in Cpu.STALL. */
export function endAccess(cpu: usize): void {
  if (!opened) {
    store<i32>(cpu, 0, Cpu.STALL);
    return;
  }
  const charge = hint == 0 ? now - issued : complete(cpu, hint, begun, now, buffered);
  distribute(charge);
  store<i32>(cpu, <i32>charge, Cpu.STALL);
}

/** Adds one to the i64 counter at `address`. */
@inline export function count(address: usize): void {
  store<i64>(address, load<i64>(address) + 1);
}
