/** The time stamp counter, after Linux 6.1 arch/x86/kernel/tsc.c. */
import { Cause } from '../../../../core/ledger/cause.ts';
import type { Kernel } from '../../../init/kernel.ts';
import { F } from '../model/generated/function-ids.ts';

/** The counter of the current CPU at this moment, as rdtsc would return it. Untimed. */
export function readTsc({ cpu }: Pick<Kernel, 'cpu'>): bigint {
  return BigInt(cpu.registers.tscAt(cpu.now));
}

/** read_tsc: rdtsc_ordered as the kernel pays for it. */
export function chargeReadTsc({ cpu }: Kernel): void {
  cpu.run(F.read_tsc, 5);
  cpu.charge(Cause.TRANSITION, cpu.ticks.rdtsc);
}
