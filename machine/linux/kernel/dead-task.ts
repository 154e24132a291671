/**
 * What remains of a task that has ended: its stack goes when it has left its CPU, its structure when it
 * has also been reaped. After Linux 6.1 kernel/sched/core.c (finish_task_switch) and kernel/fork.c
 * (put_task_stack, free_task).
 */
import type { Task } from '../include/linux/sched.ts';
import type { Kernel } from '../init/kernel.ts';

/** put_task_struct, after a grace period, at nobody's expense. */
export function freeTaskStruct(kernel: Kernel, task: Task): void {
  kernel.caches.task.freeQuietly(task.address);
}

/** finish_task_switch away from `prev`, which has ended and runs no more. */
export function finishDeadTask(kernel: Kernel, prev: Task): void {
  kernel.stacks.release(prev.stackTop);
  prev.offCpu = true;
  prev.work = null;
  if (prev.reaped) freeTaskStruct(kernel, prev);
  if (kernel.target?.reaped === true && !hasPrograms(kernel)) kernel.ended = true;
}

/** Whether a process other than init is left. */
function hasPrograms({ tasks, init }: Kernel): boolean {
  return tasks.some((task) => task.pid > 1 && !task.kthread && task !== init);
}
