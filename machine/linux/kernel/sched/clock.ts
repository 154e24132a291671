/** The scheduler's clock, after Linux 6.1 kernel/sched/clock.c and core.c (update_rq_clock). */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Ns, Rq, SchedHost } from './entities.ts';

/** Nanoseconds of the running CPU's time now. */
export function schedClockNs({ cpu, coreMHz }: SchedHost): Ns {
  return Math.floor((cpu.now * 1000) / (64 * coreMHz));
}

/** update_rq_clock: once for each time that the queue is locked. */
export function updateRqClock(host: SchedHost, rq: Rq): void {
  const { cpu } = host;
  cpu.run(F.update_rq_clock, 31);
  cpu.write(rq.address + 128);
  chargeSchedClock(host);
  advanceClock(host, rq);
}

/** sched_clock_cpu, as everything pays for it that wants the time. */
export function chargeSchedClock({ cpu }: SchedHost): void {
  cpu.run(F.sched_clock_cpu, 10);
  cpu.run(F.sched_clock, 1);
  cpu.run(F.native_sched_clock, 30);
}

/** Time never goes back, though a remote CPU may be behind. */
export function advanceClock(host: SchedHost, rq: Rq): void {
  const now = schedClockNs(host);
  if (now > rq.clock) rq.clock = now;
}
