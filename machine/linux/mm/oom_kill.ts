/**
 * What happens when memory is used up, after Linux 6.1 mm/oom_kill.c: the process that frees most is
 * killed, with the message that Linux logs. Omits: oom_score_adj, memory cgroups, the reaper.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { MmStruct } from '../include/linux/mm_types.ts';
import type { Task } from '../include/linux/sched.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { thisRq } from '../kernel/sched/sched.ts';
import { sendKernelSignal } from '../kernel/signal-send.ts';

/** No process may be killed. */
const NONE = -1;

/** oom_badness: pages that the death of the task's process would give back. */
function badness({ mm, pid, signal }: Task): number {
  if (mm === null || pid <= 1 || signal.unkillable) return NONE;
  return mm.rss + mm.tables;
}

/** select_bad_process: the first one among equals. A victim that is still dying comes before all. */
function selectVictim(tasks: readonly Task[]): Task | null {
  let worst: Task | null = null;
  let most = NONE;
  for (const task of tasks) {
    const points = badness(task);
    if (points > most) {
      most = points;
      worst = task;
    }
  }
  return worst;
}

const sharers = (tasks: readonly Task[], mm: MmStruct): Task[] =>
  tasks.filter((task) => task.mm === mm);

/**
 * out_of_memory for a fault that found no page. Kills, or waits for an earlier victim to be gone;
 * the fault is taken again either way.
 */
export function outOfMemory(kernel: Kernel): void {
  const { cpu, tasks, vm } = kernel;
  cpu.run(F.out_of_memory, 300);
  cpu.run(F.oom_badness, 40 * tasks.length);
  const dying = tasks.some(({ mm }) => mm !== null && mm.oomVictim);
  // schedule_timeout_killable: whoever found no memory makes room for those that can give some back.
  thisRq(kernel).needResched = true;
  if (dying) return;
  const victim = selectVictim(tasks);
  const mm = victim?.mm ?? null;
  if (victim === null || mm === null) return;
  vm.oomKills++;
  const kib = (pages: number): string => `${pages * 4}kB`;
  kernel.warnings.push(
    `Out of memory: Killed process ${victim.tgid} (${victim.comm}) total-vm:${kib(mm.totalVm)}, ` +
      `rss:${kib(mm.rss)}, pgtables:${kib(mm.tables)}`,
  );
  mm.oomVictim = true;
  for (const task of sharers(tasks, mm)) {
    sendKernelSignal(kernel, task, Sig.KILL, { group: true, reason: 'out of memory' });
  }
}
