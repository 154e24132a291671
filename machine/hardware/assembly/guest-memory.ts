/** Guest memory as executors and helpers see it: inline filter first, then the slow path. */
import { commitSplit, fetch, read, write } from './access';
import { Cpu, Filter } from '../layout';

/**
 * Host address of `size` readable bytes at `va`, or 0 after a fault. Books stalls in LEFT. `hint` is
 * the address of the AccessHint, if there is one.
 */
@inline export function readable(cpu: usize, va: i64, size: i32, record: usize, hint: usize = 0): usize {
  const entry = cpu + ((<usize>va >> Filter.INDEX_SHIFT) & Filter.INDEX_MASK);
  if (load<u64>(entry, Cpu.FILTER_READ) == (<u64>va + size - 1) >> Filter.LINE_SHIFT) {
    return <usize>(<u32>va + load<u32>(entry, Cpu.FILTER_READ + 8));
  }
  return readSlow(cpu, va, size, record, hint);
}

/** The same with write intent. After the store, call `written`. */
@inline export function writable(cpu: usize, va: i64, size: i32, record: usize, hint: usize = 0): usize {
  const entry = cpu + ((<usize>va >> Filter.INDEX_SHIFT) & Filter.INDEX_MASK);
  if (load<u64>(entry, Cpu.FILTER_WRITE) == (<u64>va + size - 1) >> Filter.LINE_SHIFT) {
    return <usize>(<u32>va + load<u32>(entry, Cpu.FILTER_WRITE + 8));
  }
  return writeSlow(cpu, va, size, record, hint);
}

function readSlow(cpu: usize, va: i64, size: i32, record: usize, hint: usize): usize {
  store<u32>(cpu, <u32>hint, Cpu.HINT);
  const host = <usize>read(cpu, va, size, record);
  bookStall(cpu);
  return host;
}

function writeSlow(cpu: usize, va: i64, size: i32, record: usize, hint: usize): usize {
  store<u32>(cpu, <u32>hint, Cpu.HINT);
  const host = <usize>write(cpu, va, size, record);
  bookStall(cpu);
  return host;
}

/** Takes the stall of a slow-path call from LEFT. */
@inline function bookStall(cpu: usize): void {
  store<i64>(cpu, load<i64>(cpu, Cpu.LEFT) - <i64>load<i32>(cpu, Cpu.STALL), Cpu.LEFT);
}

/** Completes a store whose bytes are in the bounce buffer. */
@inline export function written(cpu: usize): void {
  if (load<i32>(cpu, Cpu.SPLIT_PENDING) != 0) commitSplit(cpu);
}

/** Fetches every line of `length` bytes of code at `va`. Returns false after a fault. */
@inline export function fetchLines(cpu: usize, va: i64, length: u32, record: usize): bool {
  let line = <u64>va >> Filter.LINE_SHIFT;
  const last = (<u64>va + length - 1) >> Filter.LINE_SHIFT;
  for (; line <= last; line++) {
    const address = line << Filter.LINE_SHIFT;
    const entry = cpu + ((<usize>address >> Filter.INDEX_SHIFT) & Filter.INDEX_MASK);
    if (load<u64>(entry, Cpu.FILTER_FETCH) != line) {
      const fetched = fetch(cpu, max<u64>(address, va), record);
      bookStall(cpu);
      if (!fetched) return false;
    }
  }
  return true;
}
