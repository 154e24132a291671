/**
 * Interrupts between CPUs, after Linux 6.1 arch/x86/kernel/smp.c. Omits: stopping other CPUs,
 * NMIs.
 */
import { Cause } from '../../../../core/ledger/cause.ts';
import type { Kernel } from '../../../init/kernel.ts';
import { endPolling, isPolling } from '../../../kernel/sched/idle.ts';
import type { Rq } from '../../../kernel/sched/sched.ts';
import { F } from '../model/generated/function-ids.ts';

/** RESCHEDULE_VECTOR */
const RESCHEDULE_GATE = { stub: F.asm_sysvec_reschedule_ipi, vector: 0xfd };

/** native_smp_send_reschedule: the target looks at its run queue when the interrupt arrives. */
export function sendReschedule(kernel: Kernel, target: Rq): void {
  if (isPolling(kernel, target)) {
    endPolling(kernel, target);
    return;
  }
  const { cpu } = kernel;
  cpu.run(F.native_smp_send_reschedule, 10);
  cpu.charge(Cause.TRANSITION, cpu.ticks.ipiSend);
  target.kicked = cpu.now + cpu.ticks.ipiDelivery;
  target.events.schedule(target.kicked, () => {
    kernel.interrupt(kernel, RESCHEDULE_GATE, () => {
      kernel.cpu.run(F.sysvec_reschedule_ipi, 20);
    });
  });
}
