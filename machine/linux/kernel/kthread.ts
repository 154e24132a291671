/** Kernel threads, after Linux 6.1 kernel/kthread.c. Omits: parking, binding by mask. */
import type { Sleeping, Task } from '../include/linux/sched.ts';
import type { Kernel } from '../init/kernel.ts';
import { createTask } from './task.ts';
import { wakeUpNewTask } from './sched/core.ts';

/** kthread_run: a task without user mode that runs `body`, which never returns. */
export function kthreadRun(
  kernel: Kernel,
  options: { readonly pid: number; readonly comm: string; readonly cpu: number },
  body: () => Sleeping<never>,
): Task {
  const { pid, comm, cpu } = options;
  const task = createTask(kernel, { pid, comm, parent: null, root: kernel.root });
  task.kthread = true;
  task.work = body();
  task.cpu = cpu;
  wakeUpNewTask(kernel, task);
  return task;
}
