/** sched_init for the running kernel, after Linux 6.1 kernel/sched/core.c: settings, queues, timers. */
import { MachineBug } from '../../../core/assert.ts';
import { EventQueue } from '../../../core/event-queue.ts';
import { PerCpu } from '../../arch/x86/model/address-map.ts';
import { sendReschedule } from '../../arch/x86/kernel/smp.ts';
import type { KernelCpu } from '../../arch/x86/model/kernel-cpu.ts';
import type { Task } from '../../include/linux/sched.ts';
import type { KernelConfig } from '../../init/config.ts';
import type { Kernel } from '../../init/kernel.ts';
import { traceMigrate, traceRuntime } from '../../trace/sched.ts';
import { spinLockAt } from '../locking/spinlock.ts';
import { armTimer, createHrTimer, createHrTimerBase, unlink } from '../time/hrtimer.ts';
import type { Rq as ClassRq, SchedState, SchedTimer } from './entities.ts';
import { migrateEntity } from './fair.ts';
import { createRootGroup } from './groups.ts';
import { createRq, defaultSettings } from './init.ts';
import { periodicTimers } from './periodic.ts';
import type { Rq } from './sched.ts';

/** The kernel, once it is built: the scheduler's callbacks come only then. */
export interface KernelHolder {
  kernel: Kernel | null;
}

function running({ kernel }: KernelHolder): Kernel {
  if (kernel === null) throw new MachineBug('the scheduler runs before the kernel does');
  return kernel;
}

/** The scheduler's state, before there are queues. */
export function createSchedState(
  config: KernelConfig,
  cpus: number,
  holder: KernelHolder,
): SchedState {
  const root = createRootGroup();
  return {
    settings: {
      ...defaultSettings({ ...config.sched, hz: config.hz, cpus }),
      ...config.sched.knobs,
    },
    root,
    groups: [root],
    cpus: 2 ** cpus - 1,
    dlBandwidth: 0,
    rtPeriodActive: false,
    startRtPeriod: () => undefined,
    kick: (rq) => {
      const kernel = running(holder);
      sendReschedule(kernel, kernel.rqs[rq.number]);
    },
    migrate: migrateEntity,
    createTimer: (callback) => schedTimer(holder, callback),
    trace: {
      runtime: (_rq, task, ns) => {
        traceRuntime(running(holder), task, ns);
      },
      migrate: (task, from, to) => {
        const kernel = running(holder);
        kernel.counts.cpuMigrations++;
        traceMigrate(kernel, task, from, to);
      },
    },
  };
}

/** A timer of the classes as an hrtimer; their nanoseconds are those of the CPUs' clocks. */
function schedTimer(holder: KernelHolder, callback: (rq: ClassRq) => void): SchedTimer {
  const timer = createHrTimer((kernel) => {
    callback(kernel.rqs[kernel.cpu.number]);
  });
  return {
    start: (cpu, expires) => {
      const kernel = running(holder);
      const due = Math.ceil((expires * 64 * kernel.coreMHz) / 1000);
      armTimer(kernel, timer, { cpu, due, softDue: due });
    },
    cancel: () => {
      unlink(running(holder), timer);
    },
    get armed() {
      return timer.cpu >= 0;
    },
  };
}

/** The queue of one CPU, which runs its idle task. */
export function createRunQueue(sched: SchedState, cpu: KernelCpu, createIdle: () => Task): Rq {
  const rq = createRq({
    number: cpu.number,
    address: cpu.perCpu + PerCpu.RUN_QUEUE,
    root: sched.root,
    settings: sched.settings,
    idle: createIdle,
  }) as Rq;
  Object.assign(rq, {
    cpu,
    events: new EventQueue(),
    lock: spinLockAt(cpu.perCpu + PerCpu.RUN_QUEUE),
    activeMm: null,
    relaxing: false,
    kicked: 0,
    hrtimers: createHrTimerBase(),
    tick: null,
    softirqs: 0,
    wakeList: [],
  } satisfies Partial<Rq>);
  cpu.stackTop = rq.idle.stackTop;
  return rq;
}

/** Once the kernel is whole. */
export function schedReady(holder: KernelHolder, kernel: Kernel): void {
  holder.kernel = kernel;
  periodicTimers(kernel);
}
