/**
 * Waking a task on another CPU that has nothing to do: the task goes on a list there and an
 * interrupt makes that CPU put it on its own queue; after Linux 6.1 kernel/sched/core.c
 * (ttwu_queue_wakelist, sched_ttwu_pending) and kernel/smp.c.
 */
import { Cause } from '../../../core/ledger/cause.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Task } from '../../include/linux/sched.ts';
import type { Kernel } from '../../init/kernel.ts';
import { traceWakeup } from '../../trace/sched.ts';
import { acquire, release } from '../locking/spinlock.ts';
import { updateRqClock } from './clock.ts';
import { endPolling, isPolling } from './idle.ts';
import { psiTaskChange } from './psi.ts';
import { type Rq, thisRq } from './sched.ts';
import { activateWoken } from './wakeup.ts';

/** CALL_FUNCTION_SINGLE_VECTOR */
const CALL_GATE = { stub: F.asm_sysvec_call_function_single, vector: 0xfb };

/** ttwu_queue_wakelist: false when the waker should do the work itself. */
export function queueWakeup(kernel: Kernel, rq: Rq, task: Task): boolean {
  const { cpu } = kernel;
  if (rq.cpu === cpu || rq.curr !== rq.idle || rq.nrRunning > 0) {
    cpu.run(F.ttwu_queue_wakelist, 32);
    return false;
  }
  cpu.run(F.ttwu_queue_wakelist, 62);
  cpu.run(F.__smp_call_single_queue, 13);
  cpu.write(task.address + 704);
  cpu.run(F.llist_add_batch, 8);
  cpu.write(rq.address + 640);
  rq.wakeList.push(task);
  if (rq.wakeList.length > 1) return true;
  cpu.run(F.send_call_function_single_ipi, 10);
  if (isPolling(kernel, rq)) {
    endPolling(kernel, rq, flushCallFunctions);
    return true;
  }
  cpu.run(F.native_send_call_func_single_ipi, 5);
  cpu.charge(Cause.TRANSITION, cpu.ticks.ipiSend);
  rq.events.schedule(cpu.now + cpu.ticks.ipiDelivery, () => {
    kernel.interrupt(kernel, CALL_GATE, () => {
      pendingWakeups(kernel);
    });
  });
  return true;
}

/** sysvec_call_function_single */
function pendingWakeups(kernel: Kernel): void {
  const { cpu } = kernel;
  cpu.run(F.sysvec_call_function_single, 26);
  cpu.run(F.__sysvec_call_function_single, 12);
  cpu.run(F.native_apic_mem_write, 3);
  cpu.run(F.generic_smp_call_function_single_interrupt, 3);
  flushCallFunctions(kernel);
}

/** __flush_smp_call_function_queue: from the interrupt, or from an idle loop that polls. */
function flushCallFunctions(kernel: Kernel): void {
  const { cpu } = kernel;
  const rq = thisRq(kernel);
  cpu.run(F.__flush_smp_call_function_queue, 53);
  cpu.run(F.llist_reverse_order, 11);
  cpu.write(rq.address + 640);
  cpu.run(F.sched_ttwu_pending, 70);
  acquire(cpu, rq.lock);
  updateRqClock(kernel, rq);
  for (const task of rq.wakeList.splice(0)) {
    cpu.read(task.address + 704);
    psiTaskChange(kernel);
    activateWoken(kernel, rq, task, 0);
    traceWakeup(kernel, task);
  }
  release(cpu, rq.lock);
}
