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
const RUN_NS = 400 * MS;

interface Set {
  readonly rig: SchedRig;
  readonly fair: RigTask[];
  readonly rtHogs: number;
}

function behaviour(random: Random): Behaviour {
  if (random.below(2) === 0) return { runNs: Infinity, sleepNs: 0 };
  return { runNs: (1 + random.below(200)) * 1e5, sleepNs: (1 + random.below(100)) * 1e5 };
}

function randomSet(seed: number): Set {
  const random = new Random(seed, 'task set');
  const cpus = 1 + random.below(4);
  const rig = new SchedRig({
    cpus,
    fair: random.below(2) === 0 ? 'eevdf' : 'cfs',
    hz: [100, 250, 300, 1000][random.below(4)],
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
  return { rig, fair, rtHogs: 0 };
}

/** The longest wait that fairness allows: everybody else's slices, by weight, twice over. */
function allowedWaitNs({ rig, fair }: Set, task: RigTask): number {
  const weight = ({ sched }: RigTask): number => sched.se.load.weight;
  const groupShare = (of: RigTask): number => (of.sched.group === rig.root ? 1 : 0.5);
  const total = fair.reduce((sum, each) => sum + weight(each), 0) * (1 + 4 * 4);
  const share = (weight(task) * groupShare(task)) / total;
  const slice = rig.host.sched.settings.tickNs + 3 * MS;
  return 2 * (slice / share + fair.length * slice);
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
