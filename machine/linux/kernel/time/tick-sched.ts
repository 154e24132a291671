/**
 * The periodic tick on the local timer, after Linux 6.1 kernel/time/tick-sched.c, hrtimer.c,
 * timer.c and kernel/sched/core.c (scheduler_tick): jiffies, the wall clock, accounting. Omits:
 * softirqs, timers.
 */
import { Cause } from '../../../core/ledger/cause.ts';
import type { Ticks } from '../../../core/units.ts';
import { ImageData, PerCpu } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Kernel } from '../../init/kernel.ts';
import { chargeReadTsc } from '../../arch/x86/kernel/tsc.ts';
import { type Rq, thisRq } from '../sched/sched.ts';
import {
  spinLock,
  spinLockIrq,
  spinLockIrqsave,
  spinUnlock,
  spinUnlockIrqrestore,
} from '../locking/spinlock.ts';
import { timekeepingAdvance, timekeepingUpdate } from './timekeeping.ts';

/** LOCAL_TIMER_VECTOR */
const LOCAL_TIMER_VECTOR = 0xec;
export const TIMER_GATE = { stub: F.asm_sysvec_apic_timer_interrupt, vector: LOCAL_TIMER_VECTOR };

/** Ticks between two timer interrupts. */
export function tickPeriod(kernel: Kernel): Ticks {
  return Math.round((kernel.coreMHz * 1e6 * 64) / kernel.config.hz);
}

/** tick_nohz_restart: programs the next tick of `rq` after `from`, on the grid of the period. */
export function startTick(kernel: Kernel, rq: Rq, from: Ticks): void {
  const period = tickPeriod(kernel);
  const due = (Math.floor(from / period) + 1) * period;
  rq.tick = rq.events.schedule(due, () => {
    timerInterrupt(kernel);
    startTick(kernel, rq, rq.cpu.clock);
  });
}

/** tick_nohz_stop_tick: an idle CPU has none. */
export function stopTick(rq: Rq): void {
  if (rq.tick !== null) rq.events.cancel(rq.tick);
  rq.tick = null;
}

/** asm_sysvec_apic_timer_interrupt, the whole way. */
export function timerInterrupt(kernel: Kernel): void {
  kernel.interrupt(kernel, TIMER_GATE, () => {
    const { cpu } = kernel;
    cpu.run(F.sysvec_apic_timer_interrupt, 17);
    cpu.run(F.__sysvec_apic_timer_interrupt, 26);
    cpu.run(F.native_apic_mem_write, 3);
    hrtimerInterrupt(kernel);
  });
}

function hrtimerInterrupt(kernel: Kernel): void {
  const { cpu } = kernel;
  const base = cpu.perCpu + PerCpu.HRTIMER_BASES;
  cpu.run(F.hrtimer_interrupt, 71);
  cpu.indirect(1);
  spinLockIrqsave(cpu, base);
  cpu.run(F.ktime_get_update_offsets_now, 52);
  cpu.readImage(ImageData.TK_CORE);
  chargeReadTsc(kernel);
  cpu.run(F.__hrtimer_run_queues, 99);
  cpu.indirect(1);
  cpu.run(F.timerqueue_del, 21);
  cpu.run(F.rb_next, 11);
  cpu.run(F.rb_erase, 12);
  spinUnlockIrqrestore(cpu);
  tickSchedTimer(kernel);
  spinLockIrq(cpu, base);
  cpu.run(F.enqueue_hrtimer, 19);
  cpu.run(F.timerqueue_add, 22);
  cpu.run(F.rb_insert_color, 5);
  cpu.run(F.hrtimer_update_next_event, 32);
  cpu.runCalls(F.__hrtimer_next_event_base, 69, 2);
  for (let line = 1; line < 6; line++) cpu.writePerCpu(PerCpu.HRTIMER_BASES + 64 * line);
  spinUnlockIrqrestore(cpu);
  cpu.run(F.tick_program_event, 20);
  cpu.run(F.clockevents_program_event, 42);
  cpu.writePerCpu(PerCpu.TICK_DEVICE);
  ktimeGet(kernel);
  cpu.run(F.lapic_next_event, 9);
  cpu.indirect(1);
  cpu.run(F.native_apic_mem_write, 3);
}

function ktimeGet(kernel: Kernel): void {
  kernel.cpu.run(F.ktime_get, 38);
  kernel.cpu.indirect(1);
  chargeReadTsc(kernel);
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
  cpu.run(F.hrtimer_forward, 32);
}

function updateWallTime(kernel: Kernel): void {
  const { cpu } = kernel;
  cpu.run(F.update_wall_time, 6);
  cpu.run(F.timekeeping_advance, 148);
  cpu.indirect(1);
  spinLockIrqsave(cpu, cpu.perCpu + PerCpu.TICK_DEVICE);
  chargeReadTsc(kernel);
  cpu.run(F.ntp_tick_length, 3);
  if (timekeepingAdvance(kernel)) timekeepingUpdate(kernel);
  spinUnlockIrqrestore(cpu);
}

/** update_process_times and scheduler_tick of a task that runs alone. */
function updateProcessTimes(kernel: Kernel): void {
  const { cpu, current } = kernel;
  cpu.run(F.update_process_times, 30);
  cpu.run(F.account_process_tick, 15);
  cpu.run(F.account_user_time, 32);
  cpu.write(current.address + 1280);
  cpu.writePerCpu(PerCpu.CPU_TIMES);
  cpu.run(F.cpuacct_account_field, 6);
  cpu.run(F.acct_account_cputime, 34);
  cpu.run(F.hrtimer_run_queues, 13);
  cpu.run(F.rcu_sched_clock_irq, 117);
  cpu.writePerCpu(PerCpu.RCU_DATA);
  cpu.writePerCpu(PerCpu.RCU_DATA + 64);
  cpu.run(F.rcu_segcblist_ready_cbs, 8);
  cpu.run(F.irq_work_tick, 8);
  cpu.run(F.irq_work_run_list, 12);
  schedulerTick(kernel);
  cpu.run(F.run_posix_cpu_timers, 31);
}

function schedulerTick(kernel: Kernel): void {
  const { cpu, current } = kernel;
  const rq = thisRq(kernel);
  cpu.run(F.scheduler_tick, 60);
  cpu.indirect(1);
  cpu.run(F.arch_scale_freq_tick, 9);
  cpu.run(F.sched_clock_tick, 2);
  spinLock(cpu, cpu.perCpu + PerCpu.RUN_QUEUE);
  cpu.run(F.update_rq_clock, 31);
  cpu.run(F.sched_clock_cpu, 10);
  cpu.run(F.native_sched_clock, 31);
  cpu.charge(Cause.TRANSITION, cpu.ticks.rdtsc);
  cpu.run(F.task_tick_fair, 49);
  cpu.run(F.update_curr, 50);
  for (let line = 0; line < 6; line++) cpu.write(current.address + 128 + 64 * line);
  for (let line = 1; line < 8; line++) cpu.writePerCpu(PerCpu.RUN_QUEUE + 64 * line);
  cpu.run(F.update_min_vruntime, 18);
  cpu.run(F.cpuacct_charge, 13);
  cpu.run(F.update_load_avg, 66);
  cpu.run(F.__update_load_avg_se, 120);
  cpu.run(F.__update_load_avg_cfs_rq, 110);
  cpu.run(F.update_cfs_group, 6);
  cpu.run(F.hrtimer_active, 17);
  if (current !== rq.idle) kernel.schedClass.taskTick(kernel, rq, current);
  cpu.run(F.calc_global_load_tick, 9);
  spinUnlock(cpu);
  cpu.run(F.perf_event_task_tick, 30);
  cpu.run(F.trigger_load_balance, 5);
}
