import { Cpu, Header, Region } from '../layout';

/** Flat memory until the memory model lands: virtual address = physical address. */
@inline function flat(cpu: usize, va: i64, size: u32, write: bool): usize {
  store<i32>(cpu, 0, Cpu.STALL);
  if (<u64>va + size > load<u64>(Region.HEADER, Header.GUEST_BYTES)) {
    store<i32>(cpu, 2, Cpu.EXIT_REASON);
    store<i32>(cpu, write ? 6 : 4, Cpu.EXIT_INFO);
    store<i64>(cpu, va, Cpu.EXIT_ADDRESS);
    return 0;
  }
  return <usize>load<u32>(Region.HEADER, Header.GUEST_BASE) + <usize>va;
}
export function read(cpu: usize, va: i64, size: u32, record: usize): usize {
  return flat(cpu, va, size, false);
}
export function write(cpu: usize, va: i64, size: u32, record: usize): usize {
  return flat(cpu, va, size, true);
}
export function fetch(cpu: usize, va: i64, record: usize): i32 {
  return flat(cpu, va, 1, false) != 0 ? 1 : 0;
}
export function commitSplit(cpu: usize): void {}
