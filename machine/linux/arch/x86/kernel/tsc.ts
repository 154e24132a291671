/** The time stamp counter, after Linux 6.1 arch/x86/kernel/tsc.c. */
import { Cause } from '../../../../core/ledger/cause.ts';
import { Cpu } from '../../../../hardware/layout.ts';
import type { Kernel } from '../../../init/kernel.ts';
import { F } from '../model/generated/function-ids.ts';

/** The counter of the current CPU at this moment, as rdtsc would return it. Untimed. */
export function readTsc({ platform, cpu }: Kernel): bigint {
  const view = new DataView(platform.buffer, cpu.hardware.state.block, Cpu.TSC_AUX);
  const offset = view.getBigInt64(Cpu.TSC_OFFSET, true);
  const numerator = BigInt(view.getInt32(Cpu.TSC_NUMERATOR, true));
  const denominator = BigInt(view.getInt32(Cpu.TSC_DENOMINATOR, true));
  return offset + (BigInt(cpu.now) * numerator) / denominator;
}

/** read_tsc: rdtsc_ordered as the kernel pays for it. */
export function chargeReadTsc({ cpu }: Kernel): void {
  cpu.run(F.read_tsc, 5);
  cpu.charge(Cause.TRANSITION, cpu.ticks.rdtsc);
}
