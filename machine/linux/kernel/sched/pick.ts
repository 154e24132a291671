/**
 * Choosing the next task, after Linux 6.1 kernel/sched/core.c: pick_next_task, put_prev_task_balance,
 * scheduler_tick. Omits: core scheduling.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { updateRqClock } from './clock.ts';
import { DEADLINE, pullDl } from './deadline.ts';
import { endIdle, newidleBalance } from './fair-balance.ts';
import { FAIR } from './fair.ts';
import { IDLE, STOP } from './idle-class.ts';
import { deactivateTask } from './move.ts';
import { pullRt, RT } from './rt.ts';
import { Dequeue, type Rq, type SchedClass, type SchedHost, type SchedTask } from './entities.ts';

/** From the most to the least urgent. */
const CLASSES: readonly SchedClass[] = [STOP, DEADLINE, RT, FAIR, IDLE];

/** The fair class with what it does before giving up: looking on other CPUs. */
function pickFair(host: SchedHost, rq: Rq, prev: SchedTask | null): SchedTask | null {
  const next = FAIR.pickNextTask(host, rq, prev);
  if (next !== null) return next;
  if (newidleBalance(host, rq) === 0 && rq.cfs.nrRunning === 0) return null;
  return FAIR.pickNextTask(host, rq, prev);
}

/** pick_next_task: what runs next on `rq`, already set; `prev` has been put back. */
export function pickNextTask(host: SchedHost, rq: Rq, prev: SchedTask): SchedTask {
  const isFairOnly = prev.sched.schedClass.rank <= FAIR.rank && rq.nrRunning === rq.cfs.hNrRunning;
  if (isFairOnly && !waitsElsewhere(host, rq)) {
    if (prev.sched.schedClass === IDLE && rq.cfs.nrRunning > 0) IDLE.putPrevTask(host, rq, prev);
    const next = pickFair(host, rq, prev);
    if (next !== null) return next;
    if (rq.nrRunning === rq.cfs.hNrRunning) {
      prev.sched.schedClass.putPrevTask(host, rq, prev);
      return IDLE.pickNextTask(host, rq, null) ?? rq.idle;
    }
  }
  return pickSlow(host, rq, prev);
}

/** Whether another CPU has more urgent tasks waiting than fair ones. */
function waitsElsewhere(host: SchedHost, rq: Rq): boolean {
  if (host.rqs.length === 1) return false;
  for (const other of host.rqs) {
    if (other !== rq && other.rt.nrRunning + other.dl.nrRunning > 1) return true;
  }
  return false;
}

function pickSlow(host: SchedHost, rq: Rq, prev: SchedTask): SchedTask {
  pullDl(host, rq);
  if (rq.dl.nrRunning === 0) pullRt(host, rq);
  prev.sched.schedClass.putPrevTask(host, rq, prev);
  for (const each of CLASSES) {
    const next = each === FAIR ? pickFair(host, rq, null) : each.pickNextTask(host, rq, null);
    if (next !== null) return next;
  }
  return rq.idle;
}

/**
 * __schedule without the switch itself: `isSleeping` says that the running task leaves the queue.
 * Returns the task to run; the queue knows it as current.
 */
export function chooseNext(host: SchedHost, rq: Rq, isSleeping: boolean): SchedTask {
  const prev = rq.curr;
  if (rq.skipClockUpdate) host.cpu.run(F.update_rq_clock, 5);
  else updateRqClock(host, rq);
  if (isSleeping) {
    deactivateTask(host, rq, prev, Dequeue.SLEEP);
    prev.sched.voluntarySwitches++;
  } else if (prev !== rq.idle) prev.sched.involuntarySwitches++;
  const next = pickNextTask(host, rq, prev);
  rq.needResched = false;
  rq.needReschedLazy = false;
  rq.skipClockUpdate = false;
  if (next === prev) {
    if (prev !== rq.idle) prev.sched.involuntarySwitches--;
    return next;
  }
  if (prev === rq.idle) endIdle(host, rq);
  prev.sched.onCpu = false;
  next.sched.onCpu = true;
  rq.curr = next;
  rq.nrSwitches++;
  return next;
}

/** The part of scheduler_tick that runs under the queue's lock. */
export function tickClasses(host: SchedHost, rq: Rq): void {
  const { curr } = rq;
  updateRqClock(host, rq);
  curr.sched.schedClass.taskTick(host, rq, curr);
  host.cpu.run(F.calc_global_load_tick, 9);
}
