/** The run loop with kernel threads alone: order in time, sleeping, waking, idling. */
import { describe, expect, it } from 'vitest';
import type { Sleeping, Task } from '../../../machine/linux/include/linux/sched.ts';
import { kthreadRun } from '../../../machine/linux/kernel/kthread.ts';
import {
  schedule,
  scheduleTimeout,
  wakeUpProcess,
} from '../../../machine/linux/kernel/sched/core.ts';
import {
  waitEventInterruptible,
  waitQueueHead,
  wakeUp,
} from '../../../machine/linux/kernel/sched/wait.ts';
import { call, ScriptedKernel } from './scripted-kernel.ts';

/** Only user time, which the script spends, is not in the ledger. */
function expectBalance(scripted: ScriptedKernel): void {
  const residuals = scripted.ledger.residuals(scripted.running.clocks());
  expect(residuals).toEqual(residuals.map((_, cpu) => (cpu === 0 ? scripted.userTicks : 0)));
}

type Thread = Parameters<typeof kthreadRun>[1];

/** Starts a thread from inside the kernel, as a system call would. */
function start(scripted: ScriptedKernel, thread: Thread, body: () => Sleeping<never>): Task {
  const { kernel } = scripted;
  kernel.cpu.enter();
  const task = kthreadRun(kernel, thread, body);
  kernel.cpu.leave();
  return task;
}

/** Long enough for several ticks at 1000 Hz. */
const manyCalls = (): ReturnType<typeof call>[] =>
  Array.from({ length: 8000 }, () => call('getppid'));

describe('the run loop', () => {
  it('lets kernel threads sleep for a time on each CPU', () => {
    const scripted = new ScriptedKernel({ cpus: 4, commandLine: 'CONFIG_HZ=1000' });
    const { kernel } = scripted;
    const log: string[] = [];
    for (let cpu = 1; cpu < 4; cpu++) {
      start(
        scripted,
        { pid: 10 + cpu, comm: `sleeper/${cpu}`, cpu },
        function* (): Sleeping<never> {
          for (;;) {
            log.push(`${kernel.current.comm} ${Math.round(kernel.cpu.now / 64000)}`);
            kernel.current.state = 'S';
            yield* scheduleTimeout(kernel, 1_000_000 * cpu);
          }
        },
      );
    }
    scripted.play(...manyCalls());
    expect(log.length).toBeGreaterThan(2);
    expectBalance(scripted);
  });

  it('passes a token between two threads on two CPUs without losing a wake-up', () => {
    const scripted = new ScriptedKernel({ cpus: 2, commandLine: 'CONFIG_HZ=1000' });
    const { kernel } = scripted;
    const head = waitQueueHead(kernel.rqs[0].idle.address);
    let turn = 0;
    let passes = 0;
    const player = (mine: number) =>
      function* (): Sleeping<never> {
        for (;;) {
          yield* waitEventInterruptible(kernel, head, () => turn === mine);
          passes++;
          turn = 1 - mine;
          wakeUp(kernel, head, 0);
        }
      };
    start(scripted, { pid: 20, comm: 'ping', cpu: 0 }, player(0));
    start(scripted, { pid: 21, comm: 'pong', cpu: 1 }, player(1));
    scripted.play(...manyCalls());
    expect(passes).toBeGreaterThan(10);
    expectBalance(scripted);
  });

  it('leaves a thread asleep until it is woken', () => {
    const scripted = new ScriptedKernel({ commandLine: 'CONFIG_HZ=1000' });
    const { kernel } = scripted;
    const tasks: Task[] = [];
    const thread = start(
      scripted,
      { pid: 30, comm: 'dozer', cpu: 0 },
      function* (): Sleeping<never> {
        tasks.push(kernel.current);
        for (;;) {
          kernel.current.state = 'S';
          yield* schedule(kernel);
        }
      },
    );
    scripted.play(...manyCalls());
    expect(wakeUpProcess(kernel, thread)).toBe(true);
    expect(tasks).toEqual([thread]);
  });
});
