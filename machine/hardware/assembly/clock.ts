/** The time stamp counter, from the CPU's clock. */
import { Cpu } from '../layout';

/** ticks * numerator / denominator without losing high bits: numerator and denominator are i32. */
@inline function scale(ticks: u64, numerator: u64, denominator: u64): u64 {
  const whole = ticks / denominator;
  return whole * numerator + ((ticks % denominator) * numerator) / denominator;
}

export function readTsc(cpu: usize): i64 {
  const clock = load<u64>(cpu, Cpu.LIMIT) - load<u64>(cpu, Cpu.LEFT);
  const counts = scale(clock, load<u32>(cpu, Cpu.TSC_NUMERATOR), load<u32>(cpu, Cpu.TSC_DENOMINATOR));
  return load<i64>(cpu, Cpu.TSC_OFFSET) + <i64>counts;
}
