/**
 * The periodic tick on the local timer, after Linux 6.1 kernel/time/tick-sched.c, hrtimer.c,
 * timer.c and kernel/sched/core.c (scheduler_tick): jiffies, the wall clock, accounting. Omits:
 * the timer wheel.
 */
import { runCpuTimers } from './itimer.ts';
import { Cause } from '../../../core/ledger/cause.ts';
import type { Ticks } from '../../../core/units.ts';
import { ImageData, PerCpu } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Kernel } from '../../init/kernel.ts';
import { chargeReadClocksource } from './clocksources.ts';
import { type Rq, thisRq } from '../sched/sched.ts';
import { rcuTick } from '../rcu/tree.ts';
import { raiseSoftirq, Softirq } from '../softirq.ts';
import { MachineBug } from '../../../core/assert.ts';
import {
  acquire,
  release,
  spinLock,
  spinLockIrqsave,
  spinUnlock,
  spinUnlockIrqrestore,
} from '../locking/spinlock.ts';
import { triggerLoadBalance } from '../sched/fair-balance.ts';
import { tickClasses } from '../sched/pick.ts';
import { armTimer, chargeRestart, createHrTimer, ktimeGet, unlink } from './hrtimer.ts';
import { timekeepingAdvance, timekeepingUpdate } from './timekeeping.ts';

/** Ticks between two timer interrupts. */
export function tickPeriod(kernel: Kernel): Ticks {
  return Math.round((kernel.coreMHz * 1e6 * 64) / kernel.config.hz);
}

/** tick_nohz_restart: programs the next tick of `rq` after `from`, on the grid of the period. */
export function startTick(kernel: Kernel, rq: Rq, from: Ticks): void {
  const period = tickPeriod(kernel);
  const due = (Math.floor(from / period) + 1) * period;
  rq.tick ??= createHrTimer((running) => {
    tickSchedTimer(running);
    chargeRestart(running);
    const next = (Math.floor(running.cpu.now / period) + 1) * period;
    armTimer(running, rq.tick ?? unreachable(), { cpu: rq.number, due: next, softDue: next });
  });
  armTimer(kernel, rq.tick, { cpu: rq.number, due, softDue: due });
}

/** tick_nohz_stop_tick: a CPU that halts has none, unless nohz=off. */
export function stopTick(kernel: Kernel, rq: Rq): void {
  if (rq.tick !== null) unlink(kernel, rq.tick);
}

function unreachable(): never {
  throw new MachineBug('a tick without its timer');
}

function tickSchedTimer(kernel: Kernel): void {
  const { cpu } = kernel;
  cpu.run(F.tick_sched_timer, 27);
  ktimeGet(kernel);
  cpu.run(F.tick_sched_do_timer, 26);
  cpu.run(F.tick_do_update_jiffies64, 27);
  cpu.writeImage(ImageData.JIFFIES);
  spinLock(cpu, cpu.perCpu + PerCpu.TICK_DEVICE);
  kernel.timekeeper.jiffies = (kernel.timekeeper.jiffies + 1) >>> 0;
  cpu.run(F.calc_global_load, 22);
  spinUnlock(cpu);
  updateWallTime(kernel);
  cpu.run(F.tick_sched_handle, 14);
  updateProcessTimes(kernel);
  cpu.run(F.profile_tick, 8);
}

function updateWallTime(kernel: Kernel): void {
  const { cpu } = kernel;
  cpu.run(F.update_wall_time, 6);
  cpu.run(F.timekeeping_advance, 148);
  cpu.indirect(1);
  spinLockIrqsave(cpu, cpu.perCpu + PerCpu.TICK_DEVICE);
  chargeReadClocksource(kernel);
  cpu.run(F.ntp_tick_length, 3);
  if (timekeepingAdvance(kernel)) timekeepingUpdate(kernel);
  spinUnlockIrqrestore(cpu);
}

/** update_process_times and scheduler_tick of a task that runs alone. */
function updateProcessTimes(kernel: Kernel): void {
  const { cpu, current } = kernel;
  cpu.run(F.update_process_times, 30);
  cpu.run(F.account_process_tick, 15);
  if (current === thisRq(kernel).idle) {
    cpu.run(F.account_idle_time, 16);
  } else {
    cpu.run(F.account_user_time, 32);
    cpu.write(current.address + 1280);
  }
  cpu.writePerCpu(PerCpu.CPU_TIMES);
  cpu.run(F.cpuacct_account_field, 6);
  cpu.run(F.acct_account_cputime, 34);
  cpu.run(F.hrtimer_run_queues, 13);
  cpu.run(F.rcu_sched_clock_irq, 117);
  cpu.writePerCpu(PerCpu.RCU_DATA);
  cpu.writePerCpu(PerCpu.RCU_DATA + 64);
  cpu.run(F.rcu_segcblist_ready_cbs, 8);
  if (rcuTick(kernel, cpu.interruptedKernel)) {
    cpu.run(F.invoke_rcu_core, 9);
    raiseSoftirq(kernel, Softirq.RCU);
  }
  cpu.run(F.irq_work_tick, 8);
  cpu.run(F.irq_work_run_list, 12);
  schedulerTick(kernel);
  runCpuTimers(kernel);
}

function schedulerTick(kernel: Kernel): void {
  const { cpu, current } = kernel;
  const rq = thisRq(kernel);
  cpu.run(F.scheduler_tick, 60);
  cpu.indirect(1);
  cpu.run(F.arch_scale_freq_tick, 9);
  cpu.run(F.sched_clock_tick, 2);
  acquire(cpu, rq.lock);
  cpu.charge(Cause.TRANSITION, cpu.ticks.rdtsc);
  tickClasses(kernel, rq);
  for (let line = 0; line < 6; line++) cpu.write(current.address + 128 + 64 * line);
  for (let line = 1; line < 8; line++) cpu.writePerCpu(PerCpu.RUN_QUEUE + 64 * line);
  release(cpu, rq.lock);
  cpu.run(F.perf_event_task_tick, 30);
  if (triggerLoadBalance(kernel, rq)) raiseSoftirq(kernel, Softirq.SCHED);
}
