/** sched_yield, after Linux 6.1 kernel/sched/core.c and fair.c. One task runs: it goes on. */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Kernel } from '../../init/kernel.ts';

/** sched_yield of the only task that can run. */
export function sysSchedYield({ cpu }: Kernel): number {
  cpu.run(F.__x64_sys_sched_yield, 4);
  cpu.run(F.do_sched_yield, 32);
  cpu.run(F._raw_spin_lock, 7);
  cpu.run(F.yield_task_fair, 14);
  cpu.run(F._raw_spin_unlock, 6);
  cpu.run(F.schedule, 21);
  cpu.run(F.__schedule, 109);
  cpu.run(F.rcu_note_context_switch, 58);
  cpu.run(F._raw_spin_lock, 7);
  cpu.run(F.update_rq_clock, 31);
  cpu.run(F.sched_clock_cpu, 10);
  cpu.run(F.native_sched_clock, 31);
  cpu.run(F.pick_next_task_fair, 73);
  cpu.run(F.update_curr, 50);
  cpu.run(F.update_min_vruntime, 18);
  cpu.run(F.cpuacct_charge, 13);
  cpu.run(F.check_cfs_rq_runtime, 4);
  cpu.run(F.pick_next_entity, 26);
  cpu.run(F.__list_del_entry_valid, 20);
  cpu.run(F.__list_add_valid, 17);
  cpu.run(F._raw_spin_unlock, 6);
  return 0;
}
