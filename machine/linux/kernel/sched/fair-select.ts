/**
 * Where a fair task wakes up, after Linux 6.1 kernel/sched/fair.c: wake_affine, select_idle_sibling,
 * find_idlest_cpu. All CPUs share one domain and one last-level cache. Omits: SMT siblings, energy
 * awareness, the bounded scan of large caches.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { type Rq, type SchedHost, type SchedTask, WakeFlags } from './entities.ts';

/** Wakee flips are halved once a second. */
const FLIP_DECAY_NS = 1e9;

/** available_idle_cpu: nothing runs there and nothing is about to. */
export function isIdleCpu({ rqs, cpu }: SchedHost, number: number): boolean {
  cpu.run(F.available_idle_cpu, 13);
  const rq = rqs[number];
  cpu.read(rq.address);
  return rq.curr === rq.idle && rq.nrRunning === 0;
}

/** CPUs that the task may use, as the scheduler may choose them. */
const allowed = ({ sched }: SchedHost, task: SchedTask): number => task.sched.cpusMask & sched.cpus;

const includes = (mask: number, cpu: number): boolean => ((mask >>> cpu) & 1) !== 0;

/** record_wakee: whom this task wakes in turn. */
function recordWakee(host: SchedHost, waker: SchedTask, wakee: SchedTask): void {
  const { sched } = waker;
  const now = host.rqs[host.cpu.number].clock;
  if (now > sched.wakeeFlipDecay + FLIP_DECAY_NS) {
    sched.wakeeFlips >>= 1;
    sched.wakeeFlipDecay = now;
  }
  if (sched.lastWakee === wakee) return;
  sched.lastWakee = wakee;
  sched.wakeeFlips++;
}

/** wake_wide: a waker of many, whose wakees should spread. */
function isWide(host: SchedHost, waker: SchedTask, wakee: SchedTask): boolean {
  const factor = host.rqs.length;
  let [master, slave] = [waker.sched.wakeeFlips, wakee.sched.wakeeFlips];
  if (master < slave) [master, slave] = [slave, master];
  return slave >= factor && master >= slave * factor;
}

const runnableLoad = (rq: Rq): number => rq.cfs.avg.loadAvg;

/** wake_affine: the waker's CPU or the one that the task last ran on. */
function wakeAffine(host: SchedHost, task: SchedTask, isSync: boolean): number {
  const here = host.cpu.number;
  const { cpu: prev } = task.sched;
  if (isIdleCpu(host, here)) return isIdleCpu(host, prev) ? prev : here;
  if (isSync && host.rqs[here].nrRunning === 1) return here;
  if (isIdleCpu(host, prev)) return prev;
  const load = task.sched.se.avg.loadAvg;
  let hereLoad = runnableLoad(host.rqs[here]);
  if (isSync) hereLoad -= host.rqs[here].curr.sched.se.avg.loadAvg;
  // imbalance_pct is 117 in a shared cache; half of the excess favours this CPU.
  return (hereLoad + load) * 100 <= runnableLoad(host.rqs[prev]) * 108 ? here : prev;
}

/** select_idle_sibling: an idle CPU near `target`. */
function idleSibling(host: SchedHost, task: SchedTask, target: number): number {
  const mask = allowed(host, task);
  const { sched } = task;
  if (includes(mask, target) && isIdleCpu(host, target)) return target;
  if (sched.cpu !== target && includes(mask, sched.cpu) && isIdleCpu(host, sched.cpu)) {
    return sched.cpu;
  }
  const recent = sched.recentUsedCpu;
  sched.recentUsedCpu = sched.cpu;
  if (recent !== sched.cpu && recent !== target && includes(mask, recent)) {
    if (isIdleCpu(host, recent)) return recent;
  }
  const count = host.rqs.length;
  for (let step = 1; step <= count; step++) {
    const candidate = (target + step) % count;
    if (!includes(mask, candidate) || isIsolated(host, candidate)) continue;
    if (isIdleCpu(host, candidate)) return candidate;
  }
  return includes(mask, target) ? target : firstCpu(mask);
}

const isIsolated = ({ sched }: SchedHost, cpu: number): boolean =>
  includes(sched.settings.isolated, cpu);

/** The first CPU of a mask. */
export const firstCpu = (mask: number): number => (mask === 0 ? 0 : 31 - Math.clz32(mask & -mask));

/** find_idlest_cpu, for new tasks and new programs: idle first, else the fewest tasks. */
function idlest(host: SchedHost, task: SchedTask): number {
  const mask = allowed(host, task);
  let best = task.sched.cpu;
  let bestLoad = Infinity;
  for (const rq of host.rqs) {
    if (!includes(mask, rq.number)) continue;
    const isOutside = isIsolated(host, rq.number) && rq.number !== task.sched.cpu;
    if (isOutside) continue;
    const isIdle = isIdleCpu(host, rq.number);
    const load = isIdle ? -1 : rq.cfs.hNrRunning * 1024 + runnableLoad(rq);
    // The CPU where it is wins ties: its cache is warm.
    if (load < bestLoad || (load === bestLoad && rq.number === task.sched.cpu)) {
      best = rq.number;
      bestLoad = load;
    }
  }
  return includes(mask, best) ? best : firstCpu(mask);
}

/** select_task_rq_fair. `flags` are WakeFlags. */
export function selectTaskRqFair(host: SchedHost, task: SchedTask, flags: number): number {
  const { cpu, rqs } = host;
  if ((flags & WakeFlags.TTWU) === 0) {
    cpu.run(F.select_task_rq_fair, 216);
    return idlest(host, task);
  }
  cpu.run(F.select_task_rq_fair, 157);
  const here = cpu.number;
  const waker = rqs[here].curr;
  recordWakee(host, waker, task);
  let target = task.sched.cpu;
  const mask = allowed(host, task);
  if (target !== here && includes(mask, here) && !isIsolated(host, target)) {
    const wantsAffine = !isWide(host, waker, task) && !isIsolated(host, here);
    if (wantsAffine) target = wakeAffine(host, task, (flags & WakeFlags.SYNC) !== 0);
  }
  return idleSibling(host, task, target);
}
