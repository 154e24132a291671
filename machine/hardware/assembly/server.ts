/**
 * Servers: what passes only so many lines in a time (L2, last level, DRAM, the second-level TLB).
 * Time is divided into slots, each with so many ticks to give; one that has none left sends on to
 * the next. AssemblyScript; ours. Omits: banks, and rows of DRAM.
 */
import { Server } from '../memory/model-layout';

const SLOT_TICKS: i32 = 1 << Server.SLOT_SHIFT;

@inline function slotOf(server: usize, number: i32): usize {
  const index = <usize>(number & (Server.SLOT_COUNT - 1));
  return <usize>load<u32>(server, Server.SLOTS) + index * Server.SLOT_BYTES;
}

/** Brings a slot up to date; what did not fit into the one before it is taken from it. */
@inline function openSlot(server: usize, number: i32): usize {
  const slot = slotOf(server, number);
  if (load<i32>(slot) == number) return slot;
  const before = slotOf(server, number - 1);
  const over = load<i32>(before) == number - 1 ? max<i32>(load<i32>(before, 4) - SLOT_TICKS, 0) : 0;
  store<i32>(slot, number);
  store<i32>(slot, over, 4);
  return slot;
}

/**
 * Takes `ticks` of the server from tick `from` on; returns the tick at which they begin. Nothing
 * waits longer than all slots are long.
 */
export function reserve(server: usize, ticks: i32, from: i64): i64 {
  if (ticks == 0) return from;
  let number = from >> <i64>Server.SLOT_SHIFT;
  for (let n = 0; n < Server.SLOT_COUNT; n++, number++) {
    const slot = openSlot(server, <i32>number);
    const taken = load<i32>(slot, 4);
    if (taken >= SLOT_TICKS) continue;
    store<i32>(slot, taken + ticks, 4);
    return max<i64>(from, (number << <i64>Server.SLOT_SHIFT) + <i64>taken);
  }
  return from + (<i64>Server.SLOT_COUNT << <i64>Server.SLOT_SHIFT);
}
