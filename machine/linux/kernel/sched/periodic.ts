/** The period of real-time throttling, after Linux 6.1 kernel/sched/rt.c (start_rt_bandwidth). */
import { updateRqClock } from './clock.ts';
import { rtPeriodTimer } from './rt.ts';
import type { SchedHost } from './entities.ts';

/** Sets up the timer that gives real-time tasks their runtime back, while there are any. */
export function periodicTimers(host: SchedHost): void {
  const { sched, rqs } = host;
  let expires = 0;
  const timer = sched.createTimer((at) => {
    const overruns = 1;
    expires += sched.settings.rtPeriodNs;
    let isNeeded = false;
    for (const rq of rqs) {
      updateRqClock(host, rq);
      isNeeded = rtPeriodTimer(host, rq, overruns) || isNeeded;
    }
    sched.rtPeriodActive = isNeeded;
    if (isNeeded) timer.start(at.number, expires);
  });
  sched.startRtPeriod = (rq) => {
    sched.rtPeriodActive = true;
    expires = rq.clock + sched.settings.rtPeriodNs;
    timer.start(host.cpu.number, expires);
  };
}
