/**
 * The hardware prefetcher of a CPU: fetches lines into the L2 ahead of streams (neighbouring lines
 * of a 4 KiB frame, up or down) and of strides (one instruction, equal steps). AssemblyScript; ours.
 *
 * It learns from first-level misses of data alone, so that hits stay without a trace. It fills the
 * L2 only: every line of a stream still misses the L1 once, which keeps it learning. A line that is
 * not there yet is waited for. Omits: the L1 prefetchers, which hide an L2 hit; throttling.
 */
import { Prefetch } from '../memory/model-layout';
import { prefetchCell, prefetchLine } from './cache';
import { count, instruction, isData, postUntil, tickNow } from './stall';

const LINES_IN_FRAME: i32 = 64;

@inline function flightOf(cpu: usize, line: u32): usize {
  const index = (line ^ ((line >> 6) * 5)) & (Prefetch.FLIGHT_COUNT - 1);
  return cpu + Prefetch.FLIGHTS + <usize>index * Prefetch.ENTRY_BYTES;
}

/** A line was found in the L2: waits if it is still on its way there. */
export function awaitFlight(cpu: usize, line: u32): void {
  if (load<i32>(cpu, Prefetch.DISTANCE) == 0) return;
  const flight = flightOf(cpu, line);
  if (load<u32>(flight) != line) return;
  store<u32>(flight, 0);
  postUntil(load<i32>(flight, 4), load<i64>(flight, 8));
}

function fetchAhead(cpu: usize, line: u32): void {
  const tick = prefetchLine(cpu, line, tickNow());
  if (tick == 0) return;
  count(cpu + Prefetch.LINES);
  const flight = flightOf(cpu, line);
  store<u32>(flight, line);
  store<i32>(flight, prefetchCell, 4);
  store<i64>(flight, tick, 8);
}

/** A first-level data miss of `line` has been served. */
export function prefetchAfter(cpu: usize, line: u32): void {
  const distance = load<i32>(cpu, Prefetch.DISTANCE);
  if (distance == 0 || !isData()) return;
  if (!followStream(cpu, line, distance)) followStride(cpu, line);
}

/** Returns whether the line belongs to a stream. */
function followStream(cpu: usize, line: u32, distance: i32): bool {
  const frame = (line >> 6) + 1;
  const place = <i32>(line & 63);
  const first = cpu + Prefetch.STREAMS;
  const end = first + <usize>Prefetch.STREAM_COUNT * Prefetch.ENTRY_BYTES;
  for (let stream = first; stream < end; stream += Prefetch.ENTRY_BYTES) {
    if (load<u32>(stream) != frame) continue;
    const step = place - load<i32>(stream, 4);
    if (step == 0) return true;
    store<i32>(stream, place, 4);
    const direction = step > 0 ? 1 : -1;
    if (step != direction) {
      store<i32>(stream, 0, 8);
      return false;
    }
    const begins = load<i32>(stream, 8) != direction;
    let ahead = begins ? place : load<i32>(stream, 12);
    // What lies behind was fetched on demand.
    if ((ahead - place) * direction < 0) ahead = place;
    const last = place + direction * distance;
    while (ahead != last) {
      const next = ahead + direction;
      if (next < 0 || next >= LINES_IN_FRAME) break;
      ahead = next;
      fetchAhead(cpu, <u32>((frame - 1) << 6) | <u32>ahead);
    }
    store<i32>(stream, direction, 8);
    store<i32>(stream, ahead, 12);
    return true;
  }
  const next = load<i32>(cpu, Prefetch.NEXT_STREAM);
  store<i32>(cpu, (next + 1) & (Prefetch.STREAM_COUNT - 1), Prefetch.NEXT_STREAM);
  const stream = first + <usize>next * Prefetch.ENTRY_BYTES;
  store<u32>(stream, frame);
  store<i32>(stream, place, 4);
  store<i32>(stream, 0, 8);
  return false;
}

function followStride(cpu: usize, line: u32): void {
  const address = instruction();
  if (address == 0) return;
  const index = <usize>((address ^ (address >> 5)) & (Prefetch.STRIDE_COUNT - 1));
  const entry = cpu + Prefetch.STRIDE_TABLE + index * Prefetch.ENTRY_BYTES;
  if (load<i64>(entry) != address) {
    store<i64>(entry, address);
    store<u32>(entry, line, 8);
    store<i32>(entry, 0, 12);
    return;
  }
  const step = <i32>(line - load<u32>(entry, 8));
  const same = step != 0 && step == load<i32>(entry, 12);
  store<u32>(entry, line, 8);
  store<i32>(entry, step, 12);
  if (!same) return;
  for (let n = 1; n <= load<i32>(cpu, Prefetch.STRIDES); n++) {
    const next = line + <u32>(step * n);
    if (next >> 6 != line >> 6) break;
    fetchAhead(cpu, next);
  }
}
