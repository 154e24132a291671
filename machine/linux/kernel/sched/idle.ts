/**
 * What an idle CPU does until there is work, after Linux 6.1 kernel/sched/idle.c: it halts and stops
 * its tick, or polls (idle=poll) and keeps it. Time spent polling is posted as idle, without
 * instructions. Omits: deeper idle states and their governors.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { KernelConfig } from '../../init/config.ts';
import type { Kernel } from '../../init/kernel.ts';
import type { Rq } from './sched.ts';

/** tick_nohz_stop_tick is for those that halt, unless nohz=off; cpu_idle_poll restarts the tick. */
export function keepsTick(config: KernelConfig): boolean {
  return config.idlePoll || !config.nohz;
}

/** set_nr_if_polling: an idle CPU that looks at its flags itself needs no interrupt. */
export function isPolling(kernel: Kernel, target: Rq): boolean {
  return kernel.config.idlePoll && target.curr === target.idle;
}

/** The idle CPU sees its flag, leaves its loop and does `work`, then looks at its run queue. */
export function endPolling(kernel: Kernel, target: Rq, work?: (kernel: Kernel) => void): void {
  const { cpu } = kernel;
  // The flags of the idle task, which it reads all the time.
  cpu.write(target.idle.address);
  target.kicked = cpu.now;
  target.events.schedule(cpu.now, () => {
    const own = kernel.cpu;
    const wasInKernel = own.inKernel;
    if (!wasInKernel) own.enter();
    own.run(F.cpu_idle_poll, 24);
    own.read(target.idle.address);
    work?.(kernel);
    if (!wasInKernel) own.leave();
  });
}

/** Whether a CPU is idle and nothing but its own tick will come to it. */
export function hasOnlyTick(rq: Rq): boolean {
  if (rq.curr !== rq.idle || rq.needResched || rq.wakeList.length > 0) return false;
  const { tree, event } = rq.hrtimers;
  if (!rq.events.holdsOnly(event)) return false;
  const { first } = tree;
  return first === null || (first === rq.tick && tree.next(first.node) === null);
}
