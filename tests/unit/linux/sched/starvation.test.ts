/** No runnable task starves, in 1,000 random sets of tasks: how long one may wait follows from its share. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../../machine/core/random.ts';
import {
  moveToGroup,
  setScheduler,
  setUserNice,
} from '../../../../machine/linux/kernel/sched/change.ts';
import { createGroup, setGroupWeight } from '../../../../machine/linux/kernel/sched/groups.ts';
import { Policy } from '../../../../machine/linux/kernel/sched/prio.ts';
import { type Behaviour, type RigTask, SchedRig } from './rig.ts';

const MS = 1e6;
const SETS = 1000;
const RUN_NS = 200 * MS;

interface TaskSet {
  readonly rig: SchedRig;
  readonly fair: RigTask[];
}

function behaviour(random: Random): Behaviour {
  if (random.below(2) === 0) return { runNs: Infinity, sleepNs: 0 };
  return { runNs: (1 + random.below(200)) * 1e5, sleepNs: (1 + random.below(100)) * 1e5 };
}

function randomSet(seed: number): TaskSet {
  const random = new Random(seed, 'task set');
  const cpus = 1 + random.below(4);
  const rig = new SchedRig({
    cpus,
    fair: random.below(2) === 0 ? 'eevdf' : 'cfs',
    hz: [250, 300, 1000][random.below(3)],
    preempt: (['none', 'full', 'lazy'] as const)[random.below(3)],
  });
  const groups = Array.from({ length: random.below(3) }, (_, i) => {
    const group = createGroup(rig.host, rig.root, `g${i}`, 0);
    setGroupWeight(rig.host, group, 50 + random.below(400));
    return group;
  });
  const fair: RigTask[] = [];
  const count = 2 + random.below(8);
  for (let i = 0; i < count; i++) {
    const nice = random.below(11) - 5;
    const isIdle = random.below(10) === 0;
    const group = random.below(groups.length + 1);
    fair.push(
      rig.spawn(behaviour(random), (task) => {
        setUserNice(rig.host, task, nice);
        if (isIdle) {
          setScheduler(rig.host, task, {
            policy: Policy.IDLE,
            nice,
            rtPriority: 0,
            resetOnFork: false,
            runtimeNs: 0,
            deadlineNs: 0,
            periodNs: 0,
            flags: 0,
          });
        }
        if (group < groups.length) moveToGroup(rig.host, task, groups[group]);
        if (random.below(4) === 0) task.sched.cpusMask = 1 << random.below(cpus);
      }),
    );
  }
  return { rig, fair };
}

const weightOf = ({ sched }: RigTask): number => sched.se.load.weight;

/** A task's least share of one CPU: everybody else on that CPU, groups divided among all CPUs. */
function leastShare({ rig, fair }: TaskSet, task: RigTask): number {
  const { root, rqs } = rig;
  const { group } = task.sched;
  const sum = (tasks: RigTask[]): number =>
    tasks.reduce((total, each) => total + weightOf(each), 0);
  const groups = new Set(fair.map(({ sched }) => sched.group).filter((each) => each !== root));
  let top = sum(fair.filter(({ sched }) => sched.group === root));
  for (const each of groups) top += each.shares;
  if (group === root) return weightOf(task) / top;
  const inGroup = sum(fair.filter(({ sched }) => sched.group === group));
  return (group.shares / rqs.length / top) * (weightOf(task) / inGroup);
}

/** The longest wait that fairness allows: everybody else's slices, by weight, twice over. */
function allowedWaitNs(set: TaskSet, task: RigTask): number {
  const { tickNs, baseSliceNs, latencyNs, fair } = set.rig.host.sched.settings;
  // CFS gives half a latency period to sleepers and turns around once in a period.
  const slice = tickNs + (fair === 'cfs' ? latencyNs : baseSliceNs);
  return 2 * (slice / leastShare(set, task));
}

describe('random sets of tasks', () => {
  it(`let every runnable task run, in ${SETS} sets`, () => {
    const starved: string[] = [];
    let judged = 0;
    for (let seed = 0; seed < SETS; seed++) {
      const set = randomSet(seed);
      set.rig.run(RUN_NS);
      for (const task of set.fair) {
        const allowed = allowedWaitNs(set, task);
        if (allowed < RUN_NS) judged++;
        const waited = set.rig.waited(task);
        if (waited > allowed) starved.push(`seed ${seed} pid ${task.pid}: ${waited / MS} ms`);
      }
      const run = set.rig.tasks.reduce((sum, { ranNs }) => sum + ranNs, 0);
      if (run > RUN_NS * set.rig.rqs.length) starved.push(`seed ${seed}: more time than there is`);
    }
    expect(starved).toEqual([]);
    expect(judged).toBeGreaterThan(SETS);
  }, 60_000);
});
