/** sched_yield, after Linux 6.1 kernel/sched/core.c (do_sched_yield). */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Sleeping } from '../../include/linux/sched.ts';
import type { Kernel } from '../../init/kernel.ts';
import { acquire, release } from '../locking/spinlock.ts';
import { schedule } from './core.ts';
import { thisRq } from './sched.ts';

export function sysSchedYield(kernel: Kernel): Sleeping<number> {
  const { cpu, current } = kernel;
  const rq = thisRq(kernel);
  cpu.run(F.__x64_sys_sched_yield, 4);
  cpu.run(F.do_sched_yield, 32);
  acquire(cpu, rq.lock);
  current.sched.schedClass.yieldTask(kernel, rq);
  release(cpu, rq.lock);
  return afterYield(kernel);
}

function* afterYield(kernel: Kernel): Sleeping<number> {
  yield* schedule(kernel);
  return 0;
}
