/** resched_curr, after Linux 6.1 kernel/sched/core.c, with the lazy variant of 6.12. */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Rq, SchedHost } from './entities.ts';

/** Asks the CPU of `rq` to choose again soon; another CPU is told by an interrupt. */
export function reschedCurr(host: SchedHost, rq: Rq): void {
  if (host.sched.settings.preempt === 'lazy' && rq.curr.sched.schedClass.name === 'fair') {
    // The tick turns it into a real request if the task is still there by then.
    host.cpu.run(F.resched_curr, 12);
    rq.needReschedLazy = true;
    return;
  }
  reschedNow(host, rq);
}

export function reschedNow(host: SchedHost, rq: Rq): void {
  if (rq.needResched) return;
  host.cpu.run(F.resched_curr, 12);
  rq.needResched = true;
  if (rq.number !== host.cpu.number) host.sched.kick(rq);
}
