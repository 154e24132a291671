import { Cpu } from '../layout';

/** Placeholder until the memory model lands. */
export function stall(cpu: usize): i32 {
  return load<i32>(cpu, Cpu.STALL);
}
