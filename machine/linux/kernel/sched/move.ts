/** Tasks onto queues and from CPU to CPU, after Linux 6.1 kernel/sched/core.c (activate_task, set_task_cpu). */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { Dequeue, Enqueue, type Rq, type SchedHost, type SchedTask } from './entities.ts';

/** activate_task: the task is on the queue from now on. */
export function activateTask(host: SchedHost, rq: Rq, task: SchedTask, flags: number): void {
  const { sched } = task;
  if ((flags & Enqueue.RESTORE) === 0) sched.runnableSince = rq.clock;
  sched.onRq = true;
  sched.schedClass.enqueueTask(host, rq, task, flags);
}

/** deactivate_task */
export function deactivateTask(host: SchedHost, rq: Rq, task: SchedTask, flags: number): void {
  const { sched } = task;
  if ((flags & Dequeue.SAVE) === 0) sched.onRq = false;
  sched.schedClass.dequeueTask(host, rq, task, flags);
}

/** set_task_cpu: the task is off its queue. */
export function setTaskCpu(host: SchedHost, task: SchedTask, cpu: number): void {
  const { sched } = task;
  if (sched.cpu === cpu) return;
  host.cpu.run(F.set_task_cpu, 69);
  host.cpu.run(F.migrate_task_rq_fair, 26);
  host.sched.trace.migrate(task, sched.cpu, cpu);
  sched.migrations++;
  host.sched.migrate(host, task, sched.group.cfsRqs[cpu]);
  sched.cpu = cpu;
}
