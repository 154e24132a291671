/**
 * Softirqs, after Linux 6.1 kernel/softirq.c: raised in an interrupt, run on its way out, in a context of
 * their own. The scheduler's and RCU's are here. Omits: ksoftirqd (they always end at once), those of
 * timers (hrtimers expire in hard interrupts), tasklets, networks and blocks.
 */
import { Context } from '../../core/ledger/context.ts';
import { PerCpu } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Kernel } from '../init/kernel.ts';
import { tracePoint } from '../trace/points.ts';
import { Point } from '../trace/points-specs.ts';
import { rcuCore } from './rcu/tree.ts';
import { rebalanceDomains } from './sched/fair-balance.ts';
import { thisRq } from './sched/sched.ts';

/** include/linux/interrupt.h */
export const enum Softirq {
  SCHED = 7,
  RCU = 9,
}

const ACTIONS: Readonly<Partial<Record<number, (kernel: Kernel) => void>>> = {
  [Softirq.SCHED]: (kernel) => {
    kernel.cpu.run(F.run_rebalance_domains, 18);
    rebalanceDomains(kernel, thisRq(kernel));
  },
  [Softirq.RCU]: (kernel) => {
    kernel.cpu.run(F.rcu_core_si, 2);
    rcuCore(kernel);
  },
};

/** raise_softirq */
export function raiseSoftirq(kernel: Kernel, vector: Softirq): void {
  const { cpu } = kernel;
  cpu.run(F.raise_softirq, 23);
  cpu.writePerCpu(PerCpu.PREEMPT_COUNT);
  const rq = thisRq(kernel);
  rq.softirqs |= 1 << vector;
  tracePoint(kernel, Point.SOFTIRQ_RAISE, vector, rq.softirqs);
}

/** invoke_softirq and handle_softirqs: all that are raised, the lowest number first. */
export function invokeSoftirq(kernel: Kernel): void {
  const rq = thisRq(kernel);
  if (rq.softirqs === 0) return;
  const { cpu, current } = kernel;
  cpu.attribute(current.pid, Context.SOFTIRQ);
  cpu.run(F.__do_softirq, 3);
  cpu.run(F.handle_softirqs, 63);
  while (rq.softirqs !== 0) {
    const vector = 31 - Math.clz32(rq.softirqs & -rq.softirqs);
    rq.softirqs &= ~(1 << vector);
    cpu.runMore(F.handle_softirqs, 22);
    cpu.indirect(1);
    tracePoint(kernel, Point.SOFTIRQ_ENTRY, vector, rq.softirqs);
    ACTIONS[vector]?.(kernel);
    tracePoint(kernel, Point.SOFTIRQ_EXIT, vector, rq.softirqs);
  }
  cpu.attribute(current.pid, Context.HARDIRQ);
}
