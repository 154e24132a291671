/** The idle and the stop class, after Linux 6.1 kernel/sched/idle.c and stop_task.c. */
import { MachineBug } from '../../../core/assert.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { reschedNow } from './resched.ts';
import type { SchedClass } from './entities.ts';

const never = (what: string): never => {
  throw new MachineBug(`${what} of a task that always belongs to its CPU`);
};

/** The idle task is what remains: it is on no queue. */
export const IDLE: SchedClass = {
  name: 'idle',
  rank: 0,
  enqueueTask: () => never('enqueue'),
  dequeueTask: () => never('dequeue'),
  yieldTask: () => never('yield'),
  checkPreempt: (host, rq) => {
    reschedNow(host, rq);
  },
  pickNextTask: ({ cpu }, rq) => {
    cpu.run(F.pick_next_task_idle, 9);
    cpu.run(F.set_next_task_idle, 24);
    return rq.idle;
  },
  putPrevTask: ({ cpu }) => {
    cpu.run(F.put_prev_task_idle, 2);
  },
  setNextTask: ({ cpu }) => {
    cpu.run(F.set_next_task_idle, 24);
  },
  taskTick: () => undefined,
  selectTaskRq: (_host, task) => task.sched.cpu,
  updateCurr: () => undefined,
  switchedTo: () => undefined,
};

/** One task for each CPU that preempts everything. */
export const STOP: SchedClass = {
  name: 'stop',
  rank: 4,
  enqueueTask: (_host, rq) => {
    rq.nrRunning++;
  },
  dequeueTask: (_host, rq) => {
    rq.nrRunning--;
  },
  yieldTask: () => never('yield'),
  checkPreempt: () => undefined,
  pickNextTask: (_host, rq) => {
    const { stop } = rq;
    if (stop?.sched.onRq !== true) return null;
    stop.sched.se.execStart = rq.clock;
    return stop;
  },
  putPrevTask: (_host, rq, task) => {
    const { se } = task.sched;
    se.sumExecRuntime += rq.clock - se.execStart;
  },
  setNextTask: (_host, rq, task) => {
    task.sched.se.execStart = rq.clock;
  },
  taskTick: () => undefined,
  selectTaskRq: (_host, task) => task.sched.cpu,
  updateCurr: () => undefined,
  switchedTo: (host, rq) => {
    reschedNow(host, rq);
  },
};
