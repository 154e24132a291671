/**
 * Grace periods, after Linux 6.1 kernel/rcu/tree.c, driven by the tick: one begins when callbacks wait,
 * ends when every CPU has been seen in user mode, idle or between two tasks, and the callbacks that waited
 * for it are invoked in RCU's softirq. What a callback would free was freed when it was queued: only its
 * cost is left to it. Omits: the grace-period thread (its steps are the ticks'), expedited grace
 * periods, offloaded callbacks.
 */
import { PerCpu } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Kernel } from '../../init/kernel.ts';
import { tracePoint } from '../../trace/points.ts';
import { Point } from '../../trace/points-specs.ts';
import { thisRq } from '../sched/sched.ts';

/** rcu_state and the rcu_data of each CPU, as far as they are kept. */
export interface RcuState {
  /** Grace periods that have ended. */
  completed: number;
  /** One is under way. */
  active: boolean;
  /** CPUs that it still waits for, by number. */
  readonly waitingFor: Set<number>;
  readonly cpus: readonly RcuData[];
}

interface RcuData {
  /** Callbacks that wait for the grace period under way, and those whose grace period is over. */
  waiting: number;
  done: number;
  /** Switches of the CPU when it was last looked at. */
  switches: number;
}

export function createRcu(cpus: number): RcuState {
  const data = (): RcuData => ({ waiting: 0, done: 0, switches: 0 });
  return {
    completed: 0,
    active: false,
    waitingFor: new Set(),
    cpus: Array.from({ length: cpus }, data),
  };
}

/** Callbacks that one turn of the softirq invokes: rcutree.blimit. */
const BATCH_LIMIT = 10;
/** Of rcu_do_batch: itself, and for each callback, from the 32 of rcu_32_file_frees_then_ticks. */
const enum Batch {
  FIXED = 130,
  CALLBACK = 20,
}

/** rcu_sched_clock_irq's half beyond its own instructions: whether RCU's softirq has anything to do. */
export function rcuTick(kernel: Kernel, wasInKernel: boolean): boolean {
  const { rcu, cpu } = kernel;
  const rq = thisRq(kernel);
  const data = rcu.cpus[cpu.number];
  const quiescent = !wasInKernel || rq.nrSwitches !== data.switches;
  data.switches = rq.nrSwitches;
  if (quiescent) rcu.waitingFor.delete(cpu.number);
  const isOver = rcu.active && noteIdle(kernel);
  return isOver || data.done > 0 || (cpu.rcuCallbacks > 0 && !rcu.active);
}

/** rcu_gp_fqs: CPUs that are idle have nothing to say. True if none is left to wait for. */
function noteIdle({ rcu, rqs }: Kernel): boolean {
  for (const rq of rqs) if (rq.curr === rq.idle) rcu.waitingFor.delete(rq.number);
  return rcu.waitingFor.size === 0;
}

/** rcu_core: ends and begins grace periods, and invokes what has waited long enough. */
export function rcuCore(kernel: Kernel): void {
  const { cpu, rcu } = kernel;
  cpu.run(F.rcu_core, 95);
  cpu.writePerCpu(PerCpu.RCU_DATA);
  if (rcu.active && noteIdle(kernel)) endGracePeriod(kernel);
  if (!rcu.active && kernel.rqs.some((rq) => rq.cpu.rcuCallbacks > 0)) beginGracePeriod(kernel);
  const data = rcu.cpus[cpu.number];
  const count = Math.min(data.done, BATCH_LIMIT);
  if (count === 0) return;
  tracePoint(kernel, Point.RCU_BATCH_START, data.done, BATCH_LIMIT);
  cpu.run(F.rcu_do_batch, Batch.FIXED + Batch.CALLBACK * count);
  cpu.indirect(count);
  data.done -= count;
  tracePoint(kernel, Point.RCU_BATCH_END, count, data.done);
}

function beginGracePeriod(kernel: Kernel): void {
  const { rcu, rqs } = kernel;
  rcu.active = true;
  rqs.forEach((rq, number) => {
    rcu.cpus[number].waiting += rq.cpu.rcuCallbacks;
    rq.cpu.rcuCallbacks = 0;
    if (rq.curr !== rq.idle) rcu.waitingFor.add(number);
  });
  tracePoint(kernel, Point.RCU_GRACE_PERIOD, rcu.completed, 0);
}

function endGracePeriod(kernel: Kernel): void {
  const { rcu } = kernel;
  rcu.active = false;
  for (const data of rcu.cpus) {
    data.done += data.waiting;
    data.waiting = 0;
  }
  tracePoint(kernel, Point.RCU_GRACE_PERIOD, rcu.completed, 1);
  rcu.completed++;
}
