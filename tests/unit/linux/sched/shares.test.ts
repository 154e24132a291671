/** The scheduling classes on a machine of their own: shares, quotas, real time, deadlines, placement. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  moveToGroup,
  type SchedAttributes,
  setScheduler,
  setUserNice,
} from '../../../../machine/linux/kernel/sched/change.ts';
import {
  createGroup,
  setBandwidth,
  setGroupWeight,
} from '../../../../machine/linux/kernel/sched/groups.ts';
import { Policy } from '../../../../machine/linux/kernel/sched/prio.ts';
import type { TaskGroup } from '../../../../machine/linux/kernel/sched/entities.ts';
import { type Behaviour, type RigTask, SchedRig } from './rig.ts';

const HOG: Behaviour = { runNs: Infinity, sleepNs: 0 };
const MS = 1e6;
const SECOND = 1e9;

const NORMAL: SchedAttributes = {
  policy: Policy.NORMAL,
  nice: 0,
  rtPriority: 0,
  resetOnFork: false,
  runtimeNs: 0,
  deadlineNs: 0,
  periodNs: 0,
  flags: 0,
};

const setTo =
  (rig: SchedRig, attributes: Partial<SchedAttributes>) =>
  (task: RigTask): void => {
    expect(setScheduler(rig.host, task, { ...NORMAL, ...attributes })).toBe(true);
  };

/** The host's shares of two busy tasks on one CPU, by nice values. */
function measuredShares(): [number, number, number][] {
  const text = readFileSync('datasets/host-zen4/measurements.csv', 'utf8');
  return [
    ...text.matchAll(
      /^nice_share_fraction_of_first,nice (-?\d+) vs (-?\d+) on one cpu,.*,([\d.]+)$/gm,
    ),
  ].map(([, a, b, share]) => [Number(a), Number(b), Number(share)]);
}

describe.each(['eevdf', 'cfs'] as const)('%s', (fair) => {
  it.each(measuredShares())('shares of nice %i and %i are those of the host', (a, b, share) => {
    const rig = new SchedRig({ fair });
    const [first, second] = [a, b].map((nice) =>
      rig.spawn(HOG, (task) => {
        setUserNice(rig.host, task, nice);
      }),
    );
    rig.run(3 * SECOND);
    const sum = first.ranNs + second.ranNs;
    expect(sum).toBe(3 * SECOND);
    expect(Math.abs(first.ranNs / sum - share)).toBeLessThan(0.01);
  });

  it('cpu.weight 1000 against 100 gives ten times as much, whatever the number of tasks', () => {
    const rig = new SchedRig({ fair });
    const groups = [1000, 100].map((weight, i) => {
      const group = createGroup(rig.host, rig.root, `g${i}`, 0);
      setGroupWeight(rig.host, group, weight);
      return group;
    });
    const inGroup = (group: TaskGroup): RigTask =>
      rig.spawn(HOG, (task) => {
        moveToGroup(rig.host, task, group);
      });
    const heavy = [inGroup(groups[0])];
    const light = [inGroup(groups[1]), inGroup(groups[1]), inGroup(groups[1])];
    rig.run(10 * SECOND);
    const total = (tasks: RigTask[]): number => tasks.reduce((sum, { ranNs }) => sum + ranNs, 0);
    expect(total(heavy) / total(light)).toBeGreaterThan(9.5);
    expect(total(heavy) / total(light)).toBeLessThan(10.5);
  });

  it('an interactive task beside batch work runs soon after it wakes up', () => {
    const wait = (policy: Policy): number => {
      const rig = new SchedRig({ fair });
      for (let i = 0; i < 3; i++) rig.spawn(HOG, setTo(rig, { policy }));
      const shell = rig.spawn({ runNs: 0.2 * MS, sleepNs: 20 * MS });
      rig.run(2 * SECOND);
      expect(shell.bursts).toBeGreaterThan(80);
      return rig.waited(shell);
    };
    expect(wait(Policy.IDLE)).toBeLessThanOrEqual(4 * MS);
    // EEVDF lets each of the three have the slice that it began or is owed.
    expect(wait(Policy.BATCH)).toBeLessThanOrEqual((fair === 'eevdf' ? 3 : 1) * 4 * MS);
  });

  it('spreads new tasks over the CPUs and keeps them even', () => {
    const rig = new SchedRig({ fair, cpus: 4 });
    const tasks = Array.from({ length: 8 }, () => rig.spawn(HOG));
    rig.run(2 * SECOND);
    for (const { ranNs } of tasks) expect(Math.abs(ranNs / SECOND - 1)).toBeLessThan(0.1);
  });

  it('never puts a task on a CPU that it may not use, nor on an isolated one unasked', () => {
    const rig = new SchedRig({ fair, cpus: 4, isolated: 0b1000 });
    const pinned = rig.spawn(HOG, (task) => {
      task.sched.cpusMask = 0b0010;
    });
    const others = Array.from({ length: 6 }, () => rig.spawn({ runNs: 3 * MS, sleepNs: MS }));
    rig.run(SECOND);
    expect(pinned.sched.cpu).toBe(1);
    expect(rig.migrations.filter(({ to }) => to === 3)).toEqual([]);
    expect(others.every(({ ranNs }) => ranNs > 0)).toBe(true);
  });
});

describe('a quota', () => {
  /** Runs four busy threads in a group on as many CPUs. Returns when each millisecond was run. */
  function timeline(burstNs: number, idleFirstNs: number): { busy: number[]; group: TaskGroup } {
    const rig = new SchedRig({ cpus: 4, hz: 1000 });
    const group = createGroup(rig.host, rig.root, 'limited', 0);
    setBandwidth(rig.host, group, { quotaNs: 100 * MS, periodNs: 100 * MS, burstNs });
    const sleeper = rig.spawn({ runNs: MS, sleepNs: 1000 * SECOND }, (task) => {
      moveToGroup(rig.host, task, group);
    });
    if (idleFirstNs > 0) rig.run(idleFirstNs);
    expect(sleeper.sched.group).toBe(group);
    const tasks = Array.from({ length: 4 }, () =>
      rig.spawn(HOG, (task) => {
        moveToGroup(rig.host, task, group);
      }),
    );
    const busy: number[] = [];
    const start = rig.now;
    for (let ms = 1; ms <= 400; ms++) {
      const before = tasks.reduce((sum, { ranNs }) => sum + ranNs, 0);
      rig.run(start + ms * MS);
      busy.push((tasks.reduce((sum, { ranNs }) => sum + ranNs, 0) - before) / MS);
    }
    return { busy, group };
  }

  it('of one CPU stops four threads after 25 ms of each period of 100 ms', () => {
    const { busy, group } = timeline(0, 0);
    const firstIdle = busy.findIndex((used) => used === 0);
    expect(firstIdle).toBeGreaterThanOrEqual(24);
    expect(firstIdle).toBeLessThanOrEqual(28);
    const sum = busy.slice(0, 400).reduce((total, used) => total + used, 0);
    expect(sum / 400).toBeGreaterThan(0.97);
    expect(sum / 400).toBeLessThan(1.06);
    expect(group.bandwidth.nrThrottled).toBeGreaterThanOrEqual(3);
  });

  it('with cpu.max.burst lets saved time be used: the spike goes away', () => {
    const { busy } = timeline(100 * MS, 350 * MS);
    const firstIdle = busy.findIndex((used) => used === 0);
    expect(firstIdle).toBeGreaterThanOrEqual(45);
  });
});

describe('real time', () => {
  it('FIFO runs until it sleeps; a higher priority preempts', () => {
    const rig = new SchedRig();
    const low = rig.spawn(
      { runNs: 50 * MS, sleepNs: 50 * MS },
      setTo(rig, { policy: Policy.FIFO, rtPriority: 10 }),
    );
    const high = rig.spawn(
      { runNs: MS, sleepNs: 9 * MS },
      setTo(rig, { policy: Policy.FIFO, rtPriority: 20 }),
    );
    const fair = rig.spawn(HOG);
    rig.run(SECOND);
    expect(rig.waited(high)).toBe(0);
    expect(rig.waited(low)).toBeLessThanOrEqual(10 * MS);
    expect(fair.ranNs).toBeGreaterThan(0.3 * SECOND);
  });

  it('RR tasks of one priority take turns of 100 ms', () => {
    const rig = new SchedRig();
    const attributes = { policy: Policy.RR, rtPriority: 5 };
    const tasks = Array.from({ length: 3 }, () => rig.spawn(HOG, setTo(rig, attributes)));
    rig.run(0.9 * SECOND);
    for (const task of tasks) {
      expect(task.ranNs).toBe(300 * MS);
      expect(rig.waited(task)).toBe(200 * MS);
    }
  });

  it('is throttled to 950 ms of each second', () => {
    const rig = new SchedRig({ hz: 1000 });
    const hog = rig.spawn(HOG, setTo(rig, { policy: Policy.FIFO, rtPriority: 50 }));
    const fair = rig.spawn(HOG);
    rig.run(10 * SECOND);
    expect(hog.ranNs / rig.now).toBeCloseTo(0.95, 2);
    expect(fair.ranNs / rig.now).toBeCloseTo(0.05, 2);
  });

  it('goes to another CPU rather than wait', () => {
    const rig = new SchedRig({ cpus: 2 });
    const attributes = { policy: Policy.FIFO, rtPriority: 5 };
    const behaviour = { runNs: 10 * MS, sleepNs: 10 * MS };
    const tasks = [0, 1].map(() => rig.spawn(behaviour, setTo(rig, attributes)));
    for (let i = 0; i < 4; i++) rig.spawn(HOG);
    rig.run(SECOND);
    for (const task of tasks) expect(rig.waited(task)).toBe(0);
  });
});

describe('deadline', () => {
  it('keeps 5 ms in every 10 ms whatever the batch load', () => {
    const rig = new SchedRig({ hz: 1000 });
    const task = rig.spawn(
      HOG,
      setTo(rig, {
        policy: Policy.DEADLINE,
        runtimeNs: 5 * MS,
        deadlineNs: 10 * MS,
        periodNs: 10 * MS,
      }),
    );
    for (let i = 0; i < 8; i++) rig.spawn(HOG, setTo(rig, { policy: Policy.BATCH }));
    let before = 0;
    for (let period = 1; period <= 50; period++) {
      rig.run(period * 10 * MS);
      // The tick finds the runtime used up at most a millisecond late; the next period repays it.
      expect(task.ranNs - before).toBeGreaterThanOrEqual(4 * MS);
      expect(task.ranNs - before).toBeLessThanOrEqual(6 * MS);
      before = task.ranNs;
    }
    expect(task.ranNs / rig.now).toBeCloseTo(0.5, 1);
  });

  it('refuses what does not fit', () => {
    const rig = new SchedRig();
    const attributes = {
      ...NORMAL,
      policy: Policy.DEADLINE,
      deadlineNs: 10 * MS,
      periodNs: 10 * MS,
    };
    const [a, b] = [rig.spawn(HOG), rig.spawn(HOG)];
    expect(setScheduler(rig.host, a, { ...attributes, runtimeNs: 6 * MS })).toBe(true);
    expect(setScheduler(rig.host, b, { ...attributes, runtimeNs: 4 * MS })).toBe(false);
    expect(setScheduler(rig.host, b, { ...attributes, runtimeNs: 3 * MS })).toBe(true);
    expect(setScheduler(rig.host, a, NORMAL)).toBe(true);
    expect(setScheduler(rig.host, b, { ...attributes, runtimeNs: 9 * MS })).toBe(true);
  });
});
