/**
 * A machine for the scheduling classes alone: CPUs, ticks, timers and tasks that run and sleep as
 * their behaviour says, in simulated nanoseconds. No guest code, no cost of kernel work.
 */
import { EventQueue, type ScheduledEvent } from '../../../../machine/core/event-queue.ts';
import { periodicTimers } from '../../../../machine/linux/kernel/sched/periodic.ts';
import { setTaskCpu } from '../../../../machine/linux/kernel/sched/move.ts';
import { migrateEntity } from '../../../../machine/linux/kernel/sched/fair.ts';
import { createRootGroup } from '../../../../machine/linux/kernel/sched/groups.ts';
import {
  createRq,
  createTaskSched,
  defaultSettings,
} from '../../../../machine/linux/kernel/sched/init.ts';
import {
  rebalanceDomains,
  triggerLoadBalance,
} from '../../../../machine/linux/kernel/sched/fair-balance.ts';
import { chooseNext, tickClasses } from '../../../../machine/linux/kernel/sched/pick.ts';
import type {
  Rq,
  SchedHost,
  SchedSettings,
  SchedTask,
  SchedTimer,
  TaskGroup,
} from '../../../../machine/linux/kernel/sched/entities.ts';
import { WakeFlags } from '../../../../machine/linux/kernel/sched/entities.ts';
import {
  activateWoken,
  moveForWakeup,
  selectTaskRq,
  wakeNewTask,
} from '../../../../machine/linux/kernel/sched/wakeup.ts';
import { updateRqClock } from '../../../../machine/linux/kernel/sched/clock.ts';

/** 64 ticks to a cycle, and one cycle to a nanosecond. */
const TICKS_PER_NS = 64;
const CORE_MHZ = 1000;

/** How a task behaves: runs for a while, sleeps for a while, again and again. */
export interface Behaviour {
  /** Infinity: never sleeps. */
  readonly runNs: number;
  readonly sleepNs: number;
}

export interface RigTask extends SchedTask {
  readonly behaviour: Behaviour;
  sleeping: boolean;
  /** Of the current burst. */
  leftNs: number;
  /** When it began to be runnable without running; -1 while it runs or sleeps. */
  waitingSince: number;
  waitMaxNs: number;
  /** Delay from each wake-up until it ran, the longest. */
  ranNs: number;
  bursts: number;
}

export interface RigOptions {
  readonly cpus?: number;
  readonly hz?: number;
  readonly fair?: 'eevdf' | 'cfs';
  readonly preempt?: SchedSettings['preempt'];
  readonly isolated?: number;
}

export class SchedRig {
  readonly host: SchedHost;
  readonly tasks: RigTask[] = [];
  readonly rqs: Rq[] = [];
  readonly root: TaskGroup = createRootGroup();
  now = 0;
  /** [cpu, from, to, pid] */
  readonly migrations: { readonly pid: number; readonly from: number; readonly to: number }[] = [];
  private readonly events = new EventQueue();
  private readonly cpuOf = { number: 0 };
  private readonly accounted: number[] = [];
  private nextPid = 1;

  constructor(options: RigOptions = {}) {
    const cpus = options.cpus ?? 1;
    const settings = defaultSettings({
      fair: options.fair ?? 'eevdf',
      preempt: options.preempt ?? 'none',
      hz: options.hz ?? 250,
      cpus,
      isolated: options.isolated ?? 0,
    });
    this.host = this.createHost(settings, cpus);
    for (let number = 0; number < cpus; number++) {
      const rq = createRq({
        number,
        address: 0,
        root: this.root,
        settings,
        idle: () => this.bareTask('swapper', number, { runNs: Infinity, sleepNs: 0 }),
      });
      this.rqs.push(rq);
      this.accounted.push(0);
    }
    periodicTimers(this.host);
    for (const rq of this.rqs) this.armTick(rq);
  }

  private createHost(settings: SchedSettings, cpus: number): SchedHost {
    const nothing = (): void => undefined;
    const { cpuOf } = this;
    const nowTicks = (): number => this.now * TICKS_PER_NS;
    return {
      cpu: {
        get number() {
          return cpuOf.number;
        },
        get now() {
          return nowTicks();
        },
        run: nothing,
        read: nothing,
        write: nothing,
        indirect: nothing,
        readPerCpu: nothing,
        writePerCpu: nothing,
      },
      coreMHz: CORE_MHZ,
      rqs: this.rqs,
      sched: {
        settings,
        root: this.root,
        groups: [this.root],
        cpus: 2 ** cpus - 1,
        dlBandwidth: 0,
        rtPeriodActive: false,
        startRtPeriod: nothing,
        kick: nothing,
        migrate: migrateEntity,
        createTimer: (callback) => this.createTimer(callback),
        trace: {
          runtime: nothing,
          migrate: (task, from, to) => {
            this.migrations.push({ pid: task.pid, from, to });
          },
        },
      },
    };
  }

  private createTimer(callback: (rq: Rq) => void): SchedTimer {
    let event: ScheduledEvent | null = null;
    const { events, cpuOf, rqs } = this;
    const timer = {
      armed: false,
      start: (cpu: number, expires: number): void => {
        timer.cancel();
        timer.armed = true;
        event = events.schedule(Math.max(expires, this.now), () => {
          timer.armed = false;
          cpuOf.number = cpu;
          callback(rqs[cpu]);
        });
      },
      cancel: (): void => {
        if (event !== null) events.cancel(event);
        timer.armed = false;
      },
    };
    return timer;
  }

  private armTick(rq: Rq): void {
    const period = this.host.sched.settings.tickNs;
    this.events.schedule((Math.floor(this.now / period) + 1) * period, () => {
      this.cpuOf.number = rq.number;
      tickClasses(this.host, rq);
      if (triggerLoadBalance(this.host, rq)) rebalanceDomains(this.host, rq);
      this.armTick(rq);
    });
  }

  private bareTask(comm: string, cpu: number, behaviour: Behaviour): RigTask {
    const draft = {
      address: 0,
      pid: comm === 'swapper' ? 0 : this.nextPid++,
      comm,
      behaviour,
      sleeping: false,
      leftNs: behaviour.runNs,
      waitingSince: -1,
      waitMaxNs: 0,
      ranNs: 0,
      bursts: 0,
    } as unknown as RigTask & { sched: RigTask['sched'] };
    draft.sched = createTaskSched({
      task: draft,
      group: this.root,
      cpu,
      cpusMask: 2 ** this.rqs.length - 1,
      entityOffset: 0,
    });
    return draft;
  }

  /** A task that is runnable from now on; `prepare` sets policy, group or CPUs before. */
  spawn(behaviour: Behaviour, prepare: (task: RigTask) => void = () => undefined): RigTask {
    const task = this.bareTask(`task${this.nextPid}`, 0, behaviour);
    task.sched.cpusMask = 2 ** this.rqs.length - 1;
    prepare(task);
    this.tasks.push(task);
    task.waitingSince = this.now;
    wakeNewTask(this.host, task);
    this.reschedule();
    return task;
  }

  /** try_to_wake_up */
  wake(task: RigTask): void {
    if (!task.sleeping) return;
    task.sleeping = false;
    task.waitingSince = this.now;
    task.leftNs = task.behaviour.runNs;
    const target = selectTaskRq(this.host, task, WakeFlags.TTWU);
    const flags = moveForWakeup(this.host, task, target);
    const rq = this.rqs[target];
    updateRqClock(this.host, rq);
    activateWoken(this.host, rq, task, flags);
  }

  /** Runs until `until`, in nanoseconds. */
  run(until: number): void {
    this.reschedule();
    while (this.now < until) {
      let next = Math.min(until, this.events.nextTick);
      for (const rq of this.rqs) {
        const task = rq.curr as RigTask;
        if (rq.curr !== rq.idle) next = Math.min(next, this.now + task.leftNs);
      }
      this.advance(next);
      this.events.fireDue(this.now);
      this.endBursts();
      this.reschedule();
    }
  }

  private advance(to: number): void {
    const passed = to - this.now;
    this.now = to;
    for (const rq of this.rqs) {
      if (rq.curr === rq.idle) continue;
      const task = rq.curr as RigTask;
      task.ranNs += passed;
      task.leftNs -= passed;
    }
  }

  private endBursts(): void {
    for (const rq of this.rqs) {
      if (rq.curr === rq.idle) continue;
      const task = rq.curr as RigTask;
      if (task.leftNs > 0) continue;
      this.cpuOf.number = rq.number;
      task.sleeping = true;
      task.bursts++;
      this.switchTo(rq, true);
      this.events.schedule(this.now + task.behaviour.sleepNs, () => {
        this.cpuOf.number = task.sched.cpu;
        this.wake(task);
      });
    }
  }

  private reschedule(): void {
    for (let again = true; again;) {
      again = false;
      for (const rq of this.rqs) {
        if (!rq.needResched) continue;
        again = true;
        this.cpuOf.number = rq.number;
        this.switchTo(rq, false);
      }
    }
  }

  private switchTo(rq: Rq, sleeping: boolean): void {
    const prev = rq.curr as RigTask;
    const next = chooseNext(this.host, rq, sleeping) as RigTask;
    if (next === prev) return;
    if (prev !== rq.idle && !sleeping) prev.waitingSince = this.now;
    if (next !== rq.idle) {
      next.waitMaxNs = Math.max(next.waitMaxNs, this.now - next.waitingSince);
      next.waitingSince = -1;
    }
    const mask = prev.sched.cpusMask;
    if (prev !== rq.idle && !sleeping && ((mask >>> rq.number) & 1) === 0) {
      throw new Error('a task is on a CPU that it may not use');
    }
  }

  /** The longest that a task has waited so far, a wait that goes on included. */
  waited(task: RigTask): number {
    const open = task.waitingSince < 0 || task.sleeping ? 0 : this.now - task.waitingSince;
    return Math.max(task.waitMaxNs, open);
  }

  /** Puts a task on a CPU before it first runs. */
  place(task: RigTask, cpu: number): void {
    setTaskCpu(this.host, task, cpu);
  }
}
