/**
 * Ours, not Linux's: tasks in the order in which they became runnable, with no preemption but by
 * sched_yield and the tick. It stands where the fair class will.
 */
import type { Task } from '../../include/linux/sched.ts';
import { setNeedResched } from './core.ts';
import type { SchedClass } from './sched.ts';

export function fifoClass(cpus: number): SchedClass {
  const queues = Array.from({ length: cpus }, (): Task[] => []);
  const remove = (cpu: number, task: Task): void => {
    const at = queues[cpu].indexOf(task);
    if (at >= 0) queues[cpu].splice(at, 1);
  };
  return {
    enqueueTask: (_kernel, rq, task) => {
      queues[rq.cpu.number].push(task);
    },
    dequeueTask: (_kernel, rq, task) => {
      remove(rq.cpu.number, task);
    },
    yieldTask: (_kernel, rq) => {
      remove(rq.cpu.number, rq.curr);
      queues[rq.cpu.number].push(rq.curr);
    },
    checkPreempt: () => false,
    pickNextTask: (_kernel, rq) => queues[rq.cpu.number].at(0) ?? null,
    putPrevTask: () => undefined,
    setNextTask: () => undefined,
    taskTick: (kernel, rq, task) => {
      if (queues[rq.cpu.number].length < 2) return;
      remove(rq.cpu.number, task);
      queues[rq.cpu.number].push(task);
      setNeedResched(kernel);
    },
    selectTaskRq: (kernel, task) => {
      if (kernel.rqs[task.cpu].nrRunning === 0) return task.cpu;
      const free = kernel.rqs.findIndex(({ nrRunning }) => nrRunning === 0);
      return free < 0 ? task.cpu : free;
    },
  };
}
